/** Self-test cases of the vector kernels. */
import type { VectorKernels } from '../interface/vectors.js';
import type { SelfTestCases } from './places.js';

export const VECTOR_CASES: SelfTestCases<VectorKernels> = {
  quantizeRows: (k, p) => k.quantizeRows(2, 2, 23, p.floats, 256, 92, p.out, 64, 32, 32, p.out + 1024, 8, 4),
  rmsNorm: (k, p) => k.rmsNorm(1, 3, 27, p.floats, 0, 108, p.floats + 512, p.out, 0, 112, 1e-5),
  layerNorm: (k, p) =>
    k.layerNorm(1, 3, 27, p.floats, 0, 108, p.floats + 512, p.floats + 640, p.out, 0, 112, 1e-5),
  rope(k, p) {
    k.rope(2, 2, 14, p.floats, 128, 64, p.floats + 512, 56, p.out, 128, 64, 0);
    k.rope(2, 2, 14, p.floats, 128, 64, p.floats + 512, 56, p.out + 512, 128, 64, 1);
  },
  add: (k, p) => k.add(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  mul: (k, p) => k.mul(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  siluMul: (k, p) => k.siluMul(1, 2, 23, p.floats, 0, 96, p.floats + 512, 0, 0, p.out, 0, 96),
  silu: (k, p) => k.silu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  gelu: (k, p) => k.gelu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  relu: (k, p) => k.relu(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  copy: (k, p) => k.copy(1, 2, 23, p.floats, 0, 96, p.out, 0, 96),
  embedGroups(k, p) {
    k.embedGroups(8, 16, 3, 27, p.ids, p.bytes + 64, 27, p.halves + 16, 4, p.out, 112);
    k.embedGroups(5, 16, 3, 27, p.ids, p.bytes + 64, 17, p.halves + 16, 4, p.out + 512, 112);
  },
  embedF32: (k, p) => k.embedF32(3, 23, p.ids, p.floats + 64, 92, p.out, 96),
};
