/**
 * Dense bit streams of signed codes: the canonical layout of weights. Rows start on a byte, codes are two's
 * complement of `bits` bits, least significant bit first. It moves codes and never scales them.
 */
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
  const { rows, cols, bits } = shape;
  checkLength('codes', codes.length, rows * cols);
  const rowBytes = canonicalRowBytes(shape);
  const out = new Uint8Array(rows * rowBytes);
  const mask = (1 << bits) - 1;
  for (let row = 0; row < rows; row += 1) {
    let at = row * rowBytes;
    let pending = 0;
    let pendingBits = 0;
    for (let col = 0; col < cols; col += 1) {
      pending |= (codes[row * cols + col] & mask) << pendingBits;
      pendingBits += bits;
      if (pendingBits >= 8) {
        out[at] = pending;
        at += 1;
        pending >>>= 8;
        pendingBits -= 8;
      }
    }
    if (pendingBits > 0) out[at] = pending;
  }
  return out;
}

/** Unpacks `count` codes of the row that begins at byte `rowStart`, from column `start`, into `out` at `outAt`. */
export function unpackRow(
  stream: Uint8Array,
  rowStart: number,
  bits: number,
  start: number,
  count: number,
  out: Int8Array,
  outAt: number,
): void {
  if (bits === 8) {
    for (let i = 0, at = rowStart + start; i < count; i += 1, at += 1) out[outAt + i] = stream[at];
    return;
  }
  if (bits === 4 && start % 2 === 0) {
    const even = count - (count % 2);
    let at = rowStart + start / 2;
    for (let i = outAt; i < outAt + even; i += 2, at += 1) {
      const byte = stream[at];
      out[i] = (byte << 28) >> 28;
      out[i + 1] = (byte << 24) >> 28;
    }
    if (even < count) out[outAt + even] = (stream[at] << 28) >> 28;
    return;
  }
  const shift = 32 - bits;
  for (let i = 0; i < count; i += 1) {
    const bit = (start + i) * bits;
    const at = rowStart + (bit >>> 3);
    // A code of at most 8 bits spans at most two bytes; past the end of the stream the second reads as 0.
    const pair = stream[at] | ((stream[at + 1] ?? 0) << 8);
    out[outAt + i] = ((pair >>> (bit & 7)) << shift) >> shift;
  }
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
  for (let row = 0; row < rows; row += 1) unpackRow(stream, row * rowBytes, bits, 0, cols, out, row * cols);
  return out;
}
