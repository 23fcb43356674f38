/**
 * Codes in the layout `canonical`: a bit stream per row, and whole bytes for scales. It moves codes, signed ones as
 * their two's complement bits, and never scales them.
 */
import type { ElementFormat } from '@bitloom/ir';
import { type CodeArray, newCodes } from '../elements/codes.js';
import { checkLength } from './group-shape.js';

/** Bytes of a row of `cols` codes. */
export function rowBytes(cols: number, bits: number): number {
  return Math.ceil((cols * bits) / 8);
}

/**
 * Codes [rows, cols] as rows · ceil(cols · bits / 8) bytes, least significant bit first, rows starting on a byte. Of
 * signed codes the low `bits` bits are taken.
 */
export function packCodes(
  codes: CodeArray | Int8Array,
  rows: number,
  cols: number,
  bits: number,
): Uint8Array<ArrayBuffer> {
  checkLength('codes', codes.length, rows * cols);
  if (bits === 8 || bits === 16 || bits === 32) return littleEndian(codes);
  const stride = rowBytes(cols, bits);
  const out = new Uint8Array(rows * stride);
  // However many empty rows there are.
  if (cols === 0) return out;
  const packRow = bits < 8 ? packNarrowRow : packWideRow;
  for (let row = 0; row < rows; row += 1) packRow(codes, row * cols, cols, bits, out, row * stride);
  return out;
}

/** Codes of up to 7 bits: each ends at most one byte. */
function packNarrowRow(
  codes: CodeArray | Int8Array,
  from: number,
  count: number,
  bits: number,
  out: Uint8Array,
  to: number,
): void {
  const mask = (1 << bits) - 1;
  let at = to;
  let pending = 0;
  let pendingBits = 0;
  for (let i = from; i < from + count; i += 1) {
    pending |= (codes[i] & mask) << pendingBits;
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

function packWideRow(
  codes: CodeArray | Int8Array,
  from: number,
  count: number,
  bits: number,
  out: Uint8Array,
  to: number,
): void {
  let at = to;
  let pending = 0;
  let pendingBits = 0;
  for (let i = from; i < from + count; i += 1) {
    // At most 7 bits wait, so a code of up to 24 bits fits beside them; wider ones go in two parts.
    const low = bits > 16 ? codes[i] & 0xffff : codes[i];
    pending |= low << pendingBits;
    pendingBits += Math.min(bits, 16);
    for (; pendingBits >= 8; pendingBits -= 8, pending >>>= 8) out[at++] = pending;
    if (bits > 16) {
      pending |= (codes[i] >>> 16) << pendingBits;
      pendingBits += bits - 16;
      for (; pendingBits >= 8; pendingBits -= 8, pending >>>= 8) out[at++] = pending;
    }
  }
  if (pendingBits > 0) out[at] = pending;
}

/** The codes of a packed matrix, as raw bits; the inverse of {@link packCodes}. */
export function unpackCodes(packed: Uint8Array, rows: number, cols: number, bits: number): CodeArray {
  const stride = rowBytes(cols, bits);
  checkLength('packed codes', packed.length, rows * stride);
  const out = newCodes({ bits }, rows * cols);
  if (cols === 0) return out;
  if (bits === 8 || bits === 16 || bits === 32) {
    new Uint8Array(out.buffer).set(packed);
    return out;
  }
  for (let row = 0; row < rows; row += 1) {
    if (out instanceof Uint8Array) unpackNarrow(packed, row * stride, bits, 0, cols, out, row * cols);
    else unpackWideRow(packed, row * stride, bits, out, row * cols, cols);
  }
  return out;
}

/**
 * Unpacks `count` codes of up to 8 bits of the row that begins at byte `rowStart`, from column `start`, into `out` at
 * `outAt`: raw bits into a Uint8Array, two's complement numbers into an Int8Array.
 */
export function unpackNarrow(
  packed: Uint8Array,
  rowStart: number,
  bits: number,
  start: number,
  count: number,
  out: Uint8Array | Int8Array,
  outAt: number,
): void {
  if (bits === 8) {
    for (let i = 0, at = rowStart + start; i < count; i += 1, at += 1) out[outAt + i] = packed[at];
    return;
  }
  // Every code is extended by its highest bit, which the mask of raw bits takes away again.
  const mask = out instanceof Int8Array ? -1 : (1 << bits) - 1;
  if (bits === 4 && start % 2 === 0) {
    const even = outAt + count - (count % 2);
    let at = rowStart + start / 2;
    for (let i = outAt; i < even; i += 2, at += 1) {
      const byte = packed[at];
      out[i] = ((byte << 28) >> 28) & mask;
      out[i + 1] = ((byte << 24) >> 28) & mask;
    }
    if (count % 2 === 1) out[even] = ((packed[at] << 28) >> 28) & mask;
    return;
  }
  const unused = 32 - bits;
  let at = rowStart + Math.floor((start * bits) / 8);
  let shift = (start * bits) % 8;
  for (let i = outAt; i < outAt + count; i += 1) {
    // A code of at most 8 bits spans at most two bytes; past the end of the stream the second reads as 0.
    const pair = packed[at] | ((packed[at + 1] ?? 0) << 8);
    out[i] = (((pair >>> shift) << unused) >> unused) & mask;
    shift += bits;
    at += shift >> 3;
    shift &= 7;
  }
}

/** Codes of 9 to 31 bits. */
function unpackWideRow(
  packed: Uint8Array,
  rowStart: number,
  bits: number,
  out: CodeArray,
  outAt: number,
  count: number,
): void {
  const mask = 2 ** bits - 1;
  let at = rowStart;
  let shift = 0;
  for (let i = outAt; i < outAt + count; i += 1) {
    // Five bytes hold any code at any shift; up to 25 bits lie in the first four.
    const low = packed[at] | (packed[at + 1] << 8) | (packed[at + 2] << 16) | (packed[at + 3] << 24);
    const high = shift + bits <= 32 ? 0 : packed[at + 4] << (32 - shift);
    out[i] = ((low >>> shift) | high) & mask;
    shift += bits;
    at += shift >> 3;
    shift &= 7;
  }
}

/** Codes in whole bytes, one after the other. */
export function codeBytes(codes: CodeArray): Uint8Array<ArrayBuffer> {
  return littleEndian(codes);
}

/** The inverse of {@link codeBytes}: `count` codes of a format. */
export function codesFromBytes(
  bytes: Uint8Array,
  count: number,
  format: Pick<ElementFormat, 'bits'>,
  what: string,
): CodeArray {
  const out = newCodes(format, count);
  checkLength(`bytes of ${what}`, bytes.length, out.byteLength);
  new Uint8Array(out.buffer).set(bytes);
  return out;
}

/** Typed arrays are little-endian on every machine that runs JavaScript today. */
function littleEndian(codes: CodeArray | Int8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength).slice();
}
