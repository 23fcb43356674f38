/**
 * Chains of DSPs, as data and as closed formulas: how many DSPs a mode of the matrix engine takes, how a cascade is
 * broken for weights that keep N of 16, and how many cycles that takes. After FlightLLM (arXiv 2401.03868); where the
 * paper is silent, the rule below is ours. It computes no products: `simulator/src/chain` runs a chain cycle by cycle
 * and shows that these formulas hold.
 *
 * One tile of 16 columns of a weight row meets 16 activations. Dense, the row takes the whole cascade. With N kept
 * values it takes a **segment** of N DSPs, whole groups of the chain, each DSP with a multiplexer that selects one of the
 * 16 activations by the index of its value; so a chain works on up to 16/N rows of a block at a time.
 *
 * A DSP48E2 makes two INT8 products that share a weight, and sums them in two fields of one accumulator, the lower of
 * 18 bits. The **overflow adjust unit** splits them into two integers and adds these to the accumulators. It may wait
 * until `skipUpTo` products are summed: over the DSPs of a segment, and for short segments over several tiles, by the
 * DSP's own feedback. There is one unit for `skipUpTo` DSPs, which takes one pair per cycle.
 */
import type { FloatBuild, MatrixEngine, MatrixMode } from './device.js';

export interface ChainDecl {
  /** DSPs on one cascade. */
  readonly dsps: number;
  /** DSPs of a group, whose cascade is fixed; between groups it can be broken by a reduction node. */
  readonly groupDsps: number;
  /** Activations that a multiplexer selects from; 16 for N:16, 4 for 2:4. */
  readonly window: number;
  /** Products that may be summed in a field of 18 bits before the adjust unit must split it. */
  readonly overflowAdjust: { readonly skipUpTo: number };
}

/** Units that multiply a finished integer sum of a group by its scale and add it to the float32 accumulator. */
export interface RescaleDecl {
  /** Sums per cycle; 0: as many as are finished, which the resource model counts as one for each output of a mode. */
  readonly units: number;
  readonly build: FloatBuild;
}

/** Columns of a tile: the M of N:M. */
export const CHAIN_TILE = 16;

/** A field of 18 bits holds -2^17..2^17-1. */
const FIELD_LIMIT = 2 ** 17;

/**
 * Products of two INT8 codes that a field of 18 bits sums exactly, whatever they are: 8 where one operand is never
 * -128, 7 otherwise, for 8 * (-128 * -128) is 2^17. A sum of negative products may reach -2^17.
 *
 * @param a smallest code of one operand, -128 or -127
 * @param b smallest code of the other
 */
export function exactSums(a: number, b: number): number {
  const most = Math.max(a * b, 127 * 127);
  const least = Math.min(a * 127, 127 * b);
  return Math.min(Math.floor((FIELD_LIMIT - 1) / most), Math.floor(FIELD_LIMIT / -least));
}

/** FlightLLM's chain of 16 DSP48E2 in groups of two. */
export const CHAIN_OF_16: ChainDecl = {
  dsps: 16,
  groupDsps: 2,
  window: 16,
  overflowAdjust: { skipUpTo: 8 },
};

export const RESCALE_EACH_OUTPUT: RescaleDecl = { units: 0, build: 'mixed' };

/** How a DSP's products lie in a matrix product: over rows that share a weight, or along the inner length. */
export interface DspPacking {
  /** Rows of activations that share a weight in one DSP: two INT8 products of a DSP48E2 in fields of 18 bits. */
  readonly rows: number;
  /** Products of one dot product in one DSP: three INT8 products of a DSP58, without fields. */
  readonly inner: number;
}

export function dspPacking(dsp: MatrixEngine['dsp']): DspPacking {
  return dsp.productsPerDsp > 2
    ? { rows: 1, inner: dsp.productsPerDsp }
    : { rows: dsp.productsPerDsp, inner: 1 };
}

/** DSPs of a mode that computes m x n x k products per cycle. */
export function modeDsps(mode: MatrixMode, dsp: MatrixEngine['dsp']): number {
  const { rows, inner } = dspPacking(dsp);
  return Math.ceil(mode.m / rows) * mode.n * Math.ceil(mode.k / inner);
}

/** DSPs of the engine: those of its larger mode, for both modes share them. */
export function engineDsps(matrix: MatrixEngine): number {
  return Math.max(modeDsps(matrix.mm, matrix.dsp), modeDsps(matrix.mv, matrix.dsp));
}

/** Rows of weights to work on at a time, and tiles of a row that segments may take together, at most. */
export interface ChainLimits {
  readonly outputs?: number;
  readonly joinedTiles?: number;
}

/** How a cascade is cut for tiles that keep `keep` of 16. */
export interface ChainSplit {
  /** Rows of weights that a cascade works on at a time. */
  readonly outputs: number;
  /** DSPs of the segment of a row; more than the kept values where groups are larger than those. */
  readonly segmentDsps: number;
  /** Cycles of a row and tile: more than 1 where a cascade is shorter than what is kept. */
  readonly tileCycles: number;
  /** Tiles whose products a segment sums before the adjust unit splits them; infinite where there are no fields. */
  readonly sumTiles: number;
  /** Cycles that the adjust unit takes for the segments it serves. */
  readonly drainCycles: number;
  /** Tiles of a row side by side, where the mode is longer than a tile. */
  readonly sideTiles: number;
  /** Tiles of a row that segments of one cascade work on together, where there are more segments than rows for them. */
  readonly joinedTiles: number;
}

/**
 * The cut of a mode's cascade for `keep` of 16 columns.
 *
 * @param keep kept values of each tile, 1 to 16
 * @param most rows to work on at most, and tiles of a row that segments beyond them may work on together
 */
export function chainSplit(
  matrix: MatrixEngine,
  mode: MatrixMode,
  keep: number,
  most: ChainLimits = {},
): ChainSplit {
  const { inner } = dspPacking(matrix.dsp);
  const { groupDsps, overflowAdjust } = matrix.chain;
  const sideTiles = Math.max(1, Math.floor(mode.k / CHAIN_TILE));
  const cascade = Math.min(matrix.chain.dsps, Math.floor(Math.ceil(mode.k / inner) / sideTiles));
  const need = Math.ceil(keep / inner);
  const segmentDsps = Math.ceil(need / groupDsps) * groupDsps;
  const segments = Math.min(Math.floor(cascade / segmentDsps), Math.floor(CHAIN_TILE / keep));
  const outputs = Math.max(1, Math.min(most.outputs ?? CHAIN_TILE, segments));
  const joinedTiles = Math.max(1, Math.min(most.joinedTiles ?? CHAIN_TILE, Math.floor(segments / outputs)));
  const hasFields = inner === 1;
  const { skipUpTo } = overflowAdjust;
  return {
    outputs,
    segmentDsps: Math.min(segmentDsps, cascade),
    tileCycles: segmentDsps > cascade ? Math.ceil(need / cascade) : 1,
    sumTiles: hasFields ? Math.max(1, Math.floor(skipUpTo / need)) : Number.POSITIVE_INFINITY,
    drainCycles: hasFields ? Math.min(outputs * joinedTiles, Math.ceil(skipUpTo / segmentDsps)) : 1,
    sideTiles,
    joinedTiles,
  };
}

/** Cycles in which the segments of a row sum `tiles` tiles of one group. */
export function runCycles(split: ChainSplit, tiles: number): number {
  if (tiles === 0) return 0;
  const { sumTiles, drainCycles, tileCycles, joinedTiles } = split;
  const own = Math.ceil(tiles / joinedTiles);
  if (!Number.isFinite(sumTiles)) return Math.max(own * tileCycles, drainCycles);
  const whole = Math.floor(own / sumTiles);
  const rest = own % sumTiles;
  const sum = (count: number): number => Math.max(count * tileCycles, drainCycles);
  return whole * sum(sumTiles) + (rest === 0 ? 0 : sum(rest));
}

/**
 * Cycles of one chain for a block of 16 rows whose tiles keep different numbers: for each group of columns, runs of
 * tiles of equal `keep`, each over the rows in turn; tiles that keep nothing are skipped. Where a mode is longer than a
 * tile, the tiles of a group are dealt to as many chains, and the slowest counts.
 *
 * @param keeps kept values of each tile of the block, 0 to 16
 * @param groupTiles tiles of a group of columns that share a scale
 */
export function chainBlockCycles(
  matrix: MatrixEngine,
  mode: MatrixMode,
  keeps: readonly number[],
  groupTiles: number,
  most: ChainLimits = {},
): number {
  const { sideTiles } = chainSplit(matrix, mode, CHAIN_TILE);
  let slowest = 0;
  for (let side = 0; side < Math.min(sideTiles, groupTiles); side += 1) {
    const own = keeps.filter((_, tile) => (tile % groupTiles) % sideTiles === side);
    slowest = Math.max(
      slowest,
      laneCycles(matrix, mode, own, Math.ceil((groupTiles - side) / sideTiles), most),
    );
  }
  return slowest;
}

function laneCycles(
  matrix: MatrixEngine,
  mode: MatrixMode,
  keeps: readonly number[],
  groupTiles: number,
  most: ChainLimits,
): number {
  let cycles = 0;
  for (let from = 0; from < keeps.length; ) {
    const keep = keeps[from];
    const groupEnd = Math.min(keeps.length, (Math.floor(from / groupTiles) + 1) * groupTiles);
    let to = from + 1;
    while (to < groupEnd && keeps[to] === keep) to += 1;
    if (keep > 0) {
      const split = chainSplit(matrix, mode, keep, most);
      cycles += Math.ceil(CHAIN_TILE / split.outputs) * runCycles(split, to - from);
    }
    from = to;
  }
  return cycles;
}
