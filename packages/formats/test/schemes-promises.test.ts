/**
 * What every preset promises, held to by property: error bounds derived from the formats, quantising twice, changes of
 * sign and of a power of two. The promises are in `schemes-table.ts`.
 */
import type { TensorScheme } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorMetrics } from '../src/metrics/error-metrics.js';
import { dequantize, quantize } from '../src/quantize.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { bitsOf, casesFor, shapesFor, tensorOf, testRandom, wholeBlock } from './schemes-arbitraries.js';
import { blocksOf, statisticsOf } from './schemes-oracle.js';
import { type Around, type Bound, rowOf, schemeRows, TABLED } from './schemes-table.js';

const quantizeTwice = (data: Float32Array, shape: readonly number[], scheme: TensorScheme) => {
  const first = quantize({ data, shape }, scheme);
  const values = dequantize(first);
  const second = quantize({ data: values, shape }, scheme);
  return { first, values, second, again: dequantize(second) };
};

/** What the error of each element may depend on. */
function surroundings(
  data: Float32Array,
  shape: readonly number[],
  scheme: TensorScheme,
): (i: number) => Around {
  const cells = blocksOf(scheme.scales[0].granularity, shape);
  const blocks = statisticsOf(data, cells);
  const [tensor] = statisticsOf(
    data,
    cells.map(() => 0),
  );
  const cols = shape[shape.length - 1];
  const channels = statisticsOf(
    data,
    cells.map((_, i) => i % cols),
  );
  return (i) => ({ block: blocks[cells[i]], tensor, channel: channels[i % cols].amax });
}

function expectWithin(
  bound: Bound,
  reference: Float32Array,
  actual: Float32Array,
  around: (i: number) => Around,
): void {
  reference.forEach((value, i) => {
    const error = Math.abs(actual[i] - value);
    const limit = bound(value, around(i));
    if (!(error <= limit))
      expect.fail(`element ${i}: ${value} became ${actual[i]}, off by ${error}, allowed ${limit}`);
  });
}

test('every preset has its promises, and no promise is without a preset', () => {
  expect([...TABLED].sort()).toEqual([...presetNames()].sort());
});

describe('error bounds', () => {
  test.each(schemeRows())('$name', ({ name, row }) => {
    const scheme = preset(name).weights;
    const { accuracy } = row;
    if ('ceiling' in accuracy) {
      // The data and the figure of GGML's own gate: the root of the sum of squares over the count.
      const data = Float32Array.from({ length: 4096 }, (_, i) => 0.1 + 2 * Math.cos(i));
      const { rmse } = errorMetrics(data, dequantize(quantize({ data, shape: [1, 4096] }, scheme)));
      expect(rmse / Math.sqrt(data.length)).toBeLessThan(accuracy.ceiling);
      return;
    }
    fc.assert(
      fc.property(casesFor(scheme), (given) => {
        const { data, shape } = tensorOf(given);
        const values = dequantize(quantize({ data, shape }, scheme));
        expectWithin(accuracy.bound, data, values, surroundings(data, shape, scheme));
      }),
      { numRuns: 25 },
    );
  });

  test('a bound that is too small is seen', () => {
    const scheme = preset('W4A8').weights;
    const given = { filling: 'gaussian', shape: [4, 64], seed: 1 };
    const { data, shape } = tensorOf(given);
    const { accuracy } = rowOf('W8A8');
    if (!('bound' in accuracy)) throw new Error('W8A8 has a bound');
    const values = dequantize(quantize({ data, shape }, scheme));
    expect(() => expectWithin(accuracy.bound, data, values, surroundings(data, shape, scheme))).toThrow(
      /allowed/,
    );
  });
});

const TWICE_FILLINGS = ['gaussian', 'heavy', 'sparse', 'grid', 'positive', 'zero'];

describe('quantising twice', () => {
  test.each(schemeRows())('$name: the same $row.again.same', ({ name, row: { again, accuracy } }) => {
    const scheme = preset(name).weights;
    if (again.same === 'less on the whole') {
      const cols = wholeBlock(scheme);
      for (const filling of TWICE_FILLINGS) {
        // Squared errors of both passes, each tensor in units of its own power so that no outlier decides alone.
        const total = [0, 0];
        for (let seed = 0; seed < 48; seed += 1) {
          const { data, shape } = tensorOf({ filling, shape: [cols], seed });
          const { values, again: more } = quantizeTwice(data, shape, scheme);
          const power = data.reduce((sum, value) => sum + value ** 2, 0) || 1;
          total[0] += errorMetrics(data, values).rmse ** 2 / power;
          total[1] += errorMetrics(values, more).rmse ** 2 / power;
        }
        expect(total[1], filling).toBeLessThanOrEqual(total[0]);
      }
      return;
    }
    fc.assert(
      fc.property(casesFor(scheme, TWICE_FILLINGS), (given) => {
        const { data, shape } = tensorOf(given);
        const twice = quantizeTwice(data, shape, scheme);
        if (again.same === 'values') {
          expect(twice.again).toEqual(twice.values);
        } else if (again.same === 'codes') {
          if (scheme.layout === 'canonical')
            expect(twice.second.components.codes).toEqual(twice.first.components.codes);
          twice.values.forEach((value, i) => {
            const off = Math.abs(twice.again[i] - value);
            if (again.scale === 'one ulp') expect(off).toBeLessThanOrEqual(Math.abs(value) * 2 ** -22);
            else expect(Math.abs(twice.again[i])).toBeLessThanOrEqual(Math.abs(value) * (1 + 2 ** -23));
          });
        } else {
          if (!('bound' in accuracy)) throw new Error(`${name} has no bound`);
          expectWithin(accuracy.bound, twice.values, twice.again, surroundings(twice.values, shape, scheme));
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** Magnitudes from 2^−4 to below 2^4, signs, some zeros. */
function moderate(shape: readonly number[], seed: number): Float32Array {
  const random = testRandom(seed);
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => {
    const magnitude = 2 ** Math.floor(random() * 8 - 4) * (1 + random());
    return random() < 0.1 ? 0 : random() < 0.5 ? -magnitude : magnitude;
  });
}

describe('powers of two pass through', () => {
  test.each(schemeRows())('$name, from $row.powers', ({ name, row: { powers } }) => {
    const scheme = preset(name).weights;
    const exponents = fc.integer({ min: powers[0], max: powers[1] });
    fc.assert(
      fc.property(shapesFor(scheme), fc.nat(), exponents, exponents, (shape, seed, from, to) => {
        const data = moderate(shape, seed);
        const low = quantize({ data: data.map((value) => value * 2 ** from), shape }, scheme);
        const high = quantize({ data: data.map((value) => value * 2 ** to), shape }, scheme);
        if (scheme.layout === 'canonical') expect(high.components.codes).toEqual(low.components.codes);
        const shifted = dequantize(low).map((value) => value * 2 ** (to - from));
        expect(dequantize(high)).toEqual(shifted);
      }),
      { numRuns: 15 },
    );
  });
});

describe('signs', () => {
  const rows = schemeRows().filter(({ row }) => row.mirrored);
  test.each(rows)('$name mirrors', ({ name }) => {
    const scheme = preset(name).weights;
    fc.assert(
      fc.property(casesFor(scheme, ['gaussian', 'heavy', 'grid', 'positive', 'tiny']), (given) => {
        const { data, shape } = tensorOf(given);
        // A sign of zero, which codes without a zero must give one, says nothing here.
        const [there, back] = [data, data.map((value) => -value)].map((values) =>
          dequantize(quantize({ data: values, shape }, scheme)),
        );
        const expected = there.map((value, i) => (data[i] === 0 ? Math.abs(value) : -value) + 0);
        expect(back.map((value, i) => (data[i] === 0 ? Math.abs(value) : value) + 0)).toEqual(expected);
      }),
      { numRuns: 12 },
    );
  });

  test.each(schemeRows().filter(({ row }) => !row.mirrored))(
    '$name does not mirror, and says so',
    ({ name }) => {
      const scheme = preset(name).weights;
      const data = moderate([1, 256], 3);
      const shape = [1, 256];
      const there = dequantize(quantize({ data, shape }, scheme));
      const back = dequantize(quantize({ data: data.map((value) => -value), shape }, scheme));
      expect(bitsOf(back.map((value) => -value))).not.toEqual(bitsOf(there));
    },
  );
});
