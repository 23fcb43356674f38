/**
 * Fast encoding of float32 arrays to nearest even, in signed floats of at most 22 mantissa bits whose normal values are
 * normal in float32 too (bias at most 127); equal to `encodeElement` for every float32 and policy. The other rounding
 * modes are in `encode-floats.ts`.
 */
import type { ElementFormat } from '@bitloom/ir';
import { roundsToEven } from '../rounding/rounding.js';
import { type EncodePolicy, encodeFloat, encodeNanBy } from './encode-element.js';
import type { EncodeRange } from './encode-ranges.js';
import { maxMagnitudeCode } from './special-codes.js';

/** Bits of the float32 infinity. */
const INFINITY = 0x7f800000;
/** From here on a shift drops all of a mantissa and more; only "not zero, below one half" is left of it. */
export const FAR = 30;

/** What the loops look up. Numbers are in typed arrays, which the engine reads without checks of their kind. */
export interface FloatGrid {
  /** By exponent field: how far a mantissa, with its hidden bit, is shifted to the step of the format; to FAR + 1. */
  readonly shifts: Uint8Array;
  /** By exponent field: what is added to the shifted mantissa to make the magnitude of the code. */
  readonly offsets: Int32Array;
  /**
   * The largest magnitude of a finite value, the code of positive and of negative overflow, the sign bit, and the sign bit
   * of zeros (none in `fnuz`).
   */
  readonly codes: Int32Array;
  /** Code of an infinity or NaN, given by its bits and its place. */
  readonly special: (bits: number, index: number) => number;
}

/** The grid of a format, and the codes of what has no place on it. */
export function floatGrid(format: ElementFormat, policy: EncodePolicy): FloatGrid {
  const { bits: width, mantissaBits, bias, specials } = format;
  const max = maxMagnitudeCode(format);
  const shifts = new Uint8Array(255);
  const offsets = new Int32Array(255);
  for (let field = 0; field < 255; field += 1) {
    const exponent = Math.max(field, 1) - 127;
    const target = Math.max(exponent, 1 - bias);
    shifts[field] = Math.min(23 - mantissaBits + target - exponent, FAR + 1);
    // The hidden bit is counted in the shifted mantissa. What lies far above the largest code only has to stay there.
    offsets[field] = Math.min((target + bias - 1) * 2 ** mantissaBits, max + 1);
  }
  // Overflow is a matter of sign and of the policy, which names the mode; how a fraction rounds has no part in it.
  const codeOf = (value: number): number => encodeFloat(value, format, policy, roundsToEven);
  const infinities = [codeOf(Number.POSITIVE_INFINITY), codeOf(Number.NEGATIVE_INFINITY)];
  const signBit = 2 ** (width - 1);
  return {
    shifts,
    offsets,
    codes: Int32Array.of(
      max,
      codeOf(Number.MAX_VALUE),
      codeOf(-Number.MAX_VALUE),
      signBit,
      specials === 'fnuz' ? 0 : signBit,
    ),
    special: (bits, index) =>
      (bits & 0x7fffffff) === INFINITY
        ? infinities[bits >>> 31]
        : encodeNanBy(encodeFloat, bits >>> 31 === 1, format, policy.nan, `element ${index}`),
  };
}

/**
 * The loop for one format and policy: the mantissa with its hidden bit is shifted to the step of the format, rounded,
 * and added to the code at which its exponent begins.
 */
export function encodeFloatsToNearest(
  format: ElementFormat,
  policy: EncodePolicy,
  count: number,
): EncodeRange {
  const grid = floatGrid(format, policy);
  const loop = nearestEvenLoop(grid);
  return isTableWorth(format, count) ? tableLoop(grid, loop, format.specials !== 'none') : loop;
}

// The loops below leave specials to code outside of the innermost loop, where a call would cost every element, and
// write numbers out, because bundlers make variables of a module's constants: 0x7f800000 is infinity, 0x800000 the
// hidden bit, and the bits below it are the mantissa.

function nearestEvenLoop({ shifts, offsets, codes, special }: FloatGrid): EncodeRange {
  return (_values, bits, out, start, end) => {
    const max = codes[0];
    const above = codes[1];
    const below = codes[2];
    const signBit = codes[3];
    const zeroSign = codes[4];
    let i = start;
    while (i < end) {
      for (; i < end; i += 1) {
        const b = bits[i];
        const magnitude = b & 0x7fffffff;
        if (magnitude >= 0x7f800000) break;
        const field = magnitude >>> 23;
        const mantissa = field === 0 ? magnitude : (magnitude & 0x7fffff) | 0x800000;
        const shift = shifts[field];
        const offset = offsets[field];
        // Adding just less than half, and the lowest bit of the code, carries when rounding to even goes up.
        const carried = mantissa + ((1 << (shift - 1)) - 1) + (((mantissa >>> shift) + offset) & 1);
        const code = (carried >>> shift) + offset;
        // Masks of all ones or zeros: for negative values, and for codes that are not zero.
        const negative = b >> 31;
        const notZero = -code >> 31;
        const sign = negative & (zeroSign | (notZero & signBit));
        out[i] = code > max ? (negative === 0 ? above : below) : code | sign;
      }
      if (i < end) {
        out[i] = special(bits[i], i);
        i += 1;
      }
    }
  };
}

/** How many keys a table has: sign, exponent and 4 mantissa bits of a float32, and whether any other bit is set. */
const TABLE_KEYS = 2 ** 14;
/** From this many values on, filling a table is less work than it saves. */
const TABLE_WORTH = 4 * TABLE_KEYS;

/** Whether a table holds the format and serves so many values. */
export function isTableWorth({ mantissaBits, bits, specials }: ElementFormat, count: number): boolean {
  return mantissaBits <= 3 && bits <= (specials === 'none' ? 7 : 8) && count >= TABLE_WORTH;
}

/** What a table holds for NaNs where the format has none, which the policy then decides; written out in the loop. */
const NO_CODE = 0xff;

/**
 * A loop by a table. All that a format of at most 3 mantissa bits decides, ties included, lies at float32 values with at
 * most 4 mantissa bits, so that the bits of {@link TABLE_KEYS} are enough.
 *
 * @param loop Fills the table.
 * @param hasNan Whether the format has NaNs. A format that has none has less than 8 bits, and so no code NO_CODE.
 */
export function tableLoop({ special }: FloatGrid, loop: EncodeRange, hasNan: boolean): EncodeRange {
  // Key 2k stands for the float32 of the bits k · 2^19, key 2k + 1 for all between it and the next.
  const bits = new Uint32Array(TABLE_KEYS);
  for (let key = 0; key < TABLE_KEYS; key += 1) bits[key] = ((key >>> 1) << 19) | (key & 1);
  const table = new Uint8Array(TABLE_KEYS).fill(NO_CODE);
  const half = TABLE_KEYS / 2;
  const known = hasNan ? half : 2 * (INFINITY >>> 19) + 1;
  const none = new Float32Array(0);
  for (const first of [0, half]) loop(none, bits, table, first, first + known, new Uint32Array(0));
  if (hasNan) {
    return (_values, source, out, start, end) => {
      for (let i = start; i < end; i += 1) {
        const b = source[i];
        out[i] = table[((b >>> 19) << 1) + (((b & 0x7ffff) + 0x7ffff) >>> 19)];
      }
    };
  }
  return (_values, source, out, start, end) => {
    let i = start;
    while (i < end) {
      for (; i < end; i += 1) {
        const b = source[i];
        const code = table[((b >>> 19) << 1) + (((b & 0x7ffff) + 0x7ffff) >>> 19)];
        if (code === 0xff) break;
        out[i] = code;
      }
      if (i < end) {
        out[i] = special(source[i], i);
        i += 1;
      }
    }
  };
}
