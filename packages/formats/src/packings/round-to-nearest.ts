/**
 * Round to nearest with the scale rule of the tool whose checkpoints are written: what AutoGPTQ, AutoAWQ,
 * compressed-tensors and HQQ do to a weight before they calibrate. The rules differ in more than a constant, and none
 * is a default of another. Where a tool computes what a scale rule of schemes does, that rule is used; `rules/` has
 * what each tool adds.
 *
 * | rule | scale of a group | zero point | codes by |
 * |---|---|---|---|
 * | `gptq-symmetric` | 2 · amax / (2^bits − 1) | 2^(bits − 1) | float32 scale |
 * | `gptq-symmetric-original` | the same; half of it without negative weights | 2^(bits − 1) | float32 scale |
 * | `gptq-asymmetric` | (max − min) / (2^bits − 1), range with 0 in it | round(−min / scale) | float32 scale |
 * | `awq-symmetric` | amax / 7 | 8 | stored scale |
 * | `awq-asymmetric` | (max − min) / 15 | clamp(−round(min / scale), 0, 15) | stored scale |
 * | `compressed-symmetric` | amax / ((2^bits − 1) / 2): amax / 7.5 for 4 bits | – | stored scale |
 * | `compressed-asymmetric` | (max − min) / (2^bits − 1), range with 0 in it | round(−2^(bits − 1) − min / scale) | stored scale |
 * | `fp8` | amax / 448 | – | stored scale |
 * | `nvfp4` | fp8(amax / 6 · G), G = 448 · 6 / amax of the tensor | – | stored scale / G |
 * | `mxfp4` | 2^(exponent of amax rounded to the mantissa of fp4, less 2) | – | stored scale |
 * | `hqq` | (max − min) / (2^bits − 1), range as it is, at least 5e-5 | −min / scale; rounded for 4 bits | float32 inverse |
 *
 * All arithmetic is float32, ties to even.
 */
import { BitloomError } from '@bitloom/ir';
import type { PackedLinear } from './packed-linear.js';
import { requireLength, requirePositive } from './packing-error.js';
import { type AwqRule, awqRule } from './rules/awq-rules.js';
import {
  type CompressedFp8Rule,
  type CompressedIntegerRule,
  compressedRule,
  roundFp8,
  roundMxfp4,
  roundNvfp4,
} from './rules/compressed-rules.js';
import { type GptqRule, gptqRule } from './rules/gptq-rules.js';
import { type HqqRule, hqqRule } from './rules/hqq-rule.js';
import { roundIntegers } from './rules/round-integers.js';

/** A scale rule with what it needs to know. */
export type RoundToNearestRule =
  | GptqRule
  | AwqRule
  | CompressedIntegerRule
  | CompressedFp8Rule
  | { readonly rule: 'nvfp4' }
  | { readonly rule: 'mxfp4' }
  | HqqRule;

/**
 * Quantises `values` [rows, cols] row-major by a rule. The result writes without loss to the packing the rule is of.
 * @throws BitloomError `quantize-not-finite` naming row and column, `packing-shape`, `packing-bits`, `packing-length`,
 *   `packing-scale-not-finite` where a scale or zero point does not fit its format
 */
export function roundToNearest(
  values: Float32Array,
  shape: { readonly rows: number; readonly cols: number },
  rule: RoundToNearestRule,
): PackedLinear {
  const { rows, cols } = shape;
  requirePositive('rows', rows);
  requirePositive('cols', cols);
  requireLength('values', values.length, rows * cols);
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) throw notFinite(values[i], i, cols);
  }
  const matrix = { values, rows, cols };
  switch (rule.rule) {
    case 'fp8':
      return roundFp8(matrix, rule);
    case 'nvfp4':
      return roundNvfp4(matrix);
    case 'mxfp4':
      return roundMxfp4(matrix);
    case 'gptq-symmetric':
    case 'gptq-symmetric-original':
    case 'gptq-asymmetric':
      return roundIntegers(matrix, gptqRule(rule));
    case 'awq-symmetric':
    case 'awq-asymmetric':
      return roundIntegers(matrix, awqRule(rule));
    case 'compressed-symmetric':
    case 'compressed-asymmetric':
      return roundIntegers(matrix, compressedRule(rule, rows, cols));
    case 'hqq':
      return roundIntegers(matrix, hqqRule(rule, rows, cols));
  }
}

function notFinite(value: number, at: number, cols: number): BitloomError {
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: `row ${Math.floor(at / cols)}, column ${at % cols}`,
    expected: 'a finite float32',
    got: String(value),
    hint: 'the checkpoint is damaged or was stored after an overflow; check the tensor before quantising',
  });
}
