/** Packing an N:M sparse matrix into the layout `nm` (described in `nm-layout.ts`). */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { BitWriter } from './bit-cursor.js';
import {
  groupSteps,
  magnitudeBitsOf,
  type NmGrid,
  type NmSparsity,
  nmGrid,
  nmPackedBytes,
  requireBacked,
  resolveKeeps,
  type SparseShape,
  type SparseValues,
  wordsOf,
} from './nm-layout.js';
import { patternOf, tooMany, type ZeroOptions } from './nm-pattern.js';

/** What `packNm` keeps. */
export interface NmPackOptions extends ZeroOptions {
  /**
   * 1 for each element that is kept, so that a kept zero is representable; by default the elements that are not zero.
   * A group that keeps fewer than its block stores zeros of its lowest other columns.
   */
  readonly mask?: Uint8Array;
  /** Kept values of each block, or one number for all; by default the smallest allowed that holds what is kept. */
  readonly keeps?: ArrayLike<number> | number;
}

/**
 * Packs codes [rows, cols], taken modulo 2^bits, into {@link nmPackedBytes} bytes.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-pattern`, with the block and the row, when a group
 * has more to keep than its block allows, or a value that is not zero outside of the mask.
 */
export function packNm(
  values: SparseValues,
  shape: SparseShape,
  sparsity: NmSparsity,
  options: NmPackOptions = {},
): Uint8Array<ArrayBuffer> {
  const grid = nmGrid(shape, sparsity);
  const words = wordsOf(values, shape.bits);
  checkLength('values', words.length, grid.rows * grid.cols);
  const magnitude = magnitudeBitsOf(values, options.magnitudeBits);
  const { mask } = options;
  if (mask !== undefined) checkMask(mask, words, grid, magnitude);
  const keeps =
    options.keeps === undefined
      ? patternOf(mask ?? values, shape, sparsity, mask === undefined ? options : {})
      : resolveKeeps(grid, options.keeps);
  if (grid.gridRows === 0) return new Uint8Array(0);
  requireBacked('rows with those past the last', grid.gridRows * grid.blockHeight * grid.cols, words.length);
  const writer = new BitWriter(nmPackedBytes(shape, sparsity, keeps));
  // Kept positions of one block in the order of the steps: [steps of all groups, lanes].
  const positions = new Uint8Array(
    grid.blockHeight * Math.min(grid.blockWidth, Math.ceil(grid.cols / grid.m) * grid.m),
  );
  for (let gridRow = 0; gridRow < grid.gridRows; gridRow += 1) {
    const first = gridRow * grid.gridCols;
    for (let gridCol = 0; gridCol < grid.gridCols; gridCol += 1) {
      writer.write(grid.keep.indexOf(keeps[first + gridCol]), grid.headerBits);
    }
    writer.align();
    for (let gridCol = 0; gridCol < grid.gridCols; gridCol += 1) {
      const block = first + gridCol;
      choosePositions(
        grid,
        gridRow,
        gridCol,
        keeps[block],
        mask ?? words,
        mask === undefined ? magnitude : 1,
        positions,
      );
      writeBlock(writer, grid, gridRow, gridCol, keeps[block], words, positions);
    }
    writer.align();
  }
  return writer.bytes;
}

/** Fills `positions` with the kept columns of each group of a block, ascending, relative to the group. */
function choosePositions(
  grid: NmGrid,
  gridRow: number,
  gridCol: number,
  keep: number,
  marks: ArrayLike<number>,
  magnitude: number,
  positions: Uint8Array,
): void {
  const { blockHeight: lanes, rows, cols, m } = grid;
  const start = gridCol * grid.blockWidth;
  const end = Math.min(cols, start + grid.blockWidth);
  let base = 0;
  for (let col = start; col < end; col += m) {
    const width = Math.min(m, end - col);
    const steps = groupSteps(keep, width);
    for (let lane = 0; lane < lanes; lane += 1) {
      const row = gridRow * lanes + lane;
      if (row >= rows) {
        for (let step = 0; step < steps; step += 1) positions[base + step * lanes + lane] = step;
        continue;
      }
      const at = row * cols + col;
      let count = 0;
      for (let i = 0; i < width; i += 1) if ((marks[at + i] & magnitude) !== 0) count += 1;
      if (count > steps) throw tooMany(grid, gridRow * grid.gridCols + gridCol, row, col, keep, count);
      let fill = steps - count;
      let step = 0;
      for (let i = 0; step < steps; i += 1) {
        if ((marks[at + i] & magnitude) === 0) {
          if (fill === 0) continue;
          fill -= 1;
        }
        positions[base + step * lanes + lane] = i;
        step += 1;
      }
    }
    base += steps * lanes;
  }
}

function writeBlock(
  writer: BitWriter,
  grid: NmGrid,
  gridRow: number,
  gridCol: number,
  keep: number,
  words: ArrayLike<number>,
  positions: Uint8Array,
): void {
  const { blockHeight: lanes, rows, cols, m, bits, indexBits } = grid;
  const start = gridCol * grid.blockWidth;
  const end = Math.min(cols, start + grid.blockWidth);
  let at = 0;
  for (let col = start; col < end; col += m) {
    const steps = groupSteps(keep, Math.min(m, end - col));
    for (let step = 0; step < steps; step += 1) {
      for (let lane = 0; lane < lanes; lane += 1, at += 1) {
        const row = gridRow * lanes + lane;
        writer.write(row < rows ? words[row * cols + col + positions[at]] : 0, bits);
      }
    }
  }
  at = 0;
  for (let col = start; col < end; col += m) {
    const width = Math.min(m, end - col);
    const slots = groupSteps(keep, width) * lanes;
    if (slots < width * lanes) {
      for (let i = at; i < at + slots; i += 1) writer.write(positions[i], indexBits);
    }
    at += slots;
  }
}

/** A mask of zeros and ones as long as the values, which are zero wherever it is zero. */
function checkMask(mask: Uint8Array, words: ArrayLike<number>, grid: NmGrid, magnitude: number): void {
  checkLength('mask', mask.length, words.length);
  for (let i = 0; i < words.length; i += 1) {
    const isSane = mask[i] === 1 || (mask[i] === 0 && (words[i] & magnitude) === 0);
    if (isSane) continue;
    const row = Math.floor(i / grid.cols);
    const col = i % grid.cols;
    const block = `block (${Math.floor(row / grid.blockHeight)}, ${Math.floor(col / grid.blockWidth)})`;
    throw new BitloomError({
      code: 'sparsity-pattern',
      message: 'a value that is not zero is not kept by the mask, or the mask is not of zeros and ones',
      where: `${block}, row ${row}, column ${col}`,
      expected: '1, or 0 where the value is zero',
      got: String(mask[i]),
      hint: 'set the values that the mask drops to zero',
    });
  }
}
