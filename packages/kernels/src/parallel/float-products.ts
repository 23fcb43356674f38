/** How the float32 products are divided. */
import type { FloatProductKernels } from '../interface/float-products.js';
import { cutRange, type Divisions, MIN_PRODUCTS, SHARES_PER_THREAD } from './division.js';

export const FLOAT_PRODUCT_DIVISIONS: Divisions<FloatProductKernels> = {
  gemmF32: {
    least: MIN_PRODUCTS,
    work: ([M, N, K]) => M * N * K,
    shares: ([M, N, K, x, xR, w, wR, out, outR], threads) =>
      cutRange(N, 4, threads * SHARES_PER_THREAD).map(([n, end]) => [
        M,
        end - n,
        K,
        x,
        xR,
        w + n * wR,
        wR,
        out + n * 4,
        outR,
      ]),
  },
};
