/** Self-test cases of the products with sparse weights. */
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import type { SparseProductKernels } from '../interface/sparse-products.js';
import { GEMM, type SelfTestCases } from './places.js';

const { M, N, K, group } = GEMM;

export const SPARSE_PRODUCT_CASES: SelfTestCases<SparseProductKernels> = {
  gemmSparse(k, p) {
    for (const bits of [4, 8] as const) {
      const out = p.out + (bits - 4) * 128;
      k.gemmSparse(bits, group, M, N, K, p.bytes, 48, p.floats, 4, p.sparse[bits], out, 76, FLAG_FINISH);
      k.gemmSparse(bits, group, 1, N, K, p.bytes, 48, p.floats, 4, p.sparse[bits], out, 76, FLAG_CONTINUE);
    }
  },
};
