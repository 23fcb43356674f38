/**
 * Stochastic rounding with given random bits: whether a value between two neighbours goes to the one farther from
 * zero. Three variants, named as in graphcore-research/gfloat, differ in how the dropped fraction is brought to the
 * resolution of the bits. The bits come from the caller; `philox.ts` makes them.
 */
import { BitloomError, type RoundingMode, type StochasticRounding } from '@bitloom/ir';

/** `bits` (1 to 32) random bits as the integer `value`, 0 to 2^bits − 1. */
export interface RandomBits {
  readonly bits: number;
  readonly value: number;
}

/** The names of the stochastic modes. */
export const STOCHASTIC_ROUNDING_MODES: readonly StochasticRounding[] = [
  'stochastic',
  'stochastic-fast',
  'stochastic-fastest',
];

/** Whether `mode` needs random bits. */
export function isStochastic(mode: RoundingMode): mode is StochasticRounding {
  return mode === 'stochastic' || mode === 'stochastic-fast' || mode === 'stochastic-fastest';
}

/**
 * Whether a value that lies `fraction` (0 to 1, exclusive) of the way from the neighbour nearer to zero goes to the
 * farther one, given b random bits r:
 *
 * - `stochastic`: the fraction is rounded to b bits (ties to even), then compared: rne(fraction · 2^b) + r ≥ 2^b.
 * - `stochastic-fast`: the fraction is cut to b + 1 bits and r is taken at the middle of its step:
 *   ⌊fraction · 2^(b+1)⌋ + 2r + 1 ≥ 2^(b+1).
 * - `stochastic-fastest`: the fraction is cut to b bits: ⌊fraction · 2^b⌋ + r ≥ 2^b. It leans towards zero by up to 2^−b
 *   of a step.
 *
 * @throws BitloomError `rounding-random` without random bits, or with bits out of range.
 */
export function stochasticRoundsAway(
  mode: StochasticRounding,
  fraction: number,
  random: RandomBits | undefined,
): boolean {
  if (random === undefined) throw randomError(mode, undefined);
  const { bits, value } = random;
  // The usual number of bits without a power.
  const steps = bits === 32 ? 4294967296 : 2 ** bits;
  if (!(bits >= 1 && bits <= 32 && value >= 0 && value < steps)) throw randomError(mode, random);
  if (mode === 'stochastic-fastest') return Math.floor(fraction * steps) + value >= steps;
  if (mode === 'stochastic-fast') return Math.floor(fraction * 2 * steps) + 2 * value + 1 >= 2 * steps;
  const scaled = fraction * steps;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  return rounded + value >= steps;
}

function randomError(mode: StochasticRounding, random: RandomBits | undefined): BitloomError {
  return new BitloomError({
    code: 'rounding-random',
    message: `the mode ${mode} needs random bits`,
    expected: '1 to 32 random bits, as a value from 0 to 2^bits - 1',
    got: random === undefined ? 'none' : `${random.bits} bits, value ${random.value}`,
    hint: 'pass random bits, or encode arrays with a seed',
  });
}
