/**
 * Which elements share a scale: granularity as block sizes, the grid of blocks, and the walk over a tensor in
 * segments, the longest runs of the last axis that lie in one block.
 */
import { BitloomError, type Granularity, internalError } from '@bitloom/ir';
import { rowsOf } from '../tensor.js';

/** Block sizes of a granularity for a tensor of `rank` axes, outermost first; 0 is the whole axis. */
export function blockOf(granularity: Granularity, rank: number): number[] {
  const whole = Array.from({ length: rank }, () => 0);
  switch (granularity.strategy) {
    case 'tensor':
      return whole;
    case 'token':
      return whole.map((_, axis) => (axis === rank - 1 ? 0 : 1));
    case 'axis': {
      const bad = granularity.axes.find((axis) => axis >= rank);
      if (bad !== undefined) throw rankError(`axis ${bad}`, rank);
      return whole.map((_, axis) => (granularity.axes.includes(axis) ? 1 : 0));
    }
    case 'group':
      if (rank === 0) throw rankError('a group along the last axis', rank);
      return whole.map((_, axis) => (axis === rank - 1 ? granularity.groupSize : 1));
    case 'block': {
      const { blockShape } = granularity;
      const skipped = rank - blockShape.length;
      if (skipped < 0) throw rankError(`a block of ${blockShape.length} axes`, rank);
      return whole.map((_, axis) => (axis < skipped ? 1 : blockShape[axis - skipped]));
    }
  }
}

/** The error of a scheme that needs more axes than a tensor has. */
export function rankError(what: string, rank: number): BitloomError {
  return new BitloomError({
    code: 'scheme-rank',
    message: 'the granularity of the scheme does not fit the rank of the tensor',
    where: what,
    expected: 'a tensor with more axes, or another granularity',
    got: `${rank} axes`,
  });
}

/** The blocks of one scale level over a tensor. */
export interface BlockGrid {
  /** Elements of a block along each axis, whole axes resolved, at least 1. */
  readonly block: readonly number[];
  /** Blocks along each axis. */
  readonly counts: readonly number[];
  /** Blocks in all; blocks are numbered row-major. */
  readonly cells: number;
  /** Length of the last axis. */
  readonly cols: number;
  /** Elements of a block along the last axis. */
  readonly runLength: number;
  /** Runs of a row: blocks along the last axis. */
  readonly runs: number;
  /** Number of the block that row `row` (of all rows of the last axis) enters first. */
  readonly firstCell: (row: number) => number;
}

/** The grid of blocks of sizes `block` (0: the whole axis) over `shape`. */
export function blockGrid(shape: readonly number[], block: readonly number[]): BlockGrid {
  const sizes = shape.map((dimension, axis) => Math.max(1, block[axis] === 0 ? dimension : block[axis]));
  // A whole axis is one block, also where it is empty.
  const counts = shape.map((dimension, axis) => (block[axis] === 0 ? 1 : Math.ceil(dimension / sizes[axis])));
  const { cols } = rowsOf(shape);
  const last = shape.length - 1;
  const runs = last < 0 ? 1 : counts[last];
  return {
    block: sizes,
    counts,
    cells: counts.reduce((product, count) => product * count, 1),
    cols,
    runLength: last < 0 ? 1 : sizes[last],
    runs,
    firstCell(row) {
      let rest = row;
      let cell = 0;
      let stride = runs;
      for (let axis = last - 1; axis >= 0; axis -= 1) {
        const index = rest % shape[axis];
        rest = (rest - index) / shape[axis];
        cell += Math.floor(index / sizes[axis]) * stride;
        stride *= counts[axis];
      }
      return cell;
    },
  };
}

/**
 * For each block of `inner` the block of `outer` it lies in.
 *
 * @throws BitloomError `scheme-nesting` when a block of `inner` would lie in several
 */
export function outerCells(shape: readonly number[], inner: BlockGrid, outer: BlockGrid): Uint32Array {
  shape.forEach((dimension, axis) => {
    const nested = outer.block[axis] >= dimension || outer.block[axis] % inner.block[axis] === 0;
    if (nested) return;
    throw new BitloomError({
      code: 'scheme-nesting',
      message: 'the blocks of a scale level do not divide those of the next',
      where: `axis ${axis}`,
      expected: `a multiple of ${inner.block[axis]}`,
      got: String(outer.block[axis]),
    });
  });
  const out = new Uint32Array(inner.cells);
  for (let cell = 0; cell < out.length; cell += 1) {
    let rest = cell;
    let stride = 1;
    let target = 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const index = rest % inner.counts[axis];
      rest = (rest - index) / inner.counts[axis];
      target += Math.floor((index * inner.block[axis]) / outer.block[axis]) * stride;
      stride *= outer.counts[axis];
    }
    if (rest !== 0) throw internalError('a block number past the grid');
    out[cell] = target;
  }
  return out;
}

/** Visits every segment: its block, and the range of its elements in the row-major tensor. Empty rows have none. */
export function forSegments(
  rows: number,
  grid: BlockGrid,
  visit: (cell: number, start: number, end: number) => void,
): void {
  const { cols, runs, runLength } = grid;
  if (cols === 0) return;
  for (let row = 0; row < rows; row += 1) {
    const first = grid.firstCell(row);
    const rowStart = row * cols;
    const rowEnd = rowStart + cols;
    for (let run = 0; run < runs; run += 1) {
      const start = rowStart + run * runLength;
      visit(first + run, start, Math.min(start + runLength, rowEnd));
    }
  }
}
