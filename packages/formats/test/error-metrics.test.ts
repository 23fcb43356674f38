import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ErrorAccumulator, entropy, errorMetrics, klDivergence } from '../src/index.js';

const FIGURES = ['maxError', 'rmse', 'relativeRmse', 'sqnr', 'cosineSimilarity'] as const;

describe('errorMetrics', () => {
  it('gives the figures by hand', () => {
    const { count, maxError, maxErrorIndex, rmse, relativeRmse, sqnr, cosineSimilarity } = errorMetrics(
      [3, 4, 0, 0],
      [3, 3, 0, 1],
    );
    expect({ count, maxError, maxErrorIndex }).toEqual({ count: 4, maxError: 1, maxErrorIndex: 1 });
    expect(rmse).toBe(Math.sqrt(2 / 4));
    expect(relativeRmse).toBeCloseTo(Math.sqrt(2 / 4) / Math.sqrt(25 / 4), 15);
    expect(sqnr).toBeCloseTo(10 * Math.log10(25 / 2), 12);
    expect(cosineSimilarity).toBeCloseTo(21 / (5 * Math.sqrt(19)), 15);
  });

  it('knows equal, empty, opposite and zero tensors', () => {
    expect(errorMetrics([], [])).toEqual({
      count: 0,
      maxError: 0,
      maxErrorIndex: -1,
      rmse: 0,
      relativeRmse: 0,
      sqnr: Number.POSITIVE_INFINITY,
      cosineSimilarity: 1,
    });
    expect(errorMetrics([1, -2], [1, -2])).toMatchObject({ maxError: 0, maxErrorIndex: 0, relativeRmse: 0 });
    expect(errorMetrics([1, -2], [1, -2]).cosineSimilarity).toBe(1);
    expect(errorMetrics([1, -2], [-1, 2]).cosineSimilarity).toBe(-1);
    expect(errorMetrics([3e120], [-4e120]).cosineSimilarity).toBe(-1);
    expect(errorMetrics([0, 0], [0, 0])).toMatchObject({ cosineSimilarity: 1, relativeRmse: 0 });
    expect(errorMetrics([0, 0], [0, 1])).toMatchObject({
      cosineSimilarity: 0,
      relativeRmse: Number.POSITIVE_INFINITY,
      sqnr: Number.NEGATIVE_INFINITY,
    });
    expect(errorMetrics([1, 1], [0, 0])).toMatchObject({ cosineSimilarity: 0, relativeRmse: 1, sqnr: 0 });
  });

  it('makes every figure NaN for a NaN, and names the first', () => {
    for (const [reference, actual] of [
      [
        [1, Number.NaN, Number.NaN],
        [1, 2, 900],
      ],
      [
        [1, 2, 3],
        [900, Number.NaN, 3],
      ],
      [
        [1, Number.POSITIVE_INFINITY],
        [1, Number.POSITIVE_INFINITY],
      ],
    ]) {
      const metrics = errorMetrics(reference, actual);
      for (const name of FIGURES) expect(metrics[name]).toBeNaN();
      expect(metrics.maxErrorIndex).toBe(1);
    }
  });

  it('calls an infinity infinitely wrong', () => {
    const metrics = errorMetrics([1, 2], [1, Number.NEGATIVE_INFINITY]);
    expect(metrics).toMatchObject({ maxError: Number.POSITIVE_INFINITY, maxErrorIndex: 1 });
    expect(metrics.rmse).toBe(Number.POSITIVE_INFINITY);
    expect(metrics.sqnr).toBe(Number.NEGATIVE_INFINITY);
    expect(errorMetrics([Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY]).maxError).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  it('refuses lengths that differ, and adds nothing then', () => {
    const accumulator = new ErrorAccumulator().add([1, 2], [1, 3]);
    const before = accumulator.result();
    expect(() => accumulator.add([1], [1, 2])).toThrow(BitloomError);
    expect(accumulator.result()).toEqual(before);
  });

  it('is the same in pieces as in one, bit for bit', () => {
    const value = fc.oneof(
      { weight: 20, arbitrary: fc.float({ noDefaultInfinity: true, noNaN: true }) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0) },
    );
    const pairs = fc.array(fc.tuple(value, value), { maxLength: 60 });
    fc.assert(
      fc.property(pairs, fc.array(fc.nat(60), { maxLength: 5 }), (given, cuts) => {
        const reference = Float32Array.from(given, ([a]) => a);
        const actual = Float32Array.from(given, ([, b]) => b);
        const accumulator = new ErrorAccumulator();
        const ends = [...cuts.map((cut) => Math.min(cut, given.length)), 0, given.length].sort(
          (a, b) => a - b,
        );
        for (let i = 1; i < ends.length; i += 1) {
          accumulator.add(reference.subarray(ends[i - 1], ends[i]), actual.subarray(ends[i - 1], ends[i]));
          accumulator.result();
        }
        expect(accumulator.result()).toEqual(errorMetrics(reference, actual));
      }),
    );
  });

  it('does not change under a common power of two, but in its units', () => {
    const float = fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).map((x) => x / 2 ** 10);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(float, float), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: -20, max: 20 }),
        (given, power) => {
          const plain = errorMetrics(
            given.map(([a]) => a),
            given.map(([, b]) => b),
          );
          const scaled = errorMetrics(
            given.map(([a]) => a * 2 ** power),
            given.map(([, b]) => b * 2 ** power),
          );
          expect(scaled.maxError).toBe(plain.maxError * 2 ** power);
          expect(scaled.rmse).toBe(plain.rmse * 2 ** power);
          expect(scaled.relativeRmse).toBe(plain.relativeRmse);
          expect(scaled.sqnr).toBe(plain.sqnr);
          expect(scaled.cosineSimilarity).toBeCloseTo(plain.cosineSimilarity, 14);
        },
      ),
    );
  });
});

describe('klDivergence and entropy', () => {
  const logits = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 30 });
  const pair = fc
    .array(
      fc.tuple(fc.double({ min: -50, max: 50, noNaN: true }), fc.double({ min: -50, max: 50, noNaN: true })),
      {
        minLength: 1,
        maxLength: 30,
      },
    )
    .map((given) => [given.map(([a]) => a), given.map(([, b]) => b)]);

  it('give the figures by hand', () => {
    // P = (3/4, 1/4), Q = (1/2, 1/2).
    const p = [Math.log(3), 0];
    expect(klDivergence(p, [7, 7])).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 15);
    expect(klDivergence([7, 7], p)).toBeCloseTo(0.5 * Math.log(2 / 3) + 0.5 * Math.log(2), 15);
    expect(entropy(p)).toBeCloseTo(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)), 15);
    expect(entropy(new Float32Array(1000))).toBeCloseTo(Math.log(1000), 12);
    expect(entropy([5])).toBe(0);
    expect(klDivergence([5], [-9])).toBe(0);
  });

  it('are stable for large logits, and take −inf as probability 0', () => {
    expect(klDivergence([1e5, 1e5 - 1], [-1e5, -1e5 - 1])).toBeCloseTo(0, 10);
    expect(klDivergence([1e308, 0], [1e308, 0])).toBe(0);
    expect(klDivergence([0, -1e4], [0, 0])).toBeCloseTo(Math.log(2), 15);
    const none = Number.NEGATIVE_INFINITY;
    expect(klDivergence([0, 0, none], [1, 1, none])).toBeCloseTo(0, 14);
    expect(klDivergence([0, none], [0, 0])).toBeCloseTo(Math.log(2), 15);
    expect(klDivergence([0, 0], [0, none])).toBe(Number.POSITIVE_INFINITY);
    expect(entropy([0, none, 0, none])).toBeCloseTo(Math.log(2), 15);
  });

  it('are NaN where there is no distribution', () => {
    const wrong = [[Number.NaN, 0], [Number.POSITIVE_INFINITY, 0], Array(2).fill(Number.NEGATIVE_INFINITY)];
    for (const bad of wrong) {
      expect(klDivergence(bad, [0, 0])).toBeNaN();
      expect(klDivergence([0, 0], bad)).toBeNaN();
      expect(klDivergence([0, Number.NEGATIVE_INFINITY], bad)).toBeNaN();
      expect(entropy(bad)).toBeNaN();
    }
  });

  it('refuse no outcomes and lengths that differ', () => {
    for (const [run, code] of [
      [() => klDivergence([], []), 'metrics-empty'],
      [() => entropy([]), 'metrics-empty'],
      [() => klDivergence([1], [1, 2]), 'format-length'],
    ] as const) {
      expect(run).toThrow(expect.objectContaining({ code }));
    }
  });

  it('never fall below 0, and are 0 against themselves', () => {
    fc.assert(
      fc.property(pair, ([p, q]) => {
        expect(klDivergence(p, q)).toBeGreaterThanOrEqual(0);
        expect(klDivergence(p, p)).toBe(0);
      }),
    );
  });

  it('do not change when all logits are shifted', () => {
    fc.assert(
      fc.property(pair, fc.integer({ min: -1000, max: 1000 }), ([p, q], shift) => {
        const moved = q.map((logit) => logit + shift);
        expect(Math.abs(klDivergence(p, moved) - klDivergence(p, q))).toBeLessThan(1e-10);
        expect(Math.abs(entropy(moved) - entropy(q))).toBeLessThan(1e-10);
      }),
    );
  });

  it('split cross entropy: H(P, Q) = H(P) + KL(P‖Q), and H(P) ≤ ln n', () => {
    fc.assert(
      fc.property(pair, ([p, q]) => {
        const softmax = (of: number[]): number[] => {
          const max = Math.max(...of);
          const sum = of.reduce((total, x) => total + Math.exp(x - max), 0);
          return of.map((x) => Math.exp(x - max) / sum);
        };
        const probabilities = softmax(p);
        const max = Math.max(...q);
        const norm = max + Math.log(q.reduce((total, x) => total + Math.exp(x - max), 0));
        const cross = probabilities.reduce((total, value, i) => total - value * (q[i] - norm), 0);
        expect(Math.abs(entropy(p) + klDivergence(p, q) - cross)).toBeLessThan(1e-10);
      }),
    );
    fc.assert(
      fc.property(logits, (of) => {
        expect(entropy(of)).toBeLessThanOrEqual(Math.log(of.length) + 1e-12);
      }),
    );
  });
});
