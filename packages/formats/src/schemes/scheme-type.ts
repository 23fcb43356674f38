/** What a tensor becomes under a scheme: the quantised type of its shape. */
import type { TensorScheme } from '@bitloom/ir';
import { isStochastic } from '../rounding/stochastic.js';
import type { FixedQuantizedType } from '../tensor.js';
import { blockOf } from './block-grid.js';

/**
 * The type of a tensor of `shape` under `scheme`.
 *
 * @throws BitloomError `scheme-rank` when the granularity does not fit the rank
 */
export function schemeType(scheme: TensorScheme, shape: readonly number[]): FixedQuantizedType {
  const { element, scales, shiftGroups, layout } = scheme;
  return {
    kind: 'quantized',
    shape,
    element,
    scales: scales.map(({ format, granularity, direction, zero, rule }) => ({
      format,
      block: blockOf(granularity, shape.length),
      direction,
      ...(zero === undefined ? {} : { zero }),
      rule,
    })),
    ...(shiftGroups === undefined
      ? {}
      : { indexMap: { axis: shape.length - 1, purpose: 'shift-group', groups: shiftGroups } }),
    layout,
  };
}

/**
 * Whether each row of the last axis becomes codes and scales of its own, so that rows can be quantised in pieces.
 * Random bits are counted over the whole tensor.
 */
export function isRowLocal({ scales, shiftGroups, rounding, nan }: TensorScheme): boolean {
  if (shiftGroups !== undefined || isStochastic(rounding)) return false;
  // What is not finite saturates at the largest finite value of the whole tensor.
  if (nan !== 'throw') return false;
  return scales.every(({ granularity: { strategy } }) => strategy === 'token' || strategy === 'group');
}
