/**
 * Rounding to integers, by name. The name is recorded in artefacts; nothing rounds without one. Stochastic rounding
 * is in `stochastic.ts`: it takes random bits.
 */
import { BitloomError, type RoundingMode, type StochasticRounding } from '@bitloom/ir';
import { isStochastic, type RandomBits, stochasticRoundsAway } from './stochastic.js';

/** The modes that need no random bits. */
export type DeterministicRounding = Exclude<RoundingMode, StochasticRounding>;

/**
 * Whether a magnitude goes up to the next integer (away from zero), given its integer part's lowest bit, the dropped part compared
 * with one half (−1 less, 0 equal, 1 more) and the sign. Only asked when the dropped part is not zero.
 */
export type RoundUp = (odd: boolean, versusHalf: number, negative: boolean) => boolean;

/**
 * Whether a magnitude between two neighbours goes to the one farther from zero. `fraction` is how far it lies from
 * the nearer one, above 0 and below 1; `odd` says whether the nearer one's code is odd.
 */
export type RoundsAway = (odd: boolean, fraction: number, negative: boolean) => boolean;

/** The mode `nearest-even`, for code that needs no other. */
export const roundsToEven: RoundsAway = (odd, fraction) => fraction > 0.5 || (fraction === 0.5 && odd);

const ROUND_UP: Readonly<Record<DeterministicRounding, RoundUp>> = {
  'nearest-even': (odd, versusHalf) => versusHalf > 0 || (versusHalf === 0 && odd),
  'nearest-away': (_odd, versusHalf) => versusHalf >= 0,
  'toward-zero': () => false,
  'toward-negative': (_odd, _versusHalf, negative) => negative,
  'toward-positive': (_odd, _versusHalf, negative) => !negative,
  'to-odd': (odd) => !odd,
};

/** Names of all rounding modes. */
export const ROUNDING_MODES: readonly DeterministicRounding[] = [
  'nearest-even',
  'nearest-away',
  'toward-zero',
  'toward-negative',
  'toward-positive',
  'to-odd',
];

/**
 * Checks that there is a deterministic mode of this name.
 *
 * @throws BitloomError `format-rounding-unknown`.
 */
export function checkRounding(mode: DeterministicRounding): void {
  if (Object.hasOwn(ROUND_UP, mode)) return;
  throw new BitloomError({
    code: 'format-rounding-unknown',
    message: 'there is no rounding mode of this name',
    expected: ROUNDING_MODES.join(', '),
    got: String(mode),
  });
}

/**
 * What a mode says, for loops that ask it of many values.
 *
 * @throws BitloomError `format-rounding-unknown`.
 */
export function roundingRule(mode: DeterministicRounding): RoundUp {
  checkRounding(mode);
  return ROUND_UP[mode];
}

/**
 * The integer that `mode` chooses for `value`; NaN and infinities stay. A result of zero keeps the sign of `value`.
 *
 * @throws BitloomError `format-rounding-unknown`.
 */
export function roundToInteger(value: number, mode: DeterministicRounding): number {
  const roundUp = roundingRule(mode);
  const magnitude = Math.abs(value);
  const floor = Math.floor(magnitude);
  const rest = magnitude - floor;
  if (!(rest > 0)) return value;
  const negative = value < 0;
  const rounded = roundUp(floor % 2 === 1, rest - 0.5, negative) ? floor + 1 : floor;
  return negative ? -rounded : rounded;
}

/**
 * `magnitude` (a non-negative integer below 2^31) shifted right by `shift` (0 to 30) bits, rounded by `mode`.
 *
 * @throws BitloomError `format-rounding-unknown`.
 */
export function roundShift(
  magnitude: number,
  shift: number,
  mode: DeterministicRounding,
  negative: boolean,
): number {
  const quotient = magnitude >>> shift;
  const rest = magnitude & ((1 << shift) - 1);
  if (rest === 0) return quotient;
  const versusHalf = rest - (1 << shift) / 2;
  // The mode of nearly every call, without the table.
  if (mode === 'nearest-even')
    return versusHalf > 0 || (versusHalf === 0 && quotient & 1) ? quotient + 1 : quotient;
  return roundingRule(mode)((quotient & 1) === 1, versusHalf, negative) ? quotient + 1 : quotient;
}

/**
 * A mode as a function.
 *
 * @param random Random bits, for the stochastic modes; read at every call.
 * @throws BitloomError `format-rounding-unknown`, and when it is called `rounding-random`.
 */
export function roundsAway(mode: RoundingMode, random?: RandomBits): RoundsAway {
  if (isStochastic(mode)) return (_odd, fraction) => stochasticRoundsAway(mode, fraction, random);
  const roundUp = roundingRule(mode);
  return (odd, fraction, negative) => roundUp(odd, fraction - 0.5, negative);
}
