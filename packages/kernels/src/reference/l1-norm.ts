/** Reference of L1 normalisation, in float32 and in integers. */
import { BitloomError } from '@bitloom/ir';
import type { Arena } from '../arena.js';
import { type L1NormKernels, MAX_L1_COLUMNS } from '../interface/l1-norms.js';
import { roundEven, sum16 } from './float.js';

const f = Math.fround;
const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** @throws BitloomError `kernel-l1-columns` */
export function checkL1Columns(cols: number): void {
  if (cols <= MAX_L1_COLUMNS) return;
  throw new BitloomError({
    code: 'kernel-l1-columns',
    message: 'l1NormInt8 cannot sum rows of this length in 32 bits',
    expected: `at most ${MAX_L1_COLUMNS} columns`,
    got: String(cols),
    hint: 'use l1Norm in float32, or normalise in parts',
  });
}

/** Shift and multiplier of a row: codes per unit of d are m·2^−(k+15). */
function rowFactor(cols: number, gain: number, deviation: number): { k: number; m: number } {
  const r = deviation === 0 ? 0 : f(f(f(cols) * f(gain)) / f(deviation));
  let k = 8;
  while (k > 2 && r * 2 ** k >= 1) k -= 1;
  return { k, m: Math.min(roundEven(r * 2 ** (k + 15)), 32767) };
}

export function l1NormKernels(arena: Arena): L1NormKernels {
  return {
    l1Norm(batch, rows, cols, src, srcB, srcR, weight, bias, dst, dstB, dstR, eps) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          const mean = f(sum16(cols, (i) => f32[from + i]) / cols);
          const centred = (i: number): number => f(f32[from + i] - mean);
          const deviation = sum16(cols, (i) => Math.abs(centred(i)));
          const factor = f(1 / f(f(deviation / cols) + f(eps)));
          for (let c = 0; c < cols; c += 1) {
            const y = f(f(centred(c) * factor) * f32[weight / 4 + c]);
            f32[to + c] = bias === 0 ? y : f(y + f32[bias / 4 + c]);
          }
        }
      }
    },

    l1NormInt8(rows, cols, src, srcR, weight, bias, gain, dst, dstR) {
      checkL1Columns(cols);
      const { i8, u16 } = arena;
      const weights = new Int16Array(u16.buffer);
      for (let row = 0; row < rows; row += 1) {
        const x = (c: number): number => i8[src + row * srcR + c];
        let sum = 0;
        for (let c = 0; c < cols; c += 1) sum += x(c);
        const mean = Math.floor((256 * sum + cols) / (2 * cols));
        let deviation = 0;
        for (let c = 0; c < cols; c += 1) deviation += Math.abs(128 * x(c) - mean);
        const { k, m } = rowFactor(cols, gain, deviation);
        const shift = weight === 0 ? k : k - 1;
        for (let c = 0; c < cols; c += 1) {
          let v = ((128 * x(c) - mean) * m + 2 ** 14) >> 15;
          if (weight !== 0) v = (v * weights[weight / 2 + c] + 2 ** 14) >> 15;
          let y = clamp((v + 2 ** (shift - 1)) >> shift, -128, 127);
          if (bias !== 0) y = clamp(y + i8[bias + c], -128, 127);
          i8[dst + row * dstR + c] = Math.max(y, -127);
        }
      }
    },
  };
}
