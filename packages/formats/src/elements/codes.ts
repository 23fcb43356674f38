/**
 * Arrays of values to arrays of codes and back, one code per element, equal to `encodeElement` and `decodeElement`.
 * Packing several codes into a byte is a matter of layouts, scaling one of schemes.
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { randomWords } from '../rounding/philox.js';
import { isStochastic } from '../rounding/stochastic.js';
import { codeCount, codeError, decodeElement } from './decode-element.js';
import { DEFAULT_ENCODE_POLICY, type EncodePolicy, encodeElement, encodeNan } from './encode-element.js';

/** One code per element: the narrowest unsigned integers that hold the bits of the format. */
export type CodeArray = Uint8Array | Uint16Array | Uint32Array;

/** How {@link encode} treats values, and where codes go. */
export interface EncodeOptions extends Partial<EncodePolicy> {
  /** Stochastic rounding: element i takes word `firstIndex + i` of the stream, all 32 bits. Default 0. */
  readonly seed?: number;
  readonly stream?: number;
  readonly firstIndex?: number;
  /** As long as the values, of the kind that {@link newCodes} makes. */
  readonly out?: CodeArray;
}

/** An array for `length` codes of `format`: Uint8Array up to 8 bits, Uint16Array up to 16, Uint32Array up to 32. */
export function newCodes(format: Pick<ElementFormat, 'bits'>, length: number): CodeArray {
  if (format.bits <= 8) return new Uint8Array(length);
  return format.bits <= 16 ? new Uint16Array(length) : new Uint32Array(length);
}

/** Random words are made for this many elements at a time. */
const RANDOM_CHUNK = 4096;

/**
 * The code of every value: `out[i] = encodeElement(values[i], format, policy)`.
 *
 * @returns `options.out`, or a new array of {@link newCodes}.
 * @throws BitloomError `element-nan` naming the element, `format-length`, `format-code-array`, `random-counter`,
 * `format-rounding-unknown`.
 */
export function encode(values: Float32Array, format: ElementFormat, options: EncodeOptions = {}): CodeArray {
  const out = options.out ?? newCodes(format, values.length);
  checkCodeArray(out, format, values.length);
  const policy: EncodePolicy = {
    rounding: options.rounding ?? DEFAULT_ENCODE_POLICY.rounding,
    saturate: options.saturate ?? DEFAULT_ENCODE_POLICY.saturate,
    nan: options.nan ?? DEFAULT_ENCODE_POLICY.nan,
  };
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const stochastic = isStochastic(policy.rounding);
  const { seed = 0, stream = 0, firstIndex = 0 } = options;
  const words = new Uint32Array(stochastic ? Math.min(RANDOM_CHUNK, values.length) : 0);
  const random = { bits: 32, value: 0 };
  for (let i = 0; i < values.length; i += 1) {
    if (stochastic) {
      if (i % RANDOM_CHUNK === 0) randomWords(seed, stream, firstIndex + i, words);
      random.value = words[i % RANDOM_CHUNK];
    }
    // The sign of a NaN is read from its bits: as a number it has none that could be relied on.
    out[i] = Number.isNaN(values[i])
      ? encodeNan(bits[i] >>> 31 === 1, format, policy.nan, `element ${i}`)
      : encodeElement(values[i], format, policy, random);
  }
  return out;
}

/**
 * The value of every code, rounded to float32 where the format is wider than that: `out[i] = decodeElement(codes[i])`.
 * NaNs come out quiet, with the sign of their code.
 *
 * @returns `out`, or a new array.
 * @throws BitloomError `element-code` naming the element, `format-length`.
 */
export function decode(
  codes: ArrayLike<number>,
  format: ElementFormat,
  out: Float32Array = new Float32Array(codes.length),
): Float32Array {
  checkElementCount('out', out.length, codes.length);
  const count = codeCount(format);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (!(code < count)) throw codeError(code, format, `element ${i}`);
    const value = decodeElement(code, format);
    out[i] = value;
    if (Number.isNaN(value)) bits[i] = format.signed && code >= count / 2 ? 0xffc00000 : 0x7fc00000;
  }
  return out;
}

function checkElementCount(where: string, got: number, expected: number): void {
  if (got === expected) return;
  throw new BitloomError({
    code: 'format-length',
    message: 'the array does not have one place per element',
    where,
    expected: String(expected),
    got: String(got),
  });
}

function checkCodeArray(out: CodeArray, format: ElementFormat, length: number): void {
  checkElementCount('out', out.length, length);
  if (out.BYTES_PER_ELEMENT * 8 >= format.bits) return;
  throw new BitloomError({
    code: 'format-code-array',
    message: `codes of ${format.name} do not fit this array`,
    where: 'out',
    expected: `elements of at least ${format.bits} bits`,
    got: `${out.BYTES_PER_ELEMENT * 8} bits`,
  });
}
