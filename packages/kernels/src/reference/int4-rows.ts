/** Reference of rows of int4 codes: float32 to codes, codes to two per byte, and back. */
import type { Arena } from '../arena.js';
import type { Int4RowKernels } from '../interface/int4-rows.js';
import { rowCode, rowScale } from './float.js';
import { maximum } from './quantize.js';

/** The largest code. */
export const LARGEST_INT4 = 7;

export function int4RowKernels(arena: Arena): Int4RowKernels {
  return {
    quantizeRowsInt4(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR, scale, scaleB, scaleR) {
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = dst + b * dstB + r * dstR;
          const row = rowScale(maximum(arena, from, cols), LARGEST_INT4);
          for (let c = 0; c < cols; c += 1)
            arena.i8[to + c] = rowCode(arena.f32[from + c], row.inverse, LARGEST_INT4);
          arena.f32[(scale + b * scaleB + r * scaleR) / 4] = row.scale;
        }
      }
    },

    packRowsInt4(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR) {
      const nibble = (at: number): number => (arena.i8[at] + 8) & 15;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = src + b * srcB + r * srcR;
          const to = dst + b * dstB + r * dstR;
          for (let c = 0; c < cols; c += 2) {
            const odd = c + 1 < cols ? nibble(from + c + 1) : 8;
            arena.u8[to + c / 2] = nibble(from + c) | (odd << 4);
          }
        }
      }
    },

    expandRowsInt4(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR) {
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = src + b * srcB + r * srcR;
          const to = dst + b * dstB + r * dstR;
          for (let c = 0; c < cols; c += 1) {
            const byte = arena.u8[from + Math.floor(c / 2)];
            arena.i8[to + c] = (c % 2 === 0 ? byte & 15 : byte >> 4) - 8;
          }
        }
      }
    },
  };
}
