/** L1 normalisation and the reductions over logits: conformance of every backend, and what they mean. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conforms, expectSame, makeBench } from './harness.js';

const bench = makeBench();
const { arena, reference } = bench;
const columns = fc.oneof(
  fc.constantFrom(1, 15, 16, 17, 31, 33, 63, 64, 65, 100, 128, 129, 260),
  fc.integer({ min: 0, max: 70 }),
);
const LISTED = [1, 2, 3, 15, 16, 17, 47, 64, 65, 300].map((cols) => ({ rows: 3, cols, gap: 1, variant: 3 }));
const shapes = fc.record({
  rows: fc.integer({ min: 0, max: 4 }),
  cols: columns,
  gap: fc.integer({ min: 0, max: 5 }),
  variant: fc.integer({ min: 0, max: 3 }),
});
type Shape = (typeof LISTED)[number];

describe('conformance', () => {
  it('l1Norm', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const row = (s.cols + s.gap) * 4;
        const src = o.floats(s.rows * (s.cols + s.gap));
        const weight = o.floats(s.cols + 1, 1);
        const bias = s.variant % 2 === 0 ? 0 : o.floats(s.cols);
        const dst = s.variant < 2 ? src : o.floats(s.rows * (s.cols + s.gap));
        return (k) => k.l1Norm(1, s.rows, s.cols, src, 0, row, weight, bias, dst, 0, row, 1e-5);
      },
      LISTED,
      shapes,
    );
  });

  it('l1NormInt8, with and without weight and bias', () => {
    conforms(
      bench,
      (o, s: Shape & { gain: number }) => {
        const row = s.cols + s.gap;
        const src = o.block(s.rows * row, s.gap);
        const weight = s.variant % 2 === 0 ? 0 : o.block(s.cols * 2 + 2);
        const bias = s.variant < 2 ? 0 : o.block(s.cols + 1, 1);
        const dst = o.block(s.rows * row, 3);
        return (k) => k.l1NormInt8(s.rows, s.cols, src, row, weight, bias, s.gain, dst, row);
      },
      LISTED.flatMap((shape) => [0, 1, 2, 3].map((variant) => ({ ...shape, variant, gain: 16 }))),
      fc.tuple(shapes, fc.constantFrom(0.01, 1, 15.5, 40, 1000)).map(([shape, gain]) => ({ ...shape, gain })),
      { flavours: ['plain'], runs: 200 },
    );
  });

  it('l1NormInt8 in more rows than go together', () => {
    for (const [rows, cols] of [
      [19, 70],
      [9, 2100],
      [3, 17000],
    ]) {
      expectSame(bench, cols, 'plain', (o) => {
        const src = o.block(rows * cols);
        const [weight, bias] = [o.block(cols * 2), o.block(cols)];
        const dst = o.block(rows * cols);
        return (k) => k.l1NormInt8(rows, cols, src, cols, weight, bias, 20, dst, cols);
      });
    }
  });

  it('l1NormInt8 at the extremes: long rows of −128 and 127, constant rows, one outlier', () => {
    const fills: ((c: number, cols: number) => number)[] = [
      () => -128,
      () => 127,
      () => 0,
      (c) => (c % 2 === 0 ? -128 : 127),
      (c, cols) => (c === cols - 1 ? 127 : 0),
      (c, cols) => (c < cols / 2 ? -128 : 127),
    ];
    for (const cols of [16, 1000, 16321, 65536]) {
      for (const fill of fills) {
        expectSame(bench, cols, 'plain', (o) => {
          const src = o.block(cols);
          for (let c = 0; c < cols; c += 1) o.arena.i8[src + c] = fill(c, cols);
          const dst = o.block(cols);
          return (k) => k.l1NormInt8(1, cols, src, cols, 0, 0, 20, dst, cols);
        });
      }
    }
  });

  it('argMax and softmaxStatistics', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const row = (s.cols + s.gap) * 4;
        const src = o.floats(s.rows * (s.cols + s.gap));
        // Equal values in several places: the first wins.
        if (s.variant === 1) o.arena.f32.fill(1.5, src / 4, src / 4 + s.rows * (s.cols + s.gap));
        if (s.variant === 2) o.arena.f32.fill(-Infinity, src / 4, src / 4 + s.rows * (s.cols + s.gap));
        const dst = o.block(s.rows * 8);
        return s.variant === 3
          ? (k) => k.softmaxStatistics(s.rows, s.cols, src, row, 0.7, dst)
          : (k) => k.argMax(s.rows, s.cols, src, row, dst);
      },
      LISTED.flatMap((shape) => [0, 1, 2, 3].map((variant) => ({ ...shape, variant }))),
      shapes,
      { runs: 150 },
    );
  });

  it('refuses rows whose sums would not fit', () => {
    for (const { kernels } of [...bench.candidates, { kernels: reference }]) {
      expect(() => kernels.l1NormInt8(1, 65537, 64, 0, 0, 0, 16, 64, 0)).toThrow(/65536 columns.*65537/s);
    }
  });
});

describe('meaning', () => {
  it('l1NormInt8 is within one code of the exact normalisation', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 8, maxLength: 200 }),
        fc.constantFrom(8, 16, 25),
        fc.boolean(),
        (values, gain, weighted) => {
          const mark = arena.mark();
          const n = values.length;
          const [src, dst, weight] = [arena.alloc(n), arena.alloc(n), arena.alloc(2 * n)];
          arena.i8.set(values, src);
          const factors = values.map((_, c) => ((c % 7) - 3) / 3);
          const quantised = factors.map((factor) => Math.round(factor * 2 ** 14));
          new Int16Array(arena.memory.buffer, weight, n).set(quantised);
          reference.l1NormInt8(1, n, src, n, weighted ? weight : 0, 0, gain, dst, n);
          const mean = values.reduce((a, b) => a + b, 0) / n;
          const deviation = values.reduce((a, x) => a + Math.abs(x - mean), 0) / n;
          // Rows that hardly vary use fewer bits of the multiplier; the bound is for the others.
          if (deviation > gain / 8) {
            values.forEach((x, c) => {
              const exact = ((x - mean) / deviation) * gain * (weighted ? quantised[c] / 2 ** 14 : 1);
              const bounded = Math.max(-127, Math.min(127, exact));
              expect(Math.abs(arena.i8[dst + c] - bounded)).toBeLessThanOrEqual(1);
            });
          }
          arena.release(mark);
        },
      ),
    );
  });

  it('softmaxStatistics gives the logarithm of a probability', () => {
    const mark = arena.mark();
    const logits = Array.from({ length: 50 }, (_, i) => Math.sin(i) * 5);
    const [src, dst] = [arena.alloc(200), arena.alloc(8)];
    arena.f32.set(logits, src / 4);
    reference.softmaxStatistics(1, 50, src, 200, 1, dst);
    const [max, sum] = arena.f32.subarray(dst / 4, dst / 4 + 2);
    const exact = Math.log(logits.reduce((total, x) => total + Math.exp(x), 0));
    expect(max + Math.log(sum)).toBeCloseTo(exact, 5);
    arena.release(mark);
  });
});
