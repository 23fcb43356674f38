/**
 * Round to nearest with the scale rule of the tool whose checkpoints are written: what AutoGPTQ, AutoAWQ,
 * compressed-tensors and HQQ do to a weight before they calibrate. The rules differ in more than a constant, and none
 * is a default of another.
 *
 * | rule | scale of a group | zero point |
 * |---|---|---|
 * | `gptq-symmetric` | 2 · amax / (2^bits − 1) | 2^(bits − 1) |
 * | `gptq-asymmetric` | (max − min) / (2^bits − 1), range with 0 in it | round(−min / scale) |
 * | `awq-symmetric` | amax / 7 | 8 |
 * | `awq-asymmetric` | (max − min) / 15 | clamp(−round(min / scale), 0, 15) |
 * | `compressed-symmetric` | amax / ((2^bits − 1) / 2): amax / 7.5 for 4 bits | – |
 * | `compressed-asymmetric` | (max − min) / (2^bits − 1), range with 0 in it | round(−2^(bits − 1) − min / scale) |
 * | `fp8` | amax / 448 | – |
 * | `nvfp4` | fp8(amax / 6 · G), G = 448 · 6 / amax of the tensor | – |
 * | `mxfp4` | 2^(exponent of amax rounded to the mantissa of fp4, less 2) | – |
 * | `hqq` | (max − min) / (2^bits − 1), min and max of the group as they are | −min / scale; rounded for 4 bits |
 *
 * All arithmetic is float32, ties to even. GPTQ and `compressed` take codes by the float32 scale as their tools do;
 * AWQ and HQQ by the stored one. One quirk is not followed: AutoGPTQ gives a symmetric group without negative weights
 * half its scale and so clips its upper half.
 */
import { BitloomError, type ElementFormat, intFormat, uintFormat } from '@bitloom/ir';
import { decode, encode } from '../elements/codes.js';
import { elementFormat } from '../elements/element-formats.js';
import { type CompressedStrategy, strategyScales } from './compressed-strategy.js';
import { groupOfElements, type PackedLinear, type ScaleGroups, touchedGroups } from './packed-linear.js';
import { packingError, requireBits, requireLength, requirePositive } from './packing-error.js';
import { decodeStoredFloats, roundToStored, type StoredFormat } from './stored-floats.js';

/** A scale rule with what it needs to know. */
export type RoundToNearestRule =
  | {
      readonly rule: 'gptq-symmetric' | 'gptq-asymmetric';
      readonly bits: number;
      readonly groupSize: number;
      readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
    }
  | {
      readonly rule: 'awq-symmetric' | 'awq-asymmetric';
      readonly groupSize: number;
      readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
    }
  | {
      readonly rule: 'compressed-symmetric' | 'compressed-asymmetric';
      readonly bits: number;
      readonly scaling: CompressedStrategy;
      readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
    }
  | {
      readonly rule: 'fp8';
      readonly scaling: CompressedStrategy;
      readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
    }
  | { readonly rule: 'nvfp4' }
  | { readonly rule: 'mxfp4' }
  | {
      readonly rule: 'hqq';
      readonly bits: number;
      readonly groupSize: number;
      readonly axis: 0 | 1;
      readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
    };

const f = Math.fround;
/** 1.5 · 2^23: a float32 near it has no fraction bits, so adding it rounds to the nearest integer, ties to even. */
const ROUND = 12582912;
const FP4_MAX = 6;
const FP8_MAX = 448;
/** Below this a tensor has no divisor for NVFP4: 448 · 6 / amax would leave float32. */
const LEAST_AMAX = 2 ** -116;
/** Group sizes that NVFP4 and MXFP4 prescribe. */
const NVFP4_GROUP = 16;
const MXFP4_GROUP = 32;

/** The integer nearest to a float32, ties to even. */
function rne(value: number): number {
  return Math.abs(value) < 2 ** 22 ? f(value + ROUND) - ROUND : Math.round(value);
}

function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}

/** Least and largest value of each group, and the group of each element. */
interface GroupRanges {
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** Group of each element, row-major. */
  readonly of: Uint32Array;
}

/**
 * How a rule turns the range of a group into its scale and zero point. A code is
 * clamp(rne(value / scale + zero)) or clamp(rne(value / scale) + zero).
 */
interface IntegerRule {
  readonly element: ElementFormat;
  readonly groups: ScaleGroups;
  readonly scaleFormat: StoredFormat;
  /** Scale and zero point before they are stored. Zero points are absent where none has one. */
  parameters(min: number, max: number): { readonly scale: number; readonly zero?: number };
  /** Whether values are divided by the scale as it is stored, or by the float32 one. */
  readonly divisor: 'stored' | 'float32';
  /** Whether the zero point is added before the quotient is rounded, or after. */
  readonly zeroAdded: 'before' | 'after';
  /** Format of zero points that are floats. */
  readonly zeroFormat?: StoredFormat;
}

/**
 * Quantises `values` [rows, cols] row-major by a rule. The result writes without loss to the packing the rule is of.
 * @throws BitloomError `quantize-not-finite` naming row and column, `packing-shape`, `packing-bits`, `packing-length`,
 *   `packing-scale-not-finite` where a scale or zero point does not fit its format
 */
export function roundToNearest(
  values: Float32Array,
  shape: { readonly rows: number; readonly cols: number },
  rule: RoundToNearestRule,
): PackedLinear {
  const { rows, cols } = shape;
  requirePositive('rows', rows);
  requirePositive('cols', cols);
  requireLength('values', values.length, rows * cols);
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) throw notFinite(values[i], i, cols);
  }
  switch (rule.rule) {
    case 'fp8':
      return roundFp8(values, rows, cols, rule.scaling, rule.scaleFormat ?? 'fp32');
    case 'nvfp4':
      return roundNvfp4(values, rows, cols);
    case 'mxfp4':
      return roundMxfp4(values, rows, cols);
    case 'gptq-symmetric':
    case 'gptq-asymmetric':
      return roundIntegers(values, rows, cols, gptqRule(rule));
    case 'awq-symmetric':
    case 'awq-asymmetric':
      return roundIntegers(values, rows, cols, awqRule(rule));
    case 'compressed-symmetric':
    case 'compressed-asymmetric':
      return roundIntegers(values, rows, cols, compressedRule(rule, rows, cols));
    case 'hqq':
      return roundIntegers(values, rows, cols, hqqRule(rule, rows, cols));
  }
}

function gptqRule(
  rule: Extract<RoundToNearestRule, { rule: 'gptq-symmetric' | 'gptq-asymmetric' }>,
): IntegerRule {
  const { bits, groupSize, scaleFormat = 'fp16' } = rule;
  requireBits(bits, [2, 3, 4, 8]);
  requirePositive('groupSize', groupSize);
  const most = 2 ** bits - 1;
  const symmetric = rule.rule === 'gptq-symmetric';
  return {
    element: uintFormat(bits),
    groups: { kind: 'columns', groupSize },
    scaleFormat,
    parameters(min, max) {
      let low = Math.min(min, 0);
      let high = Math.max(max, 0);
      if (symmetric) [low, high] = [-Math.max(-low, high), Math.max(-low, high)];
      if (low === 0 && high === 0) [low, high] = [-1, 1];
      const scale = f(f(high - low) / most);
      return { scale, zero: symmetric ? (most + 1) / 2 : rne(f(-low / scale)) };
    },
    divisor: 'float32',
    zeroAdded: 'after',
  };
}

function awqRule(
  rule: Extract<RoundToNearestRule, { rule: 'awq-symmetric' | 'awq-asymmetric' }>,
): IntegerRule {
  const { groupSize, scaleFormat = 'fp16' } = rule;
  requirePositive('groupSize', groupSize);
  const least = f(1e-5);
  return {
    element: uintFormat(4),
    groups: { kind: 'columns', groupSize },
    scaleFormat,
    parameters(min, max) {
      if (rule.rule === 'awq-symmetric') return { scale: f(Math.max(-min, max, least) / 7), zero: 8 };
      const scale = f(Math.max(f(max - min), least) / 15);
      return { scale, zero: clamp(-rne(f(min / scale)), 0, 15) };
    },
    divisor: 'stored',
    zeroAdded: 'after',
  };
}

function compressedRule(
  rule: Extract<RoundToNearestRule, { rule: 'compressed-symmetric' | 'compressed-asymmetric' }>,
  rows: number,
  cols: number,
): IntegerRule {
  const { bits, scaling, scaleFormat = 'fp32' } = rule;
  requireBits(bits, [2, 3, 4, 5, 6, 7, 8]);
  const span = 2 ** bits - 1;
  const least = -(2 ** (bits - 1));
  const most = least + span;
  return {
    element: intFormat(bits),
    groups: strategyScales(scaling, rows, cols).groups,
    scaleFormat,
    parameters(min, max) {
      const low = Math.min(min, 0);
      const high = Math.max(max, 0);
      if (rule.rule === 'compressed-symmetric') {
        return { scale: orEpsilon(f(Math.max(-low, high) / (span / 2)), scaleFormat) };
      }
      const scale = f(f(high - low) / span);
      const zero = scale === 0 ? least : clamp(rne(f(least - f(low / scale))), least, most);
      return { scale: orEpsilon(scale, scaleFormat), zero };
    },
    divisor: 'stored',
    zeroAdded: 'before',
  };
}

/** A scale of zero becomes the epsilon of its format, as compressed-tensors has it. */
function orEpsilon(scale: number, format: StoredFormat): number {
  if (scale !== 0) return scale;
  return format === 'fp16' ? 2 ** -10 : format === 'bf16' ? 2 ** -7 : 2 ** -23;
}

function hqqRule(
  rule: Extract<RoundToNearestRule, { rule: 'hqq' }>,
  rows: number,
  cols: number,
): IntegerRule {
  const { bits, groupSize, axis, scaleFormat = 'fp16' } = rule;
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
    parameters(min, max) {
      // HQQ works with the inverse of the scale, kept below 2e4 for the sake of fp16.
      const inverse = Math.min(f(most / f(max - min)), 2e4);
      const zero = f(-min * inverse);
      return { scale: f(1 / inverse), zero: bits === 4 ? rne(clamp(zero, -4e6, 4e6)) : zero };
    },
    divisor: 'stored',
    zeroAdded: 'before',
  };
}

/** Quantises by a rule of integers: ranges of all groups, parameters, then codes. */
function roundIntegers(values: Float32Array, rows: number, cols: number, rule: IntegerRule): PackedLinear {
  const { element, groups, scaleFormat, zeroFormat } = rule;
  const ranges = groupRanges(values, rows, cols, groups);
  const scales = new Float32Array(ranges.min.length);
  const zeros = new Float32Array(scales.length);
  let hasZeros = false;
  for (let group = 0; group < scales.length; group += 1) {
    const { scale, zero } = rule.parameters(ranges.min[group], ranges.max[group]);
    scales[group] = scale;
    zeros[group] = zero ?? 0;
    hasZeros ||= zero !== undefined;
  }
  const stored = decodeStoredFloats(roundToStored(scales, scaleFormat), 'scale');
  const storedZeros =
    zeroFormat === undefined ? zeros : decodeStoredFloats(roundToStored(zeros, zeroFormat), 'zero');
  return {
    rows,
    cols,
    element,
    codes: integerCodes(values, ranges.of, rule, rule.divisor === 'stored' ? stored : scales, storedZeros),
    groups,
    scales: stored,
    scaleFormat,
    ...(hasZeros ? { zeros: storedZeros } : {}),
    ...(zeroFormat === undefined ? {} : { zeroFormat }),
  };
}

/** Quotients past this are clamped whatever the zero point; it keeps the rounding below in its range. */
const QUOTIENT_LIMIT = 2 ** 21;

function integerCodes(
  values: Float32Array,
  groupOf: Uint32Array,
  { element, zeroAdded }: IntegerRule,
  divisors: Float32Array,
  zeros: Float32Array,
): Uint8Array | Int8Array {
  const codes = element.signed ? new Int8Array(values.length) : new Uint8Array(values.length);
  const least = element.signed ? -(2 ** (element.bits - 1)) : 0;
  const most = least + 2 ** element.bits - 1;
  for (let i = 0; i < values.length; i += 1) {
    const group = groupOf[i];
    const divisor = divisors[group];
    // A stored scale of zero makes every value zero, whatever the code.
    const quotient = f(values[i] / (divisor === 0 ? 1 : divisor));
    const zero = zeros[group];
    const sum = clamp(
      zeroAdded === 'before' ? f(quotient + zero) : quotient,
      -QUOTIENT_LIMIT,
      QUOTIENT_LIMIT,
    );
    const rounded = f(sum + ROUND) - ROUND;
    codes[i] = clamp(zeroAdded === 'before' ? rounded : rounded + zero, least, most);
  }
  return codes;
}

function groupRanges(values: Float32Array, rows: number, cols: number, groups: ScaleGroups): GroupRanges {
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

/** Largest magnitude of each group. */
function largest({ min, max }: GroupRanges): Float32Array {
  return max.map((high, group) => Math.max(-min[group], high));
}

function roundFp8(
  values: Float32Array,
  rows: number,
  cols: number,
  scaling: CompressedStrategy,
  scaleFormat: 'fp16' | 'bf16' | 'fp32',
): PackedLinear {
  const { groups } = strategyScales(scaling, rows, cols);
  const ranges = groupRanges(values, rows, cols, groups);
  const wanted = largest(ranges).map((amax) => orEpsilon(f(amax / FP8_MAX), scaleFormat));
  const scales = decodeStoredFloats(roundToStored(wanted, scaleFormat), 'weight_scale');
  return {
    rows,
    cols,
    element: elementFormat('fp8_e4m3fn'),
    codes: encodeScaled(values, ranges.of, scales, 'fp8_e4m3fn'),
    groups,
    scales,
    scaleFormat,
  };
}

function roundNvfp4(values: Float32Array, rows: number, cols: number): PackedLinear {
  const groups = { kind: 'columns', groupSize: requireGroup(cols, NVFP4_GROUP) } as const;
  const ranges = groupRanges(values, rows, cols, groups);
  const amax = largest(ranges);
  const overall = amax.reduce((a, b) => Math.max(a, b), 0);
  // A tensor of zeros, or of next to nothing, has no such quotient in float32; any divisor serves it.
  const tensorDivisor = overall < LEAST_AMAX ? 1 : f((FP8_MAX * FP4_MAX) / overall);
  const wanted = amax.map((value) => f(f(value / FP4_MAX) * tensorDivisor));
  const rounded = decode(encode(wanted, elementFormat('fp8_e4m3fn')), elementFormat('fp8_e4m3fn'));
  // compressed-tensors gives a block of zeros this scale.
  const scales = rounded.map((scale) => (scale === 0 ? 0.125 : scale));
  return {
    rows,
    cols,
    element: elementFormat('fp4_e2m1'),
    codes: encodeScaled(
      values,
      ranges.of,
      scales.map((scale) => scale / tensorDivisor),
      'fp4_e2m1',
    ),
    groups,
    scales,
    scaleFormat: 'fp8_e4m3fn',
    tensorDivisor,
  };
}

function roundMxfp4(values: Float32Array, rows: number, cols: number): PackedLinear {
  const groups = { kind: 'columns', groupSize: requireGroup(cols, MXFP4_GROUP) } as const;
  const ranges = groupRanges(values, rows, cols, groups);
  const amax = largest(ranges);
  const bits = new Uint32Array(amax.buffer, amax.byteOffset, amax.length);
  // Half of the last mantissa bit of fp4 is added before the mantissa is cut off: 1.75 · 2^e and above go to 2^(e+1).
  const exponents = Uint8Array.from(bits, (word) => clamp(((word + (1 << 21)) >>> 23) - 2, 0, 254));
  const scales = decode(exponents, elementFormat('e8m0'));
  return {
    rows,
    cols,
    element: elementFormat('fp4_e2m1'),
    codes: encodeScaled(values, ranges.of, scales, 'fp4_e2m1'),
    groups,
    scales,
    scaleFormat: 'e8m0',
  };
}

/** Codes of value / scale, saturated. */
function encodeScaled(
  values: Float32Array,
  groupOfElement: Uint32Array,
  scales: Float32Array,
  format: 'fp8_e4m3fn' | 'fp4_e2m1',
): Uint8Array {
  const scaled = values.map((value, i) => value / scales[groupOfElement[i]]);
  return Uint8Array.from(encode(scaled, elementFormat(format)));
}

function requireGroup(cols: number, groupSize: number): number {
  if (cols % groupSize === 0) return groupSize;
  throw packingError('packing-shape', 'cols', `a multiple of the group size ${groupSize}`, String(cols));
}

function notFinite(value: number, at: number, cols: number): BitloomError {
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: `row ${Math.floor(at / cols)}, column ${at % cols}`,
    expected: 'a finite float32',
    got: String(value),
    hint: 'the checkpoint is damaged or was stored after an overflow; check the tensor before quantising',
  });
}
