/**
 * The scales of an MLS tensor. Outermost S_t, one float32; under it one S_g per group, rounded up in <8, Mg>. The
 * effective scale of a group is one float32, fround(S_g · S_t).
 */
import type { ElementFormat } from '@bitloom/ir';
import { decodeElement } from '../elements/decode-element.js';
import { formatRange } from '../elements/element-formats.js';
import { type EncodePolicy, encodeFloat, encodeNanBy, encodePowerOfTwo } from '../elements/encode-element.js';
import type { RoundsAway } from '../rounding/rounding.js';
import { mlsGroupScaleFormat } from './mls-formats.js';

const f = Math.fround;

/** Group scales are rounded up, and not negative. */
const UP: EncodePolicy = { rounding: 'toward-positive', saturate: true, nan: 'throw' };
const roundsUp: RoundsAway = (_odd, _fraction, negative) => !negative;

const MAX_FLOAT32 = 3.4028234663852886e38;

/**
 * Which scale a range asks for.
 *
 * - `amax/qmax`: the largest magnitude becomes the largest element, 1 − 2^−(Mx+1). Nothing saturates, so stochastic
 *   rounding is unbiased everywhere, and quantising again finds the same tensor scale.
 * - `amax`: the largest magnitude becomes 1, as the paper writes it. No element is 1, so what lies above the largest
 *   element saturates: up to 2^−(Mx+1) of the group's range is cut.
 */
export type MlsScaleRule = 'amax/qmax' | 'amax';

/** The scale that a range of magnitudes up to `amax` asks for by itself, a finite float32. */
export function mlsWantedScale(amax: number, element: ElementFormat, rule: MlsScaleRule): number {
  return rule === 'amax' ? f(amax) : Math.min(MAX_FLOAT32, f(amax / formatRange(element).max));
}

/**
 * Code of the group scale: the smallest of <8, Mg> that is at least fround(wanted / S_t), so at most 1. Where it is 0
 * (a group or a tensor of zeros) the smallest code, which is 2^−127 in <8, 0> and 0 in <8, 1>.
 *
 * @param wanted Scale that the group asks for by itself, at most `tensorScale`: with the rule `amax` its largest
 *   magnitude.
 * @throws BitloomError `mls-option`, `element-nan`
 */
export function mlsGroupScale(wanted: number, tensorScale: number, mantissaBits: 0 | 1): number {
  const ratio = tensorScale === 0 ? 0 : f(wanted / tensorScale);
  const format = mlsGroupScaleFormat(mantissaBits);
  const encodeScale = mantissaBits === 0 ? encodePowerOfTwo : encodeFloat;
  if (Number.isNaN(ratio)) return encodeNanBy(encodeScale, false, format, 'throw', 'ratio of scales');
  return encodeScale(ratio, format, UP, roundsUp);
}

/** The effective scale of a group, one float32. @throws BitloomError `mls-option`, `element-code` */
export function mlsEffectiveScale(groupScale: number, tensorScale: number, mantissaBits: 0 | 1): number {
  return f(decodeElement(groupScale, mlsGroupScaleFormat(mantissaBits)) * tensorScale);
}
