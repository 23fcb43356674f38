/**
 * Reference of the attention kernels: scores, softmax and the mix of values, once on int8 codes and once in
 * float32. b' is the batch of the grouped key or value operand: floor(b / bDiv).
 */
import type { Arena } from '../arena.js';
import type { AttentionKernels } from '../interface/attention.js';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { exp32, rowCode, rowScale, sum16 } from './float.js';

const f = Math.fround;

export function attentionKernels(arena: Arena): AttentionKernels {
  /** Softmax of L values at float index `from`, in place. */
  function softmaxInPlace(from: number, length: number, smScale: number): void {
    const { f32 } = arena;
    const scale = f(smScale);
    let max = Number.NEGATIVE_INFINITY;
    for (let t = 0; t < length; t += 1) {
      f32[from + t] = f(f32[from + t] * scale);
      if (f32[from + t] > max) max = f32[from + t];
    }
    for (let t = 0; t < length; t += 1) f32[from + t] = exp32(f(f32[from + t] - max));
    const reciprocal = f(1 / sum16(length, (t) => f32[from + t]));
    for (let t = 0; t < length; t += 1) f32[from + t] = f(f32[from + t] * reciprocal);
  }

  function validColumns(cols: number, valid0: number, validStep: number, r: number): number {
    return Math.max(0, Math.min(cols, valid0 + r * validStep));
  }

  return {
    attentionScores(
      batch,
      M,
      N,
      K,
      q,
      qB,
      qR,
      qScale,
      qScaleB,
      qScaleR,
      k,
      kB,
      kR,
      kScale,
      kScaleB,
      bDiv,
      out,
      outB,
      outR,
    ) {
      const { f32, i8 } = arena;
      for (let b = 0; b < batch; b += 1) {
        const shared = Math.floor(b / bDiv);
        for (let m = 0; m < M; m += 1) {
          const queryScale = f32[(qScale + b * qScaleB + m * qScaleR) / 4];
          for (let n = 0; n < N; n += 1) {
            let dot = 0;
            for (let i = 0; i < K; i += 1) {
              dot += i8[q + b * qB + m * qR + i] * i8[k + shared * kB + n * kR + i];
            }
            const keyScale = f32[(kScale + shared * kScaleB) / 4 + n];
            f32[(out + b * outB + m * outR) / 4 + n] = f(f(f(dot) * keyScale) * queryScale);
          }
        }
      }
    },

    softmaxQuantize(
      batch,
      rows,
      cols,
      src,
      srcB,
      srcR,
      vScale,
      vScaleB,
      bDiv,
      valid0,
      validStep,
      smScale,
      dst,
      dstB,
      dstR,
      padTo,
      scale,
      scaleB,
      scaleR,
    ) {
      const { f32, i8 } = arena;
      for (let b = 0; b < batch; b += 1) {
        const values = (vScale + Math.floor(b / bDiv) * vScaleB) / 4;
        for (let r = 0; r < rows; r += 1) {
          const length = validColumns(cols, valid0, validStep, r);
          const from = (src + b * srcB + r * srcR) / 4;
          const to = dst + b * dstB + r * dstR;
          softmaxInPlace(from, length, smScale);
          let amax = 0;
          for (let t = 0; t < length; t += 1) {
            f32[from + t] = f(f32[from + t] * f32[values + t]);
            if (Math.abs(f32[from + t]) > amax) amax = Math.abs(f32[from + t]);
          }
          const row = rowScale(amax);
          for (let t = 0; t < length; t += 1) i8[to + t] = rowCode(f32[from + t], row.inverse);
          for (let t = length; t < Math.max(cols, padTo); t += 1) i8[to + t] = 0;
          f32[(scale + b * scaleB + r * scaleR) / 4] = row.scale;
        }
      }
    },

    attentionMix(
      batch,
      M,
      N,
      K,
      p,
      pB,
      pR,
      pScale,
      pScaleB,
      pScaleR,
      v,
      vB,
      vR,
      bDiv,
      acc,
      accB,
      accR,
      out,
      outB,
      outR,
      flags,
    ) {
      const { f32, i8, i32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        const shared = Math.floor(b / bDiv);
        for (let m = 0; m < M; m += 1) {
          for (let n = 0; n < N; n += 1) {
            const at = (acc + b * accB + m * accR) / 4 + n;
            let sum = flags & FLAG_CONTINUE ? i32[at] : 0;
            for (let t = 0; t < K; t += 1) {
              sum = (sum + i8[p + b * pB + m * pR + t] * i8[v + shared * vB + t * vR + n]) | 0;
            }
            i32[at] = sum;
            if (flags & FLAG_FINISH) {
              const rowFactor = f32[(pScale + b * pScaleB + m * pScaleR) / 4];
              f32[(out + b * outB + m * outR) / 4 + n] = f(f(sum) * rowFactor);
            }
          }
        }
      }
    },

    attentionScoresF32(batch, M, N, K, q, qB, qR, k, kB, kR, bDiv, out, outB, outR) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let m = 0; m < M; m += 1) {
          const query = (q + b * qB + m * qR) / 4;
          for (let n = 0; n < N; n += 1) {
            const key = (k + Math.floor(b / bDiv) * kB + n * kR) / 4;
            f32[(out + b * outB + m * outR) / 4 + n] = sum16(K, (i) => f(f32[query + i] * f32[key + i]));
          }
        }
      }
    },

    softmaxF32(batch, rows, cols, src, srcB, srcR, valid0, validStep, smScale, dst, dstB, dstR) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const length = validColumns(cols, valid0, validStep, r);
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          for (let t = 0; t < length; t += 1) f32[to + t] = f32[from + t];
          softmaxInPlace(to, length, smScale);
          for (let t = length; t < cols; t += 1) f32[to + t] = 0;
        }
      }
    },

    attentionMixF32(batch, M, N, K, p, pB, pR, v, vB, vR, bDiv, out, outB, outR) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        const values = (v + Math.floor(b / bDiv) * vB) / 4;
        for (let m = 0; m < M; m += 1) {
          const weights = (p + b * pB + m * pR) / 4;
          for (let n = 0; n < N; n += 1) {
            let sum = 0;
            for (let t = 0; t < K; t += 1)
              sum = f(sum + f(f32[weights + t] * f32[values + (t * vR) / 4 + n]));
            f32[(out + b * outB + m * outR) / 4 + n] = sum;
          }
        }
      }
    },

    maskScores(
      batch,
      rows,
      cols,
      dst,
      dstB,
      dstR,
      position0,
      window,
      mask,
      maskB,
      maskR,
      blockRows,
      blockCols,
    ) {
      const { f32, u8 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const position = position0 + r;
          for (let t = 0; t < cols; t += 1) {
            const isOld = window > 0 && t <= position - window;
            const block =
              mask + b * maskB + Math.floor(position / blockRows) * maskR + Math.floor(t / blockCols);
            const isHidden = isOld || (mask !== 0 && u8[block] === 0);
            if (isHidden) f32[(dst + b * dstB + r * dstR) / 4 + t] = Number.NEGATIVE_INFINITY;
          }
        }
      }
    },
  };
}
