/**
 * The rules that choose a scale, by name. Libraries differ here more than anywhere else, and silently; a scheme names
 * its rule, and the name is recorded with the tensor. A rule is one constant in `rules/`: which statistics it needs,
 * which codes are in use, the scale, and the zero where it has one.
 */
import { BitloomError } from '@bitloom/ir';
import {
  AMAX,
  AMAX_HALF_RANGE,
  AMAX_QMAX,
  AMAX_QMAX_UP,
  AMAX_UP,
  TWICE_AMAX_LEVELS,
} from './rules/largest.js';
import { NVFP4_BLOCK, NVFP4_BLOCK_DIVIDED, NVFP4_TENSOR, NVFP4_TENSOR_DIVIDED } from './rules/nvfp4.js';
import { CEIL, EVEN, FLOOR, RCEIL } from './rules/powers.js';
import { MEAN, MIN_RANGE, MINMAX } from './rules/range.js';
import type { ScaleRule } from './rules/rule.js';

export type { BlockStatistics, CodeRange, OuterScale, ScaleRule } from './rules/rule.js';

const RULES = {
  /** The largest magnitude becomes the largest code: 7 for INT4, 448 for e4m3fn (AutoAWQ, bitloom). */
  'amax/qmax': AMAX_QMAX,
  /** Half the range of codes: 7.5 for INT4; the lowest code is in use (torchao, compressed-tensors). */
  'amax/half-range': AMAX_HALF_RANGE,
  /** Unsigned codes around a fixed zero point in the middle: 2·amax/15, zero 8 for UINT4 (GPTQ, symmetric). */
  '2amax/levels': TWICE_AMAX_LEVELS,
  /** The range from the least to the largest value, zero included, over all codes, with a zero point. */
  minmax: MINMAX,
  /** The range from the least to the largest value over all codes, the least stored (as Q4_1 of GGML). */
  'min+range': MIN_RANGE,
  /** The mean magnitude becomes 1 (ternary weights of BitNet b1.58, binary weights of XNOR-Net). */
  mean: MEAN,
  /** Power of two below amax, over the top exponent of the element (OCP MX 1.0, section 6.3). */
  floor: FLOOR,
  /** Power of two at or above amax, over the top exponent of the element (torchao CEIL). */
  ceil: CEIL,
  /** As floor, for amax rounded to the mantissa of the element (torchao EVEN). */
  even: EVEN,
  /** Power of two at or above amax over the largest element, so that nothing saturates (torchao RCEIL). */
  rceil: RCEIL,
  /** amax/6 in units of the tensor scale, kept within 2^−6..448 (torchao nvfp4_quantize). */
  'nvfp4-block': NVFP4_BLOCK,
  /** amax/6 times the global divisor; a block that rounds to 0 takes 2^−3 (compressed-tensors). */
  'nvfp4-block-divided': NVFP4_BLOCK_DIVIDED,
  /** The multiplier that brings every block scale into e4m3fn (torchao per_tensor_amax_to_scale). */
  'amax/(448·6)': NVFP4_TENSOR,
  /** Its reciprocal, the divisor that compressed-tensors calls global scale. */
  '448·6/amax': NVFP4_TENSOR_DIVIDED,
  /** The largest magnitude becomes 1, as the MLS paper writes its scales. */
  amax: AMAX,
  /** As amax/qmax, rounded up, so that nothing saturates (group scales of MLS). */
  'amax/qmax, up': AMAX_QMAX_UP,
  /** As amax, rounded up (group scales of MLS as the paper writes them). */
  'amax, up': AMAX_UP,
} as const satisfies Record<string, ScaleRule>;

/** Names of the scale rules. */
export const SCALE_RULES: readonly string[] = /* @__PURE__ */ Object.keys(RULES);

/**
 * The scale rule called `name`.
 *
 * @throws BitloomError `scheme-rule-unknown`
 */
export function scaleRule(name: string): ScaleRule {
  if (Object.hasOwn(RULES, name)) return RULES[name as keyof typeof RULES];
  throw new BitloomError({
    code: 'scheme-rule-unknown',
    message: 'there is no scale rule of this name',
    expected: SCALE_RULES.join(', '),
    got: name,
  });
}
