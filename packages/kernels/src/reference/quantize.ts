/** Reference of `quantizeRows`: float32 rows to int8 codes with one scale per row. */
import type { Arena } from '../arena.js';
import type { VectorKernels } from '../interface/vectors.js';
import { rowCode, rowScale } from './float.js';

export function quantizeKernels(arena: Arena): Pick<VectorKernels, 'quantizeRows'> {
  return {
    quantizeRows(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR, padTo, scale, scaleB, scaleR) {
      const { f32, i8 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = dst + b * dstB + r * dstR;
          let amax = 0;
          for (let c = 0; c < cols; c += 1) {
            const magnitude = Math.abs(f32[from + c]);
            if (magnitude > amax) amax = magnitude;
          }
          const row = rowScale(amax);
          for (let c = 0; c < cols; c += 1) i8[to + c] = rowCode(f32[from + c], row.inverse);
          for (let c = cols; c < padTo; c += 1) i8[to + c] = 0;
          f32[(scale + b * scaleB + r * scaleR) / 4] = row.scale;
        }
      }
    },
  };
}
