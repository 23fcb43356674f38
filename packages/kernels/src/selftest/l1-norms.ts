/** Self-test cases of L1 normalisation. */
import type { L1NormKernels } from '../interface/l1-norms.js';
import type { SelfTestCases } from './places.js';

export const L1_NORM_CASES: SelfTestCases<L1NormKernels> = {
  l1Norm: (k, p) => k.l1Norm(1, 3, 27, p.floats, 0, 108, p.floats + 512, p.floats + 640, p.out, 0, 112, 1e-5),
  l1NormInt8(k, p) {
    k.l1NormInt8(3, 37, p.bytes, 40, 0, 0, 16, p.out, 40);
    // Longer than one step of every backend.
    k.l1NormInt8(3, 101, p.bytes, 104, p.bytes + 512, p.bytes + 900, 24, p.out + 512, 104);
  },
};
