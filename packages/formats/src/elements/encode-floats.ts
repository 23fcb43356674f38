/**
 * Fast encoding of float32 arrays in signed floats of at most 22 mantissa bits whose normal values are normal in
 * float32 too (bias at most 127); equal to `encodeElement` for every float32, policy and random word. One of the ways that `encode-ranges.ts` chooses among.
 */
import type { ElementFormat } from '@bitloom/ir';
import { roundShift } from '../rounding/rounding.js';
import { isStochastic } from '../rounding/stochastic.js';
import type { CodeArray } from './codes.js';
import { type EncodePolicy, encodeElement, encodeNan } from './encode-element.js';
import type { EncodeRange } from './encode-ranges.js';
import { maxMagnitudeCode } from './special-codes.js';

/** Bits of the float32 infinity. */
const INFINITY = 0x7f800000;
const MANTISSA = 0x7fffff;
const HIDDEN = 0x800000;
/** From here on a shift drops all of a mantissa and more; only "not zero, below one half" is left of it. */
const FAR = 30;

/**
 * The loop for one format and policy. The mantissa with its hidden bit is shifted to the step of the format,
 * rounded, and added to the code at which its exponent begins: both are looked up by the exponent field of the float32.
 */
export function encodeFloats(format: ElementFormat, policy: EncodePolicy): EncodeRange {
  const { bits: width, mantissaBits, bias, specials } = format;
  const { rounding } = policy;
  const max = maxMagnitudeCode(format);
  const shifts = new Uint8Array(255);
  const offsets = new Float64Array(255);
  for (let field = 0; field < 255; field += 1) {
    const exponent = Math.max(field, 1) - 127;
    const target = Math.max(exponent, 1 - bias);
    shifts[field] = Math.min(23 - mantissaBits + target - exponent, FAR + 1);
    offsets[field] = Math.min((target + bias - 1) * 2 ** mantissaBits, max + 1);
  }
  const signBit = 2 ** (width - 1);
  const fnuz = specials === 'fnuz';
  // Overflow is a matter of sign and policy alone; no random bits send a value this large back.
  const large = 2 ** 1000;
  const random = { bits: 32, value: 0 };
  const overflow = [
    encodeElement(large, format, policy, random),
    encodeElement(-large, format, policy, random),
  ];
  const infinities = [
    encodeElement(Number.POSITIVE_INFINITY, format, policy),
    encodeElement(Number.NEGATIVE_INFINITY, format, policy),
  ];

  function special(bits: number, index: number): number {
    const negative = bits >>> 31;
    if ((bits & 0x7fffffff) === INFINITY) return infinities[negative];
    return encodeNan(negative === 1, format, policy.nan, `element ${index}`);
  }

  function withSign(magnitude: number, bits: number): number {
    if (magnitude > max) return overflow[bits >>> 31];
    return bits >>> 31 === 0 || (fnuz && magnitude === 0) ? magnitude : magnitude + signBit;
  }

  function nearestEven(
    _v: Float32Array,
    bits: Uint32Array,
    out: CodeArray,
    start: number,
    end: number,
  ): void {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      const magnitude = b & 0x7fffffff;
      if (magnitude >= INFINITY) {
        out[i] = special(b, i);
        continue;
      }
      const field = magnitude >>> 23;
      const mantissa = field === 0 ? magnitude : (magnitude & MANTISSA) | HIDDEN;
      const shift = shifts[field];
      // Adding just less than half, and the lowest bit that stays, carries when rounding to even goes up.
      const carried = mantissa + ((1 << (shift - 1)) - 1) + ((mantissa >>> shift) & 1);
      out[i] = withSign((carried >>> shift) + offsets[field], b);
    }
  }

  if (rounding === 'nearest-even') return nearestEven;
  if (!isStochastic(rounding)) {
    return (_values, bits, out, start, end) => {
      for (let i = start; i < end; i += 1) {
        const b = bits[i];
        const magnitude = b & 0x7fffffff;
        if (magnitude >= INFINITY) {
          out[i] = special(b, i);
          continue;
        }
        const field = magnitude >>> 23;
        const mantissa = field === 0 ? magnitude : (magnitude & MANTISSA) | HIDDEN;
        const rounded = roundShift(mantissa, Math.min(shifts[field], FAR), rounding, b >>> 31 === 1);
        out[i] = withSign(rounded + offsets[field], b);
      }
    };
  }
  return (values, bits, out, start, end, words) => {
    for (let i = start; i < end; i += 1) {
      const b = bits[i];
      const magnitude = b & 0x7fffffff;
      if (magnitude >= INFINITY) {
        out[i] = special(b, i);
        continue;
      }
      const field = magnitude >>> 23;
      const shift = shifts[field];
      if (shift > FAR) {
        random.value = words[i - start];
        out[i] = encodeElement(values[i], format, policy, random);
        continue;
      }
      const mantissa = field === 0 ? magnitude : (magnitude & MANTISSA) | HIDDEN;
      // The dropped bits are fewer than the 32 random ones, so that all three variants are this one: the fraction
      // and the random bits, both cut to `shift` bits, carry.
      const carried = mantissa + (words[i - start] >>> (32 - shift));
      out[i] = withSign((carried >>> shift) + offsets[field], b);
    }
  };
}
