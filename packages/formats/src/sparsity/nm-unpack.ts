/**
 * Reading the layout `nm` (described in `nm-layout.ts`): where each block lies, dense codes of all rows or of some, and
 * which elements are stored. Bytes from outside are checked in full: a header, an index, a length or a padding bit
 * that the packer cannot have written is an error, never a wrong matrix.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { BitReader } from './bit-cursor.js';
import {
  blockBits,
  blockSteps,
  groupSteps,
  type NmGrid,
  type NmSparsity,
  nmGrid,
  requireBacked,
  type SparseShape,
  type SparseValues,
  type SparseWords,
  wordsOf,
} from './nm-layout.js';

/** Where the parts of a packed matrix lie. Read from its headers alone, without a look at codes or indices. */
export interface NmDirectory {
  /** Kept values of each block, [blocks down, blocks across]. */
  readonly keeps: Uint16Array;
  /** Bit at which the codes of each block begin, counted from the first byte; its indices follow its codes. */
  readonly bitOffsets: Float64Array;
  /** Byte at which each strip (row of blocks) begins, and at the end the length of the whole. */
  readonly stripOffsets: Float64Array;
}

/**
 * Reads the headers of a packed matrix, in time proportional to the number of blocks.
 *
 * @throws BitloomError `sparsity-shape`; `sparsity-packed` when headers or lengths are not those of a packed matrix.
 */
export function nmDirectory(bytes: Uint8Array, shape: SparseShape, sparsity: NmSparsity): NmDirectory {
  return scan(bytes, nmGrid(shape, sparsity), 0);
}

/** @param elements of the dense matrix that the caller holds; 0 where it holds none. */
function scan(bytes: Uint8Array, grid: NmGrid, elements: number): NmDirectory {
  // Blocks have a bit each, unless none of them keeps anything: of those there may be any number.
  requireBacked('blocks', grid.gridRows * grid.gridCols, Math.max(bytes.length * 8, elements), 1);
  requireBacked('rows of blocks', grid.gridRows, Math.max(bytes.length * 8, elements), 1);
  if (grid.gridRows * grid.headerBytes > bytes.length) {
    throw malformed('headers', `at least ${grid.gridRows * grid.headerBytes} bytes`, String(bytes.length));
  }
  const keeps = new Uint16Array(grid.gridRows * grid.gridCols);
  const bitOffsets = new Float64Array(keeps.length);
  const stripOffsets = new Float64Array(grid.gridRows + 1);
  const reader = new BitReader(bytes);
  let at = 0;
  for (let gridRow = 0; gridRow < grid.gridRows; gridRow += 1) {
    stripOffsets[gridRow] = at;
    reader.seek(at);
    const payload = (at + grid.headerBytes) * 8;
    let bit = payload;
    for (let gridCol = 0; gridCol < grid.gridCols; gridCol += 1) {
      const block = gridRow * grid.gridCols + gridCol;
      const header = reader.read(grid.headerBits);
      if (header >= grid.keep.length) {
        throw malformed(
          `header of ${nameOf(gridRow, gridCol)}`,
          `0..${grid.keep.length - 1}`,
          String(header),
        );
      }
      keeps[block] = grid.keep[header];
      bitOffsets[block] = bit;
      bit += blockBits(grid, gridCol, keeps[block]);
    }
    if (!reader.align()) throw malformed(`headers of strip ${gridRow}`, 'zeros up to a byte', 'ones');
    at += grid.headerBytes + Math.ceil((bit - payload) / 8);
    if (at > bytes.length) throw malformed(`strip ${gridRow}`, `at least ${at} bytes`, String(bytes.length));
  }
  stripOffsets[grid.gridRows] = at;
  if (at !== bytes.length) throw malformed('packed bytes', `${at} bytes`, String(bytes.length));
  return { keeps, bitOffsets, stripOffsets };
}

/**
 * Unpacks a whole matrix into `out` [rows, cols], which says by its kind what the codes are: sign-extended in an
 * Int8Array, unsigned in Uint8Array and Uint16Array, float32 in a Float32Array. Elements that are not stored are 0.
 *
 * @returns `out`.
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` for bytes that no packer wrote.
 */
export function unpackNm<T extends SparseValues>(
  bytes: Uint8Array,
  shape: SparseShape,
  sparsity: NmSparsity,
  out: T,
): T {
  return unpackNmRows(bytes, shape, sparsity, { start: 0, end: shape.rows }, out);
}

/**
 * Unpacks rows start..end (end excluded) into `out` [end − start, cols], as {@link unpackNm}. Only the strips of those
 * rows are read.
 *
 * @param directory of these bytes, when the caller holds it; otherwise the headers are read again.
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` for bytes that no packer wrote.
 */
export function unpackNmRows<T extends SparseValues>(
  bytes: Uint8Array,
  shape: SparseShape,
  sparsity: NmSparsity,
  rows: { readonly start: number; readonly end: number },
  out: T,
  directory?: NmDirectory,
): T {
  const target = wordsOf(out, shape.bits);
  // Two shifts extend the sign of codes of an Int8Array and change nothing else.
  const shift = out instanceof Int8Array ? 32 - shape.bits : 0;
  scatter(bytes, nmGrid(shape, sparsity), rows, target, (code) => (code << shift) >> shift, directory);
  return out;
}

/** Elements of a mask for each packed byte, at most: blocks that keep nothing have a header and no more. */
const MASK_ELEMENTS = 65536;

/**
 * Which elements are stored: a mask [rows, cols] of ones and zeros. Stored zeros that only fill a group are among them.
 *
 * @throws BitloomError `sparsity-shape`; `sparsity-packed` for bytes that no packer wrote.
 */
export function nmMask(bytes: Uint8Array, shape: SparseShape, sparsity: NmSparsity): Uint8Array<ArrayBuffer> {
  const grid = nmGrid(shape, sparsity);
  requireBacked('elements', grid.rows * grid.cols, bytes.length, MASK_ELEMENTS);
  const directory = scan(bytes, grid, 0);
  const mask = new Uint8Array(grid.rows * grid.cols);
  scatter(bytes, grid, { start: 0, end: grid.rows }, mask, () => 1, directory);
  return mask;
}

/** Writes `toValue(code)` of every stored element of the rows to its place in `target`, and 0 elsewhere. */
function scatter(
  bytes: Uint8Array,
  grid: NmGrid,
  { start, end }: { readonly start: number; readonly end: number },
  target: SparseWords,
  toValue: (code: number) => number,
  known?: NmDirectory,
): void {
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= grid.rows)) {
    throw new BitloomError({
      code: 'sparsity-shape',
      message: 'the rows to unpack do not lie inside the matrix',
      expected: `rows within 0..${grid.rows}`,
      got: `${start}..${end}`,
    });
  }
  checkLength('values', target.length, (end - start) * grid.cols);
  const directory = known ?? scan(bytes, grid, target.length);
  target.fill(0);
  if (start === end || grid.gridCols === 0) return;
  const codes = new BitReader(bytes);
  const indices = new BitReader(bytes);
  const lanes = grid.blockHeight;
  // Last index of each lane in the current group.
  const last = new Int32Array(lanes);
  const lastStrip = Math.ceil(end / lanes);
  for (let gridRow = Math.floor(start / lanes); gridRow < lastStrip; gridRow += 1) {
    for (let gridCol = 0; gridCol < grid.gridCols; gridCol += 1) {
      const block = gridRow * grid.gridCols + gridCol;
      const keep = directory.keeps[block];
      const bit = directory.bitOffsets[block];
      codes.seek(0, bit);
      indices.seek(0, bit + lanes * blockSteps(grid, gridCol, keep) * grid.bits);
      const blockEnd = Math.min(grid.cols, (gridCol + 1) * grid.blockWidth);
      for (let col = gridCol * grid.blockWidth; keep > 0 && col < blockEnd; col += grid.m) {
        const width = Math.min(grid.m, blockEnd - col);
        const steps = groupSteps(keep, width);
        last.fill(-1);
        for (let step = 0; step < steps; step += 1) {
          for (let lane = 0; lane < lanes; lane += 1) {
            const code = codes.read(grid.bits);
            const index = steps < width ? indices.read(grid.indexBits) : step;
            const row = gridRow * lanes + lane;
            if (index <= last[lane] || index >= width) {
              throw malformed(
                `index of ${nameOf(gridRow, gridCol)}, row ${row}, column ${col}`,
                `more than ${last[lane]} and less than ${width}`,
                String(index),
              );
            }
            last[lane] = index;
            if (row >= grid.rows) {
              if (code !== 0 || index !== step) {
                throw malformed(`row ${row}, past the last`, 'zero codes', `code ${code} at ${index}`);
              }
            } else if (row >= start && row < end) {
              target[(row - start) * grid.cols + col + index] = toValue(code);
            }
          }
        }
      }
    }
    codes.seek(0, endOfStrip(grid, directory, gridRow));
    if (!codes.align()) throw malformed(`end of strip ${gridRow}`, 'zeros up to a byte', 'ones');
  }
}

/** Bit behind the last block of a strip. */
function endOfStrip(grid: NmGrid, directory: NmDirectory, gridRow: number): number {
  const block = (gridRow + 1) * grid.gridCols - 1;
  return directory.bitOffsets[block] + blockBits(grid, grid.gridCols - 1, directory.keeps[block]);
}

function nameOf(gridRow: number, gridCol: number): string {
  return `block (${gridRow}, ${gridCol})`;
}

function malformed(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'sparsity-packed',
    message: 'these bytes are not a packed sparse matrix of this shape and record',
    where,
    expected,
    got,
    hint: 'unpack with the shape, width and sparsity record that it was packed with',
  });
}
