/** Self-test cases of the float32 products. */
import type { FloatProductKernels } from '../interface/float-products.js';
import type { SelfTestCases } from './places.js';

export const FLOAT_PRODUCT_CASES: SelfTestCases<FloatProductKernels> = {
  // Small integers, so that every order of summation gives the same float.
  gemmF32: (k, p) => k.gemmF32(3, 6, 11, p.ids, 44, p.ids + 256, 44, p.out, 24),
};
