/** How far a quantised tensor lies from the original: the figures that reports and tests quote. Sums in float64. */
import { checkLength } from '../layouts/group-shape.js';

/** Errors of `actual` against `reference`. */
export interface ErrorMetrics {
  /** Largest |actual − reference|. */
  readonly maxError: number;
  /** Index where {@link maxError} occurs; −1 for empty tensors. */
  readonly maxErrorIndex: number;
  /** Square root of the mean squared error. */
  readonly rmse: number;
  /** Signal to quantisation noise, 10·log10(Σ reference² / Σ error²), in dB; +inf when the tensors are equal. */
  readonly sqnr: number;
}

/**
 * Compares two tensors element by element. A NaN in either makes every figure NaN.
 *
 * @throws BitloomError `format-length` when the lengths differ.
 */
export function errorMetrics(reference: ArrayLike<number>, actual: ArrayLike<number>): ErrorMetrics {
  checkLength('values to compare', actual.length, reference.length);
  let maxError = 0;
  let maxErrorIndex = reference.length === 0 ? -1 : 0;
  let noise = 0;
  let signal = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const error = Math.abs(actual[i] - reference[i]);
    if (error > maxError || (Number.isNaN(error) && !Number.isNaN(maxError))) {
      maxError = error;
      maxErrorIndex = i;
    }
    noise += error * error;
    signal += reference[i] * reference[i];
  }
  const rmse = reference.length === 0 ? 0 : Math.sqrt(noise / reference.length);
  return {
    maxError,
    maxErrorIndex,
    rmse,
    sqnr: noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise),
  };
}
