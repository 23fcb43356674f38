/**
 * Fast ways to encode ranges of float32 arrays. Each gives what `encodeElement` gives for every float32, and exists
 * for the formats and modes that its condition names; what has none is encoded by the definition.
 */
import type { ElementFormat, StochasticRounding } from '@bitloom/ir';
import {
  type DeterministicRounding,
  type RoundsAway,
  roundingRule,
  roundShift,
  roundsAway,
  roundsToEven,
} from '../rounding/rounding.js';
import { isStochastic, type RandomBits, stochasticRoundsAway } from '../rounding/stochastic.js';
import type { CodeArray } from './codes.js';
import { encodeCodebookRange } from './encode-codebook-range.js';
import {
  type EncodePolicy,
  encodeFloat,
  encodeInteger,
  encodeNan,
  encodeNanBy,
  encodeNumber,
  encodePowerOfTwo,
} from './encode-element.js';
import { encodeFloats } from './encode-floats.js';
import { encodeFloatsToNearest } from './encode-floats-to-nearest.js';
import { isPowerOfTwoFormat, maxMagnitudeCode } from './special-codes.js';

/**
 * Encodes elements `start` to `end` (exclusive) of `values`, whose bits are `bits`, into the same places of `out`.
 * Stochastic modes take word `i − start` of `words` for element i.
 */
export type EncodeRange = (
  values: Float32Array,
  bits: Uint32Array,
  out: CodeArray,
  start: number,
  end: number,
  words: Uint32Array,
) => void;

/** A way to encode `count` float32 values in `format` by `policy`, whose rounding is a mode that exists. */
export type EncodeRangeOf = (format: ElementFormat, policy: EncodePolicy, count: number) => EncodeRange;

/** The fastest way for any format and mode. */
export function encodeRangeOf(format: ElementFormat, policy: EncodePolicy, count: number): EncodeRange {
  const { rounding } = policy;
  if (isShorterFloat(format)) return encodeFloats(format, policy, count);
  if (isFloat32(format)) return encodeFloat32(format, policy);
  if (format.kind === 'int') return encodeIntegers(format, policy);
  if (!isStochastic(rounding)) {
    if (format.kind === 'codebook' && count >= THRESHOLDS_WORTH) return encodeCodebookRange(format, policy);
    if (isPowerOfTwoFormat(format) && format.bias === 127) return encodePowers(format, policy, rounding);
  }
  return encodeByDefinition(format, policy, (random) => roundsAway(rounding, random));
}

/** A way for any format to nearest even: the mode of the policy. It carries no other, and fewer ways. */
export function encodeToNearest(format: ElementFormat, policy: EncodePolicy, count: number): EncodeRange {
  if (isShorterFloat(format)) return encodeFloatsToNearest(format, policy, count);
  if (isFloat32(format)) return encodeFloat32(format, policy);
  if (format.kind === 'int') return encodeIntegersToNearest(format, policy);
  return encodeByDefinition(format, policy, () => roundsToEven);
}

/** Integers and fixed point, by any mode. */
export function encodeIntegers(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const { rounding } = policy;
  if (rounding === 'nearest-even') return encodeIntegersToNearest(format, policy);
  return isStochastic(rounding)
    ? encodeIntegersStochastically(format, policy, rounding)
    : encodeIntegersByRule(format, policy, rounding);
}

/** Whether a format has a sign, fewer mantissa bits than float32, and no smaller normal values. */
function isShorterFloat({ kind, signed, mantissaBits, bias }: ElementFormat): boolean {
  return kind === 'float' && signed && mantissaBits <= 22 && bias <= 127;
}

function isFloat32({ kind, signed, exponentBits, mantissaBits, bias, specials }: ElementFormat): boolean {
  return (
    kind === 'float' &&
    signed &&
    exponentBits === 8 &&
    mantissaBits === 23 &&
    bias === 127 &&
    specials === 'ieee'
  );
}

/** From this many values on, finding the thresholds of a code book is less work than looking through it for each. */
const THRESHOLDS_WORTH = 1024;

function encodeByDefinition(
  format: ElementFormat,
  policy: EncodePolicy,
  awayBy: (random: RandomBits) => RoundsAway,
): EncodeRange {
  const random = { bits: 32, value: 0 };
  const away = awayBy(random);
  return (values, bits, out, start, end, words) => {
    for (let i = start; i < end; i += 1) {
      random.value = words.length === 0 ? 0 : words[i - start];
      // The sign of a NaN is read from its bits: as a number it has none that could be relied on.
      out[i] = Number.isNaN(values[i])
        ? encodeNan(bits[i] >>> 31 === 1, format, policy.nan, `element ${i}`)
        : encodeNumber(values[i], format, policy, away);
    }
  };
}

/** Bits of the float32 infinity. */
const INFINITY = 0x7f800000;
/** Bits of 2^-126, below which exponents are not in the exponent field. */
const NORMAL = 0x800000;

/** Powers of two with the exponents of a float32: the bits above the mantissa are the code. */
function encodePowers(
  format: ElementFormat,
  policy: EncodePolicy,
  rounding: DeterministicRounding,
): EncodeRange {
  const max = maxMagnitudeCode(format);
  const even = rounding === 'nearest-even' && max >= 0xfd;
  const away = roundsAway(rounding);
  return (values, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      if ((b & 0x7fffffff) > INFINITY) {
        out[i] = encodeNan(b >>> 31 === 1, format, policy.nan, `element ${i}`);
        continue;
      }
      if (even && b >= 0x800000 && b < 0x7e800000) {
        // Adding just less than half, and the lowest bit of the code, carries when rounding to even goes up.
        out[i] = (b + 0x3fffff + ((b >>> 23) & 1)) >>> 23;
        continue;
      }
      const code = b >= NORMAL && b < INFINITY ? roundShift(b, 23, rounding, false) : max + 1;
      out[i] = code <= max ? code : encodePowerOfTwo(values[i], format, policy, away);
    }
  };
}

/** What the loops over integers look up, in typed arrays, which the engine reads without checks of their kind. */
function integerLimits({ bits, signed, bias }: ElementFormat): { limits: Float64Array; low: Int32Array } {
  const highest = 2 ** (signed ? bits - 1 : bits) - 1;
  return {
    limits: Float64Array.of(2 ** bias, signed ? -highest - 1 : 0, highest),
    low: Int32Array.of(2 ** bits - 1),
  };
}

function integerNan(format: ElementFormat, { nan }: EncodePolicy, bits: number, index: number): number {
  return encodeNanBy(encodeInteger, bits >>> 31 === 1, format, nan, `element ${index}`);
}

/** Integers and fixed point: scaled, clamped to the range, whose ends are on the grid, and rounded. */
function encodeIntegersToNearest(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const { limits, low } = integerLimits(format);
  return (values, bits, out, start, end) => {
    const scale = limits[0];
    const min = limits[1];
    const max = limits[2];
    const mask = low[0];
    let i = start;
    while (i < end) {
      for (; i < end; i += 1) {
        const scaled = values[i] * scale;
        const high = scaled > max ? max : scaled;
        const clamped = high < min ? min : high;
        if (Number.isNaN(clamped)) break;
        // 1.5 · 2^52: adding and taking it away rounds a float64 below 2^51 to an integer, ties to even.
        out[i] = (clamped + 6755399441055744 - 6755399441055744) & mask;
      }
      // A call inside of the innermost loop would cost every element.
      if (i < end) {
        out[i] = integerNan(format, policy, bits[i], i);
        i += 1;
      }
    }
  };
}

/** As {@link encodeIntegersToNearest}, rounded by another mode. */
function encodeIntegersByRule(
  format: ElementFormat,
  policy: EncodePolicy,
  rounding: DeterministicRounding,
): EncodeRange {
  const { limits, low } = integerLimits(format);
  const roundUp = roundingRule(rounding);
  return (values, bits, out, start, end) => {
    const scale = limits[0];
    const min = limits[1];
    const max = limits[2];
    const mask = low[0];
    for (let i = start; i < end; i += 1) {
      const clamped = Math.max(min, Math.min(max, values[i] * scale));
      const magnitude = Math.abs(clamped);
      const floor = Math.floor(magnitude);
      const rest = magnitude - floor;
      const up = rest > 0 && roundUp(floor % 2 === 1, rest - 0.5, clamped < 0) ? 1 : 0;
      if (Number.isNaN(clamped)) out[i] = integerNan(format, policy, bits[i], i);
      else out[i] = (clamped < 0 ? -floor - up : floor + up) & mask;
    }
  };
}

function encodeIntegersStochastically(
  format: ElementFormat,
  policy: EncodePolicy,
  rounding: StochasticRounding,
): EncodeRange {
  const { limits, low } = integerLimits(format);
  const [scale, min, max] = limits;
  const [mask] = low;
  const random = { bits: 32, value: 0 };
  return (values, bits, out, start, end, words) => {
    for (let i = start; i < end; i += 1) {
      const clamped = Math.max(min, Math.min(max, values[i] * scale));
      if (Number.isNaN(clamped)) {
        out[i] = integerNan(format, policy, bits[i], i);
        continue;
      }
      const magnitude = Math.abs(clamped);
      const floor = Math.floor(magnitude);
      random.value = words[i - start];
      const away = magnitude > floor && stochasticRoundsAway(rounding, magnitude - floor, random);
      const rounded = away ? floor + 1 : floor;
      out[i] = (clamped < 0 ? -rounded : rounded) & mask;
    }
  };
}

/** Float32 itself: every finite value is its own code. */
function encodeFloat32(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  return (values, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      if ((b & 0x7fffffff) < 0x7f800000) out[i] = b;
      else if (Number.isNaN(values[i])) out[i] = encodeNanBy(encodeFloat, b >>> 31 === 1, format, policy.nan);
      else out[i] = encodeFloat(values[i], format, policy, roundsToEven);
    }
  };
}
