/**
 * MM and MV: blocks of m x n x k products, one per cycle of the mode; weights that keep N of 16 columns let a chain
 * work on up to 16/N rows at a time. The formulas of a chain are in `device/chain.ts`, and the cycle-by-cycle model of
 * the simulator shows that they hold.
 */

import { CHAIN_TILE, type ChainLimits, chainBlockCycles, chainSplit, runCycles } from '../../device/chain.js';
import type { Device, MatrixEngine, MatrixMode } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';

/** A product of the matrix engine. */
export interface MatrixProduct {
  /** Rows of activations, outputs per row, inner length. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Inner elements that share a scale; the inner length where there is one scale. */
  readonly group: number;
  /** Kept values of each 16 columns; 0: dense. */
  readonly keep: number;
  /** Sums that are multiplied by a scale; none while int32 accumulators are kept. */
  readonly rescales: number;
}

/**
 * Cycles of one product in a mode, start-up excluded: what the chains take, or what the units take that multiply
 * finished sums by their scales, whichever is longer. Ragged edges take a whole step of the mode.
 */
export function matrixProductCycles(product: MatrixProduct, mode: MatrixMode, matrix: MatrixEngine): number {
  const { m, n, k, keep } = product;
  const rows = Math.ceil(m / mode.m);
  if (keep === 0 || keep === CHAIN_TILE) {
    const steps = perGroup(k, product.group, (columns) => Math.ceil(columns / mode.k));
    const chains = rows * Math.ceil(n / mode.n) * steps;
    return Math.max(chains, rescaleCycles(product.rescales, matrix));
  }
  const passes = chainPasses(product, mode, matrix);
  const chains = rows * passes.reduce((sum, pass) => sum + pass.count * pass.cycles, 0);
  return Math.max(chains, rescaleCycles(product.rescales, matrix));
}

/** Equal passes of the chains over a product with sparse weights. */
export interface ChainPass {
  /** Rows of weights that each chain works on at a time. */
  readonly outputs: number;
  /** Tiles of a row that segments of a chain work on together. */
  readonly joinedTiles: number;
  readonly count: number;
  /** Cycles of one pass and one set of rows of activations. */
  readonly cycles: number;
}

/**
 * How the rows of sparse weights stand on the chains: pass after pass with as many rows per chain as are fastest, and a
 * last one with as few as are left, whose segments then share a row.
 */
export function chainPasses(
  product: MatrixProduct,
  mode: MatrixMode,
  matrix: MatrixEngine,
): readonly ChainPass[] {
  const { n, keep } = product;
  const most = chainSplit(matrix, mode, keep === 0 ? CHAIN_TILE : keep).outputs;
  const choices: Omit<ChainPass, 'count'>[] = [];
  for (let outputs = most; outputs >= 1; outputs >>= 1) {
    for (let joinedTiles = 1; joinedTiles * outputs <= most; joinedTiles *= 2)
      choices.push({
        outputs,
        joinedTiles,
        cycles: passCycles(product, mode, matrix, { outputs, joinedTiles }),
      });
  }
  const [first] = choices;
  const fastest = choices.reduce((a, b) => (b.cycles / b.outputs < a.cycles / a.outputs ? b : a), first);
  const whole = Math.floor(n / (mode.n * fastest.outputs));
  const rest = n - whole * mode.n * fastest.outputs;
  const passes = whole === 0 ? [] : [{ ...fastest, count: whole }];
  if (rest === 0) return passes;
  const last = choices
    .map((choice) => ({ ...choice, count: Math.ceil(rest / (mode.n * choice.outputs)) }))
    .reduce((a, b) => (b.count * b.cycles < a.count * a.cycles ? b : a));
  return [...passes, last];
}

/** Cycles of one pass. */
function passCycles(
  { k, group, keep }: MatrixProduct,
  mode: MatrixMode,
  matrix: MatrixEngine,
  most: ChainLimits,
): number {
  const split = chainSplit(matrix, mode, keep === 0 ? CHAIN_TILE : keep, most);
  return perGroup(k, group, (columns) =>
    runCycles(split, Math.ceil(Math.ceil(columns / CHAIN_TILE) / split.sideTiles)),
  );
}

/** A product with weights whose tiles of 16 x 16 keep different numbers of values. */
export interface MixedProduct {
  /** Rows of activations. */
  readonly m: number;
  /** Kept values of each tile: [blocks of 16 rows, tiles of 16 columns]. */
  readonly keeps: readonly (readonly number[])[];
  /** Tiles of a group of columns that share a scale. */
  readonly groupTiles: number;
}

/**
 * Definition that tests hold the simulator's chain against; no instruction carries mixed tiles, so no timing calls it.
 * Cycles of a product with mixed tiles, start-up and rescaling excluded: sets of rows of the blocks are dealt to the
 * chains as they come free, so that the engine takes the sum of what they take on one chain, shared by its chains.
 */
export function mixedProductCycles(product: MixedProduct, mode: MatrixMode, matrix: MatrixEngine): number {
  const { m, keeps, groupTiles } = product;
  const onOneChain = keeps.reduce((sum, block) => sum + chainBlockCycles(matrix, mode, block, groupTiles), 0);
  return Math.ceil(m / mode.m) * Math.ceil(onOneChain / mode.n);
}

/** Steps over `k` columns, group after group: the sums of a group are finished before the next begins. */
function perGroup(k: number, group: number, steps: (columns: number) => number): number {
  const length = Math.max(1, Math.min(group, k));
  return Math.floor(k / length) * steps(length) + steps(k % length);
}

function rescaleCycles(rescales: number, { rescale }: MatrixEngine): number {
  return rescale.units === 0 ? 0 : Math.ceil(rescales / rescale.units);
}

/** Parts of a score matrix that block-sparse attention computes. */
export interface SampledProduct {
  /** Query rows, key rows and their width. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Rows and columns of a tile; 64 in FlightLLM. */
  readonly tile: number;
  /** For each row of tiles, the columns of tiles that are computed, in increasing order. */
  readonly tiles: readonly (readonly number[])[];
}

/**
 * Definition that tests hold the emitted code against: block-sparse attention is made of plain MMs, which are to take
 * these cycles together. Cycles of a sampled product (SDDMM), start-up excluded: the computed tiles of a row of tiles stand side by side as
 * outputs of the chains, because they share their activations; tiles that are not computed cost nothing.
 */
export function sampledProductCycles(
  product: SampledProduct,
  mode: MatrixMode,
  matrix: MatrixEngine,
): number {
  const { m, n, k, tile } = product;
  let cycles = 0;
  for (const [row, columns] of product.tiles.entries()) {
    const height = Math.min(tile, m - row * tile);
    const width = columns.reduce((sum, column) => sum + Math.max(0, Math.min(tile, n - column * tile)), 0);
    if (height <= 0 || width === 0) continue;
    const dense = { m: height, n: width, k, group: k, keep: 0, rescales: height * width };
    cycles += matrixProductCycles(dense, mode, matrix);
  }
  return cycles;
}

function matrixTiming(fields: ResolvedFields, mode: MatrixMode, device: Device): InstructionTiming {
  const batch = fields.number('batch');
  const cycles = batch * matrixProductCycles(productOf(fields), mode, device.matrix);
  const streaming = Math.max(1, Math.ceil(cycles / device.calibration.timeDivisor));
  return { initiationInterval: streaming, latency: streaming + mode.startupCycles };
}

/** Mode `weights` is the first of MATRIX_MODES, `values` the last. */
const MODE_WEIGHTS = 0;
const MODE_VALUES = 2;

function productOf(fields: ResolvedFields): MatrixProduct {
  const { m, n, k } = matrixShape(fields);
  const mode = fields.number('mode');
  if (mode === MODE_WEIGHTS) {
    const group = Math.max(1, fields.number('group'));
    return { m, n, k, group, keep: fields.number('keep'), rescales: m * n * Math.ceil(k / group) };
  }
  const isKept = mode === MODE_VALUES && fields.number('finish') === 0;
  return { m, n, k, group: k, keep: 0, rescales: isKept ? 0 : m * n };
}

/** Rows, outputs and inner length of a matrix instruction. */
export function matrixShape(fields: ResolvedFields): { m: number; n: number; k: number } {
  return { m: fields.number('m'), n: fields.number('n'), k: fields.number('k') };
}

/** Matrix x matrix: one block of m x n x k products per cycle. */
export function mmTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  return matrixTiming(fields, device.matrix.mm, device);
}

/** Matrix x vector: its own parallelism. */
export function mvTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  return matrixTiming(fields, device.matrix.mv, device);
}

/** Products that are computed: where weights keep N of 16 columns, those of the kept values. */
export function matrixWork(fields: ResolvedFields): InstructionWork {
  const { m, n, k } = matrixShape(fields);
  const keep = fields.number('mode') === MODE_WEIGHTS ? fields.number('keep') : 0;
  const inner = keep === 0 ? k : Math.ceil(k / CHAIN_TILE) * keep;
  return { macs: fields.number('batch') * m * n * inner, vectorElements: 0 };
}
