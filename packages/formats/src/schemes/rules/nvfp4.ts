/** The rules of NVFP4: a scale in e4m3fn per block, in units of a float32 per tensor. */
import { formatRange } from '../../elements/element-formats.js';
import { allCodes, MAX_FLOAT32, type ScaleRule, within } from './rule.js';

const f = Math.fround;

const FP8_LARGEST = 448;
/** Smallest normal fp8_e4m3fn. */
const FP8_TINY = 2 ** -6;
/** Distance of the two fp8_e4m3fn next to 1 above it. */
const FP8_EPSILON = 2 ** -3;

export const NVFP4_BLOCK: ScaleRule = {
  codes: allCodes,
  scale: ({ amax }, element, outer) =>
    Math.max(FP8_TINY, Math.min(FP8_LARGEST, within(f(amax / formatRange(element).max), outer))),
};

export const NVFP4_BLOCK_DIVIDED: ScaleRule = {
  codes: allCodes,
  scale({ amax }, element, outer) {
    const scale = Math.min(FP8_LARGEST, within(f(amax / formatRange(element).max), outer));
    // Half of the smallest e4m3fn is the last value that rounds to 0.
    return scale <= 2 ** -10 ? FP8_EPSILON : scale;
  },
};

export const NVFP4_TENSOR: ScaleRule = {
  codes: allCodes,
  scale: ({ amax }, element) => f(amax / (FP8_LARGEST * formatRange(element).max)),
};

export const NVFP4_TENSOR_DIVIDED: ScaleRule = {
  codes: allCodes,
  scale: ({ amax }, element) =>
    amax === 0 ? 1 : Math.min(MAX_FLOAT32, f((FP8_LARGEST * formatRange(element).max) / amax)),
  direction: 'divide',
};
