/**
 * Self-test cases of the float32 products. The operands are small integers, so that every order of summation, fused or
 * not, gives the same float.
 */
import type { FloatProductKernels } from '../interface/float-products.js';
import { FLAG_CONTINUE } from '../interface/group-products.js';
import type { SelfTestCases } from './places.js';

export const FLOAT_PRODUCT_CASES: SelfTestCases<FloatProductKernels> = {
  matmulF32(k, p) {
    const [a, b] = [p.ids + 16, p.ids + 528];
    // Side by side or not, whole tiles and what is left of them; 527 columns are more than a block.
    k.matmulF32(7, 6, 11, a, 44, 4, b, 44, 4, p.out, 24, 0);
    k.matmulF32(7, 6, 11, a, 44, 4, b, 4, 24, p.out, 24, FLAG_CONTINUE);
    k.matmulF32(5, 21, 9, a, 4, 20, b, 4, 84, p.out + 256, 88, 0);
    k.matmulF32(2, 5, 6, a, 8, 40, b, 24, 4, p.out + 768, 20, 0);
    k.matmulF32(5, 2, 527, a, 4, 4, b, 8, 4, p.out + 832, 8, 0);
    k.matmulF32(3, 5, 527, a, 4, 4, b, 8, 4, p.out + 896, 20, FLAG_CONTINUE);
  },
  gemmF32: (k, p) => k.gemmF32(3, 6, 11, p.ids, 44, p.ids + 256, 44, p.out, 24),
};
