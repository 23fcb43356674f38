/**
 * Stochastic rounding of whole schemes: unbiased by a statistical test, reproducible, independent of how a tensor is
 * cut and of every other stream. Seeds are fixed, so a result never changes from run to run.
 */
import type { RoundingMode, StochasticRounding, TensorScheme } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encode } from '../src/elements/codes.js';
import { dequantize, quantize } from '../src/quantize.js';
import { STOCHASTIC_ROUNDING_MODES } from '../src/rounding/stochastic.js';
import { affineScheme, integerScheme, mxScheme, perGroup } from '../src/schemes/named-schemes.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { ranksOf, tensorOf } from './schemes-arbitraries.js';

const SEED = 20_240_117;

/** Every canonical preset with a rounding mode of random bits. */
const stochastic = (
  rounding: StochasticRounding = 'stochastic',
  seed = SEED,
): (readonly [string, TensorScheme])[] =>
  presetNames()
    .map((name) => [name, preset(name).weights] as const)
    .filter(([, { layout }]) => layout === 'canonical')
    .map(([name, scheme]) => [name, { ...scheme, rounding, seed }]);

const SHAPE = [4, 64];
const STREAMS = 160;

/** Draws of one element: how often the upper neighbour came, and how often it should. */
interface Draws {
  readonly value: number;
  readonly upper: number;
  readonly probability: number;
}

/**
 * Quantises `data` once per stream. The neighbours of a value are what rounding down and up make of it; where they are
 * equal there is nothing to draw. `wanted` are the values that the draws are held against, `data` unless said.
 */
function drawAll(data: Float32Array, shape: readonly number[], scheme: TensorScheme, wanted = data): Draws[] {
  const valuesOf = (rounding: RoundingMode, stream = 0) =>
    dequantize(quantize({ data, shape }, { ...scheme, rounding }, { stream }));
  const low = valuesOf('toward-negative');
  const high = valuesOf('toward-positive');
  const upper = new Uint32Array(data.length);
  for (let stream = 0; stream < STREAMS; stream += 1) {
    valuesOf(scheme.rounding, stream).forEach((value, i) => {
      if (value !== low[i] && value !== high[i])
        expect.fail(`${data[i]} became ${value}, which is no neighbour`);
      if (value === high[i]) upper[i] += 1;
    });
  }
  return Array.from(data, (value, i) => {
    const fraction = low[i] === high[i] ? 1 : (wanted[i] - low[i]) / (high[i] - low[i]);
    return { value, upper: upper[i], probability: Math.min(1, Math.max(0, fraction)) };
  });
}

/** Chance that any one check of this file fails although nothing is biased. */
const MISS = 1e-9;

/**
 * Bernstein's inequality: a sum of independent draws of variance v in all strays by this much with a probability below
 * {@link MISS}. No normal approximation, so it holds for rare draws too.
 */
function allowedDeviation(variance: number): number {
  const log = Math.log(2 / MISS);
  return log / 3 + Math.sqrt((log / 3) ** 2 + 2 * log * variance);
}

const variance = (draws: readonly Draws[]): number =>
  draws.reduce((sum, { probability }) => sum + STREAMS * probability * (1 - probability), 0);
const surplus = ({ upper, probability }: Draws): number => upper - STREAMS * probability;
/** Of all draws together: too many upwards, and too many away from zero. */
const strays = (draws: readonly Draws[]): number[] => [
  Math.abs(draws.reduce((sum, draw) => sum + surplus(draw), 0)),
  Math.abs(draws.reduce((sum, draw) => sum + surplus(draw) * Math.sign(draw.value), 0)),
];

describe('unbiased', () => {
  /** 256 elements and two sums for each of 26 schemes: a family-wise error below 7e-6. */
  test.each(stochastic())('%s', (_, scheme) => {
    const { data } = tensorOf({ filling: 'gaussian', shape: SHAPE, seed: 11 });
    const draws = drawAll(data, SHAPE, scheme);
    for (const draw of draws) {
      // 1e-5 for the float32 quotient that the fraction is taken from.
      const allowed = allowedDeviation(variance([draw])) + STREAMS * 1e-5;
      expect(Math.abs(surplus(draw)), `value ${draw.value}`).toBeLessThan(allowed);
    }
    const spread = variance(draws);
    expect(spread).toBeGreaterThan(1000);
    for (const stray of strays(draws)) expect(stray).toBeLessThan(allowedDeviation(spread) + 2);
  });

  test.each(STOCHASTIC_ROUNDING_MODES)('every mode: %s', (rounding) => {
    const { data } = tensorOf({ filling: 'gaussian', shape: SHAPE, seed: 12 });
    for (const scheme of [
      integerScheme(3, perGroup(16)),
      mxScheme('fp4_e2m1'),
      affineScheme(4, perGroup(32)),
    ]) {
      const draws = drawAll(data, SHAPE, { ...scheme, rounding, seed: SEED });
      for (const stray of strays(draws)) expect(stray).toBeLessThan(allowedDeviation(variance(draws)) + 2);
    }
  });

  test('a bias of a twentieth of a step would be seen', () => {
    const { data } = tensorOf({ filling: 'gaussian', shape: SHAPE, seed: 11 });
    const scheme = { ...preset('W4A8').weights, rounding: 'stochastic', seed: SEED } as const;
    const up = data.map((value) => value + 0.4 / 20);
    const away = data.map((value) => value * (1 + 0.4 / 20));
    for (const wanted of [up, away]) {
      const draws = drawAll(data, SHAPE, scheme, wanted);
      expect(Math.max(...strays(draws))).toBeGreaterThan(allowedDeviation(variance(draws)));
    }
  });

  test('round to nearest of the same values is biased, which is why', () => {
    const data = new Float32Array(64).fill(0.2 / 7);
    data[0] = 1;
    const values = dequantize(quantize({ data, shape: [1, 64] }, integerScheme(4, perGroup(64))));
    expect(values.slice(1).every((value) => value === 0)).toBe(true);
  });
});

describe('streams and seeds', () => {
  test.each(stochastic())('%s: a function of seed, stream and element alone', (_, scheme) => {
    const rank = Math.max(2, ranksOf(scheme)[0]);
    const tensor = tensorOf({
      filling: 'gaussian',
      shape: [...new Array<number>(rank - 1).fill(3), 67],
      seed: 4,
    });
    const of = (over: Partial<TensorScheme>, stream: number) =>
      quantize(tensor, { ...scheme, ...over }, { stream });
    const base = of({}, 1);
    expect(of({}, 1)).toEqual(base);
    expect(of({}, 2).components.codes).not.toEqual(base.components.codes);
    expect(of({ seed: SEED + 1 }, 1).components.codes).not.toEqual(base.components.codes);
    // Scales do not depend on chance.
    const { codes: _a, ...scales } = base.components;
    const { codes: _b, ...others } = of({}, 2).components;
    expect(others).toEqual(scales);
    expect(quantize(tensor, scheme)).toEqual(of({}, 0));
  });

  test('codes of a piece are those of the whole, whichever piece comes first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9000 }),
        fc.array(fc.nat(9000), { maxLength: 6 }),
        fc.constantFrom(...STOCHASTIC_ROUNDING_MODES),
        fc.nat(2 ** 40),
        (count, cuts, rounding, stream) => {
          const { element } = integerScheme(4, perGroup(32));
          const values = Float32Array.from({ length: count }, (_, i) => 6.5 * Math.sin(i));
          const whole = encode(values, element, { rounding, seed: SEED, stream });
          const ends = [...new Set([...cuts.map((cut) => Math.min(cut, count)), count])].sort(
            (a, b) => a - b,
          );
          const pieces = ends.map((end, i) => [i === 0 ? 0 : ends[i - 1], end]).reverse();
          for (const [start, end] of pieces) {
            const piece = values.subarray(start, end);
            const codes = encode(piece, element, { rounding, seed: SEED, stream, firstIndex: start });
            expect(codes).toEqual(whole.subarray(start, end));
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  test('a tensor in rows draws what the same elements draw in a vector', () => {
    // One scale for all, so that only the counting of elements could differ.
    const scheme = { ...preset('TERNARY').weights, rounding: 'stochastic', seed: 9 } as const;
    const { data } = tensorOf({ filling: 'gaussian', shape: [6, 35], seed: 2 });
    const flat = dequantize(quantize({ data, shape: [210] }, scheme));
    for (const shape of [
      [6, 35],
      [2, 3, 35],
      [35, 6],
      [210, 1],
    ])
      expect(dequantize(quantize({ data, shape }, scheme))).toEqual(flat);
  });

  test('exact values and values past the ends draw nothing', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.constantFrom(...STOCHASTIC_ROUNDING_MODES), (stream, rounding) => {
        const scheme = { ...integerScheme(4, perGroup(16), { rule: 'amax/half-range' }), rounding, seed: 1 };
        // Scale 1: whole numbers stay, 7.5 is past the last code.
        const data = Float32Array.of(-7.5, 7.5, 0, 1, -1, 6, -6, 3, 7.5, 2, -2, 5, 4, -4, -3, -5);
        const values = dequantize(quantize({ data, shape: [1, 16] }, scheme, { stream }));
        data.forEach((value, i) => {
          if (Math.abs(value) !== 7.5) expect(values[i]).toBe(value);
          if (value === 7.5) expect(values[i]).toBe(7);
        });
      }),
      { numRuns: 50 },
    );
  });
});
