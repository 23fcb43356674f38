/** The reference against plain float64 mathematics: it must be the right function before bits matter. */
import { dequantizeGroups, packCanonical, packRows16, quantizeGroups } from '@bitloom/formats';
import { describe, expect, it } from 'vitest';
import { createKernels, FLAG_FINISH } from '../src/index.js';

const kernels = createKernels({ backend: 'reference' });
const { arena } = kernels;

function put(values: ArrayLike<number>): number {
  const at = arena.alloc(values.length * 4);
  arena.f32.set(values, at / 4);
  return at;
}

const wave = (count: number, step: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * step + 0.3) * scale);

const floatsAt = (at: number, count: number): number[] => [...arena.f32.subarray(at / 4, at / 4 + count)];

describe('the reference computes', () => {
  it('a weight product of quantised activations close to the float product', () => {
    const [M, N, K, group] = [3, 18, 100, 32];
    const x = wave(M * K, 0.7, 3);
    const weights = wave(N * K, 0.37, 0.1);
    for (const bits of [4, 8] as const) {
      const quantized = quantizeGroups(weights, { rows: N, cols: K, bits, groupSize: group });
      const packed = packRows16(packCanonical(quantized));
      const w = arena.alloc(packed.length);
      arena.u8.set(packed, w);
      const codes = arena.alloc(M * 104);
      const scale = arena.alloc(M * 4);
      const out = arena.alloc(M * N * 4);
      kernels.quantizeRows(1, M, K, put(x), 0, K * 4, codes, 0, 104, 104, scale, 0, 4);
      kernels.gemmGroups(bits, group, M, N, K, codes, 104, scale, 4, w, out, N * 4, FLAG_FINISH);
      const read = dequantizeGroups(quantized);
      for (let m = 0; m < M; m += 1) {
        for (let n = 0; n < N; n += 1) {
          let exact = 0;
          for (let k = 0; k < K; k += 1) exact += x[m * K + k] * read[n * K + k];
          expect(Math.abs(arena.f32[out / 4 + m * N + n] - exact)).toBeLessThan(0.05);
        }
      }
    }
  });

  it('attention on codes close to attention in float', () => {
    const [heads, bDiv, M, tokens, headDim] = [4, 2, 3, 11, 20];
    const q = wave(heads * M * headDim, 0.9);
    const k = wave((heads / bDiv) * tokens * headDim, 0.51);
    const v = wave((heads / bDiv) * tokens * headDim, 0.33);
    const past = tokens - M + 1;
    const quantize = (values: Float32Array): { codes: number; scale: number } => {
      const rows = values.length / headDim;
      const codes = arena.alloc(values.length);
      const scale = arena.alloc(rows * 4);
      kernels.quantizeRows(1, rows, headDim, put(values), 0, headDim * 4, codes, 0, headDim, 0, scale, 0, 4);
      return { codes, scale };
    };
    const [q8, k8, v8] = [q, k, v].map(quantize);
    const rowBytes = tokens * 4;
    const scores = arena.alloc(heads * M * rowBytes);
    const p8 = arena.alloc(heads * M * tokens);
    const pScale = arena.alloc(heads * M * 4);
    const acc = arena.alloc(heads * M * headDim * 4);
    const out = arena.alloc(heads * M * headDim * 4);
    const smScale = Math.fround(1 / Math.sqrt(headDim));
    const [headBytes, cacheBytes] = [M * headDim, tokens * headDim];
    kernels.attentionScores(
      heads,
      M,
      tokens,
      headDim,
      q8.codes,
      headBytes,
      headDim,
      q8.scale,
      M * 4,
      4,
      k8.codes,
      cacheBytes,
      headDim,
      k8.scale,
      tokens * 4,
      bDiv,
      scores,
      M * rowBytes,
      rowBytes,
    );
    kernels.softmaxQuantize(
      heads,
      M,
      tokens,
      scores,
      M * rowBytes,
      rowBytes,
      v8.scale,
      tokens * 4,
      bDiv,
      past,
      1,
      smScale,
      p8,
      M * tokens,
      tokens,
      0,
      pScale,
      M * 4,
      4,
    );
    kernels.attentionMix(
      heads,
      M,
      headDim,
      tokens,
      p8,
      M * tokens,
      tokens,
      pScale,
      M * 4,
      4,
      v8.codes,
      cacheBytes,
      headDim,
      bDiv,
      acc,
      headBytes * 4,
      headDim * 4,
      out,
      headBytes * 4,
      headDim * 4,
      FLAG_FINISH,
    );

    const floatScores = arena.alloc(heads * M * rowBytes);
    const floatOut = arena.alloc(heads * M * headDim * 4);
    kernels.attentionScoresF32(
      heads,
      M,
      tokens,
      headDim,
      put(q),
      headBytes * 4,
      headDim * 4,
      put(k),
      cacheBytes * 4,
      headDim * 4,
      bDiv,
      floatScores,
      M * rowBytes,
      rowBytes,
    );
    kernels.softmaxF32(
      heads,
      M,
      tokens,
      floatScores,
      M * rowBytes,
      rowBytes,
      past,
      1,
      smScale,
      floatScores,
      M * rowBytes,
      rowBytes,
    );
    kernels.attentionMixF32(
      heads,
      M,
      headDim,
      tokens,
      floatScores,
      M * rowBytes,
      rowBytes,
      put(v),
      cacheBytes * 4,
      headDim * 4,
      bDiv,
      floatOut,
      headBytes * 4,
      headDim * 4,
    );

    for (let h = 0; h < heads; h += 1) {
      const cache = Math.floor(h / bDiv) * tokens * headDim;
      for (let m = 0; m < M; m += 1) {
        const z = Array.from({ length: past + m }, (_, t) => {
          let dot = 0;
          for (let i = 0; i < headDim; i += 1)
            dot += q[(h * M + m) * headDim + i] * k[cache + t * headDim + i];
          return dot / Math.sqrt(headDim);
        });
        const total = z.reduce((sum, value) => sum + Math.exp(value), 0);
        for (let i = 0; i < headDim; i += 1) {
          const exact = z.reduce(
            (sum, value, t) => sum + (Math.exp(value) / total) * v[cache + t * headDim + i],
            0,
          );
          const at = (h * M + m) * headDim + i;
          expect(floatsAt(floatOut + at * 4, 1)[0]).toBeCloseTo(exact, 5);
          expect(Math.abs(floatsAt(out + at * 4, 1)[0] - exact)).toBeLessThan(0.02);
        }
      }
    }
  });

  it('norms with unit scale', () => {
    const x = wave(50, 1.1, 2);
    const ones = put(new Float32Array(50).fill(1));
    const out = arena.alloc(200);
    kernels.rmsNorm(1, 1, 50, put(x), 0, 0, ones, out, 0, 0, 0);
    const squares = floatsAt(out, 50).reduce((sum, value) => sum + value * value, 0);
    expect(squares / 50).toBeCloseTo(1, 5);
    kernels.layerNorm(1, 1, 50, put(x.map((value) => value + 5)), 0, 0, ones, 0, out, 0, 0, 0);
    const values = floatsAt(out, 50);
    expect(values.reduce((sum, value) => sum + value, 0) / 50).toBeCloseTo(0, 5);
    expect(values.reduce((sum, value) => sum + value * value, 0) / 50).toBeCloseTo(1, 4);
  });

  it('codes that read back within half a step, with zeros as padding', () => {
    const x = wave(21, 0.77, 9);
    const codes = arena.alloc(32);
    const scale = arena.alloc(4);
    arena.i8.fill(99, codes, codes + 32);
    kernels.quantizeRows(1, 1, 21, put(x), 0, 0, codes, 0, 0, 24, scale, 0, 0);
    const step = arena.f32[scale / 4];
    expect(step).toBeCloseTo(Math.max(...x.map(Math.abs)) / 127, 6);
    for (let i = 0; i < 21; i += 1) {
      expect(Math.abs(arena.i8[codes + i] * step - x[i])).toBeLessThanOrEqual(step * 0.5001);
    }
    expect([...arena.i8.slice(codes + 21, codes + 25)]).toEqual([0, 0, 0, 99]);
  });

  it('rows of a softmax that sum to one and ignore what is not valid', () => {
    const out = arena.alloc(64);
    kernels.softmaxF32(1, 1, 8, put([1, 2, 3, 4, 500, 500, 500, 500]), 0, 0, 4, 0, 1, out, 0, 0);
    const p = floatsAt(out, 8);
    expect(p.slice(4)).toEqual([0, 0, 0, 0]);
    expect(p.reduce((sum, value) => sum + value)).toBeCloseTo(1, 6);
    expect(p[3] / p[2]).toBeCloseTo(Math.E, 5);
  });
});
