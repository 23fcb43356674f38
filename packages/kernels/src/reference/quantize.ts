/**
 * Reference of `quantizeRows`, float32 rows to int8 codes with one scale per row, and of its two halves for rows that
 * are cut into parts: `rowMaxima` and `quantizeRowsBy`.
 */
import type { Arena } from '../arena.js';
import type { RowPartKernels } from '../interface/row-parts.js';
import type { VectorKernels } from '../interface/vectors.js';
import { rowCode, rowScale } from './float.js';

/** max(0, |x|) over `count` float32 from word `from`. */
export function maximum({ f32 }: Arena, from: number, count: number): number {
  let amax = 0;
  for (let i = 0; i < count; i += 1) {
    const magnitude = Math.abs(f32[from + i]);
    if (magnitude > amax) amax = magnitude;
  }
  return amax;
}

/** The codes at `to` of `cols` float32 from word `from`, zeros up to padTo, and at `scale` the scale that `amax` gives. */
function quantize(
  { f32, i8 }: Arena,
  from: number,
  to: number,
  cols: number,
  padTo: number,
  amax: number,
  scale: number,
): void {
  const row = rowScale(amax);
  for (let c = 0; c < cols; c += 1) i8[to + c] = rowCode(f32[from + c], row.inverse);
  for (let c = cols; c < padTo; c += 1) i8[to + c] = 0;
  f32[scale / 4] = row.scale;
}

export function quantizeKernels(arena: Arena): Pick<VectorKernels, 'quantizeRows'> {
  return {
    quantizeRows(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR, padTo, scale, scaleB, scaleR) {
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = dst + b * dstB + r * dstR;
          quantize(arena, from, to, cols, padTo, maximum(arena, from, cols), scale + b * scaleB + r * scaleR);
        }
      }
    },
  };
}

export function rowPartKernels(arena: Arena): RowPartKernels {
  return {
    rowMaxima(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR) {
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          arena.f32[(dst + b * dstB + r * dstR) / 4] = maximum(arena, (src + b * srcB + r * srcR) / 4, cols);
        }
      }
    },

    quantizeRowsBy(
      batch,
      rows,
      cols,
      src,
      srcB,
      srcR,
      maxima,
      maximaB,
      maximaR,
      parts,
      dst,
      dstB,
      dstR,
      padTo,
      scale,
      scaleB,
      scaleR,
    ) {
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = dst + b * dstB + r * dstR;
          const amax = maximum(arena, (maxima + b * maximaB + r * maximaR) / 4, parts);
          quantize(arena, from, to, cols, padTo, amax, scale + b * scaleB + r * scaleR);
        }
      }
    },
  };
}
