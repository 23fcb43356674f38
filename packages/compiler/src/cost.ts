/**
 * The compiler's own analytic cost model: cycles of a weight tile as the larger of its load and its product,
 * double-buffered. It knows no simulator; the correlation of the two is measured in `benchmarks/`.
 */
import { type Device, type MatrixMode, rows16Bytes } from '@bitloom/ir';
import type { PackedMatrix } from './image.js';

/** How a weight matrix is cut: `rows` outputs by `parts` pieces of the inner length. */
export interface WeightTile {
  readonly rows: number;
  readonly kParts: readonly { readonly start: number; readonly length: number; readonly bytes: number }[];
}

/** Cycles of all tiles of a matrix for `m` rows of activations. */
export function tiledCycles(matrix: PackedMatrix, tile: WeightTile, m: number, mode: MatrixMode, bytesPerCycle: number, device: Device): number {
  let cycles = 0;
  const tiles = Math.ceil(matrix.rows / tile.rows);
  const lastRows = matrix.rows - (tiles - 1) * tile.rows;
  for (const [rows, count] of [[tile.rows, tiles - 1], [lastRows, 1]] as const) {
    for (const part of tile.kParts) {
      const load = (part.bytes * Math.ceil(rows / 16)) / bytesPerCycle;
      const compute = Math.ceil(m / mode.m) * Math.ceil(rows / mode.n) * Math.ceil(part.length / mode.k);
      const dispatch = 2 * (device.dispatcher.cyclesPerInstruction + 4 * device.dispatcher.cyclesPerOperation);
      cycles += count * Math.max(load, compute, dispatch);
    }
  }
  return cycles;
}

/** Cuts the inner length into the fewest equal parts of whole groups whose tile fits a slot. */
export function splitInner(matrix: PackedMatrix, rows: number, slotBytes: number): WeightTile | undefined {
  const blocks = Math.ceil(rows / 16);
  const groups = Math.ceil(matrix.cols / matrix.group);
  for (let parts = 1; parts <= groups; parts++) {
    const perPart = Math.ceil(groups / parts);
    const kParts: { start: number; length: number; bytes: number }[] = [];
    for (let g = 0; g < groups; g += perPart) {
      const start = g * matrix.group;
      const length = Math.min(matrix.cols - start, perPart * matrix.group);
      kParts.push({ start, length, bytes: rows16Bytes(matrix.bits, matrix.group, length, 16) });
    }
    if (Math.max(...kParts.map((part) => part.bytes)) * blocks <= slotBytes) return { rows, kParts };
  }
  return undefined;
}

/** The cheapest tile that fits a slot, or undefined when even 16 rows of one group do not. */
export function chooseWeightTile(matrix: PackedMatrix, m: number, slotBytes: number, bytesPerCycle: number, device: Device): WeightTile | undefined {
  const mode = m === 1 ? device.matrix.mv : device.matrix.mm;
  const padded = Math.ceil(matrix.rows / 16) * 16;
  const candidates = new Set<number>([padded]);
  for (let rows = 16; rows < padded; rows += rows < 256 ? 16 : 64) candidates.add(rows);
  for (let tiles = mode.n; tiles < padded; tiles += mode.n) candidates.add(Math.ceil(tiles / 16) * 16);
  let best: { tile: WeightTile; cycles: number } | undefined;
  for (const rows of [...candidates].sort((a, b) => b - a)) {
    const tile = splitInner(matrix, rows, slotBytes);
    if (tile === undefined) continue;
    const cycles = tiledCycles(matrix, tile, m, mode, bytesPerCycle, device);
    if (best === undefined || cycles < best.cycles * 0.999) best = { tile, cycles };
  }
  return best?.tile;
}
