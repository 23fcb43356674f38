/**
 * A whole tile of weights through the chain model, as the engine does it: the verification of kernels and timing by the
 * machine. It reads the packed bytes that MM and MV read (rows16, sparse16), runs every block of 16 rows against every
 * set of rows of activations on a chain, and returns the integers of each group and the cycles of the engine. It is
 * slow; a run that computes calls the kernels, whose result is the same integers.
 */
import { SPARSE16_TILE, unpackCanonical, unpackRows16, unpackSparse16 } from '@bitloom/formats';
import {
  CHAIN_TILE,
  chainPasses,
  chainSplit,
  dspPacking,
  internalError,
  type MatrixEngine,
  type MatrixMode,
} from '@bitloom/ir';
import { type ChainBlock, chainBlock } from './chain-block.js';
import { ChainSimulator } from './chain-simulator.js';

/** A tile of weights as it lies in the weights buffer, and the activations it meets. */
export interface PackedTile {
  readonly layout: 'rows16' | 'sparse16';
  readonly bytes: Uint8Array;
  /** Rows are the outputs, columns the inner length. */
  readonly rows: number;
  readonly cols: number;
  /** Bits of the codes, whose container the layout chooses. */
  readonly bits: number;
  readonly groupSize: number;
  /** int8 codes [m, cols]. */
  readonly activations: Int8Array;
}

export interface TileResult {
  /** int32 sums [m, rows, groups]. */
  readonly sums: Int32Array;
  /** fp16 scales [rows, groups] of the tile, as bits. */
  readonly scales: Uint16Array;
  /** Cycles of the engine for this tile, start-up excluded; of the tiles' own keeps where they differ. */
  readonly cycles: number;
}

/**
 * Runs a tile.
 *
 * @throws BitloomError `chain-dsp`; what the layouts throw for bad bytes.
 */
export function runTile(tile: PackedTile, mode: MatrixMode, matrix: MatrixEngine): TileResult {
  const { rows, cols, groupSize, activations } = tile;
  const { codes, scales } = unpackCanonical(
    tile.layout === 'rows16' ? unpackRows16(tile.bytes, tile) : unpackSparse16(tile.bytes, tile),
  );
  const m = activations.length / cols;
  const groups = Math.ceil(cols / groupSize);
  const blocks = Math.ceil(rows / CHAIN_TILE);
  const packing = dspPacking(matrix.dsp);
  const groupTiles = Math.ceil(Math.min(groupSize, cols) / CHAIN_TILE);
  const passes = passesOf(tile, mode, matrix);
  const sums = new Int32Array(m * rows * groups);
  // Cycles that the chains of the engine are fed, each for one set of rows, and its activations.
  let cycles = 0;
  for (const [index, pass] of passes.entries()) {
    const chain = new ChainSimulator(matrix, mode, pass);
    // Rows are dealt to passes for time only: every pass runs them all, and must give the same integers.
    const own = new Int32Array(sums.length);
    let chainCycles = 0;
    for (let block = 0; block < blocks; block += 1) {
      const fed = chainBlock(codes, tile, block * CHAIN_TILE, keepsOf(tile, block));
      const lanes = sideBySide(fed, groupTiles, chainSplit(matrix, mode, CHAIN_TILE).sideTiles);
      for (let row = 0; row < m; row += packing.rows) {
        const inputs = Array.from({ length: Math.min(packing.rows, m - row) }, (_, r) =>
          padded(activations.subarray((row + r) * cols, (row + r + 1) * cols), fed.length * CHAIN_TILE),
        );
        const results = lanes.map((lane) =>
          chain.run(
            lane.tiles.map((at) => fed[at]),
            inputs.map((input) => gathered(input, lane.tiles)),
            lane.groupTiles,
          ),
        );
        if (row === 0) chainCycles += Math.max(...results.map((result) => result.issueCycles));
        for (const result of results) {
          for (const [r, part] of result.sums.entries()) {
            // A chain without a tile of the last group has no sums of it.
            for (let g = 0; g < part.length / CHAIN_TILE; g += 1) {
              for (let n = 0; n < Math.min(CHAIN_TILE, rows - block * CHAIN_TILE); n += 1)
                own[((row + r) * rows + block * CHAIN_TILE + n) * groups + g] += part[g * CHAIN_TILE + n];
            }
          }
        }
      }
    }
    if (index === 0) sums.set(own);
    else if (own.some((sum, i) => sum !== sums[i]))
      throw internalError('passes of a chain differ in their sums');
    cycles += engineCycles(tile, chainCycles, mode, pass);
  }
  return { sums, scales, cycles: Math.ceil(m / mode.m) * cycles };
}

/** Rows that a chain works on at a time, and in how many passes; no count where keeps differ. */
interface TilePass {
  readonly outputs: number;
  readonly joinedTiles: number;
  readonly count: number | undefined;
}

/**
 * Cycles of the engine for one set of activations. Rows of equal keeps stand on the chains in passes; where keeps
 * differ, sets of rows are dealt to the chains as they come free.
 *
 * @param chainCycles cycles of one chain that would work on all blocks
 */
function engineCycles(tile: PackedTile, chainCycles: number, mode: MatrixMode, pass: TilePass): number {
  if (pass.count === undefined) return Math.ceil(chainCycles / mode.n);
  const setsOfBlock = Math.ceil(CHAIN_TILE / pass.outputs);
  return (pass.count * chainCycles) / Math.ceil(tile.rows / CHAIN_TILE) / setsOfBlock;
}

/** Passes as the timing chooses them. */
function passesOf(tile: PackedTile, mode: MatrixMode, matrix: MatrixEngine): readonly TilePass[] {
  const keeps = new Set<number>();
  for (let block = 0; block < Math.ceil(tile.rows / CHAIN_TILE); block += 1)
    for (const keep of Array.from(keepsOf(tile, block))) keeps.add(keep);
  const [keep] = keeps;
  if (keeps.size !== 1 || keep === 0) return [{ outputs: CHAIN_TILE, joinedTiles: 1, count: undefined }];
  const { rows: n, cols: k, groupSize: group } = tile;
  return chainPasses({ m: 1, n, k, group, keep, rescales: 0 }, mode, matrix);
}

function keepsOf(tile: PackedTile, block: number): ArrayLike<number> {
  const tiles = Math.ceil(tile.cols / SPARSE16_TILE);
  if (tile.layout === 'rows16') return new Uint8Array(tiles).fill(CHAIN_TILE);
  const { bytes } = tile;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = block * 4 + view.getUint32(block * 4, true);
  return bytes.subarray(start, start + tiles);
}

/** Tiles of a group dealt to chains that work on one row side by side; the sums of the chains are added. */
function sideBySide(
  block: ChainBlock,
  groupTiles: number,
  sides: number,
): { readonly tiles: readonly number[]; readonly groupTiles: number }[] {
  return Array.from({ length: Math.min(sides, groupTiles) }, (_, side) => ({
    groupTiles: Math.ceil((groupTiles - side) / sides),
    tiles: Array.from({ length: block.length }, (_, tile) => tile).filter(
      (tile) => (tile % groupTiles) % sides === side,
    ),
  }));
}

function padded(row: Int8Array, length: number): Int8Array {
  const out = new Int8Array(length);
  out.set(row);
  return out;
}

function gathered(input: Int8Array, tiles: readonly number[]): Int8Array {
  const out = new Int8Array(tiles.length * CHAIN_TILE);
  for (const [index, tile] of tiles.entries())
    out.set(input.subarray(tile * CHAIN_TILE, (tile + 1) * CHAIN_TILE), index * CHAIN_TILE);
  return out;
}
