/** What a tensor becomes under a scheme: the quantised type of its shape. */
import type { TensorScheme } from '@bitloom/ir';
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
