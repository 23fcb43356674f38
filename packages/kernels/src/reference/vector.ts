/** Reference of the vector kernels: norms, rotary embedding, element-wise functions and embedding look-ups. */
import { decodeFp16 } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { Arena } from '../arena.js';
import {
  type BinaryKernel,
  ROPE_INTERLEAVED,
  type UnaryKernel,
  type VectorKernels,
} from '../interface/vectors.js';
import { gelu32, silu32, sum16 } from './float.js';
import { quantizeKernels } from './quantize.js';

const f = Math.fround;

/**
 * Checks the arguments of `embedGroups`.
 *
 * @throws BitloomError `kernel-bits`, `kernel-group`.
 */
export function checkEmbedGroups(bits: number, group: number): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 8) {
    throw new BitloomError({
      code: 'kernel-bits',
      message: 'embedGroups reads canonical codes of 2 to 8 bits',
      expected: 'an integer from 2 to 8',
      got: String(bits),
    });
  }
  if (!Number.isInteger(group) || group < 1) {
    throw new BitloomError({
      code: 'kernel-group',
      message: 'embedGroups needs the number of columns that share a scale',
      expected: 'a positive integer',
      got: String(group),
    });
  }
}

export function vectorKernels(arena: Arena): VectorKernels {
  function unary(apply: (x: number) => number): UnaryKernel {
    return (batch, rows, cols, src, srcB, srcR, dst, dstB, dstR) => {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          for (let c = 0; c < cols; c += 1) f32[to + c] = apply(f32[from + c]);
        }
      }
    };
  }

  function binary(apply: (a: number, b: number) => number): BinaryKernel {
    return (batch, rows, cols, a, aB, aR, b, bB, bR, dst, dstB, dstR) => {
      const { f32 } = arena;
      for (let i = 0; i < batch; i += 1) {
        for (let r = 0; r < rows; r += 1) {
          const left = (a + i * aB + r * aR) / 4;
          const right = (b + i * bB + r * bR) / 4;
          const to = (dst + i * dstB + r * dstR) / 4;
          for (let c = 0; c < cols; c += 1) f32[to + c] = apply(f32[left + c], f32[right + c]);
        }
      }
    };
  }

  return {
    ...quantizeKernels(arena),

    rmsNorm(batch, rows, cols, src, srcB, srcR, weight, dst, dstB, dstR, eps) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          const squares = sum16(cols, (i) => f(f32[from + i] * f32[from + i]));
          const factor = f(1 / f(Math.sqrt(f(f(squares / cols) + f(eps)))));
          for (let c = 0; c < cols; c += 1) f32[to + c] = f(f(f32[from + c] * factor) * f32[weight / 4 + c]);
        }
      }
    },

    layerNorm(batch, rows, cols, src, srcB, srcR, weight, bias, dst, dstB, dstR, eps) {
      const { f32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          const mean = f(sum16(cols, (i) => f32[from + i]) / cols);
          const centred = (i: number): number => f(f32[from + i] - mean);
          const squares = sum16(cols, (i) => f(centred(i) * centred(i)));
          const factor = f(1 / f(Math.sqrt(f(f(squares / cols) + f(eps)))));
          for (let c = 0; c < cols; c += 1) {
            const y = f(f(centred(c) * factor) * f32[weight / 4 + c]);
            f32[to + c] = bias === 0 ? y : f(y + f32[bias / 4 + c]);
          }
        }
      }
    },

    rope(batch, rows, cols, src, srcB, srcR, table, tableR, dst, dstB, dstR, layout) {
      const { f32 } = arena;
      const half = cols / 2;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          const to = (dst + b * dstB + r * dstR) / 4;
          const angles = (table + r * tableR) / 4;
          for (let i = 0; i < half; i += 1) {
            const first = layout === ROPE_INTERLEAVED ? 2 * i : i;
            const second = layout === ROPE_INTERLEAVED ? 2 * i + 1 : i + half;
            const x = f32[from + first];
            const y = f32[from + second];
            const cos = f32[angles + 2 * i];
            const sin = f32[angles + 2 * i + 1];
            f32[to + first] = f(f(x * cos) - f(y * sin));
            f32[to + second] = f(f(x * sin) + f(y * cos));
          }
        }
      }
    },

    add: binary((a, b) => f(a + b)),
    mul: binary((a, b) => f(a * b)),
    siluMul: binary((a, b) => f(silu32(a) * b)),
    silu: unary(silu32),
    gelu: unary(gelu32),
    relu: unary((x) => (x > 0 ? x : 0)),

    copy(batch, rows, cols, src, srcB, srcR, dst, dstB, dstR) {
      // As integers: a float copy through JavaScript may change the payload of a NaN.
      const { i32 } = arena;
      for (let b = 0; b < batch; b += 1) {
        for (let r = 0; r < rows; r += 1) {
          const from = (src + b * srcB + r * srcR) / 4;
          i32.copyWithin((dst + b * dstB + r * dstR) / 4, from, from + cols);
        }
      }
    },

    embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR) {
      checkEmbedGroups(bits, group);
      const { f32, i32, u8, u16 } = arena;
      for (let i = 0; i < rows; i += 1) {
        const id = i32[ids / 4 + i];
        for (let c = 0; c < cols; c += 1) {
          let code = 0;
          for (let bit = 0; bit < bits; bit += 1) {
            const at = c * bits + bit;
            code |= ((u8[codes + id * codesRowBytes + Math.floor(at / 8)] >> (at % 8)) & 1) << bit;
          }
          const signed = code >= 1 << (bits - 1) ? code - (1 << bits) : code;
          const scale = decodeFp16(u16[(scales + id * scalesRowBytes) / 2 + Math.floor(c / group)]);
          f32[(dst + i * dstR) / 4 + c] = f(signed * scale);
        }
      }
    },

    embedF32(rows, cols, ids, table, tableRowBytes, dst, dstR) {
      const { i32 } = arena;
      for (let i = 0; i < rows; i += 1) {
        const from = (table + i32[ids / 4 + i] * tableRowBytes) / 4;
        i32.copyWithin((dst + i * dstR) / 4, from, from + cols);
      }
    },
  };
}
