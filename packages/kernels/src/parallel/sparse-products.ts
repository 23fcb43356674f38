/** How the products with sparse weights are divided: by blocks of 16 rows, whose directory may start at any of them. */
import type { SparseProductKernels } from '../interface/sparse-products.js';
import { checkSparse } from '../reference/sparse-products.js';
import { effectiveGroup } from '../wasm/bind.js';
import { cutRange, type Divisions, MIN_PRODUCTS, SHARES_PER_THREAD } from './division.js';

export const SPARSE_PRODUCT_DIVISIONS: Divisions<SparseProductKernels> = {
  gemmSparse: {
    least: MIN_PRODUCTS,
    work: ([, , M, N, K]) => M * N * K,
    shares([bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags], threads) {
      checkSparse(bits, group, K);
      const size = effectiveGroup(group, K);
      return cutRange(N, 16, threads * SHARES_PER_THREAD).map(([n, end]) => {
        const directory = w + (n / 16) * 4;
        return [bits, size, M, end - n, K, x, xR, xScale, xScaleR, directory, out + n * 4, outR, flags];
      });
    },
  },
};
