/** Rules by the least and the largest value of a block, or by their mean. */
import type { ElementFormat } from '@bitloom/ir';
import { allCodes, type BlockStatistics, levels, type ScaleRule, within } from './rule.js';

const f = Math.fround;

/** The zero point of {@link MINMAX}. */
export function affineZero({ min }: BlockStatistics, scale: number, element: ElementFormat): number {
  const { lowest, highest } = allCodes(element);
  if (scale === 0) return Math.max(lowest, Math.min(highest, 0));
  const wanted = roundHalfEven(f(lowest - f(Math.min(0, min) / scale)));
  return Math.max(lowest, Math.min(highest, wanted));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

export const MINMAX: ScaleRule = {
  codes: allCodes,
  scale: ({ min, max }, element, outer) =>
    within(f(f(Math.max(0, max) - Math.min(0, min)) / levels(element)), outer),
  zero: affineZero,
  zeroKind: 'zero-point',
};

export const MIN_RANGE: ScaleRule = {
  codes: allCodes,
  scale: ({ min, max }, element, outer) => within(f(f(max - min) / levels(element)), outer),
  // A sum with 0 has no negative zero, which would be stored or not by the order of a block's zeros.
  zero: ({ min }) => min + 0,
  zeroKind: 'minimum',
};

export const MEAN: ScaleRule = {
  codes: allCodes,
  scale: ({ mean }, _element, outer) => within(mean, outer),
};
