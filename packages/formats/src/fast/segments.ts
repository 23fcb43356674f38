/**
 * A tensor as rows of segments: the pieces of the last axis that lie in one block of its scales. The SIMD functions
 * see segments; scales belong to blocks, which may span many.
 */
import type { BlockGrid } from '../schemes/block-grid.js';
import { rowsOf } from '../tensor.js';
import type { BlockShape } from './blocks.js';

/** Segments of a row that is one block are no longer than this. */
const LONGEST = 4096;

/** Rows of the last axis, cut where the blocks of `grid` end. */
export function segmentsOf(shape: readonly number[], grid: BlockGrid): BlockShape {
  const group = grid.runs === 1 ? Math.min(LONGEST, grid.runLength) : grid.runLength;
  return { ...rowsOf(shape), group };
}

/** Runs `visit` for each row: the number of its first segment, and the block of each of its segments in `cells`. */
function forRows(
  { rows, cols, group }: BlockShape,
  grid: BlockGrid,
  visit: (first: number, cells: Uint32Array) => void,
): void {
  const count = Math.ceil(cols / group);
  const cells = new Uint32Array(count);
  for (let row = 0; row < rows; row += 1) {
    const first = grid.firstCell(row);
    for (let i = 0; i < count; i += 1) cells[i] = first + Math.floor((i * group) / grid.runLength);
    visit(row * count, cells);
  }
}

/** Whether every segment is a block; they are then numbered alike. */
function isOneToOne({ rows, cols, group }: BlockShape, grid: BlockGrid): boolean {
  return rows * Math.ceil(cols / group) === grid.cells;
}

/** The largest of the values of its segments, for every block of `grid`; blocks hold whole segments. */
export function largestByBlock(segments: BlockShape, grid: BlockGrid, largest: Float32Array): Float32Array {
  if (isOneToOne(segments, grid)) return largest;
  const out = new Float32Array(grid.cells);
  // However many empty rows there are.
  if (largest.length === 0) return out;
  forRows(segments, grid, (first, cells) => {
    for (let i = 0; i < cells.length; i += 1) {
      if (largest[first + i] > out[cells[i]]) out[cells[i]] = largest[first + i];
    }
  });
  return out;
}

/** The value of its block for every segment. */
export function spreadToSegments(segments: BlockShape, grid: BlockGrid, values: Float32Array): Float32Array {
  if (isOneToOne(segments, grid)) return values;
  const out = new Float32Array(segments.rows * Math.ceil(segments.cols / segments.group));
  if (out.length === 0) return out;
  forRows(segments, grid, (first, cells) => {
    for (let i = 0; i < cells.length; i += 1) out[first + i] = values[cells[i]];
  });
  return out;
}
