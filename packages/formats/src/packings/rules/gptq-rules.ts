/**
 * Scales of GPTQ as AutoGPTQ and its successors choose them before they calibrate (`Quantizer.find_params`). The
 * arithmetic is that of the scale rules `2amax/levels` and `minmax`. What is GPTQ's own: a group of zeros has the range
 * −1..1, codes are chosen by the float32 scale, and scales that are too small for their format stay zero, so that the
 * group reads back as zeros.
 */
import { uintFormat } from '@bitloom/ir';
import { scaleRule } from '../../schemes/scale-rules.js';
import { requireBits, requirePositive } from '../packing-error.js';
import { statisticsOf } from './group-statistics.js';
import type { IntegerRule } from './round-integers.js';

export interface GptqRule {
  /**
   * `gptq-symmetric-original` follows `find_params` to the letter: a group without negative weights keeps the range
   * 0..amax of its values but takes the zero point in the middle, so that all above 7.5 / 15 of it is clipped. Groups
   * without positive weights are mirrored and lose nothing. `gptq-symmetric` has −amax..amax for each group.
   */
  readonly rule: 'gptq-symmetric' | 'gptq-symmetric-original' | 'gptq-asymmetric';
  readonly bits: number;
  readonly groupSize: number;
  /** Default fp16. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

/** @throws BitloomError `packing-bits`, `packing-shape` */
export function gptqRule({ rule, bits, groupSize, scaleFormat = 'fp16' }: GptqRule): IntegerRule {
  requireBits(bits, [2, 3, 4, 8]);
  requirePositive('groupSize', groupSize);
  const element = uintFormat(bits);
  const symmetric = scaleRule('2amax/levels');
  const range = scaleRule('minmax');
  return {
    element,
    groups: { kind: 'columns', groupSize },
    scaleFormat,
    parameters(group) {
      const block = group.amax === 0 ? statisticsOf(-1, 1) : group;
      const isOneSided = rule === 'gptq-symmetric-original' && block.min >= 0;
      const scale = (rule === 'gptq-asymmetric' || isOneSided ? range : symmetric).scale(block, element);
      return { scale, zero: (rule === 'gptq-asymmetric' ? range : symmetric).zero?.(block, scale, element) };
    },
    codesBy: 'float32',
    zeroAdded: 'after',
  };
}
