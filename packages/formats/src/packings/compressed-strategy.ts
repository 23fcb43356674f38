/**
 * The strategies of compressed-tensors for weights: which elements share a scale, and the shape of the scales. The
 * strategy `token` is one of activations and means nothing for a stored weight.
 */

import type { ScaleGroups } from './packed-linear.js';
import { packingError, requirePositive } from './packing-error.js';

export type CompressedStrategy =
  /** Scales [1]. */
  | { readonly strategy: 'tensor' }
  /** Scales [N, 1]. */
  | { readonly strategy: 'channel' }
  /** Scales [N, K / groupSize]; a matrix narrower than a group has one group per row. */
  | { readonly strategy: 'group'; readonly groupSize: number }
  /** Scales [ceil(N / blockShape[0]), ceil(K / blockShape[1])]. */
  | { readonly strategy: 'block'; readonly blockShape: readonly [number, number] };

/** How the scales of a strategy lie. */
export interface StrategyScales {
  readonly groups: ScaleGroups;
  /** Rows and columns of the scales; `tensor` has [1, 1], stored as [1]. */
  readonly shape: readonly [number, number];
}

/**
 * Groups and shape of scales.
 * @throws BitloomError `packing-shape`
 */
export function strategyScales(strategy: CompressedStrategy, rows: number, cols: number): StrategyScales {
  requirePositive('rows', rows);
  requirePositive('cols', cols);
  switch (strategy.strategy) {
    case 'tensor':
      return { groups: { kind: 'blocks', blockRows: rows, blockCols: cols }, shape: [1, 1] };
    case 'channel':
      return { groups: { kind: 'columns', groupSize: cols }, shape: [rows, 1] };
    case 'group': {
      const { groupSize } = strategy;
      requirePositive('groupSize', groupSize);
      if (cols > groupSize && cols % groupSize !== 0) {
        throw packingError(
          'packing-shape',
          'cols',
          `a multiple of the group size ${groupSize}`,
          String(cols),
        );
      }
      return { groups: { kind: 'columns', groupSize }, shape: [rows, Math.ceil(cols / groupSize)] };
    }
    case 'block': {
      const [blockRows, blockCols] = strategy.blockShape;
      requirePositive('blockShape[0]', blockRows);
      requirePositive('blockShape[1]', blockCols);
      return {
        groups: { kind: 'blocks', blockRows, blockCols },
        shape: [Math.ceil(rows / blockRows), Math.ceil(cols / blockCols)],
      };
    }
  }
}
