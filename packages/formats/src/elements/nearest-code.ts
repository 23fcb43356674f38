/**
 * Codes of single values to nearest even, saturating, in few operations: for the plain loops beside the SIMD functions,
 * and equal to `encodeElement` there. Not for NaNs, formats without a sign or a mantissa, `fnuz` and code books.
 */
import type { ElementFormat } from '@bitloom/ir';
import { formatRange } from './element-formats.js';

/** 1.5 · 2^52: added to a float64 that is not too large, it leaves the nearest integer, ties to even. */
export const INTEGER = 6755399441055744;

/** The code of a float32; of integers as a signed number. */
export function nearestCode(format: ElementFormat): (value: number) => number {
  const { bits, kind, mantissaBits, bias } = format;
  const { max } = formatRange(format);
  const float = new Float32Array(1);
  const word = new Int32Array(float.buffer);
  const bitsOf = (value: number): number => {
    float[0] = value;
    return word[0];
  };
  return (value) => {
    const size = Math.min(max, Math.abs(value));
    const isNegative = bitsOf(value) < 0;
    if (kind === 'int') {
      const steps = size * 2 ** bias + INTEGER - INTEGER;
      return isNegative ? -steps : steps;
    }
    const exponent = Math.max((bitsOf(size) >> 23) - 127, 1 - bias);
    const steps = size / 2 ** (exponent - mantissaBits) + INTEGER - INTEGER;
    return (isNegative ? 2 ** (bits - 1) : 0) + (exponent + bias - 1) * 2 ** mantissaBits + steps;
  };
}
