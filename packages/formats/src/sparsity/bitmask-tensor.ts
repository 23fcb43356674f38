/**
 * The two sparse weight formats of compressed-tensors: values with one bit per element that says whether it is there.
 *
 * | format              | values               | bitmask                      | beside them                          |
 * |---------------------|----------------------|------------------------------|--------------------------------------|
 * | `sparse-bitmask`    | [non-zero elements]  | uint8 [rows, ceil(cols / 8)] | `row_offsets` int64 [rows], `shape`  |
 * | `sparse-24-bitmask` | [rows, cols / 2]     | uint8 [rows, ceil(cols / 8)] | `shape`                              |
 *
 * Values go in row-major order. A mask byte holds eight neighbouring columns, the lowest in its least significant bit
 * (numpy's packbits with little bit order); each row starts on a byte. A row offset is the number of values before
 * the row. The 2:4 format keeps exactly two of each four consecutive elements, zeros where there are fewer others;
 * which zeros, the reference leaves to a sort that is not stable, and here the lowest columns are taken.
 *
 * In a file the parts are called `<weight>.compressed`, `.bitmask`, `.shape` and `.row_offsets`; names, dtypes and the
 * shape tensor are for the reader of the file. Readers here check what the reference ignores, and fail closed.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { checkInteger, magnitudeBitsOf, rawWords, requireBacked, type SparseValues } from './nm-layout.js';
import type { ZeroOptions } from './nm-pattern.js';

/** Rows and columns of a dense matrix. */
export interface MatrixShape {
  readonly rows: number;
  readonly cols: number;
}

/** A matrix in the format `sparse-bitmask`. */
export interface BitmaskMatrix<T extends SparseValues> extends MatrixShape {
  /** Elements that are not zero, row-major. */
  readonly values: T;
  /** [rows, ceil(cols / 8)] */
  readonly bitmask: Uint8Array;
  /** [rows]: values before each row. */
  readonly rowOffsets: BigInt64Array;
}

/** A matrix in the format `sparse-24-bitmask`. */
export interface Bitmask24Matrix<T extends SparseValues> extends MatrixShape {
  /** [rows, cols / 2] */
  readonly values: T;
  /** [rows, ceil(cols / 8)] */
  readonly bitmask: Uint8Array;
}

/**
 * Takes out the elements of a dense matrix [rows, cols] that are not zero.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`.
 */
export function encodeBitmask<T extends SparseValues>(
  dense: T,
  shape: MatrixShape,
  options: ZeroOptions = {},
): BitmaskMatrix<T> {
  const { rows, cols } = checkShape(shape);
  checkLength('values', dense.length, rows * cols);
  const words = rawWords(dense);
  const magnitude = magnitudeBitsOf(dense, options.magnitudeBits);
  const rowBytes = Math.ceil(cols / 8);
  const bitmask = new Uint8Array(rows * rowBytes);
  const rowOffsets = new BigInt64Array(rows);
  const kept = sameKind(dense, dense.length);
  const keptWords = rawWords(kept);
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    rowOffsets[row] = BigInt(count);
    for (let col = 0; col < cols; col += 1) {
      const word = words[row * cols + col];
      if ((word & magnitude) === 0) continue;
      bitmask[row * rowBytes + (col >>> 3)] |= 1 << (col & 7);
      keptWords[count] = word;
      count += 1;
    }
  }
  const values = sameKind(dense, count);
  rawWords(values).set(keptWords.subarray(0, count));
  return { rows, cols, values, bitmask, rowOffsets };
}

/**
 * The dense matrix [rows, cols] of the format `sparse-bitmask`.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` when mask, offsets and values disagree.
 */
export function decodeBitmask<T extends SparseValues>(matrix: BitmaskMatrix<T>): T {
  const { rows, cols } = checkShape(matrix);
  checkLength('row offsets', matrix.rowOffsets.length, rows);
  return scatter(
    matrix,
    (row, count) => {
      if (matrix.rowOffsets[row] !== BigInt(count)) {
        throw disagree(`row offset ${row}`, String(count), String(matrix.rowOffsets[row]));
      }
    },
    rows,
    cols,
  );
}

/**
 * Takes out two of each four consecutive elements of a dense matrix [rows, cols] that is 2:4 sparse already.
 *
 * @throws BitloomError `format-length`; `sparsity-shape` unless columns are even and elements a multiple of four;
 * `sparsity-pattern` when more than two of four are not zero.
 */
export function encode24Bitmask<T extends SparseValues>(
  dense: T,
  shape: MatrixShape,
  options: ZeroOptions = {},
): Bitmask24Matrix<T> {
  const { rows, cols } = check24Shape(shape);
  checkLength('values', dense.length, rows * cols);
  const words = rawWords(dense);
  const magnitude = magnitudeBitsOf(dense, options.magnitudeBits);
  const rowBytes = Math.ceil(cols / 8);
  const bitmask = new Uint8Array(rows * rowBytes);
  const values = sameKind(dense, dense.length / 2);
  const kept = rawWords(values);
  for (let at = 0, to = 0; at < words.length; at += 4) {
    let count = 0;
    for (let i = at; i < at + 4; i += 1) if ((words[i] & magnitude) !== 0) count += 1;
    if (count > 2) {
      throw new BitloomError({
        code: 'sparsity-pattern',
        message: 'four consecutive elements have more than two that are not zero',
        where: `row ${Math.floor(at / cols)}, column ${at % cols}`,
        expected: 'at most 2 of 4',
        got: String(count),
        hint: 'prune the matrix to 2:4 first',
      });
    }
    let fill = 2 - count;
    for (let i = at; i < at + 4; i += 1) {
      if ((words[i] & magnitude) === 0) {
        if (fill === 0) continue;
        fill -= 1;
      }
      const col = i % cols;
      bitmask[Math.floor(i / cols) * rowBytes + (col >>> 3)] |= 1 << (col & 7);
      kept[to] = words[i];
      to += 1;
    }
  }
  return { rows, cols, values, bitmask };
}

/**
 * The dense matrix [rows, cols] of the format `sparse-24-bitmask`.
 *
 * @throws BitloomError `format-length`, `sparsity-shape`; `sparsity-packed` when four consecutive elements have other
 * than two marks.
 */
export function decode24Bitmask<T extends SparseValues>(matrix: Bitmask24Matrix<T>): T {
  const { rows, cols } = check24Shape(matrix);
  checkLength('values', matrix.values.length, (rows * cols) / 2);
  const rowBytes = Math.ceil(cols / 8);
  checkLength('bitmask', matrix.bitmask.length, rows * rowBytes);
  for (let at = 0; at < rows * cols; at += 4) {
    let count = 0;
    for (let i = at; i < at + 4; i += 1) {
      const col = i % cols;
      count += (matrix.bitmask[Math.floor(i / cols) * rowBytes + (col >>> 3)] >>> (col & 7)) & 1;
    }
    if (count !== 2) {
      throw disagree(`row ${Math.floor(at / cols)}, column ${at % cols}`, '2 marks of 4', String(count));
    }
  }
  return scatter(matrix, () => undefined, rows, cols);
}

/** Puts each value where its bit says. `atRow` sees how many values came before each row. */
function scatter<T extends SparseValues>(
  matrix: { readonly values: T; readonly bitmask: Uint8Array },
  atRow: (row: number, count: number) => void,
  rows: number,
  cols: number,
): T {
  const { values, bitmask } = matrix;
  const rowBytes = Math.ceil(cols / 8);
  checkLength('bitmask', bitmask.length, rows * rowBytes);
  const dense = sameKind(values, rows * cols);
  const from = rawWords(values);
  const to = rawWords(dense);
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    atRow(row, count);
    for (let bit = 0; bit < rowBytes * 8; bit += 1) {
      if (((bitmask[row * rowBytes + (bit >>> 3)] >>> (bit & 7)) & 1) === 0) continue;
      if (bit >= cols) throw disagree(`bitmask of row ${row}`, `columns 0..${cols - 1}`, String(bit));
      if (count === from.length) throw disagree('bitmask', `${from.length} marks`, 'more');
      to[row * cols + bit] = from[count];
      count += 1;
    }
  }
  if (count !== from.length) throw disagree('bitmask', `${from.length} marks`, String(count));
  return dense;
}

/** A new array of the kind of `like`. The cast says what the branches do: a type parameter cannot follow them. */
function sameKind<T extends SparseValues>(like: T, length: number): T {
  const out: SparseValues =
    like instanceof Float32Array
      ? new Float32Array(length)
      : like instanceof Uint16Array
        ? new Uint16Array(length)
        : like instanceof Int8Array
          ? new Int8Array(length)
          : new Uint8Array(length);
  return out as T;
}

function checkShape({ rows, cols }: MatrixShape): MatrixShape {
  checkInteger('rows', rows, 0, 2 ** 32 - 1);
  checkInteger('cols', cols, 0, 2 ** 32 - 1);
  requireBacked('rows', rows, rows * cols, 1);
  return { rows, cols };
}

function check24Shape(shape: MatrixShape): MatrixShape {
  const { rows, cols } = checkShape(shape);
  if (cols % 2 !== 0 || (rows * cols) % 4 !== 0) {
    throw new BitloomError({
      code: 'sparsity-shape',
      message: 'a matrix of this shape cannot be stored as 2:4 with a bitmask',
      expected: 'an even number of columns, and elements in fours',
      got: `${rows} x ${cols}`,
    });
  }
  return { rows, cols };
}

function disagree(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'sparsity-packed',
    message: 'bitmask, values and offsets of a sparse matrix disagree',
    where,
    expected,
    got,
    hint: 'check that the parts belong to one weight and came with its shape',
  });
}
