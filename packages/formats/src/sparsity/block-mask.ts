/**
 * Block-sparse masks: which blocks of a matrix [rows, cols] are there at all. Two forms with the same content: a
 * bitmap, which artefacts store, and a list of columns per row of blocks, which loops walk. Blocks may have any shape,
 * e.g. 64 x 64 tiles of attention; those cut by the right or lower edge are blocks like the others. Which blocks a
 * causal or sliding attention keeps is not said here.
 *
 * Bitmap: one row of bits per row of blocks, least significant bit first, each starting on a byte; bits past the last
 * block of a row are 0.
 */
import { BitloomError, type Sparsity } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import {
  checkInteger,
  magnitudeBitsOf,
  rawWords,
  requireBacked,
  type SparseShape,
  type SparseValues,
} from './nm-layout.js';
import type { ZeroOptions } from './nm-pattern.js';

/** The record of a block-sparse matrix. */
export type BlockSparsity = Extract<Sparsity, { kind: 'block-mask' }>;

/** Rows and columns of a mask, in blocks. */
export interface BlockGrid {
  readonly gridRows: number;
  readonly gridCols: number;
}

/** Kept blocks in rows: those of row r are `cols[rowStarts[r] .. rowStarts[r + 1]]`, ascending. */
export interface BlockList extends BlockGrid {
  readonly rowStarts: Uint32Array;
  readonly cols: Uint32Array;
}

/**
 * How many blocks cover a matrix.
 *
 * @throws BitloomError `sparsity-shape`.
 */
export function blockGrid(shape: Omit<SparseShape, 'bits'>, sparsity: BlockSparsity): BlockGrid {
  const { block } = sparsity;
  checkInteger('rows', shape.rows, 0, 2 ** 32 - 1);
  checkInteger('cols', shape.cols, 0, 2 ** 32 - 1);
  checkBlock(sparsity);
  return { gridRows: Math.ceil(shape.rows / block[0]), gridCols: Math.ceil(shape.cols / block[1]) };
}

/** @throws BitloomError `sparsity-shape` unless there are two sizes of 1 to 2^31. */
export function checkBlock({ block }: BlockSparsity): void {
  checkInteger('number of block sizes', block.length, 2, 2);
  for (const size of block) checkInteger('block', size, 1, 2 ** 31);
}

/** Exact bytes of a bitmap. */
export function blockBitmapBytes(grid: BlockGrid): number {
  return grid.gridRows * Math.ceil(grid.gridCols / 8);
}

/**
 * Bitmap of the blocks that hold an element that is not zero.
 *
 * @param values codes or a 0/1 mask [rows, cols].
 * @throws BitloomError `sparsity-shape`, `format-length`.
 */
export function blockMaskFromValues(
  values: SparseValues,
  shape: Omit<SparseShape, 'bits'>,
  sparsity: BlockSparsity,
  options: ZeroOptions = {},
): Uint8Array<ArrayBuffer> {
  const grid = blockGrid(shape, sparsity);
  const { rows, cols } = shape;
  checkLength('values', values.length, rows * cols);
  const words = rawWords(values);
  const magnitude = magnitudeBitsOf(values, options.magnitudeBits);
  const [blockHeight, blockWidth] = sparsity.block;
  const bitmap = new Uint8Array(blockBitmapBytes(grid));
  const rowBytes = Math.ceil(grid.gridCols / 8);
  if (cols === 0) return bitmap;
  for (let row = 0; row < rows; row += 1) {
    const line = Math.floor(row / blockHeight) * rowBytes;
    for (let gridCol = 0; gridCol < grid.gridCols; gridCol += 1) {
      const bit = 1 << (gridCol & 7);
      const at = line + Math.floor(gridCol / 8);
      if ((bitmap[at] & bit) !== 0) continue;
      const end = row * cols + Math.min(cols, (gridCol + 1) * blockWidth);
      for (let i = row * cols + gridCol * blockWidth; i < end; i += 1) {
        if ((words[i] & magnitude) === 0) continue;
        bitmap[at] |= bit;
        break;
      }
    }
  }
  return bitmap;
}

/**
 * The list form of a bitmap.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` when bits past the last block of a row are set.
 */
export function blockListFromBitmap(bitmap: Uint8Array, grid: BlockGrid): BlockList {
  checkGrid(grid);
  checkLength('bitmap', bitmap.length, blockBitmapBytes(grid));
  const { gridRows, gridCols } = grid;
  requireBacked('rows of blocks', gridRows, bitmap.length, 1);
  const rowBytes = Math.ceil(gridCols / 8);
  const rowStarts = new Uint32Array(gridRows + 1);
  let count = 0;
  for (let i = 0; i < bitmap.length; i += 1) {
    for (let byte = bitmap[i]; byte !== 0; byte &= byte - 1) count += 1;
  }
  const cols = new Uint32Array(count);
  let at = 0;
  for (let gridRow = 0; gridRow < gridRows; gridRow += 1) {
    for (let bit = 0; bit < rowBytes * 8; bit += 1) {
      if (((bitmap[gridRow * rowBytes + (bit >>> 3)] >>> (bit & 7)) & 1) === 0) continue;
      if (bit >= gridCols) {
        throw new BitloomError({
          code: 'sparsity-packed',
          message: 'the bitmap of a block-sparse matrix names a block that is not there',
          where: `row ${gridRow} of blocks`,
          expected: `blocks 0..${gridCols - 1}`,
          got: String(bit),
          hint: 'read the bitmap with the shape and block that it was written with',
        });
      }
      cols[at] = bit;
      at += 1;
    }
    rowStarts[gridRow + 1] = at;
  }
  return { gridRows, gridCols, rowStarts, cols };
}

/**
 * The bitmap of a list.
 *
 * @throws BitloomError `sparsity-shape`; `sparsity-list` when the rows do not add up, or a column is out of range or not ascending.
 */
export function bitmapFromBlockList(list: BlockList): Uint8Array<ArrayBuffer> {
  const { gridRows, gridCols, rowStarts, cols } = list;
  checkGrid(list);
  if (rowStarts.length !== gridRows + 1 || rowStarts[0] !== 0 || rowStarts[gridRows] !== cols.length) {
    throw badList(
      'rowStarts',
      `${gridRows + 1} ascending numbers from 0 to ${cols.length}`,
      brief(rowStarts),
    );
  }
  const rowBytes = Math.ceil(gridCols / 8);
  requireBacked('bytes of the bitmap', blockBitmapBytes(list), rowStarts.length + cols.length);
  const bitmap = new Uint8Array(blockBitmapBytes(list));
  for (let gridRow = 0; gridRow < gridRows; gridRow += 1) {
    const start = rowStarts[gridRow];
    const end = rowStarts[gridRow + 1];
    if (end < start || end > cols.length) {
      throw badList(`rowStarts of row ${gridRow}`, `${start}..${cols.length}`, String(end));
    }
    for (let i = start, last = -1; i < end; i += 1) {
      const col = cols[i];
      if (col <= last || col >= gridCols) {
        throw badList(
          `columns of row ${gridRow}`,
          `more than ${last} and less than ${gridCols}`,
          String(col),
        );
      }
      bitmap[gridRow * rowBytes + Math.floor(col / 8)] |= 1 << (col & 7);
      last = col;
    }
  }
  return bitmap;
}

function checkGrid({ gridRows, gridCols }: BlockGrid): void {
  checkInteger('rows of blocks', gridRows, 0, 2 ** 32 - 1);
  checkInteger('columns of blocks', gridCols, 0, 2 ** 32 - 1);
}

/** Fraction of the blocks that are kept; 0 where there are none. */
export function blockDensityOf(list: BlockList): number {
  const blocks = list.gridRows * list.gridCols;
  return blocks === 0 ? 0 : list.cols.length / blocks;
}

function brief(values: Uint32Array): string {
  return `${values.length} numbers from ${values[0]} to ${values[values.length - 1]}`;
}

function badList(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'sparsity-list',
    message: 'a list of blocks contradicts itself',
    where,
    expected,
    got,
    hint: 'give each row its kept columns once, in ascending order',
  });
}
