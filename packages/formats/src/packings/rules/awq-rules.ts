/**
 * Scales of AutoAWQ (`pseudo_quantize_tensor`), 4 bits: the scale rules `amax/qmax` of signed codes, stored 8 higher,
 * and `min+range`, whose range need not contain zero. What is AWQ's own: no range is below 1e-5, and a zero point that
 * is no code is clamped to one. Codes are chosen by the scale as it is stored.
 */
import { intFormat, uintFormat } from '@bitloom/ir';
import { roundToInteger } from '../../rounding/rounding.js';
import { scaleRule } from '../../schemes/scale-rules.js';
import { requirePositive } from '../packing-error.js';
import { clamp, type IntegerRule } from './round-integers.js';

export interface AwqRule {
  readonly rule: 'awq-symmetric' | 'awq-asymmetric';
  readonly groupSize: number;
  /** Default fp16. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

const BITS = 4;
const LEAST_RANGE = Math.fround(1e-5);

/** @throws BitloomError `packing-shape` */
export function awqRule({ rule, groupSize, scaleFormat = 'fp16' }: AwqRule): IntegerRule {
  requirePositive('groupSize', groupSize);
  const element = uintFormat(BITS);
  const signed = intFormat(BITS);
  const symmetric = scaleRule('amax/qmax');
  const range = scaleRule('min+range');
  // Division by a constant is monotonic, so the larger quotient is that of the larger range.
  const leastSymmetric = Math.fround(LEAST_RANGE / 7);
  const leastAsymmetric = Math.fround(LEAST_RANGE / 15);
  return {
    element,
    groups: { kind: 'columns', groupSize },
    scaleFormat,
    parameters(group) {
      if (rule === 'awq-symmetric') {
        return { scale: Math.max(leastSymmetric, symmetric.scale(group, signed)), zero: 8 };
      }
      const scale = Math.max(leastAsymmetric, range.scale(group, element));
      const zero = roundToInteger(Math.fround(group.min / scale), 'nearest-even');
      return { scale, zero: clamp(0 - zero, 0, 15) };
    },
    codesBy: 'stored',
    zeroAdded: 'after',
  };
}
