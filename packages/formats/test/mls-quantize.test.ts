import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chooseMlsScales,
  decodeElement,
  dequantizeMls,
  encodeMls,
  formatRange,
  type MlsGroups,
  type MlsTensor,
  mlsEffectiveScale,
  mlsElementFormat,
  mlsFractionBits,
  type QuantizeMlsOptions,
  quantizeMls,
} from '../src/index.js';
import { codeThrownBy, float32Within } from './support/random.js';

interface Case {
  readonly values: Float32Array;
  readonly shape: readonly number[];
  readonly options: QuantizeMlsOptions;
}

const GROUPS: readonly MlsGroups[] = ['n', 'c', 'nc', 'none'];
const ELEMENTS: readonly (readonly [number, number])[] = [
  [2, 1],
  [2, 4],
  [1, 2],
  [3, 2],
  [0, 3],
  [2, 0],
  [3, 6],
];

/** Ragged shapes of rank 2 to 5; a dimension of 0 is one of them. */
const cases = (fixed: Partial<QuantizeMlsOptions> = {}): fc.Arbitrary<Case> =>
  fc
    .record({
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 }),
      element: fc.constantFrom(...ELEMENTS),
      groupScaleMantissa: fc.constantFrom<0 | 1>(0, 1),
      groups: fc.constantFrom(...GROUPS),
      scaleRule: fc.constantFrom('amax', 'amax/qmax' as const),
    })
    .chain(({ shape, ...options }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return fc
        .array(float32Within(12), { minLength: length, maxLength: length })
        .map((values) => ({ values: Float32Array.from(values), shape, options: { ...options, ...fixed } }));
    });

/** Group of element i, by the definition. */
function groupOf(i: number, { shape, groups }: MlsTensor): number {
  const plane = shape.slice(2).reduce((product, size) => product * size, 1);
  const c = Math.floor(i / plane) % shape[1];
  const n = Math.floor(i / plane / shape[1]);
  return { n, c, nc: n * shape[1] + c, none: 0 }[groups];
}

describe('MLS tensors', () => {
  test('the error is half a step of the element, at the top of the paper’s rule a whole one', () => {
    fc.assert(
      fc.property(cases(), ({ values, shape, options }) => {
        const tensor = quantizeMls(values, shape, options);
        const actual = dequantizeMls(tensor);
        const { element, groupScaleMantissa, groupScales, tensorScale } = tensor;
        const format = mlsElementFormat(...element);
        const width = mlsFractionBits(...element);
        const { max } = formatRange(format);
        values.forEach((value, i) => {
          const scale = mlsEffectiveScale(groupScales[groupOf(i, tensor)], tensorScale, groupScaleMantissa);
          const fraction = scale === 0 ? 0 : Math.abs(value) / scale;
          const subnormalStep = 2 ** -width;
          const step =
            element[0] === 0
              ? subnormalStep
              : Math.max(subnormalStep, 2 ** (Math.floor(Math.log2(fraction)) - element[1]));
          const cut = Math.max(0, fraction - max);
          if (options.scaleRule === 'amax/qmax') expect(cut).toBeLessThanOrEqual(2 ** -23);
          expect(cut).toBeLessThanOrEqual(1 - max + 2 ** -23);
          expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(scale * (step / 2 + cut + 2 ** -22));
        });
      }),
    );
  });

  test('the largest magnitude comes back, to the last bit of float32', () => {
    fc.assert(
      fc.property(cases({ scaleRule: 'amax/qmax' }), ({ values, shape, options }) => {
        const most = (list: Float32Array) => list.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        const actual = most(dequantizeMls(quantizeMls(values, shape, options)));
        expect(Math.abs(actual - most(values))).toBeLessThanOrEqual(most(values) * 2 ** -23);
      }),
    );
  });

  test('group scales of powers of two: quantising what came back changes nothing', () => {
    fc.assert(
      fc.property(cases({ scaleRule: 'amax/qmax', groupScaleMantissa: 0 }), ({ values, shape, options }) => {
        const once = quantizeMls(values, shape, options);
        const values1 = dequantizeMls(once);
        const again = quantizeMls(values1, shape, options);
        expect(dequantizeMls(again)).toEqual(values1);
        expect(again.tensorScale).toBe(once.tensorScale);
      }),
    );
  });

  test('group scales of <8,1> may move once more: 0.8 of the range rounds to 2/3, which asks for another scale', () => {
    const options = { element: [2, 1], groupScaleMantissa: 1, groups: 'n' } as const;
    const step = (values: Float32Array) => dequantizeMls(quantizeMls(values, [2], options));
    const once = step(Float32Array.of(1, 0.8));
    expect([...once]).toEqual([1, 2 / 3].map(Math.fround));
    expect([...step(once)]).toEqual([1, 0.75]);
    expect([...step(step(once))]).toEqual([1, 0.75]);
  });

  test('any options: quantising what came back under the same scales gives the same codes', () => {
    fc.assert(
      fc.property(cases(), ({ values, shape, options }) => {
        const once = quantizeMls(values, shape, options);
        expect(encodeMls(dequantizeMls(once), once, options)).toEqual(once);
      }),
    );
  });

  test('a factor of a power of two changes the tensor scale and nothing else', () => {
    fc.assert(
      fc.property(cases(), fc.integer({ min: -40, max: 40 }), ({ values, shape, options }, exponent) => {
        // A negative zero keeps its sign where the scale is not 0, which in a group of zeros depends on the exponent.
        const plainValues = values.map((value) => value + 0);
        const plain = quantizeMls(plainValues, shape, options);
        const scaled = quantizeMls(
          plainValues.map((value) => value * 2 ** exponent),
          shape,
          options,
        );
        expect(scaled).toEqual({ ...plain, tensorScale: plain.tensorScale * 2 ** exponent });
      }),
    );
  });

  test('groups are those of the first two axes', () => {
    const shape = [2, 3, 2];
    const values = Float32Array.from({ length: 12 }, (_, i) => 2 ** -Math.floor(i / 2));
    const options = { element: [2, 4], groupScaleMantissa: 0, scaleRule: 'amax' } as const;
    const scales = (groups: MlsGroups) =>
      Array.from(chooseMlsScales(values, shape, { ...options, groups }).groupScales, (code) => code - 127);
    expect(scales('nc')).toEqual([0, -1, -2, -3, -4, -5]);
    expect(scales('n')).toEqual([0, -3]);
    expect(scales('c')).toEqual([0, -1, -2]);
    expect(scales('none')).toEqual([0]);
  });

  test('an example by hand: <2,1>, two planes, <8,1>', () => {
    const values = Float32Array.of(0.75, -0.5, 0.1, 0, /* */ 0.5, 0.25, -0.03, 0.01);
    const tensor = quantizeMls(values, [1, 2, 4], { element: [2, 1], groupScaleMantissa: 1, groups: 'nc' });
    // The largest element is 0.75, so S_t = 1; the second plane asks for 0.5 / 0.75 and gets 0.75.
    expect(tensor.tensorScale).toBe(1);
    expect([...tensor.groupScales]).toEqual([254, 253]);
    const format = mlsElementFormat(2, 1);
    expect(Array.from(tensor.codes, (code) => decodeElement(code, format))).toEqual([
      0.75, -0.5, 0.125, 0, 0.75, 0.375, -0.0625, 0,
    ]);
    expect([...dequantizeMls(tensor)]).toEqual([0.75, -0.5, 0.125, 0, 0.5625, 0.28125, -0.046875, 0]);
  });

  test.each([
    [2, 1, 0],
    [2, 4, 1],
  ] as const)(
    'stochastic rounding of <%i,%i> under <8,%i> is unbiased: 5 standard errors of 4,096 draws',
    (exponentBits, mantissaBits, groupScaleMantissa) => {
      // With a fixed seed the draws are fixed; a fresh seed would fail by chance with probability 6e-7 per value.
      const draws = 4096;
      const targets = [1, -0.999, 0.9, 0.77, 0.6, -0.41, 0.13, 0.05, -0.003, 0.00001].map(Math.fround);
      const shape = [draws, 2, targets.length];
      const values = new Float32Array(draws * 2 * targets.length);
      // Two planes per draw, the second three times smaller, so that group scales of both kinds occur.
      for (let i = 0; i < values.length; i += 1) {
        const plane = Math.floor(i / targets.length) % 2;
        values[i] = Math.fround(targets[i % targets.length] / (plane === 0 ? 1 : 3));
      }
      const tensor = quantizeMls(values, shape, {
        element: [exponentBits, mantissaBits],
        groupScaleMantissa,
        groups: 'nc',
        rounding: 'stochastic',
        seed: 31,
        stream: 4,
      });
      const actual = dequantizeMls(tensor);
      for (let at = 0; at < 2 * targets.length; at += 1) {
        let sum = 0;
        let squares = 0;
        for (let draw = 0; draw < draws; draw += 1) {
          const difference = actual[draw * 2 * targets.length + at] - values[at];
          sum += difference;
          squares += difference ** 2;
        }
        const deviation = Math.sqrt(squares / draws);
        // Where all draws may be equal, what is left is the rounding of float32, or a chance below 2^−13 that none hit.
        const rare = Math.abs(values[at]) < 2 ** -12 ? Math.abs(values[at]) : 0;
        expect(Math.abs(sum / draws)).toBeLessThanOrEqual(
          (5 * deviation) / Math.sqrt(draws) + 2 ** -23 + rare,
        );
      }
    },
  );

  test('the paper’s rule cuts the top: the largest value shrinks each time', () => {
    const options = { element: [2, 1], groupScaleMantissa: 1, groups: 'none', scaleRule: 'amax' } as const;
    const once = dequantizeMls(quantizeMls(Float32Array.of(1, 0.25), [2], options));
    expect([...once]).toEqual([0.75, 0.25]);
    expect([...dequantizeMls(quantizeMls(once, [2], options))]).toEqual([0.5625, 0.28125]);
  });

  test('codes of more than 8 bits', () => {
    const tensor = quantizeMls(Float32Array.of(1, -0.3), [2], {
      element: [3, 6],
      groupScaleMantissa: 0,
      groups: 'none',
    });
    expect(tensor.codes).toBeInstanceOf(Uint16Array);
    expect(tensor.codes[1]).toBeGreaterThanOrEqual(2 ** 9);
  });

  test('zeros, a group of zeros, subnormals, the largest float32, no elements', () => {
    const options = { element: [2, 4], groups: 'nc' } as const;
    for (const groupScaleMantissa of [0, 1] as const) {
      const all = { ...options, groupScaleMantissa };
      const zeros = quantizeMls(new Float32Array(8), [2, 2, 2], all);
      expect(zeros.tensorScale).toBe(0);
      expect(dequantizeMls(zeros)).toEqual(new Float32Array(8));

      const half = quantizeMls(Float32Array.of(0, 0, 3, -1), [1, 2, 2], all);
      expect(half.groupScales[0]).toBe(0);
      expect([...dequantizeMls(half)].slice(0, 3)).toEqual([0, 0, 3]);

      for (const extreme of [2 ** -149, 2 ** -140, 3.4028234663852886e38]) {
        const values = Float32Array.of(extreme, -extreme, extreme / 3, 0);
        const back = dequantizeMls(quantizeMls(values, [1, 1, 4], all));
        expect(back.every(Number.isFinite)).toBe(true);
        expect(Math.abs(back[0] - extreme)).toBeLessThanOrEqual(Math.max(extreme / 31, 2 ** -148));
      }

      // A group 150 binades below the tensor: its scale stops at 2^−127, and its elements underflow to zero.
      const far = quantizeMls(Float32Array.of(2 ** 100, 2 ** -50), [1, 2], all);
      expect([...dequantizeMls(far)]).toEqual([2 ** 100, 0]);

      const none = quantizeMls(new Float32Array(0), [0, 3, 2], all);
      expect(none.codes.length).toBe(0);
      expect(dequantizeMls(none).length).toBe(0);
    }
  });

  test('typed errors', () => {
    const options = { element: [2, 4], groupScaleMantissa: 1, groups: 'nc' } as const;
    const four = Float32Array.of(1, 2, 3, 4);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(codeThrownBy(() => quantizeMls(Float32Array.of(1, bad, 0, 0), [2, 2], options))).toBe(
        'quantize-not-finite',
      );
    }
    expect(codeThrownBy(() => quantizeMls(four, [4], options))).toBe('mls-option');
    expect(codeThrownBy(() => quantizeMls(four, [4], { ...options, groups: 'c' }))).toBe('mls-option');
    expect(codeThrownBy(() => quantizeMls(four, [2, 3], options))).toBe('format-length');
    expect(codeThrownBy(() => quantizeMls(four, [2, -2], options))).toBe('format-shape');
    expect(codeThrownBy(() => quantizeMls(four, [2, 2], { ...options, element: [9, 1] }))).toBe('mls-option');
    const tensor = quantizeMls(four, [2, 2], options);
    expect(codeThrownBy(() => encodeMls(Float32Array.of(1, 2, Number.NaN, 4), tensor))).toBe(
      'quantize-not-finite',
    );
    expect(codeThrownBy(() => dequantizeMls({ ...tensor, groupScales: new Uint16Array(3) }))).toBe(
      'format-length',
    );
    expect(codeThrownBy(() => dequantizeMls({ ...tensor, codes: Uint8Array.of(1, 2, 3, 200) }))).toBe(
      'element-code',
    );
  });
});
