/**
 * The compiler's own analytic cost model: cycles of a weight tile as the larger of its load and its product,
 * double-buffered. It knows no simulator; the correlation of the two is measured in `benchmarks/`.
 */
import {
  type Device,
  dramRefreshCloses,
  findBuffer,
  findMemory,
  type MatrixMode,
  matrixProductCycles,
  memoryDram,
  weightTileBytes,
} from '@bitloom/ir';
import { weightSlots } from './weight-ring.js';

/** Columns of a matrix that have a width of their own: whole groups, of the last band up to the last column. */
export interface MatrixBand {
  readonly cols: number;
  /** Container width of the codes. */
  readonly bits: number;
  /** Kept values of each 16 columns; 0: dense. */
  readonly keep: number;
}

/** What the model needs to know of a packed matrix. */
export interface MatrixShape {
  readonly rows: number;
  readonly cols: number;
  /** Container width of the codes. */
  readonly bits: number;
  readonly group: number;
  /** Kept values of each 16 columns; 0: dense. */
  readonly keep: number;
  /** Bands of other widths, from the first column on: then they say `bits` and `keep`, and the matrix those of the first. */
  readonly bands?: readonly MatrixBand[];
}

/** The bands of a matrix; one of all columns where it has no others. */
export function bandsOf({ bands, cols, bits, keep }: MatrixShape): readonly MatrixBand[] {
  return bands ?? [{ cols, bits, keep }];
}

/**
 * A piece of the inner length of a tile: columns [start, start + length) of one band, its width, and the bytes of one of
 * its blocks of 16 rows.
 */
export interface InnerPart {
  readonly start: number;
  readonly length: number;
  readonly bits: number;
  readonly keep: number;
  readonly bytes: number;
}

/** How a weight matrix is cut: `rows` outputs by pieces of the inner length. */
export interface WeightTile {
  readonly rows: number;
  readonly kParts: readonly InnerPart[];
}

/** Cycles of all tiles of a matrix for `m` rows of activations. */
export function tiledCycles(
  matrix: MatrixShape,
  tile: WeightTile,
  m: number,
  mode: MatrixMode,
  bytesPerCycle: number,
  device: Device,
): number {
  let cycles = 0;
  const tiles = Math.ceil(matrix.rows / tile.rows);
  const lastRows = matrix.rows - (tiles - 1) * tile.rows;
  const { timeDivisor } = device.calibration;
  const { group } = matrix;
  const slots = weightSlots(device);
  const rates = ratesOf(device, bytesPerCycle);
  const dispatch = dispatchCycles(tile.kParts.length, m, slots, device);
  for (const [rows, count] of [
    [tile.rows, tiles - 1],
    [lastRows, 1],
  ] as const) {
    for (const [use, part] of tile.kParts.entries()) {
      const load = Math.ceil((part.bytes * Math.ceil(rows / 16)) / rates.bytesPerCycle);
      const rescales = m * rows * Math.ceil(part.length / group);
      const product = { m, n: rows, k: part.length, group, keep: part.keep, rescales };
      const compute = Math.ceil(matrixProductCycles(product, mode, device.matrix) / timeDivisor);
      // Sums of a part are written, those of the parts before it are read first, through one port with the activations.
      const values = (m * (part.length + 4 * rows * (use === 0 ? 1 : 2))) / rates.dataBytesPerCycle;
      // A slot is free again once its product is complete. Cores that wait for that leave the memory to the others.
      const turn = rates.latency + load / device.cores + compute + mode.startupCycles;
      cycles += count * Math.max(load, compute, values, dispatch, turn / slots);
    }
  }
  return cycles;
}

interface Rates {
  /** Bytes of tiles per cycle on a stream, refresh included. */
  readonly bytesPerCycle: number;
  /** Cycles until the first byte of a load. */
  readonly latency: number;
  /** Bytes of activations and sums per cycle. */
  readonly dataBytesPerCycle: number;
}

function ratesOf(device: Device, bytesPerCycle: number): Rates {
  const portOf = (space: string): number =>
    findBuffer(device, space)?.bytesPerCyclePerPort ?? Number.POSITIVE_INFINITY;
  const memory = findMemory(device, 'hbm');
  const [port, dataBytesPerCycle] = [portOf('weights'), portOf('data')];
  if (memory === undefined)
    return { bytesPerCycle: Math.min(bytesPerCycle, port), latency: 0, dataBytesPerCycle };
  const dram = memoryDram(memory);
  const { clocks } = dram;
  const refresh = dram.refresh === 'none' ? 0 : (clocks.nRFC + dramRefreshCloses(clocks)) / clocks.nREFI;
  const nanoseconds = memory.controllerNs + (clocks.nRCDRD + clocks.nCL) * dram.clockNs;
  return {
    bytesPerCycle: Math.min(bytesPerCycle * (1 - refresh), port),
    latency: nanoseconds * 1e-9 * device.clockHz,
    dataBytesPerCycle,
  };
}

/**
 * Cycles that a dispatcher takes for the load and the product of a tile, and its part of the loop over rows of tiles:
 * addresses always move with the rows, slots only where the parts of a turn are no whole turns of the ring, lengths only
 * in prefill.
 */
function dispatchCycles(parts: number, m: number, slots: number, device: Device): number {
  const { cyclesPerInstruction, cyclesPerOperation, cyclesPerIteration } = device.dispatcher;
  const slotOperations = parts % slots === 0 ? 0 : 8 - 4 / parts;
  const operations = 4 + (device.cores > 1 ? 2 : 0) + (m > 1 ? 3 : 0) + slotOperations;
  return (
    2 * cyclesPerInstruction +
    operations * cyclesPerOperation +
    (cyclesPerInstruction + cyclesPerIteration) / parts
  );
}

/** Cuts the inner length, band by band, into the fewest equal parts of whole groups whose tile fits a slot. */
export function splitInner(matrix: MatrixShape, rows: number, slotBytes: number): WeightTile | undefined {
  const kParts: InnerPart[] = [];
  let start = 0;
  for (const band of bandsOf(matrix)) {
    const parts = splitBand(band, matrix.group, start, rows, slotBytes);
    if (parts === undefined) return undefined;
    kParts.push(...parts);
    start += band.cols;
  }
  return { rows, kParts };
}

function splitBand(
  { cols, bits, keep }: MatrixBand,
  group: number,
  first: number,
  rows: number,
  slotBytes: number,
): readonly InnerPart[] | undefined {
  const blocks = Math.ceil(rows / 16);
  const groups = Math.ceil(cols / group);
  for (let count = 1; count <= groups; count++) {
    const perPart = Math.ceil(groups / count);
    const parts: InnerPart[] = [];
    for (let g = 0; g < groups; g += perPart) {
      const length = Math.min(cols - g * group, perPart * group);
      const two = weightTileBytes(bits, group, keep, length, 32);
      const bytes = two - weightTileBytes(bits, group, keep, length, 16);
      parts.push({ start: first + g * group, length, bits, keep, bytes });
    }
    const fits = parts.every(
      ({ length }) => weightTileBytes(bits, group, keep, length, blocks * 16) <= slotBytes,
    );
    if (fits) return parts;
  }
  return undefined;
}

/** A search over the cuts of a matrix: see {@link chooseWeightTile}, which is the compiler's own. */
export type ChooseTile = (
  matrix: MatrixShape,
  slotBytes: number,
  bytesPerCycle: number,
  device: Device,
) => WeightTile | undefined;

/** Tokens that share a weight tile in prefill, as the weight of prefill against decode in the choice of a tile. */
const PREFILL_TOKENS = 64;

/**
 * The tile that is cheapest per token over decode (one row) and prefill (many rows), or undefined when even 16
 * rows of one group do not fit a slot. One choice serves both, because the tiles lie in memory one by one.
 */
export function chooseWeightTile(
  matrix: MatrixShape,
  slotBytes: number,
  bytesPerCycle: number,
  device: Device,
): WeightTile | undefined {
  const padded = Math.ceil(matrix.rows / 16) * 16;
  const candidates = new Set<number>([padded]);
  for (let rows = 16; rows < padded && rows <= 256; rows += 16) candidates.add(rows);
  // Sparse tiles let a chain work on several rows at a time.
  const outputs = new Set(bandsOf(matrix).map(({ keep }) => (keep === 0 ? 1 : Math.floor(16 / keep))));
  for (const step of [...outputs].flatMap((n) => [device.matrix.mv.n * n, device.matrix.mm.n * n])) {
    for (let rows = step; rows < padded; rows += step) candidates.add(Math.ceil(rows / 16) * 16);
  }
  const { mv, mm } = device.matrix;
  const tiles = [...candidates].flatMap((rows) => splitInner(matrix, rows, slotBytes) ?? []);
  // Inner parts are unrolled in the stream: prefer few of them, and many rows, unless it costs half a percent.
  tiles.sort((a, b) => a.kParts.length - b.kParts.length || b.rows - a.rows);
  let best: { tile: WeightTile; cycles: number } | undefined;
  for (const tile of tiles) {
    const cycles =
      tiledCycles(matrix, tile, 1, mv, bytesPerCycle, device) +
      tiledCycles(matrix, tile, PREFILL_TOKENS, mm, bytesPerCycle, device) / PREFILL_TOKENS;
    if (best === undefined || cycles < best.cycles * 0.995) best = { tile, cycles };
  }
  return best?.tile;
}
