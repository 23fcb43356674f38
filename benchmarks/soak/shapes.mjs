/** What generators of several families share. */
import { FLAG_CONTINUE, FLAG_FINISH } from '@bitloom/kernels';

export const flags = (random) => random.pick([0, FLAG_CONTINUE, FLAG_FINISH, FLAG_CONTINUE | FLAG_FINISH]);

/** One call in so many is large enough to be divided over threads. */
export const isLarge = (random) => random.bits() % 400 === 0;

/** Strides of a matrix [rows, K] of elements of `bytes` bytes, row-major or transposed. */
export function strides(random, rows, K, bytes) {
  return random.bits() % 2 === 0 ? [K * bytes, bytes] : [bytes, rows * bytes];
}
