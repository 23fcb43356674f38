/**
 * Dense bit streams of signed codes: the canonical layout of weights. Rows start on a byte, codes are two's
 * complement of `bits` bits, least significant bit first. It moves codes and never scales them: `codes.ts` has the
 * loops.
 */
import { packCodes, unpackNarrow } from './codes.js';
import { canonicalRowBytes, checkLength } from './group-shape.js';

/** Rows, columns and width of a matrix of codes. */
export interface CodeShape {
  readonly rows: number;
  readonly cols: number;
  /** 2 to 8. */
  readonly bits: number;
}

/**
 * Packs codes [rows, cols] into a stream of rows · ceil(cols · bits / 8) bytes. Bits past the last column of a row
 * are 0. Codes are taken modulo 2^bits; the caller has clamped them.
 *
 * @throws BitloomError `format-length`.
 */
export function packBitStream(codes: Int8Array, shape: CodeShape): Uint8Array<ArrayBuffer> {
  return packCodes(codes, shape.rows, shape.cols, shape.bits);
}

/**
 * Unpacks a whole stream to codes [rows, cols].
 *
 * @throws BitloomError `format-length`.
 */
export function unpackBitStream(stream: Uint8Array, shape: CodeShape): Int8Array<ArrayBuffer> {
  const { rows, cols, bits } = shape;
  const rowBytes = canonicalRowBytes(shape);
  checkLength('packed codes', stream.length, rows * rowBytes);
  const out = new Int8Array(rows * cols);
  for (let row = 0; row < rows; row += 1)
    unpackNarrow(stream, row * rowBytes, bits, 0, cols, out, row * cols);
  return out;
}
