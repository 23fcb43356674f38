/**
 * The matrix product of ShiftQuant: integers and shifts only, in place. With a_k, b_k the codes and g_k, h_k the
 * groups of channel k,
 *
 *     Y = scale · Σ_k (a_k · b_k) << ((G−1−g_k) + (H−1−h_k)),   scale = s_a · s_b · 2^−(G−1) · 2^−(H−1),
 *
 * exactly: each shift multiplies by the ratio of the channel's scale to that of the last group. In the paper one
 * operand is grouped (H = 1); the sum is as exact with both. It defines the result; it is not a fast kernel.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { requireBlocks } from '../tensor.js';
import { type Accumulator, requireAccumulator, sumBits } from './accumulator-bits.js';
import { channelStrides, shiftOptionError } from './channel-matrix.js';
import type { ShiftTensor } from './quantize-shift.js';

/** What decides how wide the sum of a shift product may become. */
export interface ShiftProductShape {
  readonly bitsA: number;
  readonly bitsB: number;
  /** Groups of the first operand, and of the second (default 1). */
  readonly groupsA: number;
  readonly groupsB?: number;
  /** Length of the inner dimension, K. */
  readonly inner: number;
}

/**
 * Bits of the largest magnitude that a shift product can reach, without the sign:
 * bitsA + bitsB − 2 + (groupsA − 1) + (groupsB − 1) + ⌈log2 K⌉. Every partial sum is below 2 to that power, in any
 * order, as codes are symmetric: |a| < 2^(bitsA−1), |b| < 2^(bitsB−1).
 */
export function shiftAccumulatorBits({
  bitsA,
  bitsB,
  groupsA,
  groupsB = 1,
  inner,
}: ShiftProductShape): number {
  return bitsA + bitsB - 2 + (groupsA - 1) + (groupsB - 1) + sumBits(inner);
}

/**
 * Requires that a shift product fits its accumulator whatever the codes.
 *
 * @throws BitloomError `accumulator-width`
 */
export function checkShiftAccumulator(shape: ShiftProductShape, accumulator: Accumulator): void {
  requireAccumulator(shiftAccumulatorBits(shape), accumulator);
}

/** Sums of one product. */
const MOST_SUMS = 2 ** 31;

/** An exact product: the value of an element is its sum times `scale`. */
export interface ShiftProduct {
  readonly rows: number;
  readonly cols: number;
  /** [rows, cols] row-major; integers in either array. */
  readonly sums: Int32Array | Float64Array;
  /** Exact in float64. */
  readonly scale: number;
}

/**
 * The exact product of two matrices over their inner dimensions: out[m, n] = Σ_k a(m, k) · b(n, k), where an operand's
 * other axis runs over m or n. So a row-major [M, K] by a row-major [N, K] has axis 1 in both, [M, K] by [K, N] axis 1
 * in the first and 0 in the second.
 *
 * @param accumulator `int32` (default) gives an Int32Array, `safe-integer` a Float64Array of integers.
 * @throws BitloomError `shift-inner` when the inner dimensions differ, `accumulator-width` when some codes could
 *   overflow, `format-length`, `format-shape`, `shift-option`
 */
export function shiftProduct(
  a: ShiftTensor,
  b: ShiftTensor,
  accumulator: Accumulator = 'int32',
): ShiftProduct {
  const left = operand(a, 'the first operand');
  const right = operand(b, 'the second operand');
  const inner = left.channels;
  if (right.channels !== inner) {
    throw new BitloomError({
      code: 'shift-inner',
      message: 'the inner dimensions of a product differ',
      where: 'the second operand',
      expected: `${inner} channels`,
      got: `${right.channels} channels`,
      hint: 'check the axis of each operand: it names the dimension that the product sums over',
    });
  }
  const { bits: bitsA, groups: groupsA } = a;
  const { bits: bitsB, groups: groupsB } = b;
  checkShiftAccumulator({ bitsA, bitsB, groupsA, groupsB, inner }, accumulator);

  const weight = Float64Array.from(
    { length: inner },
    (_, k) => 2 ** (groupsA - 1 - a.index[k] + groupsB - 1 - b.index[k]),
  );
  const length = left.outer * right.outer;
  if (length > MOST_SUMS) throw shiftOptionError('product', `at most ${MOST_SUMS} sums`, length);
  // An inner dimension of 0 has products as well: of nothing, and any number of them.
  requireBlocks(length, a.codes.length * b.codes.length, [left.outer, right.outer], 'sums');
  const sums = accumulator === 'int32' ? new Int32Array(length) : new Float64Array(length);
  for (let m = 0, at = 0; at < length; m += 1) {
    for (let n = 0; n < right.outer; n += 1, at += 1) {
      let sum = 0;
      for (let k = 0; k < inner; k += 1) {
        const codeA = a.codes[m * left.outerStride + k * left.channelStride];
        const codeB = b.codes[n * right.outerStride + k * right.channelStride];
        // A multiplication by a power of two is the shift; unlike <<, it goes past 32 bits.
        sum += codeA * codeB * weight[k];
      }
      sums[at] = sum;
    }
  }
  const scale = a.scale * b.scale * 2 ** -(groupsA - 1 + groupsB - 1);
  return { rows: left.outer, cols: right.outer, sums, scale };
}

function operand(tensor: ShiftTensor, what: string): ReturnType<typeof channelStrides> {
  const strides = channelStrides(tensor);
  checkLength(`codes of ${what}`, tensor.codes.length, tensor.rows * tensor.cols);
  checkLength(`group indices of ${what}`, tensor.index.length, strides.channels);
  return strides;
}
