/**
 * Scales of HQQ before its search (`Quantizer.quantize` with `optimize=False`). No scale rule of schemes has its
 * arithmetic, which is that of the inverse: levels / (max − min), 1 for a group whose range is at most 1e-4, never
 * above 2e4 for the sake of fp16; the zero point is −min · inverse, a float, rounded only for 4 bits. Codes are
 * round(value · inverse + zero) in float32, before scale and zero point are stored.
 *
 * So a constant group of whole numbers comes back exactly, and one of 0.3 with 4 bits comes back as 0, as in HQQ.
 */
import { uintFormat } from '@bitloom/ir';
import { roundToInteger } from '../../rounding/rounding.js';
import { packingError, requireBits, requirePositive } from '../packing-error.js';
import type { IntegerRule } from './round-integers.js';

export interface HqqRule {
  readonly rule: 'hqq';
  readonly bits: number;
  readonly groupSize: number;
  readonly axis: 0 | 1;
  /** Also of zero points. Default fp16. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

const f = Math.fround;
/** A range up to this has no scale of its own. */
const SMALL_RANGE = f(1e-4);
const LARGEST_INVERSE = 2e4;

/** @throws BitloomError `packing-bits`, `packing-shape` */
export function hqqRule(
  { bits, groupSize, axis, scaleFormat = 'fp16' }: HqqRule,
  rows: number,
  cols: number,
): IntegerRule {
  requireBits(bits, [1, 2, 3, 4, 5, 6, 8]);
  requirePositive('groupSize', groupSize);
  if ((rows * cols) % groupSize !== 0) {
    const expected = `a divisor of the ${rows} · ${cols} elements`;
    throw packingError('packing-shape', 'groupSize', expected, String(groupSize));
  }
  const most = 2 ** bits - 1;
  return {
    element: uintFormat(bits),
    groups: axis === 1 ? { kind: 'runs', groupSize } : { kind: 'strides', groups: (rows * cols) / groupSize },
    scaleFormat,
    zeroFormat: scaleFormat,
    parameters({ min, max }) {
      const range = f(max - min);
      const inverse = range <= SMALL_RANGE ? 1 : Math.min(f(most / range), LARGEST_INVERSE);
      const zero = f(-min * inverse);
      return {
        scale: f(1 / inverse),
        inverse,
        zero: bits === 4 ? roundToInteger(zero, 'nearest-even') : zero,
      };
    },
    codesBy: 'float32',
    zeroAdded: 'before',
  };
}
