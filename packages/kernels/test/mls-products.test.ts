/** MLS products on every backend, bit for bit, and their meaning, against `mlsDot` of `@bitloom/formats`. */
import { dequantizeMls, mlsDot, quantizeMls } from '@bitloom/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../src/index.js';
import { conforms, makeBench } from './harness.js';
import { listed, matrix, type Shape, shapes } from './integer-operands.js';

const bench = makeBench();
const everywhere: readonly Kernels[] = [bench.reference, ...bench.candidates.map(({ kernels }) => kernels)];
const plain = { flavours: ['plain'] as const };

describe('MLS', () => {
  interface MlsShape extends Shape {
    group: number;
    scaleMantissa: 0 | 1;
    /** Bit 0: rows share their scales, bit 1: groups of a do, bit 2: columns do, bit 3: groups of b do. */
    shared: number;
  }
  const mlsShapes: fc.Arbitrary<MlsShape> = fc
    .tuple(
      shapes,
      fc.oneof(fc.constantFrom(1, 8, 9, 16, 25), fc.integer({ min: 1, max: 700 })),
      fc.constantFrom(0 as const, 1 as const),
      fc.integer({ min: 0, max: 15 }),
    )
    .map(([shape, group, scaleMantissa, shared]) => ({ ...shape, group, scaleMantissa, shared }));
  const listedMls: MlsShape[] = listed.flatMap((shape, i) =>
    [1, 2, 9, 32, 600].map((group, j) => ({
      ...shape,
      group,
      scaleMantissa: ((i + j) % 2) as 0 | 1,
      shared: i % 16,
    })),
  );

  it('gemmMls, every layout and sharing of scales', () => {
    conforms(
      bench,
      (o, s: MlsShape) => {
        const value = (): number => Math.floor(o.random() * 249) - 124;
        const a = matrix(o, s.M, s, (s.layout & 1) !== 0, value);
        const b = matrix(o, s.N, s, (s.layout & 2) !== 0, value);
        const groups = Math.ceil(s.K / s.group);
        const scales = (rows: number, shared: number): [number, number, number] => {
          const at = o.block(rows * groups * 2 + 2, 2 * (s.gap % 2));
          const one = s.scaleMantissa === 0 ? 127 : 254;
          for (let i = 0; i < rows * groups; i += 1) {
            const depth = o.random() < 0.1 ? one : 12;
            o.arena.u16[at / 2 + i] = one - Math.floor(o.random() * (depth + 1));
          }
          return [at, shared & 1 ? 0 : groups * 2, shared & 2 ? 0 : 2];
        };
        const scaleA = scales(s.M, s.shared);
        const scaleB = scales(s.N, s.shared >> 2);
        const outR = (s.N + s.gap) * 4;
        const out = o.block(s.M * outR + 4);
        return (k) =>
          k.gemmMls(
            s.group,
            s.scaleMantissa,
            s.M,
            s.N,
            s.K,
            ...a,
            ...scaleA,
            ...b,
            ...scaleB,
            0.7,
            out,
            outR,
          );
      },
      [...listedMls, { ...listed[0], M: 200, N: 20, K: 4100, group: 4096, scaleMantissa: 1, shared: 0 }],
      mlsShapes,
      { ...plain, runs: 120 },
    );
  });

  it('mlsIntegers, every element that fits, in place and not', () => {
    const elements = [0, 1, 2, 3].flatMap((e) =>
      Array.from({ length: 8 }, (_, m) => [e, m] as const).filter(([, m]) => m + 2 ** e - 1 <= 7),
    );
    for (const [e, m] of elements) {
      conforms(
        bench,
        (o, { rows, cols, gap }: { rows: number; cols: number; gap: number }) => {
          const src = o.block(rows * (cols + gap) + 1, gap);
          const dst = gap === 2 ? src : o.block(rows * (cols + gap) + 1);
          return (k) => k.mlsIntegers(e, m, rows, cols, src, cols + gap, dst, cols + gap);
        },
        [
          { rows: 3, cols: 256, gap: 0 },
          { rows: 2, cols: 37, gap: 2 },
        ],
        fc.record({
          rows: fc.integer({ min: 0, max: 3 }),
          cols: fc.integer({ min: 0, max: 40 }),
          gap: fc.integer({ min: 0, max: 2 }),
        }),
        { ...plain, runs: 5 },
      );
    }
  });

  it('is mlsDot where its sums fit float32', () => {
    const { arena } = bench;
    fc.assert(
      fc.property(
        fc.constantFrom([2, 1] as const, [2, 4] as const),
        fc.constantFrom(0 as const, 1 as const),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (element, groupScaleMantissa, channels, plane, seed) => {
          const mark = arena.mark();
          let state = seed;
          const random = (): number => {
            state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
            return state / 0x80000000 - 0.5;
          };
          // Group scales two octaves deep, so that every sum is a multiple of a unit that float32 reaches.
          const make = () =>
            quantizeMls(
              Float32Array.from(
                { length: channels * plane },
                (_, i) => random() * 2 ** -(Math.floor(i / plane) % 3),
              ),
              [1, channels, plane],
              { element, groupScaleMantissa, groups: 'nc' },
            );
          const [a, b] = [make(), make()];
          const K = channels * plane;
          const [at, bt] = [arena.alloc(K), arena.alloc(K)];
          const [scaleA, scaleB, out] = [
            arena.alloc(channels * 2),
            arena.alloc(channels * 2),
            arena.alloc(4),
          ];
          arena.u16.set(a.groupScales, scaleA / 2);
          arena.u16.set(b.groupScales, scaleB / 2);
          const [exponentBits, mantissaBits] = element;
          const unit = 2 ** (-2 * (mantissaBits + 2 ** exponentBits - 1));
          const exact = mlsDot(a, b);
          for (const kernels of everywhere) {
            arena.u8.set(a.codes, at);
            arena.u8.set(b.codes, bt);
            kernels.mlsIntegers(exponentBits, mantissaBits, 1, K, at, K, at, K);
            kernels.mlsIntegers(exponentBits, mantissaBits, 1, K, bt, K, bt, K);
            const left = [at, K, 1, scaleA, 0, 2] as const;
            const right = [bt, K, 1, scaleB, 0, 2] as const;
            kernels.gemmMls(plane, groupScaleMantissa, 1, 1, K, ...left, ...right, unit, out, 4);
            const scaled = arena.f32[out / 4] * a.tensorScale * b.tensorScale;
            const size = dequantizeMls(a).reduce((sum, x, i) => sum + Math.abs(x * dequantizeMls(b)[i]), 0);
            expect(Math.abs(scaled - exact.value)).toBeLessThanOrEqual(size * 2 ** -22);
            if (mantissaBits === 1) expect(scaled).toBeCloseTo(exact.value, 12);
          }
          arena.release(mark);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('refuses elements and groups it cannot sum', () => {
    for (const k of everywhere) {
      expect(() => k.mlsIntegers(2, 5, 1, 1, 64, 1, 64, 1)).toThrow(/do not fit int8/);
      expect(() => k.mlsIntegers(4, 0, 1, 1, 64, 1, 64, 1)).toThrow(/do not fit int8/);
      const call =
        (group: number, mantissa: number): (() => void) =>
        () =>
          k.gemmMls(group, mantissa, 0, 0, 0, 64, 1, 1, 64, 0, 0, 64, 1, 1, 64, 0, 0, 1, 64, 4);
      expect(call(0, 0)).toThrow(/groups of this length/);
      expect(call(4097, 0)).toThrow(/groups of this length/);
      expect(call(1, 2)).toThrow(/group scales of this kind/);
    }
  });
});
