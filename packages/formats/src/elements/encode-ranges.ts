/**
 * Fast ways to encode ranges of float32 arrays. Each gives what `encodeElement` gives for every float32, and exists
 * for the formats and modes that its condition names; what has none is encoded by the definition.
 */
import type { ElementFormat } from '@bitloom/ir';
import { type DeterministicRounding, roundShift, roundToInteger } from '../rounding/rounding.js';
import { isStochastic } from '../rounding/stochastic.js';
import type { CodeArray } from './codes.js';
import { encodeCodebookRange } from './encode-codebook-range.js';
import { type EncodePolicy, encodeElement, encodeNan } from './encode-element.js';
import { encodeFloats } from './encode-floats.js';
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

/** The fastest way to encode `count` float32 values in `format` by `policy`. */
export function encodeRangeOf(format: ElementFormat, policy: EncodePolicy, count: number): EncodeRange {
  const { rounding } = policy;
  if (isShorterFloat(format)) return encodeFloats(format, policy);
  if (isStochastic(rounding)) return encodeByDefinition(format, policy);
  if (format.kind === 'int') return encodeIntegers(format, policy, rounding);
  if (format.kind === 'codebook') {
    return count < THRESHOLDS_WORTH
      ? encodeByDefinition(format, policy)
      : encodeCodebookRange(format, policy);
  }
  if (isPowerOfTwoFormat(format) && format.bias === 127) return encodePowers(format, policy, rounding);
  return encodeByDefinition(format, policy);
}

/** Whether a format has a sign, fewer mantissa bits than float32, and no smaller normal values. */
function isShorterFloat({ kind, signed, mantissaBits, bias }: ElementFormat): boolean {
  return kind === 'float' && signed && mantissaBits <= 22 && bias <= 127;
}

/** From this many values on, finding the thresholds of a code book is less work than looking through it for each. */
const THRESHOLDS_WORTH = 1024;

function encodeByDefinition(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const random = { bits: 32, value: 0 };
  return (values, bits, out, start, end, words) => {
    for (let i = start; i < end; i += 1) {
      random.value = words.length === 0 ? 0 : words[i - start];
      // The sign of a NaN is read from its bits: as a number it has none that could be relied on.
      out[i] = Number.isNaN(values[i])
        ? encodeNan(bits[i] >>> 31 === 1, format, policy.nan, `element ${i}`)
        : encodeElement(values[i], format, policy, random);
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
  return (values, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      if ((b & 0x7fffffff) > INFINITY) {
        out[i] = encodeNan(b >>> 31 === 1, format, policy.nan, `element ${i}`);
        continue;
      }
      const code = b >= NORMAL && b < INFINITY ? roundShift(b, 23, rounding, false) : max + 1;
      out[i] = code <= max ? code : encodeElement(values[i], format, policy);
    }
  };
}

/** 1.5 · 2^52: adding and taking it away rounds a float64 below 2^51 to an integer, ties to even. */
const ROUND = 6755399441055744;

/** Integers and fixed point: scaled, clamped to the range, whose ends are on the grid, and rounded. */
function encodeIntegers(
  format: ElementFormat,
  policy: EncodePolicy,
  rounding: DeterministicRounding,
): EncodeRange {
  const { bits: width, signed, bias } = format;
  const scale = 2 ** bias;
  const max = 2 ** (signed ? width - 1 : width) - 1;
  const min = signed ? -max - 1 : 0;
  const mask = width === 32 ? -1 : 2 ** width - 1;

  function nan(bits: number, index: number): number {
    return encodeNan(bits >>> 31 === 1, format, policy.nan, `element ${index}`);
  }

  if (rounding === 'nearest-even') {
    return (values, bits, out, start, end) => {
      for (let i = start; i < end; i += 1) {
        const scaled = values[i] * scale;
        if (scaled >= max) out[i] = max;
        else if (scaled > min) out[i] = (scaled + ROUND - ROUND) & mask;
        else out[i] = scaled <= min ? min & mask : nan(bits[i], i);
      }
    };
  }
  return (values, bits, out, start, end) => {
    for (let i = start; i < end; i += 1) {
      const scaled = values[i] * scale;
      if (scaled >= max) out[i] = max;
      else if (scaled > min) out[i] = roundToInteger(scaled, rounding) & mask;
      else out[i] = scaled <= min ? min & mask : nan(bits[i], i);
    }
  };
}
