/** Reference of the reductions over logits. */
import type { Arena } from '../arena.js';
import type { SamplingKernels } from '../interface/sampling.js';
import { exp32, sum16 } from './float.js';

const f = Math.fround;

export function samplingKernels(arena: Arena): SamplingKernels {
  return {
    argMax(rows, cols, src, srcR, dst) {
      const { f32, i32 } = arena;
      for (let r = 0; r < rows; r += 1) {
        const from = (src + r * srcR) / 4;
        let max = Number.NEGATIVE_INFINITY;
        let index = 0;
        for (let c = 0; c < cols; c += 1) {
          if (f32[from + c] > max) {
            max = f32[from + c];
            index = c;
          }
        }
        i32[dst / 4 + r] = index;
      }
    },

    softmaxStatistics(rows, cols, src, srcR, scale, dst) {
      const { f32 } = arena;
      for (let r = 0; r < rows; r += 1) {
        const from = (src + r * srcR) / 4;
        const z = (c: number): number => f(f32[from + c] * f(scale));
        let max = Number.NEGATIVE_INFINITY;
        for (let c = 0; c < cols; c += 1) if (z(c) > max) max = z(c);
        f32[dst / 4 + 2 * r] = max;
        f32[dst / 4 + 2 * r + 1] = sum16(cols, (c) => exp32(f(z(c) - max)));
      }
    },
  };
}
