/**
 * The value of one code of any element format: the definition that every table and loop of this package equals.
 * Slow and obvious; arrays go through `decode` in `codes.ts`.
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { infinityCode, isPowerOfTwoFormat, maxMagnitudeCode } from './special-codes.js';

/**
 * The exact value of `code`: NaN, infinities and −0 included. A float is (−1)^s · 2^(e − bias) · 1.m, or with
 * exponent field 0 (−1)^s · 2^(1 − bias) · 0.m.
 *
 * @param code 0 to 2^bits − 1, two's complement for signed integers.
 * @throws BitloomError `element-code` for what is no code of the format.
 */
export function decodeElement(code: number, format: ElementFormat): number {
  if (!Number.isInteger(code) || code < 0 || code >= codeCount(format)) throw codeError(code, format);
  if (format.kind === 'codebook') return format.values?.[code] ?? Number.NaN;
  return format.kind === 'int' ? decodeInteger(code, format) : decodeFloat(code, format);
}

/** How many codes the format has: 2^bits, or the length of the code book. */
export function codeCount(format: ElementFormat): number {
  return format.kind === 'codebook' ? (format.values?.length ?? 0) : 2 ** format.bits;
}

/** The error of a code that a format does not have. */
export function codeError(code: number, format: ElementFormat, where?: string): BitloomError {
  return new BitloomError({
    code: 'element-code',
    message: `the format ${format.name} does not have this code`,
    where,
    expected: `an integer from 0 to ${codeCount(format) - 1}`,
    got: String(code),
    hint: 'give one code per element, unpacked, and the format that they were encoded in',
  });
}

function decodeInteger(code: number, { bits, signed, bias }: ElementFormat): number {
  const negative = signed && code >= 2 ** (bits - 1);
  return (negative ? code - 2 ** bits : code) * 2 ** -bias;
}

function decodeFloat(code: number, format: ElementFormat): number {
  const { bits, signed, mantissaBits, bias, specials } = format;
  const signBit = signed ? 2 ** (bits - 1) : 2 ** bits;
  const negative = code >= signBit;
  const magnitude = negative ? code - signBit : code;
  if (specials === 'fnuz' && negative && magnitude === 0) return Number.NaN;
  const sign = negative ? -1 : 1;
  if (magnitude > maxMagnitudeCode(format)) {
    return magnitude === infinityCode(format) ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (isPowerOfTwoFormat(format)) return 2 ** (magnitude - bias);
  const exponent = Math.floor(magnitude / 2 ** mantissaBits);
  const mantissa = magnitude - exponent * 2 ** mantissaBits;
  const step = 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
  return sign * (exponent === 0 ? mantissa : mantissa + 2 ** mantissaBits) * step;
}
