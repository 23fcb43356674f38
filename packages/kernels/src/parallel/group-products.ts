/** How the products with group-scaled weights are divided: by blocks of 16 rows of the weights. */
import { rows16BlockBytes } from '@bitloom/formats';
import type { GroupProductKernels } from '../interface/group-products.js';
import { checkGroups } from '../reference/gemm.js';
import { effectiveGroup } from '../wasm/bind.js';
import { cutRange, type Divisions, MIN_PRODUCTS, SHARES_PER_THREAD } from './division.js';

/** Shares per thread of a product of many tokens, where each share lays out all activations for itself. */
const PANEL_SHARES_PER_THREAD = 2;

export const GROUP_PRODUCT_DIVISIONS: Divisions<GroupProductKernels> = {
  gemmGroups: {
    least: MIN_PRODUCTS,
    work: ([, , M, N, K]) => M * N * K,
    shares([bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags], threads) {
      checkGroups(bits, group, K);
      const size = effectiveGroup(group, K);
      const blockBytes = rows16BlockBytes(bits, K, size);
      const parts = threads * (M > 2 ? PANEL_SHARES_PER_THREAD : SHARES_PER_THREAD);
      return cutRange(N, 16, parts).map(([n, end]) => {
        const weights = w + (n / 16) * blockBytes;
        return [bits, size, M, end - n, K, x, xR, xScale, xScaleR, weights, out + n * 4, outR, flags];
      });
    },
    scratchArgument: 13,
  },
};
