/**
 * The code of one value in any element format: the definition that every fast path of this package equals. The value
 * is taken as a float64 exactly, so nothing is rounded twice. Slow and obvious; arrays go through `encode` in `codes.ts`.
 */
import { BitloomError, type ElementFormat, type NanPolicy, type RoundingMode } from '@bitloom/ir';
import { type RoundsAway, roundsAway, roundsToEven } from '../rounding/rounding.js';
import type { RandomBits } from '../rounding/stochastic.js';
import { encodeCodebook } from './encode-codebook.js';
import { infinityCode, isPowerOfTwoFormat, maxMagnitudeCode, nanCode } from './special-codes.js';

/** What becomes of values that a format does not have. */
export interface EncodePolicy {
  readonly rounding: RoundingMode;
  /**
   * `true`: overflow and infinities become the largest value of their sign. `false`: overflow goes where the rounding
   * mode sends it, past the largest value to infinity, or to NaN where there is no infinity. Formats with neither
   * saturate always.
   */
  readonly saturate: boolean;
  /** What becomes of a NaN in a format that has none; formats that have one keep it, quiet, with its sign. */
  readonly nan: NanPolicy;
}

/** To nearest even, saturating; a NaN that the format does not have is an error. */
export const DEFAULT_ENCODE_POLICY: EncodePolicy = { rounding: 'nearest-even', saturate: true, nan: 'throw' };

/**
 * The code of `value`.
 *
 * - Floats round in the grid of their format, subnormals included, as if the exponent had no upper bound; what then
 *   lies past the largest value is overflow. Zeros keep their sign, except in `fnuz`.
 * - Powers of two (e8m0) round between two powers, ties to the even code. What is not positive becomes the lowest
 *   value, or NaN without saturation; what is smaller than the lowest value becomes the lowest value.
 * - Unsigned floats treat what rounds to a negative number the same way: the lowest value, or NaN without saturation.
 * - Integers round to a multiple of 2^−bias and clamp.
 * - Code books: see {@link encodeCodebook}.
 *
 * @param random Random bits, for the stochastic modes.
 * @throws BitloomError `element-nan`, `rounding-random`, `format-rounding-unknown`.
 */
export function encodeElement(
  value: number,
  format: ElementFormat,
  policy: EncodePolicy = DEFAULT_ENCODE_POLICY,
  random?: RandomBits,
): number {
  if (Number.isNaN(value)) return encodeNan(isNegative(value), format, policy.nan);
  return encodeNumber(value, format, policy, roundsAway(policy.rounding, random));
}

/** {@link encodeElement} of what is not a NaN, its rounding mode given as a function too. */
export function encodeNumber(
  value: number,
  format: ElementFormat,
  policy: EncodePolicy,
  away: RoundsAway,
): number {
  if (format.kind === 'codebook') return encodeCodebook(value, format, policy.rounding, away);
  if (format.kind === 'int') return encodeInteger(value, format, policy, away);
  if (isPowerOfTwoFormat(format)) return encodePowerOfTwo(value, format, policy, away);
  return encodeFloat(value, format, policy, away);
}

/** The definition, or that of one kind of format: code that needs no other carries no other. */
export type EncodeNumber = typeof encodeNumber;

/**
 * The code of a NaN, by the format where it has one and by the policy elsewhere.
 *
 * @throws BitloomError `element-nan`, naming `where`.
 */
export function encodeNan(
  negative: boolean,
  format: ElementFormat,
  policy: NanPolicy,
  where?: string,
): number {
  return encodeNanBy(encodeNumber, negative, format, policy, where);
}

/** {@link encodeNan}, where `encodeInstead` encodes what the policy puts in its place. */
export function encodeNanBy(
  encodeInstead: EncodeNumber,
  negative: boolean,
  format: ElementFormat,
  policy: NanPolicy,
  where?: string,
): number {
  const code = nanCode(format, negative);
  if (code !== undefined) return code;
  if (policy === 'zero') return encodeInstead(0, format, DEFAULT_ENCODE_POLICY, roundsToEven);
  if (policy === 'max') {
    return encodeInstead(Number.POSITIVE_INFINITY, format, DEFAULT_ENCODE_POLICY, roundsToEven);
  }
  throw new BitloomError({
    code: 'element-nan',
    message: `a NaN cannot be encoded: the format ${format.name} has none`,
    where,
    expected: 'a number, or an infinity',
    got: 'NaN',
    hint: "find where the NaN comes from, or choose what it becomes: nan: 'zero' or nan: 'max'",
  });
}

/** Whether the sign bit is set: of zeros and NaNs too. */
function isNegative(value: number): boolean {
  return new DataView(Float64Array.of(value).buffer).getInt8(7) < 0;
}

/** The integer e with 2^e ≤ magnitude < 2^(e+1), for a positive finite magnitude. */
function exponentOf(magnitude: number): number {
  const exponent = Math.floor(Math.log2(magnitude));
  // The logarithm is off by one at most, next to a power of two.
  if (2 ** exponent > magnitude) return exponent - 1;
  return 2 ** (exponent + 1) <= magnitude ? exponent + 1 : exponent;
}

/** `magnitude` (not negative) in steps of 2^stepExponent, rounded to an integer; `base` plus steps are the code. */
function roundToStep(
  magnitude: number,
  stepExponent: number,
  base: number,
  negative: boolean,
  away: RoundsAway,
): number {
  // Division by a power of two is exact unless the quotient is too small for a float64; then all that matters is that
  // it is not zero.
  const steps = magnitude / 2 ** stepExponent || (magnitude > 0 ? Number.MIN_VALUE : 0);
  const floor = Math.floor(steps);
  if (floor === steps) return steps;
  return away((base + floor) % 2 === 1, steps - floor, negative) ? floor + 1 : floor;
}

/** {@link encodeNumber} for integers. */
export function encodeInteger(
  value: number,
  { bits, signed, bias }: ElementFormat,
  _policy: EncodePolicy,
  away: RoundsAway,
): number {
  const negative = value < 0;
  const max = 2 ** (signed ? bits - 1 : bits) - 1;
  const limit = negative ? (signed ? max + 1 : 0) : max;
  const magnitude = Number.isFinite(value)
    ? Math.min(roundToStep(Math.abs(value), -bias, 0, negative, away), limit)
    : limit;
  return negative && magnitude > 0 ? 2 ** bits - magnitude : magnitude;
}

/** {@link encodeNumber} for floats, powers of two excepted. */
export function encodeFloat(
  value: number,
  format: ElementFormat,
  policy: EncodePolicy,
  away: RoundsAway,
): number {
  const { bits, signed, specials } = format;
  const negative = value < 0 || Object.is(value, -0);
  const magnitude = encodeMagnitude(Math.abs(value), negative, format, policy, away);
  if (!negative) return magnitude;
  if (specials === 'fnuz' && (magnitude === 0 || magnitude === nanCode(format, true))) return magnitude;
  if (signed) return 2 ** (bits - 1) + magnitude;
  return magnitude === 0 || policy.saturate ? 0 : (nanCode(format, true) ?? 0);
}

/** The code of |value| without its sign bit (the NaN of `fnuz` as it is). */
function encodeMagnitude(
  magnitude: number,
  negative: boolean,
  format: ElementFormat,
  policy: EncodePolicy,
  away: RoundsAway,
): number {
  if (magnitude === 0) return 0;
  if (magnitude === Number.POSITIVE_INFINITY) return overflowCode(format, policy.saturate);
  const { mantissaBits, bias } = format;
  const exponent = Math.max(exponentOf(magnitude), 1 - bias);
  // The hidden bit of a normal value adds one to the exponent field, and so does a carry out of the mantissa.
  const base = (exponent + bias - 1) * 2 ** mantissaBits;
  const code = base + roundToStep(magnitude, exponent - mantissaBits, base, negative, away);
  if (code <= maxMagnitudeCode(format)) return code;
  return overflowCode(format, policy.saturate || staysFinite(policy.rounding, negative));
}

/** {@link encodeNumber} for powers of two. */
export function encodePowerOfTwo(
  value: number,
  format: ElementFormat,
  policy: EncodePolicy,
  away: RoundsAway,
): number {
  if (value <= 0) return policy.saturate ? 0 : (nanCode(format, false) ?? 0);
  if (value === Number.POSITIVE_INFINITY) return overflowCode(format, policy.saturate);
  const exponent = exponentOf(value);
  const code = exponent + format.bias;
  if (code < 0) return 0;
  const fraction = value / 2 ** exponent - 1;
  const up = fraction > 0 && away(code % 2 === 1, fraction, false);
  const rounded = up ? code + 1 : code;
  if (rounded <= maxMagnitudeCode(format)) return rounded;
  return overflowCode(format, policy.saturate || staysFinite(policy.rounding, false));
}

/** Whether a mode never rounds past the largest value of this sign. */
function staysFinite(mode: RoundingMode, negative: boolean): boolean {
  if (mode === 'toward-negative') return !negative;
  if (mode === 'toward-positive') return negative;
  return mode === 'toward-zero' || mode === 'to-odd';
}

/** The magnitude that stands for overflow. */
function overflowCode(format: ElementFormat, saturate: boolean): number {
  const max = maxMagnitudeCode(format);
  return saturate ? max : (infinityCode(format) ?? nanCode(format, false) ?? max);
}
