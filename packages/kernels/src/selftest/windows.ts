/** Self-test cases of convolution and pooling. */
import { POOL_MAX, POOL_MEAN, type WindowKernels } from '../interface/windows.js';
import type { SelfTestCases } from './places.js';

export const WINDOW_CASES: SelfTestCases<WindowKernels> = {
  // 5 x 6 pixels of 6 channels in two groups, 8 filters of 3 x 3, stride 2 x 1, one pixel of padding.
  convolution(k, p) {
    k.convolution(5, 6, 6, 3, 6, 3, 3, 2, 1, 1, 1, 1, 1, 8, 2, p.bytes, p.bytes + 512, p.floats, p.out);
    const out = p.out + 1024;
    k.convolution(5, 6, 6, 3, 6, 3, 3, 2, 1, 1, 1, 1, 1, 8, 2, p.rectified, p.bytes + 512, p.floats, out);
  },
  pooling(k, p) {
    k.pooling(5, 6, 7, 3, 6, 3, 3, 2, 1, 1, 1, 1, 1, POOL_MAX, p.bytes, p.out);
    k.pooling(5, 6, 7, 3, 6, 3, 3, 2, 1, 1, 1, 1, 1, POOL_MEAN, p.bytes, p.out + 1024);
  },
};
