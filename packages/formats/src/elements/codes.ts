/**
 * Arrays of values to arrays of codes and back, one code per element, equal to `encodeElement` and `decodeElement`.
 * Packing several codes into a byte is a matter of layouts, scaling one of schemes.
 */
import { BF16, BitloomError, type ElementFormat, FP16, FP32 } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { randomWords } from '../rounding/philox.js';
import { checkRounding } from '../rounding/rounding.js';
import { isStochastic } from '../rounding/stochastic.js';
import { codeCount, codeError, decodeElement } from './decode-element.js';
import { decodeTable } from './decode-table.js';
import { DEFAULT_ENCODE_POLICY, type EncodePolicy } from './encode-element.js';
import { type EncodeRangeOf, encodeRangeOf } from './encode-ranges.js';
import { decodeBf16Array, decodeFp16Array } from './half-precision.js';

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
 * A NaN becomes the quiet NaN of its sign, so that codes come back from `decode` as they were, but for those of NaNs
 * with another payload.
 *
 * @returns `options.out`, or a new array of {@link newCodes}.
 * @throws BitloomError `element-nan` naming the element, `format-length`, `format-code-array`, `random-counter`,
 * `format-rounding-unknown`.
 */
export function encode(values: Float32Array, format: ElementFormat, options: EncodeOptions = {}): CodeArray {
  return encodeBy(encodeRangeOf, values, format, options);
}

/** {@link encode} in a way that serves this format: for those who know it, and need to carry no other. */
export function encodeBy(
  rangeOf: EncodeRangeOf,
  values: Float32Array,
  format: ElementFormat,
  options: EncodeOptions,
): CodeArray {
  const { rounding = DEFAULT_ENCODE_POLICY.rounding } = options;
  if (!isStochastic(rounding)) {
    checkRounding(rounding);
    return encodeRanges(rangeOf, values, format, options, () => new Uint32Array(0), values.length);
  }
  const { seed = 0, stream = 0, firstIndex = 0 } = options;
  const words = new Uint32Array(Math.min(RANDOM_CHUNK, values.length));
  const wordsOf = (start: number, end: number): Uint32Array =>
    randomWords(seed, stream, firstIndex + start, words.subarray(0, end - start));
  return encodeRanges(rangeOf, values, format, options, wordsOf, RANDOM_CHUNK);
}

/** {@link encode} to nearest even, in a way that serves this format. */
export function encodeNearestBy(
  rangeOf: EncodeRangeOf,
  values: Float32Array,
  format: ElementFormat,
  options: Partial<Omit<EncodePolicy, 'rounding'>>,
): CodeArray {
  return encodeRanges(rangeOf, values, format, options, () => new Uint32Array(0), values.length);
}

/** Encodes `step` values at a time, with the random words that belong to them. */
function encodeRanges(
  rangeOf: EncodeRangeOf,
  values: Float32Array,
  format: ElementFormat,
  options: EncodeOptions,
  wordsOf: (start: number, end: number) => Uint32Array,
  step: number,
): CodeArray {
  const out = options.out ?? newCodes(format, values.length);
  checkCodeArray(out, format, values.length);
  const policy: EncodePolicy = {
    rounding: options.rounding ?? DEFAULT_ENCODE_POLICY.rounding,
    saturate: options.saturate ?? DEFAULT_ENCODE_POLICY.saturate,
    nan: options.nan ?? DEFAULT_ENCODE_POLICY.nan,
  };
  const encodeRange = rangeOf(format, policy, values.length);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let start = 0; start < values.length; start += step) {
    const end = Math.min(start + step, values.length);
    encodeRange(values, bits, out, start, end, wordsOf(start, end));
  }
  return out;
}

/** Whether making a table of all codes is less work than decoding these one by one. */
function isTableWorth(codes: Uint8Array | Uint16Array, { bits }: ElementFormat): boolean {
  return codes.length >= 64 && (bits <= 8 || (bits <= 16 && codes.length >= 2 ** bits));
}

/**
 * The value of every code, rounded to float32 where the format is wider than that: `out[i] = decodeElement(codes[i])`.
 * NaNs stay NaNs and keep the sign of their code.
 *
 * @returns `out`, or a new array.
 * @throws BitloomError `element-code` naming the element, `format-length`.
 */
export function decode(
  codes: ArrayLike<number>,
  format: ElementFormat,
  out: Float32Array = new Float32Array(codes.length),
): Float32Array {
  checkLength('places for values', out.length, codes.length);
  return decodeWide(codes, format, out) ? out : decodePlainly(codes, format, out);
}

/** {@link decode} without loops for the wide floats: for those who have few of them. */
export function decodePlainly(
  codes: ArrayLike<number>,
  format: ElementFormat,
  out: Float32Array = new Float32Array(codes.length),
): Float32Array {
  if ((codes instanceof Uint8Array || codes instanceof Uint16Array) && isTableWorth(codes, format)) {
    return decodeByTable(codes, format, out);
  }
  const count = codeCount(format);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (!(code < count)) throw codeError(code, format, `element ${i}`);
    const value = decodeElement(code, format);
    if (Number.isNaN(value)) bits[i] = format.signed && code >= count / 2 ? 0xffc00000 : 0x7fc00000;
    else out[i] = value;
  }
  return out;
}

/** Formats with loops of their own; false where format or array is none of theirs. */
function decodeWide(codes: ArrayLike<number>, format: ElementFormat, out: Float32Array): boolean {
  if (codes instanceof Uint16Array) {
    if (sameFloat(format, FP16)) decodeFp16Array(codes, out);
    else if (sameFloat(format, BF16)) decodeBf16Array(codes, out);
    else return false;
    return true;
  }
  if (!(codes instanceof Uint32Array) || !sameFloat(format, FP32)) return false;
  new Uint32Array(out.buffer, out.byteOffset, out.length).set(codes);
  return true;
}

function sameFloat(a: ElementFormat, b: ElementFormat): boolean {
  return (
    a.kind === b.kind &&
    a.bits === b.bits &&
    a.mantissaBits === b.mantissaBits &&
    a.bias === b.bias &&
    a.specials === b.specials
  );
}

function decodeByTable(
  codes: Uint8Array | Uint16Array,
  format: ElementFormat,
  out: Float32Array,
): Float32Array {
  // As bits, because a NaN that passes as a number may lose its sign; as long as there are codes to look up.
  const table = new Uint32Array(2 ** (8 * codes.BYTES_PER_ELEMENT));
  table.set(new Uint32Array(decodeTable(format).buffer));
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  const count = codeCount(format);
  let seen = 0;
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    bits[i] = table[code];
    seen |= code;
  }
  // Too large a code sets a bit too many; a code book may be shorter than its bits allow, so look closely.
  for (let i = 0; seen >= count && i < codes.length; i += 1) {
    if (codes[i] >= count) throw codeError(codes[i], format, `element ${i}`);
  }
  return out;
}

function checkCodeArray(out: CodeArray, format: ElementFormat, length: number): void {
  checkLength('places for codes', out.length, length);
  if (out.BYTES_PER_ELEMENT * 8 >= format.bits) return;
  throw new BitloomError({
    code: 'format-code-array',
    message: `codes of ${format.name} do not fit this array`,
    where: 'out',
    expected: `elements of at least ${format.bits} bits`,
    got: `${out.BYTES_PER_ELEMENT * 8} bits`,
  });
}
