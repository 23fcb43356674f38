/**
 * Which elements of a matrix an N:M sparsity keeps: the smallest allowed keep of each block, the density of a tensor,
 * and the plain choice of the largest magnitudes. Choices that look at activations or correct what remains belong to
 * compression.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import {
  magnitudeBitsOf,
  type NmGrid,
  type NmSparsity,
  nmGrid,
  rawWords,
  resolveKeeps,
  type SparseShape,
  type SparseValues,
} from './nm-layout.js';

/** How to tell what counts as zero. */
export interface ZeroOptions {
  /**
   * Bits of a code that make it non-zero; by default all, and all but the sign for Float32Array. Give 0x7f for fp8,
   * 0x7fff for fp16 and bf16, 7 for fp4 so that negative zero counts as zero, as pruning by a product leaves it.
   */
  readonly magnitudeBits?: number;
}

/**
 * The smallest allowed keep of each block: [blocks down, blocks across].
 *
 * @param values codes or a 0/1 mask [rows, cols].
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-pattern` when a group has more non-zero elements
 * than any allowed keep.
 */
export function patternOf(
  values: SparseValues,
  shape: Omit<SparseShape, 'bits'>,
  sparsity: NmSparsity,
  options: ZeroOptions = {},
): Uint16Array<ArrayBuffer> {
  const grid = nmGrid({ ...shape, bits: 1 }, sparsity);
  checkLength('values', values.length, grid.rows * grid.cols);
  const words = rawWords(values);
  const magnitude = magnitudeBitsOf(values, options.magnitudeBits);
  // By count of non-zero elements, the keep that holds them; 0xffff where none does.
  const smallest = new Uint16Array(grid.m + 1).fill(0xffff);
  for (const keep of grid.keep) {
    for (let count = 0; count <= keep; count += 1) smallest[count] = Math.min(smallest[count], keep);
  }
  const keeps = new Uint16Array(grid.gridRows * grid.gridCols);
  keeps.fill(smallest[0]);
  forEachGroup(grid, (row, col, width, block) => {
    const start = row * grid.cols + col;
    let count = 0;
    for (let i = start; i < start + width; i += 1) if ((words[i] & magnitude) !== 0) count += 1;
    const keep = smallest[count];
    if (keep === 0xffff) throw tooMany(grid, block, row, col, Math.max(...grid.keep), count);
    if (keep > keeps[block]) keeps[block] = keep;
  });
  return keeps;
}

/** Fraction of the elements that are not zero; 0 for an empty tensor. Negative zero is zero, NaN is not. */
export function densityOf(values: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < values.length; i += 1) if (values[i] !== 0) count += 1;
  return values.length === 0 ? 0 : count / values.length;
}

/**
 * Mask [rows, cols] (1 is kept) of the largest magnitudes of each group: `keep` of them, or all of a group at the
 * right edge that is shorter. Of equal magnitudes the lower column is kept. NaN counts as larger than every number,
 * so that pruning cannot hide it.
 *
 * @param values numbers, not codes of floats: magnitudes are compared.
 * @param keeps kept values of each block [blocks down, blocks across]; or one number for all.
 * @throws BitloomError `format-length`, `sparsity-shape`.
 */
export function magnitudeMask(
  values: ArrayLike<number>,
  shape: Omit<SparseShape, 'bits'>,
  sparsity: NmSparsity,
  keeps: ArrayLike<number> | number,
): Uint8Array<ArrayBuffer> {
  const grid = nmGrid({ ...shape, bits: 1 }, sparsity);
  checkLength('values', values.length, grid.rows * grid.cols);
  const perBlock = resolveKeeps(grid, keeps);
  const mask = new Uint8Array(values.length);
  // The best of a group so far, best first, and their columns.
  const best = new Float64Array(grid.m);
  const place = new Uint8Array(grid.m);
  forEachGroup(grid, (row, col, width, block) => {
    const keep = perBlock[block];
    const start = row * grid.cols + col;
    if (keep >= width) {
      mask.fill(1, start, start + width);
      return;
    }
    if (keep === 0) return;
    for (let i = 0, count = 0; i < width; i += 1) {
      const magnitude = Math.abs(values[start + i]);
      let at = count;
      while (at > 0 && isLarger(magnitude, best[at - 1])) at -= 1;
      if (at === keep) continue;
      if (count < keep) count += 1;
      for (let j = count - 1; j > at; j -= 1) {
        best[j] = best[j - 1];
        place[j] = place[j - 1];
      }
      best[at] = magnitude;
      place[at] = i;
    }
    for (let j = 0; j < keep; j += 1) mask[start + place[j]] = 1;
  });
  return mask;
}

/** Whether `a` is kept before an earlier `b`: it is larger, or NaN where `b` is a number. */
function isLarger(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}

/** Calls `visit` for each group of columns of each row, rows outermost, with the number of its block. */
export function forEachGroup(
  grid: NmGrid,
  visit: (row: number, col: number, width: number, block: number) => void,
): void {
  if (grid.cols === 0) return;
  for (let row = 0; row < grid.rows; row += 1) {
    const strip = Math.floor(row / grid.blockHeight) * grid.gridCols;
    for (let col = 0; col < grid.cols; col += grid.m) {
      visit(row, col, Math.min(grid.m, grid.cols - col), strip + Math.floor(col / grid.blockWidth));
    }
  }
}

/** The error of a group with more elements than its block may keep. */
export function tooMany(
  grid: NmGrid,
  block: number,
  row: number,
  col: number,
  keep: number,
  count: number,
): BitloomError {
  return new BitloomError({
    code: 'sparsity-pattern',
    message: 'a group has more elements to keep than its block allows',
    where: `block (${Math.floor(block / grid.gridCols)}, ${block % grid.gridCols}), row ${row}, columns ${col}..${Math.min(grid.cols, col + grid.m) - 1}`,
    expected: `at most ${keep} of ${grid.m}`,
    got: String(count),
    hint: 'prune the matrix first, or allow a larger keep',
  });
}
