/** Self-test cases of the products with group-scaled weights. */
import type { GroupProductKernels } from '../interface/group-products.js';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { GEMM, type SelfTestCases } from './places.js';

const BOTH = FLAG_CONTINUE | FLAG_FINISH;
const { M, N, K, group } = GEMM;

export const GROUP_PRODUCT_CASES: SelfTestCases<GroupProductKernels> = {
  gemmGroups(k, p) {
    for (const [bits, weights] of p.weights) {
      const out = p.out + bits * 384;
      k.gemmGroups(bits, group, M, N, K, p.bytes, 64, p.floats, 4, weights, out, 76, FLAG_FINISH);
      k.gemmGroups(bits, group, 1, N, K, p.bytes, 64, p.floats, 4, weights, out, 76, BOTH);
    }
  },
};
