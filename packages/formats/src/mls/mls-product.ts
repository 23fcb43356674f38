/**
 * The arithmetic that MLS tensors are made for, exactly: integer products and sums inside a group, shifts and one
 * addition between groups. It defines the result and the widths; it is not a fast kernel.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { type Accumulator, requireAccumulator, sumBits } from '../shift/accumulator-bits.js';
import { mlsFractionBits, mlsProductBits } from './mls-formats.js';
import { mlsPlanes } from './mls-groups.js';
import type { MlsTensor } from './quantize-mls.js';

/**
 * Bits of the largest magnitude of a sum of `count` products of elements, without the sign: the product width and
 * ⌈log2 count⌉, 4 for a 3x3 plane.
 *
 * @throws BitloomError `mls-option`
 */
export function mlsAccumulatorBits(element: readonly [number, number], count: number): number {
  return mlsProductBits(...element) + sumBits(count);
}

/**
 * The exact sum of products inside a group: Σ ā · b̄ = result · 2^−2W, W the fraction bits of the element. Mantissas
 * are multiplied, exponents are added and shift the product.
 *
 * @param a Element codes of a group, or of a part of one.
 * @param b As many codes of the same element.
 * @throws BitloomError `accumulator-width` when some codes could overflow, `mls-operands`, `mls-option`
 */
export function mlsGroupProduct(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  element: readonly [number, number],
  accumulator: Accumulator = 'safe-integer',
): number {
  if (a.length !== b.length) throw operandError('codes', String(a.length), String(b.length));
  requireAccumulator(mlsAccumulatorBits(element, a.length), accumulator);
  const [exponentBits, mantissaBits] = element;
  const signBit = 2 ** (exponentBits + mantissaBits);
  const hidden = 2 ** mantissaBits;
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    const magnitudeA = a[i] & (signBit - 1);
    const magnitudeB = b[i] & (signBit - 1);
    const exponentA = magnitudeA >> mantissaBits;
    const exponentB = magnitudeB >> mantissaBits;
    const mantissaA = (magnitudeA & (hidden - 1)) + (exponentA > 0 ? hidden : 0);
    const mantissaB = (magnitudeB & (hidden - 1)) + (exponentB > 0 ? hidden : 0);
    // Subnormals share the exponent of the first normal numbers, so both shift by 0.
    const shift = Math.max(exponentA, 1) - 1 + Math.max(exponentB, 1) - 1;
    const product = mantissaA * mantissaB * 2 ** shift;
    sum += ((a[i] ^ b[i]) & signBit) === 0 ? product : -product;
  }
  return sum;
}

/** A dot product of two MLS tensors: sum · 2^exponent · (tensor scale of a) · (tensor scale of b), exactly. */
export interface MlsDot {
  /** Integer sum of each group, in units of 2^−2W. */
  readonly partial: Float64Array;
  readonly sum: bigint;
  readonly exponent: number;
  /** The same as a float64: rounded once to its mantissa and once by the tensor scales. */
  readonly value: number;
}

/**
 * Σ a · b over two tensors of one shape, element and grouping: one output of a convolution, for example, whose window
 * is [1, C, K, K]. Integer sums per group; a group scale product is 1, 1.5 or 2.25 times a power of two, so a group's
 * sum enters the total as it is, shifted, or as the sum of two shifts of it.
 *
 * @param accumulator Width of the sums inside a group.
 * @throws BitloomError `mls-operands`, `accumulator-width`, `mls-option`, `format-shape`, `format-length`
 */
export function mlsDot(a: MlsTensor, b: MlsTensor, accumulator: Accumulator = 'safe-integer'): MlsDot {
  for (const field of ['shape', 'element', 'groups', 'groupScaleMantissa'] as const) {
    if (String(a[field]) !== String(b[field])) throw operandError(field, String(a[field]), String(b[field]));
  }
  const { element, groupScaleMantissa } = a;
  const { size, planes, groups, groupOf } = mlsPlanes(a.shape, a.groups);
  for (const { codes, groupScales } of [a, b]) {
    checkLength('codes', codes.length, planes * size);
    checkLength('group scales', groupScales.length, groups);
  }
  requireAccumulator(mlsAccumulatorBits(element, groups === 0 ? 0 : (planes / groups) * size), accumulator);
  const partial = new Float64Array(groups);
  for (let plane = 0; plane < planes; plane += 1) {
    const [start, end] = [plane * size, (plane + 1) * size];
    partial[groupOf(plane)] += mlsGroupProduct(
      a.codes.subarray(start, end),
      b.codes.subarray(start, end),
      element,
      accumulator,
    );
  }

  const terms = Array.from(partial, (integer, group) => {
    const scaleA = splitGroupScale(a.groupScales[group], groupScaleMantissa);
    const scaleB = splitGroupScale(b.groupScales[group], groupScaleMantissa);
    return {
      integer: BigInt(integer),
      factor: scaleA.significand * scaleB.significand,
      exponent: scaleA.exponent + scaleB.exponent,
    };
  });
  const lowest = terms.reduce((least, term) => Math.min(least, term.exponent), 0);
  let sum = 0n;
  for (const { integer, factor, exponent } of terms) {
    // The factors 1, 2, 3, 4, 6 and 9 have one or two bits: a shift, or two shifts and an addition.
    for (let bit = 0; bit < 4; bit += 1) {
      if ((factor & (1 << bit)) !== 0) sum += integer << BigInt(exponent - lowest + bit);
    }
  }
  const exponent = lowest - 2 * mlsFractionBits(...element);
  return { partial, sum, exponent, value: Number(sum) * 2 ** exponent * (a.tensorScale * b.tensorScale) };
}

/** A group scale as significand · 2^exponent, the significand 0, 1, 2 or 3. */
function splitGroupScale(code: number, mantissaBits: 0 | 1): { significand: number; exponent: number } {
  if (mantissaBits === 0) return { significand: 1, exponent: code - 127 };
  const exponent = code >> 1;
  return { significand: (code & 1) + (exponent > 0 ? 2 : 0), exponent: Math.max(exponent, 1) - 128 };
}

function operandError(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'mls-operands',
    message: 'the operands of an MLS product do not fit each other',
    where,
    expected,
    got,
    hint: 'quantise both with the same shape, element, groups and group scale format',
  });
}
