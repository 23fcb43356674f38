/**
 * Values and shapes at the edges, for every preset: empty and ragged tensors, zeros of both signs, float32 subnormals,
 * the largest float32, infinities and NaN under each policy, scales that do not fit.
 */
import { BitloomError, FP16, type NanPolicy, type TensorScheme, uintFormat } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unpackCodes } from '../src/layouts/codes.js';
import { dequantize, quantize } from '../src/quantize.js';
import {
  affineScheme,
  integerScheme,
  mxScheme,
  perGroup,
  scaleBy,
  tensorScheme,
} from '../src/schemes/named-schemes.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { schemeType } from '../src/schemes/scheme-type.js';
import { elementsOf } from '../src/tensor.js';
import { ranksOf, wholeBlock } from './schemes-arbitraries.js';

const named = presetNames().map((name) => [name, preset(name).weights] as const);
const canonical = named.filter(([, { layout }]) => layout === 'canonical');
/** Rules that take a power of two and say NaN by themselves. */
const isPower = ({ scales }: TensorScheme): boolean => scales[0].rule === 'floor' && scales.length === 1;
const LARGEST = 3.4028234663852886e38;

function errorOf(action: () => unknown): BitloomError {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A shape of one or two whole blocks in the lowest rank that a scheme takes. */
function smallShape(scheme: TensorScheme): number[] {
  const rank = Math.max(2, ranksOf(scheme)[0]);
  return [...new Array<number>(rank - 1).fill(1), Math.max(64, wholeBlock(scheme))];
}

describe('empty tensors', () => {
  test.each(named)('%s', (_, scheme) => {
    for (const rank of ranksOf(scheme)) {
      for (let empty = 0; empty < rank; empty += 1) {
        const shape = Array.from({ length: rank }, (__, axis) =>
          axis === empty ? 0 : axis === rank - 1 ? 2 * wholeBlock(scheme) : 2,
        );
        const quantized = quantize({ data: new Float32Array(0), shape }, scheme);
        expect(quantized.type.shape).toEqual(shape);
        expect(dequantize(quantized)).toEqual(new Float32Array(0));
      }
    }
  });

  test('rows of nothing take no time, however many; their scales are refused where there are too many', () => {
    const data = new Float32Array(0);
    const rows = 2 ** 40;
    for (const [name, scheme] of named) {
      const perRow = scheme.scales.some(
        ({ granularity: { strategy } }) => strategy === 'token' || strategy === 'axis',
      );
      if (scheme.layout === 'canonical' && perRow) {
        expect(errorOf(() => quantize({ data, shape: [rows, 0] }, scheme)).code, name).toBe('format-shape');
      } else {
        const quantized = quantize({ data, shape: [rows, 0] }, scheme);
        expect(dequantize(quantized).length, name).toBe(0);
      }
    }
  });
});

describe('shapes', () => {
  test.each(canonical)('%s: leading axes are rows', (_, scheme) => {
    if (!scheme.scales.every(({ granularity: { strategy } }) => strategy !== 'axis' && strategy !== 'block'))
      return;
    fc.assert(
      fc.property(fc.nat(2), fc.nat(2), fc.integer({ min: 1, max: 40 }), fc.nat(), (a, b, cols, seed) => {
        const data = Float32Array.from({ length: a * b * cols }, (__, i) => Math.sin(i * 7.1 + seed));
        const flat = quantize({ data, shape: [a * b, cols] }, scheme);
        const deep = quantize({ data, shape: [a, b, cols] }, scheme);
        expect(deep.components).toEqual(flat.components);
        expect(dequantize(deep)).toEqual(dequantize(flat));
      }),
      { numRuns: 10 },
    );
  });

  test.each(named)('%s: data and shape must agree, dimensions must be dimensions', (_, scheme) => {
    const shape = smallShape(scheme);
    const data = new Float32Array(elementsOf(shape) + 1);
    expect(errorOf(() => quantize({ data, shape }, scheme)).code).toBe('format-length');
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const broken = [...shape.slice(1), bad];
      expect(errorOf(() => quantize({ data, shape: broken }, scheme)).code).toBe('format-shape');
    }
  });

  test('short last groups have scales of their own', () => {
    // 40 columns in groups of 32: the last 8 are a group; a large value there leaves the first group alone.
    const data = new Float32Array(80).fill(0.1);
    data[79] = 100;
    const { components } = quantize({ data, shape: [2, 40] }, preset('W4A8').weights);
    expect(new Set(new Uint16Array(components.scales.slice().buffer))).toHaveLength(2);
    expect(components.scales.length).toBe(2 * 2 * 2);
  });

  test('blocks of 128 x 128 at the edges of 129 x 130 hold what is left', () => {
    const shape = [129, 130];
    const data = new Float32Array(129 * 130).fill(1);
    // One outlier in the corner block of 1 x 2.
    data[129 * 130 - 1] = 448;
    const { components } = quantize({ data, shape }, preset('FP8_BLOCK').weights);
    expect([...new Float32Array(components.scales.slice().buffer)]).toEqual(
      [1, 1, 1, 448].map((amax) => Math.fround(amax / 448)),
    );
    const restored = dequantize(quantize({ data, shape }, preset('FP8_BLOCK').weights));
    expect([...restored.slice(-2)]).toEqual([1, 448]);
  });
});

describe('zeros', () => {
  test.each(named)(
    '%s: zeros of both signs come back as zeros, and alone give finite scales',
    (name, scheme) => {
      const shape = smallShape(scheme);
      const data = Float32Array.from({ length: elementsOf(shape) }, (_, i) => (i % 2 === 0 ? 0 : -0));
      const restored = dequantize(quantize({ data, shape }, scheme));
      expect(
        restored.every((value) => value === 0),
        name,
      ).toBe(true);
      const mixed = data.map((value, i) => (i % 3 === 0 ? 1 + i : value));
      const back = dequantize(quantize({ data: mixed, shape }, scheme));
      // Signs have no zero; formats with a stored minimum or a table of levels hit it to within their error only.
      if (/^(BINARY|Q1_0|Q4_1|Q5_1|Q2_K|Q4_K|Q5_K|IQ4_NL|IQ4_XS)$/.test(name)) return;
      expect(mixed.some((value, i) => value === 0 && back[i] !== 0)).toBe(false);
    },
  );
});

describe('float32 subnormals', () => {
  test.each(named)(
    '%s: come back finite, of their sign or zero, never larger than twice the largest',
    (_, scheme) => {
      const shape = smallShape(scheme);
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 2 ** 23 - 1 }), fc.nat(), (most, seed) => {
          const data = Float32Array.from({ length: elementsOf(shape) }, (__, i) => {
            const steps = Math.round(most * Math.sin(i * 3.7 + seed));
            return steps * 2 ** -149;
          });
          const amax = data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
          const restored = dequantize(quantize({ data, shape }, scheme));
          restored.forEach((value, i) => {
            if (!(Math.abs(value) <= 2 * amax))
              expect.fail(`${data[i]} became ${value}, the largest is ${amax}`);
          });
        }),
        { numRuns: 10 },
      );
    },
  );

  test('a scale that underflows to 0 gives codes of 0', () => {
    const data = Float32Array.of(2 ** -140, -(2 ** -140), 2 ** -149, 0);
    for (const name of ['W4A8', 'W8A16', 'W4A16_ASYM', 'W2A16']) {
      const quantized = quantize({ data, shape: [1, 4] }, preset(name).weights);
      expect([...dequantize(quantized)].map(Math.abs), name).toEqual([0, 0, 0, 0]);
    }
  });
});

describe('the largest float32', () => {
  const huge = (scheme: TensorScheme) => {
    const shape = smallShape(scheme);
    const data = Float32Array.from({ length: elementsOf(shape) }, (_, i) =>
      i === 0 ? LARGEST : i === 1 ? -LARGEST : i % 2 === 0 ? LARGEST / 3 : -LARGEST / 5,
    );
    return { data, shape };
  };
  /** Scales that reach as far as float32 does, and no arithmetic that overflows on the way. */
  const holds = (name: string): boolean =>
    /^(FP8|FP8_BLOCK|MX.*|NVFP4|NVFP4_DIVIDED|TERNARY|BINARY|ShiftQuant.)$/.test(name);

  test.each(named.filter(([name]) => holds(name)))(
    '%s holds it as it holds values 2^20 times smaller',
    (_, scheme) => {
      const { data, shape } = huge(scheme);
      const small = quantize({ data: data.map((value) => value * 2 ** -20), shape }, scheme);
      const large = quantize({ data, shape }, scheme);
      if (scheme.layout === 'canonical') expect(large.components.codes).toEqual(small.components.codes);
      // In float32: what rounds past the largest value is an infinity here too.
      expect(dequantize(large)).toEqual(dequantize(small).map((value) => value * 2 ** 20));
      expect(Math.sign(dequantize(large)[1])).toBe(-1);
    },
  );

  test('MLS, whose elements are below 1, holds it under the largest scale there is', () => {
    for (const name of ['MLS<2,1>', 'MLS<2,4>']) {
      const scheme = preset(name).weights;
      const most = 1 - 2 ** -(scheme.element.mantissaBits + 1);
      expect(dequantize(quantize(huge(scheme), scheme))[0]).toBe(Math.fround(most * LARGEST));
    }
  });

  test('formats without a scale of the tensor saturate, or do as GGML does', () => {
    const first = (name: string) => {
      const scheme = preset(name).weights;
      return [...dequantize(quantize(huge(scheme), scheme)).slice(0, 2)];
    };
    expect(first('NVFP4_BLOCK')).toEqual([2688, -2688]);
    // GGML compares distances in float32: here 4 · 2^126 is infinitely far, so 3 is the nearest.
    expect(first('GGML_MXFP4')).toEqual([3 * 2 ** 126, -3 * 2 ** 126]);
    // And all of its NVFP4 values are equally far, so the first one, 0, is.
    expect(first('GGML_NVFP4').map(Math.abs)).toEqual([0, 0]);
  });

  const narrow = named.filter(([name]) => /^(W|FlightLLM|Q|IQ|TQ)/.test(name));
  test.each(narrow)('%s has scales that do not reach so far, and says so', (_, scheme) => {
    const error = errorOf(() => quantize(huge(scheme), scheme));
    expect(error.code).toBe('quantize-scale-overflow');
    expect(error.hint).toContain('floating point');
  });

  test('the last scale that fits fp16, and the first that does not', () => {
    const scheme = integerScheme(4, perGroup(4));
    const at = (amax: number) => quantize({ data: Float32Array.of(0, 1, amax, 0), shape: [1, 4] }, scheme);
    expect(dequantize(at(65504 * 7))[2]).toBe(65504 * 7);
    // 65519.99 still rounds to 65504.
    expect(dequantize(at(458_639))[2]).toBe(65504 * 7);
    const error = errorOf(() =>
      quantize({ data: Float32Array.of(1, 1, 1, 1, 1, 1, 65520 * 7, 0), shape: [2, 4] }, scheme),
    );
    expect(error).toMatchObject({
      code: 'quantize-scale-overflow',
      where: 'block [1, 0] of the rule amax/qmax',
      got: '65520',
    });
  });

  test('a minimum that fp16 cannot hold is an error, not the largest fp16', () => {
    const scheme = tensorScheme('minimum', {
      element: uintFormat(4),
      scales: [{ ...scaleBy(FP16, perGroup(4), 'min+range'), zero: { format: FP16, kind: 'minimum' } }],
    });
    const data = Float32Array.of(-1e6, -1e6, -1e6, -1e6);
    expect(errorOf(() => quantize({ data, shape: [1, 4] }, scheme)).code).toBe('quantize-scale-overflow');
  });

  test('rules that double the range overflow where the range does', () => {
    const data = Float32Array.of(LARGEST, -LARGEST);
    for (const rule of ['minmax', '2amax/levels']) {
      const scheme = affineScheme(4, perGroup(2), { rule, scale: preset('FP8').weights.scales[0].format });
      expect(errorOf(() => quantize({ data, shape: [2] }, scheme)).code, rule).toBe(
        'quantize-scale-overflow',
      );
    }
  });
});

describe('NaN and infinities', () => {
  const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const withSpecial = (scheme: TensorScheme, special: number) => {
    const shape = smallShape(scheme);
    const data = Float32Array.from({ length: elementsOf(shape) }, (_, i) => Math.sin(i) + (i === 3 ? 2 : 0));
    data[5] = special;
    return { data, shape };
  };
  const policy = (scheme: TensorScheme, nan: NanPolicy): TensorScheme => ({ ...scheme, nan });
  const own = named.filter(([, scheme]) => !isPower(scheme) || scheme.layout !== 'canonical');

  test.each(own)("%s throws under 'throw', naming the element", (_, scheme) => {
    for (const special of specials) {
      const tensor = withSpecial(scheme, special);
      const error = errorOf(() => quantize(tensor, scheme));
      expect(error.code).toBe('quantize-not-finite');
      expect(error.got).toBe(String(special));
      const last = tensor.shape.map((_, axis) => (axis === tensor.shape.length - 1 ? 5 : 0));
      expect(error.where).toMatch(
        scheme.layout === 'canonical' ? `element [${last.join(', ')}]` : /element 5/,
      );
    }
  });

  test.each(own)("%s: 'zero' and 'max' are what the names say, infinities saturate", (_, scheme) => {
    const given = withSpecial(scheme, 0);
    const largest = given.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const expected = (value: number) => {
      const data = given.data.slice();
      data[5] = value;
      return quantize({ data, shape: given.shape }, scheme).components;
    };
    for (const [nan, ofNan] of [
      ['zero', 0],
      ['max', largest],
    ] as const) {
      const got = (special: number) => quantize(withSpecial(scheme, special), policy(scheme, nan)).components;
      expect(got(Number.NaN)).toEqual(expected(ofNan));
      expect(got(Number.POSITIVE_INFINITY)).toEqual(expected(largest));
      expect(got(Number.NEGATIVE_INFINITY)).toEqual(expected(-largest));
    }
  });

  test('a tensor of nothing but NaN becomes zeros under both policies', () => {
    const data = new Float32Array(32).fill(Number.NaN);
    for (const nan of ['zero', 'max'] as const) {
      const quantized = quantize({ data, shape: [1, 32] }, policy(preset('W4A8').weights, nan));
      expect(dequantize(quantized)).toEqual(new Float32Array(32));
    }
  });

  const powers = canonical.filter(([, scheme]) => isPower(scheme));
  test.each(powers)(
    '%s: a block with a NaN or an infinity has the scale 0xFF under every policy',
    (_, scheme) => {
      for (const special of specials) {
        for (const nan of ['throw', 'zero', 'max'] as const) {
          const data = Float32Array.from({ length: 96 }, (__, i) => Math.sin(i));
          const clean = quantize({ data, shape: [1, 96] }, scheme);
          data[40] = special;
          const quantized = quantize({ data, shape: [1, 96] }, policy(scheme, nan));
          expect(quantized.components.scales[1]).toBe(0xff);
          const bits = scheme.element.bits;
          const codes = unpackCodes(quantized.components.codes, 1, 96, bits);
          expect([...codes.subarray(32, 64)]).toEqual(new Array(32).fill(0));
          const [restored, before] = [dequantize(quantized), dequantize(clean)];
          expect(restored.subarray(32, 64).every(Number.isNaN)).toBe(true);
          expect(restored.subarray(0, 32)).toEqual(before.subarray(0, 32));
          expect(restored.subarray(64)).toEqual(before.subarray(64));
        }
      }
    },
  );

  test('a power of two inside another scale follows the policy: that scale has no NaN', () => {
    const outer = preset('NVFP4').weights.scales[1];
    const scheme = tensorScheme('two', {
      element: mxScheme('fp4_e2m1').element,
      scales: [mxScheme('fp4_e2m1').scales[0], { ...outer, rule: 'amax/qmax' }],
    });
    const data = Float32Array.of(1, Number.NaN);
    expect(errorOf(() => quantize({ data, shape: [2] }, scheme)).code).toBe('quantize-not-finite');
    expect(quantize({ data, shape: [2] }, policy(scheme, 'zero')).components).toEqual(
      quantize({ data: Float32Array.of(1, 0), shape: [2] }, scheme).components,
    );
  });

  test('values are never written to', () => {
    for (const [, scheme] of named) {
      const tensor = withSpecial(scheme, 0.5);
      const before = tensor.data.slice();
      quantize(tensor, scheme);
      quantize(withSpecial(scheme, Number.NaN), policy(scheme, 'max'));
      expect(tensor.data).toEqual(before);
      expect(schemeType(scheme, tensor.shape).layout).toBe(scheme.layout);
    }
  });
});
