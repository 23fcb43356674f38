/** Rules by the largest magnitude of a block, for any element. */
import type { ElementFormat } from '@bitloom/ir';
import { formatRange } from '../../elements/element-formats.js';
import { allCodes, levels, MAX_FLOAT32, mirroredCodes, type ScaleRule, within } from './rule.js';

const f = Math.fround;

/** The scale under which `amax` is the largest code, a finite float32 also where the largest code is below 1. */
function byLargest(amax: number, element: ElementFormat): number {
  const scale = f(amax / formatRange(element).symmetricMax);
  return amax < Number.POSITIVE_INFINITY ? Math.min(MAX_FLOAT32, scale) : scale;
}

export const AMAX_QMAX: ScaleRule = {
  codes: mirroredCodes,
  scale: ({ amax }, element, outer) => within(byLargest(amax, element), outer),
};

export const AMAX_HALF_RANGE: ScaleRule = {
  codes: allCodes,
  scale: ({ amax }, element, outer) => within(f(amax / (levels(element) / 2)), outer),
};

export const TWICE_AMAX_LEVELS: ScaleRule = {
  codes: allCodes,
  scale: ({ amax }, element, outer) => within(f(f(2 * amax) / levels(element)), outer),
  zero: (_block, _scale, element) => allCodes(element).lowest + (levels(element) + 1) / 2,
  zeroKind: 'zero-point',
};

export const AMAX: ScaleRule = {
  codes: mirroredCodes,
  scale: ({ amax }, _element, outer) => within(amax, outer),
};

export const AMAX_QMAX_UP: ScaleRule = {
  codes: mirroredCodes,
  scale: ({ amax }, element, outer) => within(byLargest(amax, element), outer),
  rounding: 'toward-positive',
};

export const AMAX_UP: ScaleRule = {
  codes: mirroredCodes,
  scale: ({ amax }, _element, outer) => within(amax, outer),
  rounding: 'toward-positive',
};
