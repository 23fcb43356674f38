/** Whether the exact integer sum of a product fits what it is added up in. Shared by ShiftQuant and MLS. */
import { BitloomError } from '@bitloom/ir';

/** What a sum is kept in: two's complement of 32 bits, or integers that a float64 holds exactly. */
export type Accumulator = 'int32' | 'safe-integer';

const MAGNITUDE_BITS: Readonly<Record<Accumulator, number>> = { int32: 31, 'safe-integer': 53 };

/** Bits that a sum of `count` terms has more than one term: ⌈log2 count⌉. */
export function sumBits(count: number): number {
  let bits = 0;
  while (2 ** bits < count) bits += 1;
  return bits;
}

/**
 * Requires that sums of magnitude below 2^bits fit.
 *
 * @throws BitloomError `accumulator-width`
 */
export function requireAccumulator(bits: number, accumulator: Accumulator): void {
  if (bits <= MAGNITUDE_BITS[accumulator]) return;
  throw new BitloomError({
    code: 'accumulator-width',
    message: 'the exact sum of this product may not fit its accumulator',
    where: accumulator,
    expected: `at most ${MAGNITUDE_BITS[accumulator]} bits beside the sign`,
    got: `${bits} bits`,
    hint: 'use fewer bits, fewer groups, a shorter inner dimension or a wider accumulator',
  });
}
