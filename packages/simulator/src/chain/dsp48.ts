/**
 * The multiply-accumulate of one DSP48E2 with two INT8 products, bit for bit: the pre-adder packs two activations, the
 * multiplier multiplies both by one weight, and the sums of the cascade stay in two fields of one 48-bit accumulator,
 * the lower of 18 bits. Widths are those of AMD UG579. Numbers are integers below 2^53, wrapped where a register wraps.
 */

/** Bits of the lower field of partial sums. */
export const FIELD_BITS = 18;
const FIELD = 2 ** FIELD_BITS;
const PRE_ADDER_BITS = 27;
const ACCUMULATOR_BITS = 48;

/** The low `bits` bits of an integer as a signed number. */
function wrapped(value: number, bits: number): number {
  const range = 2 ** bits;
  const low = value - Math.floor(value / range) * range;
  return low >= range / 2 ? low - range : low;
}

/** A:D through the pre-adder: a1 in the upper field, a0 added to it, so that a negative a0 borrows from a1. */
export function packActivations(a1: number, a0: number): number {
  return wrapped(a1 * FIELD + a0, PRE_ADDER_BITS);
}

/** P of a DSP: its product, the cascade from below, and its own P where it goes on with a sum. */
export function accumulate(product: number, cascade: number, feedback: number): number {
  return wrapped(product + cascade + feedback, ACCUMULATOR_BITS);
}

/** Partial sums of both rows. */
export interface Fields {
  readonly high: number;
  readonly low: number;
}

/**
 * What the overflow adjust unit does: the lower field is a signed number of 18 bits, and what it borrowed from the upper
 * field is given back. Exact while the lower sum lies in -2^17..2^17-1; beyond, both rows are wrong.
 */
export function splitFields(accumulator: number): Fields {
  const low = wrapped(accumulator, FIELD_BITS);
  return { high: (accumulator - low) / FIELD, low };
}

/** One DSP58 in its INT8 mode: a dot product of three, without fields, in an accumulator of 58 bits. */
export function dotOfThree(a: readonly number[], w: readonly number[], cascade: number): number {
  return a[0] * w[0] + a[1] * w[1] + a[2] * w[2] + cascade;
}
