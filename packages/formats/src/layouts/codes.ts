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

/** Codes [rows, cols] as rows · ceil(cols · bits / 8) bytes, least significant bit first, rows starting on a byte. */
export function packCodes(
  codes: CodeArray,
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
  for (let row = 0; row < rows; row += 1) {
    let at = row * stride;
    let pending = 0;
    let pendingBits = 0;
    for (let i = row * cols; i < (row + 1) * cols; i += 1) {
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
  return out;
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
  if (bits === 4) {
    unpackNibbles(packed, rows, cols, out);
    return out;
  }
  for (let row = 0, i = 0; row < rows; row += 1) {
    let at = row * stride;
    let shift = 0;
    for (let col = 0; col < cols; col += 1, i += 1) {
      out[i] = codeAt(packed, at, shift, bits);
      shift += bits;
      at += shift >> 3;
      shift &= 7;
    }
  }
  return out;
}

/** The code of `bits` bits that begins at bit `shift`, 0 to 7, of byte `first`. */
function codeAt(packed: Uint8Array, first: number, shift: number, bits: number): number {
  // Five bytes hold any code of up to 32 bits at any shift; up to 25 bits lie in the first four.
  const low =
    packed[first] | (packed[first + 1] << 8) | (packed[first + 2] << 16) | (packed[first + 3] << 24);
  const code = low >>> shift;
  if (shift + bits <= 32) return bits === 32 ? code : code & (2 ** bits - 1);
  return (code | (packed[first + 4] << (32 - shift))) & (2 ** bits - 1);
}

function unpackNibbles(packed: Uint8Array, rows: number, cols: number, out: CodeArray): void {
  const stride = rowBytes(cols, 4);
  for (let row = 0; row < rows; row += 1) {
    const start = row * cols;
    const even = start + cols - (cols % 2);
    let at = row * stride;
    for (let i = start; i < even; i += 2, at += 1) {
      out[i] = packed[at] & 15;
      out[i + 1] = packed[at] >> 4;
    }
    if (cols % 2 === 1) out[even] = packed[at] & 15;
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
function littleEndian(codes: CodeArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength).slice();
}
