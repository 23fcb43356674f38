/** Bytes of the binary format: LEB128 numbers, names, vectors, sections. No knowledge of instructions. */
import { isSimd, type Opcode, simdNumber } from './opcodes.js';

/** Unsigned LEB128 of an integer below 2^32. */
export function unsignedLeb(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
  return out;
}

/** Signed LEB128 of a 32-bit integer. */
export function signedLeb(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    out.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  out.push(rest & 0x7f);
  return out;
}

/** The bytes of an opcode, prefix included. */
export function opcodeBytes(opcode: Opcode): number[] {
  return isSimd(opcode) ? [0xfd, ...unsignedLeb(simdNumber(opcode))] : [opcode];
}

/** A UTF-8 name with its length. */
export function nameBytes(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...unsignedLeb(bytes.length), ...bytes];
}

/** A vector: the number of items, then the items. */
export function vectorBytes(items: readonly (readonly number[])[]): number[] {
  return [...unsignedLeb(items.length), ...items.flat()];
}

/** Four bytes of a float32, little-endian. */
export function float32Bytes(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}
