/** The MLS tensor format (arXiv 2006.02804) as a scheme: an element, a group scale rounded up, a float per tensor. */
import { FP32, type Granularity, type RoundingMode, type TensorScheme } from '@bitloom/ir';
import { mlsElementFormat, mlsGroupScaleFormat } from '../mls/mls-formats.js';
import type { MlsScaleRule } from '../mls/mls-scales.js';
import { PER_TENSOR, scaleBy, tensorScheme } from './named-schemes.js';

/** What {@link mlsScheme} may say beside the element. */
export interface MlsOptions {
  readonly name?: string;
  /** Axes whose index combinations have a group each: the first, the second, or both. Default `nc`. */
  readonly groups?: 'n' | 'c' | 'nc';
  /** Mantissa bits of the group scale <8, 0|1>. Default 1. */
  readonly groupScaleMantissa?: 0 | 1;
  /** `amax/qmax` (default): nothing saturates. `amax`: as the paper, where the top of each range is cut. */
  readonly rule?: MlsScaleRule;
  /** Default `nearest-even`; the paper trains with stochastic rounding, which needs a seed. */
  readonly rounding?: RoundingMode;
  readonly seed?: number;
}

const AXES: Readonly<Record<'n' | 'c' | 'nc', readonly number[]>> = { n: [0], c: [1], nc: [0, 1] };

/** MLS with elements <exponentBits, mantissaBits>, for example <2,4>. */
export function mlsScheme(
  exponentBits: number,
  mantissaBits: number,
  options: MlsOptions = {},
): TensorScheme {
  const {
    name = `MLS<${exponentBits},${mantissaBits}>`,
    groups = 'nc',
    groupScaleMantissa = 1,
    rule = 'amax/qmax',
    rounding = 'nearest-even',
    seed,
  } = options;
  const granularity: Granularity = { strategy: 'axis', axes: AXES[groups] };
  return tensorScheme(name, {
    element: mlsElementFormat(exponentBits, mantissaBits),
    scales: [
      scaleBy(mlsGroupScaleFormat(groupScaleMantissa), granularity, `${rule}, up`),
      scaleBy(FP32, PER_TENSOR, rule),
    ],
    rounding,
    ...(seed === undefined ? {} : { seed }),
  });
}
