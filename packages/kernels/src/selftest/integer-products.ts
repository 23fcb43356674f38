/** Self-test cases of the integer products. Codes come from `bytes`, which holds −127 to 127. */
import { FLAG_CONTINUE } from '../interface/group-products.js';
import type { IntegerProductKernels } from '../interface/integer-products.js';
import type { SelfTestCases } from './places.js';

/** Channels of the shifted products: the first bytes of `ids` are 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0. */
const CHANNELS = 11;

export const INTEGER_PRODUCT_CASES: SelfTestCases<IntegerProductKernels> = {
  gemmInt8(k, p) {
    k.gemmInt8(5, 21, 27, p.bytes, 29, 1, p.bytes + 256, 27, 1, p.out, 96, 0);
    k.gemmInt8(5, 21, 27, p.bytes, 1, 29, p.bytes + 256, 1, 31, p.out, 96, FLAG_CONTINUE);
  },
  gemmInt8Scaled: (k, p) =>
    k.gemmInt8Scaled(5, 9, 19, p.bytes, 29, 1, p.bytes + 256, 1, 31, p.floats, p.floats + 64, p.out, 40),
  gemmShift(k, p) {
    const a = p.narrow[4];
    k.gemmShift(4, 4, 2, 6, 17, CHANNELS, a, 16, 1, a + 256, 1, 18, p.ids, p.out, 72);
    k.gemmShift(8, 8, 2, 6, 17, CHANNELS, p.bytes, 1, 8, p.bytes + 256, 13, 1, p.ids, p.out + 512, 72);
  },
  gemmShiftScaled(k, p) {
    const a = p.narrow[6];
    k.gemmShiftScaled(6, 6, 2, 6, 17, CHANNELS, a, 16, 1, a + 256, 1, 18, p.ids, 0.3, p.out, 72);
  },
  mlsIntegers(k, p) {
    k.mlsIntegers(2, 1, 2, 37, p.bytes, 40, p.out, 48);
    k.mlsIntegers(2, 4, 2, 37, p.bytes, 40, p.out + 256, 48);
  },
  gemmMls(k, p) {
    const scales = p.scaleCodes;
    k.gemmMls(
      9,
      0,
      5,
      7,
      31,
      p.bytes,
      33,
      1,
      scales,
      8,
      2,
      p.bytes + 256,
      1,
      8,
      scales,
      8,
      2,
      0.5,
      p.out,
      32,
    );
    k.gemmMls(8, 1, 5, 7, 31, p.bytes, 33, 1, scales, 0, 2, p.bytes, 31, 1, scales, 8, 2, 3, p.out + 256, 32);
  },
};
