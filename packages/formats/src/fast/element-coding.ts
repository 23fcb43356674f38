/** Which elements the block functions can write and read, and the parameters that say so. */
import type { ElementFormat } from '@bitloom/ir';
import { decodeElement } from '../elements/decode-element.js';
import { formatRange } from '../elements/element-formats.js';
import { maxMagnitudeCode } from '../elements/special-codes.js';
import type { ELEMENT_KINDS, PARAMETERS } from './parameters.js';

/** Vectors by name: 16 bytes each. */
export type Vectors = Partial<Record<keyof typeof PARAMETERS, Uint8Array>>;

/** How codes of an element are written, or how they are read. */
export interface ElementCoding {
  readonly bits: number;
  readonly kind: keyof typeof ELEMENT_KINDS;
  /** Shift from the mantissa of a float32 to that of a code; 0 for integers. */
  readonly drop: number;
  /** Parameters that it needs set. */
  readonly vectors: Vectors;
}

/** Sixteen equal bytes. */
export function bytes(value: number): Uint8Array {
  return new Uint8Array(16).fill(value);
}

/** Four equal float32, as a vector. */
export function floats(value: number): Uint8Array {
  return new Uint8Array(new Float32Array(4).fill(value).buffer);
}

/** Four equal 32-bit integers, as a vector. */
export function integers(value: number): Uint8Array {
  return new Uint8Array(new Int32Array(4).fill(value).buffer);
}

/** Writes signed integers of 2 to 8 bits, clamped to `lowest`..`highest`. */
export function integerCoding(bits: number, lowest: number, highest: number): ElementCoding {
  return { bits, kind: 'int', drop: 0, vectors: { low: bytes(lowest), high: bytes(highest) } };
}

/** Reads signed integers of 2 to 8 bits. */
export function integerReading(bits: number): ElementCoding {
  return { bits, kind: 'int', drop: 0, vectors: {} };
}

/** Writes floats with a sign, of up to 8 bits. Not for `fnuz`, whose negative zero is something else. */
export function floatCoding(format: ElementFormat): ElementCoding {
  const { bits, mantissaBits, bias } = format;
  const drop = 23 - mantissaBits;
  const { max } = formatRange(format);
  const magic = integers((drop << 23) + 0x400000);
  return { bits, kind: 'float', drop, vectors: { low: floats(2 ** (1 - bias)), high: floats(max), magic } };
}

/** Reads floats with a sign, of up to 8 bits. Not for `fnuz`. */
export function floatReading(format: ElementFormat): ElementCoding {
  const { bits, mantissaBits, bias } = format;
  if (bits === 4) return { bits, kind: 'nibbles', drop: 0, vectors: nibbleValues(format) };
  const vectors = { low: integers((127 - bias) << 23), high: integers(maxMagnitudeCode(format)) };
  return { bits, kind: 'float', drop: 23 - mantissaBits, vectors };
}

/** Values of 4-bit floats have at most 2 mantissa bits, so the upper half of a float32 holds them. */
function nibbleValues(format: ElementFormat): Vectors {
  const values = Float32Array.from({ length: 16 }, (_, code) => decodeElement(code, format));
  const raw = new Uint8Array(values.buffer);
  const table = (byte: number): Uint8Array => Uint8Array.from(values, (_, code) => raw[code * 4 + byte]);
  return { byte2: table(2), byte3: table(3) };
}
