/**
 * Scales of compressed-tensors (`calculate_qparams`, `generate_gparam`): the scale rules `amax/half-range` (integers
 * and fp8), `minmax`, `448·6/amax` with `nvfp4-block-divided`, and `even`. What is its own: a scale that is zero in the
 * format it is stored in becomes the epsilon of that format, and the zero point is added before the quotient is
 * rounded. A zero point is chosen by the float32 scale, codes by the stored one.
 */
import { type ElementFormat, intFormat } from '@bitloom/ir';
import { encode } from '../../elements/codes.js';
import { elementFormat } from '../../elements/element-formats.js';
import { type OuterScale, scaleRule } from '../../schemes/scale-rules.js';
import { type CompressedStrategy, strategyScales } from '../compressed-strategy.js';
import type { PackedLinear, ScaleGroups } from '../packed-linear.js';
import { packingError, requireBits } from '../packing-error.js';
import type { StoredFormat } from '../stored-floats.js';
import { type GroupRanges, groupRanges, type Matrix, statisticsOf } from './group-statistics.js';
import { type IntegerRule, storedScales } from './round-integers.js';

export interface CompressedIntegerRule {
  readonly rule: 'compressed-symmetric' | 'compressed-asymmetric';
  readonly bits: number;
  readonly scaling: CompressedStrategy;
  /** Default fp32. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

export interface CompressedFp8Rule {
  readonly rule: 'fp8';
  readonly scaling: CompressedStrategy;
  /** Default fp32. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

/** Distance from 1 to the next number of a format. */
const EPSILON = { fp16: 2 ** -10, bf16: 2 ** -7, fp32: 2 ** -23 } as const;
/** Group sizes that NVFP4 and MXFP4 prescribe. */
const NVFP4_GROUP = 16;
const MXFP4_GROUP = 32;

/** @throws BitloomError `packing-bits`, `packing-shape` */
export function compressedRule(
  { rule, bits, scaling, scaleFormat = 'fp32' }: CompressedIntegerRule,
  rows: number,
  cols: number,
): IntegerRule {
  requireBits(bits, [2, 3, 4, 5, 6, 7, 8]);
  const element = intFormat(bits);
  const { scale: scaleOf, zero: zeroOf } = scaleRule(
    rule === 'compressed-symmetric' ? 'amax/half-range' : 'minmax',
  );
  return {
    element,
    groups: strategyScales(scaling, rows, cols).groups,
    scaleFormat,
    parameters(group) {
      const scale = scaleOf(group, element);
      return { scale, zero: zeroOf?.(group, scale, element) };
    },
    scaleForZero: EPSILON[scaleFormat],
    codesBy: 'stored',
    zeroAdded: 'before',
  };
}

/** @throws BitloomError `packing-shape`, `packing-scale-not-finite` */
export function roundFp8(matrix: Matrix, rule: CompressedFp8Rule): PackedLinear {
  const { scaling, scaleFormat = 'fp32' } = rule;
  const { groups } = strategyScales(scaling, matrix.rows, matrix.cols);
  return roundFloats(matrix, 'fp8_e4m3fn', groups, scaleFormat, 'amax/half-range', {
    scaleForZero: EPSILON[scaleFormat],
  });
}

/** @throws BitloomError `packing-shape` */
export function roundNvfp4(matrix: Matrix): PackedLinear {
  const groups = { kind: 'columns', groupSize: requireGroup(matrix.cols, NVFP4_GROUP) } as const;
  const amax = matrix.values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const value = scaleRule('448·6/amax').scale(statisticsOf(-amax, amax), elementFormat('fp4_e2m1'));
  return roundFloats(matrix, 'fp4_e2m1', groups, 'fp8_e4m3fn', 'nvfp4-block-divided', {
    outer: { value, direction: 'divide' },
  });
}

/** @throws BitloomError `packing-shape` */
export function roundMxfp4(matrix: Matrix): PackedLinear {
  const groups = { kind: 'columns', groupSize: requireGroup(matrix.cols, MXFP4_GROUP) } as const;
  return roundFloats(matrix, 'fp4_e2m1', groups, 'e8m0', 'even');
}

/** Quantises to floats: stored scales by a scale rule, then saturated codes of value / scale. */
function roundFloats(
  matrix: Matrix,
  format: 'fp8_e4m3fn' | 'fp4_e2m1',
  groups: ScaleGroups,
  scaleFormat: StoredFormat,
  ruleName: string,
  { scaleForZero, outer }: { readonly scaleForZero?: number; readonly outer?: OuterScale } = {},
): PackedLinear {
  const element = elementFormat(format);
  const ranges = groupRanges(matrix, groups);
  const scales = storedScales(wantedScales(ranges, element, ruleName, outer), scaleFormat, scaleForZero);
  const divisors = outer === undefined ? scales : scales.map((scale) => scale / outer.value);
  const scaled = matrix.values.map((value, i) => value / divisors[ranges.of[i]]);
  return {
    rows: matrix.rows,
    cols: matrix.cols,
    element,
    codes: Uint8Array.from(encode(scaled, element)),
    groups,
    scales,
    scaleFormat,
    ...(outer === undefined ? {} : { tensorDivisor: outer.value }),
  };
}

function wantedScales(
  { min, max }: GroupRanges,
  element: ElementFormat,
  ruleName: string,
  outer: OuterScale | undefined,
): Float32Array {
  const rule = scaleRule(ruleName);
  return min.map((least, group) => rule.scale(statisticsOf(least, max[group]), element, outer));
}

/** @throws BitloomError `packing-shape` */
function requireGroup(cols: number, groupSize: number): number {
  if (cols % groupSize === 0) return groupSize;
  throw packingError('packing-shape', 'cols', `a multiple of the group size ${groupSize}`, String(cols));
}
