/** Checks of the arguments of integer products, the same on every backend, before anything is computed. */
import { BitloomError } from '@bitloom/ir';
import { MAX_MLS_GROUP, SHIFT_CODE_BITS } from '../interface/integer-products.js';

/** @throws BitloomError `kernel-strides` unless one of the two strides of each operand is 1 */
export function checkStrides(kernel: string, aM: number, aK: number, bN: number, bK: number): void {
  for (const [operand, outer, inner] of [
    ['a', aM, aK],
    ['b', bN, bK],
  ] as const) {
    if (outer === 1 || inner === 1) continue;
    throw new BitloomError({
      code: 'kernel-strides',
      message: `${kernel} reads matrices that are contiguous along one axis`,
      where: `operand ${operand}`,
      expected: 'a stride of 1 along its rows or along the inner dimension',
      got: `${outer} and ${inner}`,
      hint: 'give a row-major matrix as (row bytes, 1) and its transpose as (1, row bytes)',
    });
  }
}

/**
 * Bits of magnitude that a ShiftQuant sum may reach. One bit more than the sum itself needs where K is 1, because two
 * channels are added at once.
 */
function shiftSumBits(bitsA: number, bitsB: number, mostShift: number, K: number): number {
  const terms = K <= 2 ? 1 : 32 - Math.clz32(K - 1);
  return bitsA + bitsB - 2 + mostShift + terms;
}

/** @throws BitloomError `kernel-bits`, `kernel-shift-range` */
export function checkShift(kernel: string, bitsA: number, bitsB: number, mostShift: number, K: number): void {
  for (const bits of [bitsA, bitsB]) {
    if (Number.isInteger(bits) && bits >= SHIFT_CODE_BITS.least && bits <= SHIFT_CODE_BITS.most) continue;
    throw new BitloomError({
      code: 'kernel-bits',
      message: `${kernel} has no codes of this width`,
      expected: `${SHIFT_CODE_BITS.least} to ${SHIFT_CODE_BITS.most} bits`,
      got: String(bits),
    });
  }
  const bits = shiftSumBits(bitsA, bitsB, mostShift, K);
  if (Number.isInteger(mostShift) && mostShift >= 0 && bits <= 31) return;
  throw new BitloomError({
    code: 'kernel-shift-range',
    message: `the sum of ${kernel} may leave int32`,
    expected: 'a largest shift of 0 or more, and widths, shift and ⌈log2 K⌉ that make at most 31 bits',
    got: `${bitsA} + ${bitsB} − 2 bits of a product, a shift of ${mostShift}, K = ${K}: ${bits} bits`,
    hint: 'use fewer groups or bits, or cut the inner dimension into several products',
  });
}

function mlsError(message: string, expected: string, got: string): BitloomError {
  return new BitloomError({ code: 'kernel-mls', message, expected, got });
}

/** @throws BitloomError `kernel-mls` */
export function checkMlsElement(exponentBits: number, mantissaBits: number): void {
  const fits =
    Number.isInteger(exponentBits) &&
    Number.isInteger(mantissaBits) &&
    exponentBits >= 0 &&
    exponentBits <= 3 &&
    mantissaBits >= 0 &&
    mantissaBits + 2 ** exponentBits - 1 <= 7;
  if (fits) return;
  throw mlsError(
    'the integers of this MLS element do not fit int8',
    'mantissa bits + 2^(exponent bits) − 1 at most 7, such as <2,1> and <2,4>',
    `<${exponentBits},${mantissaBits}>`,
  );
}

/** @throws BitloomError `kernel-mls` */
export function checkMlsGroups(group: number, scaleMantissa: number): void {
  if (!Number.isInteger(group) || group < 1 || group > MAX_MLS_GROUP) {
    throw mlsError(
      'gemmMls cannot sum groups of this length',
      `1 to ${MAX_MLS_GROUP} channels`,
      String(group),
    );
  }
  if (scaleMantissa !== 0 && scaleMantissa !== 1) {
    throw mlsError('gemmMls has no group scales of this kind', '<8,0> or <8,1>', `<8,${scaleMantissa}>`);
  }
}
