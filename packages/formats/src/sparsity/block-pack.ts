/**
 * The values of a block-sparse matrix [rows, cols] with its mask: layout `blocks`. First the bitmap (see
 * `block-mask.ts`), then each kept block from left to right and from top to bottom: its codes row by row as a bit
 * stream, least significant bit first, padded with zeros to a byte. Blocks at the edge are whole, with zeros for what
 * lies past it, so every block has the same number of bytes and the n-th kept block is found by a multiplication.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { BitReader, BitWriter } from './bit-cursor.js';
import {
  type BlockGrid,
  type BlockSparsity,
  blockBitmapBytes,
  blockGrid,
  blockListFromBitmap,
  blockMaskFromValues,
  checkBlock,
} from './block-mask.js';
import {
  checkInteger,
  magnitudeBitsOf,
  requireBacked,
  type SparseShape,
  type SparseValues,
  wordsOf,
} from './nm-layout.js';
import type { ZeroOptions } from './nm-pattern.js';

/** Layout id, e.g. `blocks.b64x64`. */
export function blocksLayoutId(sparsity: BlockSparsity): string {
  return `blocks.b${sparsity.block.join('x')}`;
}

/** Bytes of the codes of one kept block. @throws BitloomError `sparsity-shape` */
export function blockPayloadBytes(bits: number, sparsity: BlockSparsity): number {
  checkInteger('bits', bits, 1, 32);
  checkBlock(sparsity);
  return Math.ceil((sparsity.block[0] * sparsity.block[1] * bits) / 8);
}

/**
 * Exact bytes of a packed block-sparse matrix that keeps `kept` blocks, bitmap included.
 *
 * @throws BitloomError `sparsity-shape`.
 */
export function blocksPackedBytes(shape: SparseShape, sparsity: BlockSparsity, kept: number): number {
  const grid = blockGrid(shape, sparsity);
  checkInteger('kept blocks', kept, 0, grid.gridRows * grid.gridCols);
  return blockBitmapBytes(grid) + kept * blockPayloadBytes(shape.bits, sparsity);
}

/** What {@link packBlocks} keeps. */
export interface BlockPackOptions extends ZeroOptions {
  /** Bitmap of the blocks to keep; by default those that hold an element that is not zero. */
  readonly bitmap?: Uint8Array;
}

/**
 * Packs codes [rows, cols], taken modulo 2^bits.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-pattern` when a block that the bitmap drops holds a
 * value that is not zero; `sparsity-packed` for bits of the bitmap past the last block.
 */
export function packBlocks(
  values: SparseValues,
  shape: SparseShape,
  sparsity: BlockSparsity,
  options: BlockPackOptions = {},
): Uint8Array<ArrayBuffer> {
  const { rows, cols, bits } = shape;
  const grid = blockGrid(shape, sparsity);
  const words = wordsOf(values, bits);
  const magnitude = magnitudeBitsOf(values, options.magnitudeBits);
  const filled = blockMaskFromValues(values, shape, sparsity, { magnitudeBits: magnitude });
  const bitmap = options.bitmap ?? filled;
  const list = blockListFromBitmap(bitmap, grid);
  checkDropped(filled, bitmap, grid);
  const kept = list.cols.length * sparsity.block[0] * sparsity.block[1];
  requireBacked('elements of blocks with those past the edge', kept, words.length);
  const writer = new BitWriter(blocksPackedBytes(shape, sparsity, list.cols.length));
  for (const byte of bitmap) writer.write(byte, 8);
  const [blockHeight, blockWidth] = sparsity.block;
  for (let gridRow = 0; gridRow < grid.gridRows; gridRow += 1) {
    for (let i = list.rowStarts[gridRow]; i < list.rowStarts[gridRow + 1]; i += 1) {
      const start = list.cols[i] * blockWidth;
      for (let row = gridRow * blockHeight; row < (gridRow + 1) * blockHeight; row += 1) {
        for (let col = start; col < start + blockWidth; col += 1) {
          writer.write(row < rows && col < cols ? words[row * cols + col] : 0, bits);
        }
      }
      writer.align();
    }
  }
  return writer.bytes;
}

/**
 * Unpacks to dense codes [rows, cols] in `out`, which says by its kind what the codes are (see `unpackNm`). Blocks
 * that are not kept are 0.
 *
 * @returns `out`.
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` for bytes that {@link packBlocks} cannot
 * have written.
 */
export function unpackBlocks<T extends SparseValues>(
  bytes: Uint8Array,
  shape: SparseShape,
  sparsity: BlockSparsity,
  out: T,
): T {
  const { rows, cols, bits } = shape;
  const grid = blockGrid(shape, sparsity);
  const target = wordsOf(out, bits);
  checkLength('values', out.length, rows * cols);
  const bitmap = packedBitmap(bytes, grid);
  const list = blockListFromBitmap(bitmap, grid);
  const expected = blocksPackedBytes(shape, sparsity, list.cols.length);
  if (bytes.length !== expected) {
    throw malformed('packed bytes', `${expected} bytes`, String(bytes.length));
  }
  target.fill(0);
  const shift = out instanceof Int8Array ? 32 - bits : 0;
  const [blockHeight, blockWidth] = sparsity.block;
  const reader = new BitReader(bytes);
  reader.seek(bitmap.length);
  for (let gridRow = 0; gridRow < grid.gridRows; gridRow += 1) {
    for (let i = list.rowStarts[gridRow]; i < list.rowStarts[gridRow + 1]; i += 1) {
      const start = list.cols[i] * blockWidth;
      for (let row = gridRow * blockHeight; row < (gridRow + 1) * blockHeight; row += 1) {
        for (let col = start; col < start + blockWidth; col += 1) {
          const code = reader.read(bits);
          if (row < rows && col < cols) target[row * cols + col] = (code << shift) >> shift;
          else if (code !== 0) {
            throw malformed(`row ${row}, column ${col}, past the edge`, 'code 0', String(code));
          }
        }
      }
      if (!reader.align()) {
        throw malformed(`end of block (${gridRow}, ${list.cols[i]})`, 'zeros up to a byte', 'ones');
      }
    }
  }
  return out;
}

/**
 * The bitmap with which a packed matrix begins, as a view.
 *
 * @throws BitloomError `sparsity-packed` when the bytes end before it does.
 */
export function packedBitmap(bytes: Uint8Array, grid: BlockGrid): Uint8Array {
  const length = blockBitmapBytes(grid);
  if (bytes.length < length) throw malformed('bitmap', `${length} bytes`, String(bytes.length));
  return bytes.subarray(0, length);
}

/** @throws BitloomError `sparsity-pattern` when a block with values is not in `bitmap`. */
function checkDropped(filled: Uint8Array, bitmap: Uint8Array, grid: BlockGrid): void {
  const rowBytes = Math.ceil(grid.gridCols / 8);
  for (let i = 0; i < filled.length; i += 1) {
    const lost = filled[i] & ~bitmap[i];
    if (lost === 0) continue;
    const col = (i % rowBytes) * 8 + (31 - Math.clz32(lost & -lost));
    throw new BitloomError({
      code: 'sparsity-pattern',
      message: 'a block that is not kept holds values that are not zero',
      where: `block (${Math.floor(i / rowBytes)}, ${col})`,
      expected: 'zeros',
      got: 'other values',
      hint: 'keep the block, or set its values to zero',
    });
  }
}

function malformed(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'sparsity-packed',
    message: 'these bytes are not a packed block-sparse matrix of this shape and record',
    where,
    expected,
    got,
    hint: 'unpack with the shape, width and sparsity record that it was packed with',
  });
}
