/** Sampling: random numbers against published vectors, draws against the distribution they claim. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSampler, greedyToken, philox, sampleToken, uniform } from '../src/index.js';
import { exponential } from '../src/sampling/exponential.js';

const logitsOf = (max = 60) =>
  fc
    .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: max })
    .map((values) => Float32Array.from(values));

describe('random numbers', () => {
  it('match the published vectors of Philox 2x32-10', () => {
    const hex = (words: readonly number[]) =>
      words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    expect(hex(philox(0, 0, 0))).toBe('ff1dae59 6cd10df2');
    expect(hex(philox(0xffffffff, 0xffffffff, 0xffffffff))).toBe('2c3f628b ab4fd7ad');
    expect(hex(philox(0x243f6a88, 0x85a308d3, 0x13198a2e))).toBe('dd7ce038 f62a4c12');
  });

  it('spread evenly and depend on seed and counter', () => {
    const bins = new Array<number>(20).fill(0);
    for (let i = 0; i < 20_000; i += 1) bins[Math.floor(uniform(7, i) * 20)] += 1;
    // Chi-square with 19 degrees of freedom: 43.8 has probability 0.001.
    expect(bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(43.8);
    expect(uniform(1, 0)).not.toBe(uniform(2, 0));
    expect(uniform(1, 0)).not.toBe(uniform(2 ** 32 + 1, 0));
  });

  it('has an exponential within 1e-15', () => {
    fc.assert(
      fc.property(fc.double({ min: -699, max: 0, noNaN: true }), (x) => {
        expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
      }),
    );
    expect(exponential(0)).toBe(1);
    expect(exponential(Number.NEGATIVE_INFINITY)).toBe(0);
  });
});

describe('sampling', () => {
  it('takes the lowest id of the largest logits when greedy', () => {
    expect(greedyToken(Float32Array.of(1, 3, 2, 3))).toBe(1);
    expect(greedyToken(Float32Array.of(Number.NEGATIVE_INFINITY, -5))).toBe(1);
    fc.assert(
      fc.property(logitsOf(), fc.nat(), (logits, counter) => {
        const best = greedyToken(logits);
        expect(
          logits.every((value, i) => value < logits[best] || (value === logits[best] && i >= best)),
        ).toBe(true);
        expect(sampleToken(logits, { temperature: 1, topK: 1 }, counter)).toBe(best);
        expect(sampleToken(logits, { temperature: 1, topP: 1e-9 }, counter)).toBe(best);
        expect(sampleToken(logits, { temperature: 1e-320, topP: 1e-9 }, counter)).toBe(best);
      }),
    );
  });

  it('draws only from the k best, and from the nucleus', () => {
    fc.assert(
      fc.property(
        logitsOf(),
        fc.integer({ min: 1, max: 8 }),
        fc.double({ min: 0.05, max: 0.99, noNaN: true }),
        fc.nat(),
        (logits, topK, topP, seed) => {
          const ids = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
          const byRank = sampleToken(logits, { temperature: 2, topK, seed }, 0);
          expect(ids.slice(0, topK)).toContain(byRank);
          const weights = ids.map((id) => Math.exp((logits[id] - logits[ids[0]]) / 2));
          const total = weights.reduce((a, b) => a + b, 0);
          let [length, sum] = [0, 0];
          while (sum < (topP + 1e-12) * total && length < ids.length) {
            sum += weights[length];
            length += 1;
          }
          expect(ids.slice(0, length)).toContain(sampleToken(logits, { temperature: 2, topP, seed }, 0));
        },
      ),
    );
  });

  it('follows the distribution', () => {
    const logits = Float32Array.of(0, 1, 2, -1, 0.5);
    const expected = (temperature: number, kept: readonly number[]): number[] => {
      const weights = [...logits].map((v, i) => (kept.includes(i) ? Math.exp(v / temperature) : 0));
      const total = weights.reduce((a, b) => a + b, 0);
      return weights.map((w) => w / total);
    };
    const cases = [
      { options: { temperature: 1.5, seed: 11 }, target: expected(1.5, [0, 1, 2, 3, 4]) },
      { options: { temperature: 1, topK: 3, seed: 12 }, target: expected(1, [1, 2, 4]) },
      { options: { temperature: 1, topP: 0.75, seed: 13 }, target: expected(1, [1, 2]) },
    ];
    for (const { options, target } of cases) {
      const sampler = createSampler(options);
      const seen = [0, 0, 0, 0, 0];
      for (let i = 0; i < 8000; i += 1) seen[sampler.pick(logits)] += 1;
      // Five standard deviations of a count out of 8000.
      seen.forEach((n, i) => {
        expect(Math.abs(n / 8000 - target[i])).toBeLessThanOrEqual(
          5 * Math.sqrt((target[i] * (1 - target[i])) / 8000),
        );
      });
    }
  });

  it('repeats itself for the same seed and differs for another', () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const run = (seed: number): number[] => {
      const sampler = createSampler({ temperature: 1, seed });
      return Array.from({ length: 30 }, () => sampler.pick(logits));
    };
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
    expect(run(5)[17]).toBe(sampleToken(logits, { temperature: 1, seed: 5 }, 17));
  });

  it('refuses bad options and logits that are no numbers', () => {
    const codes = [
      () => createSampler({ temperature: -1 }),
      () => createSampler({ topP: 0 }),
      () => createSampler({ topK: 1.5 }),
      () => createSampler({ seed: -1 }),
      () => greedyToken(Float32Array.of(1, Number.NaN)),
      () => greedyToken(Float32Array.of(1, Number.POSITIVE_INFINITY)),
      () => greedyToken(new Float32Array(0)),
    ].map((run) => {
      try {
        run();
        return 'nothing thrown';
      } catch (error) {
        return error instanceof BitloomError ? error.code : String(error);
      }
    });
    expect(codes).toEqual([...Array(4).fill('sampling-option'), ...Array(3).fill('logits-not-finite')]);
  });
});
