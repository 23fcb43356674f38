/**
 * How far a quantised tensor lies from the original: the figures that reports and tests quote. Sums run in float64,
 * in the order of the elements, so a tensor that comes in pieces gives the same bits as one that comes whole.
 */
import { checkLength } from '../layouts/group-shape.js';

/** Errors of `actual` against `reference`. */
export interface ErrorMetrics {
  /** Elements compared. */
  readonly count: number;
  /** Largest |actual − reference|. */
  readonly maxError: number;
  /** Index where {@link maxError} first occurs, counted over all pieces; −1 for empty tensors. */
  readonly maxErrorIndex: number;
  /** Square root of the mean squared error. */
  readonly rmse: number;
  /** `rmse` over the root mean square of the reference; 0 where both are 0, +inf where only the reference is 0. */
  readonly relativeRmse: number;
  /** Signal to quantisation noise, 10·log10(Σ reference² / Σ error²), in dB; +inf when the tensors are equal. */
  readonly sqnr: number;
  /** Σ reference·actual / (|reference|·|actual|), −1..1; 1 where both are 0, 0 where one is. */
  readonly cosineSimilarity: number;
}

/**
 * Adds up errors over as many pieces as there are: a tensor larger than memory, or all tensors of a model.
 *
 * A NaN in either tensor makes every figure NaN but `count` and `maxErrorIndex`, which names the first; so does an
 * infinity of equal sign in both at one place. An infinity elsewhere makes `maxError` and `rmse` infinite, and of the
 * others what float64 makes of them.
 */
export class ErrorAccumulator {
  #count = 0;
  #maxError = 0;
  #maxErrorIndex = -1;
  #noise = 0;
  #signal = 0;
  #power = 0;
  #product = 0;

  /**
   * Compares the next elements.
   *
   * @throws BitloomError `format-length` when the lengths differ; nothing is added then.
   */
  add(reference: ArrayLike<number>, actual: ArrayLike<number>): this {
    checkLength('values to compare', actual.length, reference.length);
    // Locals, for the loop; the order of the additions is that of one call over everything.
    let maxError = this.#maxError;
    let maxErrorIndex = this.#count === 0 && reference.length > 0 ? 0 : this.#maxErrorIndex;
    let noise = this.#noise;
    let signal = this.#signal;
    let power = this.#power;
    let product = this.#product;
    for (let i = 0; i < reference.length; i += 1) {
      const expected = reference[i];
      const got = actual[i];
      const error = Math.abs(got - expected);
      if (error > maxError || (Number.isNaN(error) && !Number.isNaN(maxError))) {
        maxError = error;
        maxErrorIndex = this.#count + i;
      }
      noise += error * error;
      signal += expected * expected;
      power += got * got;
      product += expected * got;
    }
    this.#count += reference.length;
    this.#maxError = maxError;
    this.#maxErrorIndex = maxErrorIndex;
    this.#noise = noise;
    this.#signal = signal;
    this.#power = power;
    this.#product = product;
    return this;
  }

  /** The figures so far; more may be added after. */
  result(): ErrorMetrics {
    const noise = this.#noise;
    const signal = this.#signal;
    return {
      count: this.#count,
      maxError: this.#maxError,
      maxErrorIndex: this.#maxErrorIndex,
      rmse: this.#count === 0 ? 0 : Math.sqrt(noise / this.#count),
      relativeRmse: noise === 0 ? 0 : Math.sqrt(noise / signal),
      sqnr: noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise),
      cosineSimilarity: this.#cosine(),
    };
  }

  #cosine(): number {
    const signal = this.#signal;
    const power = this.#power;
    // The root of the product is exact for equal tensors, and the product of the roots stays inside of float64.
    const square = signal * power;
    const lengths =
      square > 1e-290 && square < 1e290 ? Math.sqrt(square) : Math.sqrt(signal) * Math.sqrt(power);
    if (lengths === 0) return signal === power ? 1 : 0;
    // Rounding may lead just past the ends.
    return Math.max(-1, Math.min(1, this.#product / lengths));
  }
}

/**
 * Compares two tensors element by element. See {@link ErrorAccumulator} for NaN and infinities.
 *
 * @throws BitloomError `format-length` when the lengths differ.
 */
export function errorMetrics(reference: ArrayLike<number>, actual: ArrayLike<number>): ErrorMetrics {
  return new ErrorAccumulator().add(reference, actual).result();
}
