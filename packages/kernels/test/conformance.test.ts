/** Vectors, look-ups and float products on every backend: ragged sizes, strides, broadcasts and special values, bit for bit. */
import { loadNative } from '@bitloom/kernels-native';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROPE_HALF, ROPE_INTERLEAVED } from '../src/index.js';
import { conforms, expectSame, makeBench, type Operands } from './harness.js';

const bench = makeBench();

const COLUMNS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 31, 33, 64, 172, 260];
const columns = fc.oneof(fc.constantFrom(...COLUMNS), fc.integer({ min: 0, max: 70 }));
const small = fc.integer({ min: 0, max: 3 });

/** Shows as skipped where the addon is absent: no suite of the harness compares it then. */
it.skipIf(loadNative() === undefined)('native kernels are under conformance', () => {
  expect(bench.candidates.some(({ kernels }) => kernels.backend === 'native')).toBe(true);
});

it('has no kernel on the reference', () => {
  for (const { label, kernels } of bench.candidates) {
    kernels.load();
    expect(kernels.fallbacks, label).toEqual([]);
  }
});

describe('vector kernels', () => {
  interface VectorShape {
    batch: number;
    rows: number;
    cols: number;
    gap: number;
    broadcast: number;
  }
  const shapes: fc.Arbitrary<VectorShape> = fc.record({
    batch: small,
    rows: small,
    cols: columns,
    gap: fc.integer({ min: 0, max: 5 }),
    broadcast: fc.integer({ min: 0, max: 3 }),
  });
  const listed = COLUMNS.map((cols) => ({ batch: 2, rows: 3, cols, gap: 1, broadcast: 0 }));

  /** Strides of an operand with `gap` floats after each row; bit 0 of broadcast repeats rows, bit 1 batches. */
  const source = (o: Operands, s: VectorShape, broadcast: number): [number, number, number] => {
    const row = (s.cols + s.gap) * 4;
    const at = o.floats(s.batch * s.rows * (s.cols + s.gap) + 8, s.gap);
    return [at, broadcast & 2 ? 0 : s.rows * row, broadcast & 1 ? 0 : row];
  };
  const target = (o: Operands, s: VectorShape): [number, number, number] => source(o, s, 0);

  for (const name of ['silu', 'gelu', 'relu', 'copy'] as const) {
    it(name, () => {
      conforms(
        bench,
        (o, s: VectorShape) => {
          const src = source(o, s, s.broadcast);
          const dst = target(o, s);
          return (k) => k[name](s.batch, s.rows, s.cols, ...src, ...dst);
        },
        listed,
        shapes,
      );
    });
  }

  for (const name of ['add', 'mul', 'siluMul'] as const) {
    it(name, () => {
      conforms(
        bench,
        (o, s: VectorShape) => {
          const a = source(o, s, 0);
          const b = source(o, s, s.broadcast);
          const dst = s.gap === 2 ? a : target(o, s);
          return (k) => k[name](s.batch, s.rows, s.cols, ...a, ...b, ...dst);
        },
        listed,
        shapes,
      );
    });
  }

  it('rmsNorm', () => {
    conforms(
      bench,
      (o, s: VectorShape) => {
        const src = source(o, s, s.broadcast);
        const weight = o.floats(s.cols + 1, 1);
        const dst = s.broadcast === 0 && s.gap === 2 ? src : target(o, s);
        return (k) => k.rmsNorm(s.batch, s.rows, s.cols, ...src, weight, ...dst, 1e-5);
      },
      listed,
      shapes,
    );
  });

  it('layerNorm, with and without bias', () => {
    conforms(
      bench,
      (o, s: VectorShape) => {
        const src = source(o, s, s.broadcast);
        const weight = o.floats(s.cols + 1, 1);
        const bias = s.gap % 2 === 0 ? 0 : o.floats(s.cols + 1);
        const dst = s.broadcast === 0 && s.gap === 2 ? src : target(o, s);
        return (k) => k.layerNorm(s.batch, s.rows, s.cols, ...src, weight, bias, ...dst, 1e-6);
      },
      listed,
      shapes,
    );
  });

  it('rope, both layouts, in place and not, part of the head', () => {
    conforms(
      bench,
      (o, s: VectorShape) => {
        const cols = s.cols - (s.cols % 2);
        const src = source(o, s, s.broadcast);
        const table = o.floats((s.rows + 1) * (cols + 2));
        const dst = s.broadcast === 0 && s.gap === 2 ? src : target(o, s);
        const layout = s.gap % 2 === 0 ? ROPE_HALF : ROPE_INTERLEAVED;
        return (k) => k.rope(s.batch, s.rows, cols, ...src, table, (cols + 2) * 4, ...dst, layout);
      },
      [0, 1, 2].flatMap((gap) => listed.map((shape) => ({ ...shape, gap }))),
      shapes,
    );
  });

  it('quantizeRows', () => {
    conforms(
      bench,
      (o, s: VectorShape) => {
        const src = source(o, s, s.broadcast);
        const padTo = s.gap === 0 ? 0 : Math.ceil(s.cols / 8) * 8;
        const rowBytes = Math.max(s.cols, padTo) + s.gap;
        const dst = o.block(s.batch * s.rows * rowBytes, s.gap);
        const scale = o.block(s.batch * s.rows * 8);
        return (k) =>
          k.quantizeRows(
            s.batch,
            s.rows,
            s.cols,
            ...src,
            dst,
            s.rows * rowBytes,
            rowBytes,
            padTo,
            scale,
            s.rows * 8,
            8,
          );
      },
      listed,
      shapes,
    );
  });

  it('quantizeRows at the ends of the float range', () => {
    for (const value of [
      0,
      1e-45,
      1e-38,
      3.7e-37,
      3.8e-37,
      1,
      3.4e38,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]) {
      expectSame(bench, 1, 'plain', (o) => {
        const src = o.floats(9);
        for (let i = 0; i < 9; i += 1) o.arena.f32[src / 4 + i] = i % 3 === 0 ? value : (-value * i) / 20;
        const dst = o.block(16);
        const scale = o.block(4);
        return (k) => k.quantizeRows(1, 1, 9, src, 0, 0, dst, 0, 0, 16, scale, 0, 0);
      });
    }
  });
});

describe('float products', () => {
  it('gemmF32 within its tolerance', () => {
    const shapes = fc.record({
      M: fc.integer({ min: 0, max: 5 }),
      N: fc.integer({ min: 0, max: 20 }),
      K: columns,
      gap: fc.integer({ min: 0, max: 3 }),
    });
    conforms(
      bench,
      (o, { M, N, K, gap }) => {
        const stride = (K + gap) * 4;
        const x = o.floats(M * (K + gap) + 1, gap, 2);
        const w = o.floats(N * (K + gap) + 1, 1, 2);
        const out = o.floats(M * (N + gap) + 1);
        return (k) => k.gemmF32(M, N, K, x, stride, w, stride, out, (N + gap) * 4);
      },
      COLUMNS.map((K) => ({ M: 3, N: 7, K, gap: 1 })),
      shapes,
      // Σ|x·w| ≤ K for values in [−1, 1].
      { flavours: ['plain'], close: (a, b) => Math.abs(a - b) <= 4 * 260 * 2 ** -24 * 260 },
    );
  });

  it('gemmF32 gives each output the same bits whatever M and N', () => {
    const { arena } = bench;
    const mark = arena.mark();
    const K = 77;
    const x = arena.alloc(5 * K * 4);
    const w = arena.alloc(9 * K * 4);
    const out = arena.alloc(5 * 9 * 4);
    const one = arena.alloc(4);
    for (let i = 0; i < 9 * K; i += 1) {
      if (i < 5 * K) arena.f32[x / 4 + i] = Math.sin(i);
      arena.f32[w / 4 + i] = Math.cos(3 * i);
    }
    for (const { label, kernels } of bench.candidates) {
      kernels.gemmF32(5, 9, K, x, K * 4, w, K * 4, out, 36);
      for (let m = 0; m < 5; m += 1) {
        for (let n = 0; n < 9; n += 1) {
          kernels.gemmF32(1, 1, K, x + m * K * 4, K * 4, w + n * K * 4, K * 4, one, 4);
          expect(arena.f32[one / 4], label).toBe(arena.f32[out / 4 + m * 9 + n]);
        }
      }
    }
    arena.release(mark);
  });
});

describe('embedding look-ups', () => {
  interface EmbedShape {
    bits: number;
    group: number;
    rows: number;
    cols: number;
    gap: number;
  }
  const shapes: fc.Arbitrary<EmbedShape> = fc.record({
    bits: fc.integer({ min: 2, max: 8 }),
    group: fc.constantFrom(1, 3, 8, 32, 100, 2 ** 40),
    rows: small,
    cols: columns,
    gap: fc.integer({ min: 0, max: 3 }),
  });
  const listed = [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
    [1, 17, 64, 172].map((cols) => ({ bits, group: 32, rows: 4, cols, gap: 1 })),
  );

  it('embedGroups', () => {
    conforms(
      bench,
      (o, s: EmbedShape) => {
        const vocabulary = 6;
        const ids = o.block(s.rows * 4 + 4);
        for (let i = 0; i < s.rows; i += 1) o.arena.i32[ids / 4 + i] = Math.floor(o.random() * vocabulary);
        const rowBytes = Math.ceil((s.cols * s.bits) / 8) + s.gap;
        const codes = o.block(vocabulary * rowBytes + 1, s.gap);
        const groupCount = Math.ceil(s.cols / s.group);
        const scales = o.block(vocabulary * groupCount * 2 + 4);
        // Finite halves of any size and sign, subnormals included.
        for (let i = 0; i < vocabulary * groupCount; i += 1) {
          o.arena.u16[scales / 2 + i] = Math.floor(o.random() * 0x7c00) + (o.random() < 0.5 ? 0x8000 : 0);
        }
        const dst = o.floats(s.rows * (s.cols + s.gap) + 1);
        return (k) =>
          k.embedGroups(
            s.bits,
            s.group,
            s.rows,
            s.cols,
            ids,
            codes,
            rowBytes,
            scales,
            groupCount * 2,
            dst,
            (s.cols + s.gap) * 4,
          );
      },
      listed,
      shapes,
    );
  });

  it('embedF32', () => {
    conforms(
      bench,
      (o, s: EmbedShape) => {
        const ids = o.block(s.rows * 4 + 4);
        for (let i = 0; i < s.rows; i += 1) o.arena.i32[ids / 4 + i] = Math.floor(o.random() * 6);
        const table = o.floats(6 * (s.cols + s.gap) + 1, s.gap);
        const dst = o.floats(s.rows * (s.cols + 1) + 1);
        return (k) => k.embedF32(s.rows, s.cols, ids, table, (s.cols + s.gap) * 4, dst, (s.cols + 1) * 4);
      },
      listed,
      shapes,
    );
  });

  it('refuses widths and groups it cannot read, on every backend', () => {
    for (const k of [bench.reference, ...bench.candidates.map(({ kernels }) => kernels)]) {
      expect(() => k.embedGroups(9, 32, 1, 1, 64, 64, 1, 64, 2, 64, 4)).toThrow(/2 to 8 bits/);
      expect(() => k.embedGroups(4, 0, 1, 1, 64, 64, 1, 64, 2, 64, 4)).toThrow(/share a scale/);
    }
  });
});
