/** Reference of the float32 products: every output by `sum16`, then added to what it held. */
import type { Arena } from '../arena.js';
import type { FloatProductKernels } from '../interface/float-products.js';
import { FLAG_CONTINUE } from '../interface/group-products.js';
import { sum16 } from './float.js';

const f = Math.fround;

export function floatProductKernels(arena: Arena): FloatProductKernels {
  const matmulF32: FloatProductKernels['matmulF32'] = (M, N, K, a, aM, aK, b, bN, bK, out, outR, flags) => {
    const { f32 } = arena;
    for (let m = 0; m < M; m += 1) {
      for (let n = 0; n < N; n += 1) {
        const left = a + m * aM;
        const right = b + n * bN;
        const at = (out + m * outR) / 4 + n;
        const held = flags & FLAG_CONTINUE ? f32[at] : 0;
        f32[at] = f(held + sum16(K, (k) => f(f32[(left + k * aK) / 4] * f32[(right + k * bK) / 4])));
      }
    }
  };
  return {
    matmulF32,
    gemmF32: (M, N, K, x, xR, w, wR, out, outR) => matmulF32(M, N, K, x, xR, 4, w, wR, 4, out, outR, 0),
  };
}
