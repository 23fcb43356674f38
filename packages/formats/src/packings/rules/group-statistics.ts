/** What the scale rules ask of each group: its least and largest value and its largest magnitude. */
import type { BlockStatistics } from '../../schemes/scale-rules.js';
import { groupOfElements, type ScaleGroups, touchedGroups } from '../packed-linear.js';

/** A matrix to quantise: float32 values, row-major. */
export interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** Least and largest value of each group, and the group of each element. */
export interface GroupRanges {
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** Group of each element, row-major. */
  readonly of: Uint32Array;
}

export function groupRanges({ values, rows, cols }: Matrix, groups: ScaleGroups): GroupRanges {
  const { count } = touchedGroups({ rows, cols, groups });
  const min = new Float32Array(count).fill(Number.POSITIVE_INFINITY);
  const max = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  const of = groupOfElements({ rows, cols, groups });
  for (let i = 0; i < values.length; i += 1) {
    const group = of[i];
    if (values[i] < min[group]) min[group] = values[i];
    if (values[i] > max[group]) max[group] = values[i];
  }
  return { min, max, of };
}

/**
 * A group with this range, as the scale rules of schemes take it. No rule of a checkpoint looks at the mean; NaN makes
 * a rule that does fail the check of its scale.
 */
export function statisticsOf(min: number, max: number): BlockStatistics {
  return { min, max, amax: Math.max(-min, max), mean: Number.NaN };
}
