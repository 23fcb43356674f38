/**
 * Round to nearest with integer codes: ranges of the groups, scales and zero points by the rule of a tool, rounding to
 * the formats they are stored in, then codes. What differs between tools is in {@link IntegerRule}; nothing here
 * belongs to one of them.
 */
import type { ElementFormat } from '@bitloom/ir';
import type { BlockStatistics } from '../../schemes/scale-rules.js';
import type { PackedLinear, ScaleGroups } from '../packed-linear.js';
import { decodeStoredFloats, roundToStored, type StoredFormat } from '../stored-floats.js';
import { groupRanges, type Matrix, statisticsOf } from './group-statistics.js';

/** Scale and zero point of a group before they are stored, float32. */
export interface GroupParameters {
  readonly scale: number;
  /** Absent from every group, or from none. */
  readonly zero?: number;
  /** What values are multiplied by where the tool does not divide by the scale. */
  readonly inverse?: number;
}

/** How a tool quantises to integers. */
export interface IntegerRule {
  readonly element: ElementFormat;
  readonly groups: ScaleGroups;
  readonly scaleFormat: StoredFormat;
  /** Format of zero points that are floats. */
  readonly zeroFormat?: StoredFormat;
  parameters(group: BlockStatistics): GroupParameters;
  /** What replaces a scale that is zero in its format. Without it such a group reads back as zeros. */
  readonly scaleForZero?: number;
  /** Whether codes are chosen with scale and zero point as stored, or as they were in float32 (also `inverse`). */
  readonly codesBy: 'stored' | 'float32';
  /** clamp(round(quotient + zero)), or clamp(round(quotient) + zero). */
  readonly zeroAdded: 'before' | 'after';
}

/** @throws BitloomError `packing-scale-not-finite` where a scale or zero point does not fit its format */
export function roundIntegers(matrix: Matrix, rule: IntegerRule): PackedLinear {
  const { element, groups, scaleFormat, zeroFormat } = rule;
  const ranges = groupRanges(matrix, groups);
  const parameters = Array.from(ranges.min, (min, group) =>
    rule.parameters(statisticsOf(min, ranges.max[group])),
  );
  const scales = Float32Array.from(parameters, ({ scale }) => scale);
  const zeros = Float32Array.from(parameters, ({ zero = 0 }) => zero);
  const hasZeros = parameters.some(({ zero }) => zero !== undefined);
  const stored = storedScales(scales, scaleFormat, rule.scaleForZero);
  // Integer zero points pass unchanged, and are checked to be finite all the same.
  const storedZeros = decodeStoredFloats(roundToStored(zeros, zeroFormat ?? 'fp32'), 'zero');
  const byStored = rule.codesBy === 'stored';
  const inverted = parameters.some(({ inverse }) => inverse !== undefined);
  const factors = inverted
    ? Float32Array.from(parameters, ({ inverse = 1 }) => inverse)
    : // A scale of zero makes every value zero, whatever the code.
      (byStored ? stored : scales).map((scale) => (scale === 0 ? 1 : scale));
  return {
    rows: matrix.rows,
    cols: matrix.cols,
    element,
    codes: integerCodes(matrix.values, ranges.of, rule, factors, inverted, byStored ? storedZeros : zeros),
    groups,
    scales: stored,
    scaleFormat,
    ...(hasZeros ? { zeros: storedZeros } : {}),
    ...(zeroFormat === undefined ? {} : { zeroFormat }),
  };
}

/**
 * Scales as `format` holds them, after which zeros are replaced.
 * @throws BitloomError `packing-scale-not-finite`
 */
export function storedScales(wanted: Float32Array, format: StoredFormat, forZero?: number): Float32Array {
  const stored = decodeStoredFloats(roundToStored(wanted, format), 'scale');
  return forZero === undefined ? stored : stored.map((scale) => (scale === 0 ? forZero : scale));
}

/** 1.5 · 2^23: a float32 near it has no fraction bits, so adding it rounds to the nearest integer, ties to even. */
const ROUND = 12582912;
/** Sums past this are clamped whatever the zero point; it keeps the rounding below in its range. */
const SUM_LIMIT = 2 ** 21;

/** Codes of values divided by (or, inverted, multiplied with) the factor of their group. */
function integerCodes(
  values: Float32Array,
  groupOf: Uint32Array,
  { element, zeroAdded }: IntegerRule,
  factors: Float32Array,
  inverted: boolean,
  zeros: Float32Array,
): Uint8Array | Int8Array {
  const f = Math.fround;
  const codes = element.signed ? new Int8Array(values.length) : new Uint8Array(values.length);
  const least = element.signed ? -(2 ** (element.bits - 1)) : 0;
  const most = least + 2 ** element.bits - 1;
  const isBefore = zeroAdded === 'before';
  for (let i = 0; i < values.length; i += 1) {
    const group = groupOf[i];
    const factor = factors[group];
    const quotient = inverted ? f(values[i] * factor) : f(values[i] / factor);
    const zero = zeros[group];
    const sum = clamp(isBefore ? f(quotient + zero) : quotient, -SUM_LIMIT, SUM_LIMIT);
    const rounded = f(sum + ROUND) - ROUND;
    codes[i] = clamp(isBefore ? rounded : rounded + zero, least, most);
  }
  return codes;
}

export function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}
