/**
 * The engine against a slow second definition: every preset and every rule, granularity, direction and rounding mode,
 * codes, scales, zeros and values bit for bit.
 */
import type { Granularity, RoundingMode, TensorScheme } from '@bitloom/ir';
import { FP16, FP32, intFormat, uintFormat } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newCodes } from '../src/elements/codes.js';
import { elementFormat } from '../src/elements/element-formats.js';
import { codesFromBytes, unpackCodes } from '../src/layouts/codes.js';
import { dequantize, quantize } from '../src/quantize.js';
import { ROUNDING_MODES } from '../src/rounding/rounding.js';
import { STOCHASTIC_ROUNDING_MODES } from '../src/rounding/stochastic.js';
import { mlsScheme } from '../src/schemes/mls-scheme.js';
import {
  affineScheme,
  integerScheme,
  mxScheme,
  PER_ROW,
  PER_TENSOR,
  perGroup,
  scaleBy,
  tensorScheme,
} from '../src/schemes/named-schemes.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { SCALE_RULES } from '../src/schemes/scale-rules.js';
import { rowsOf } from '../src/tensor.js';
import { bitsOf, type Case, casesFor, tensorOf } from './schemes-arbitraries.js';
import { ORACLE_RULES, quantizeSlowly } from './schemes-oracle.js';

function expectOracle(
  scheme: TensorScheme,
  stream = 0,
  fillings?: readonly string[],
  numRuns = 8,
  examples: readonly Case[] = [],
): void {
  fc.assert(
    fc.property(casesFor(scheme, fillings), (data) => {
      const tensor = tensorOf(data);
      const { rows, cols } = rowsOf(tensor.shape);
      const slow = quantizeSlowly(tensor.data, tensor.shape, scheme, stream);
      const quantized = quantize(tensor, scheme, { stream });
      const { components } = quantized;
      scheme.scales.forEach(({ format, zero }, level) => {
        const suffix = level === 0 ? '' : String(level);
        const count = slow.scaleCodes[level].length;
        const scales = codesFromBytes(components[`scales${suffix}`], count, format, 'scales');
        expect([...scales], `scales of level ${level}`).toEqual(slow.scaleCodes[level]);
        if (zero === undefined) return;
        const zeros = codesFromBytes(components[`zeros${suffix}`], count, zero.format, 'zeros');
        expect([...zeros], 'zeros').toEqual(slow.zeroCodes);
      });
      const expected = newCodes(scheme.element, tensor.data.length);
      expected.set(slow.codes);
      expect(unpackCodes(components.codes, rows, cols, scheme.element.bits), 'codes').toEqual(expected);
      expect(bitsOf(dequantize(quantized)), 'values').toEqual(bitsOf(slow.values));
    }),
    { numRuns, examples: examples.map((example) => [example]) },
  );
}

test('the oracle knows every rule', () => {
  expect([...ORACLE_RULES].sort()).toEqual([...SCALE_RULES].sort());
});

describe('every canonical preset', () => {
  const canonical = presetNames()
    .map((name) => preset(name).weights)
    .filter(({ layout, shiftGroups }) => layout === 'canonical' && shiftGroups === undefined);
  test.each(canonical.map((scheme) => [scheme.name, scheme] as const))('%s', (_, scheme) => {
    expectOracle(scheme);
  });

  test('a product with the reciprocal where the quotient is another code', () => {
    const tie = { filling: 'grid', shape: [1, 2, 1, 44], seed: 9 };
    expectOracle(preset('NVFP4_RECIPROCAL').weights, 0, undefined, 100, [tie]);
  });

  test('MLS of convolution weights, by planes', () => {
    expectOracle(preset('MLS<2,4>', 4).weights);
  });
});

const INT4 = intFormat(4);
const FP8 = elementFormat('fp8_e4m3fn');
const uint4Zero = { format: uintFormat(4), kind: 'zero-point' } as const;
const minimum = { format: FP16, kind: 'minimum' } as const;

const GRANULARITIES: Readonly<Record<string, Granularity>> = {
  'per tensor': PER_TENSOR,
  'per row': PER_ROW,
  'per group of 1': perGroup(1),
  'per group of 7': perGroup(7),
  'per group of 1000, longer than any row': perGroup(1000),
  'per index of axis 0': { strategy: 'axis', axes: [0] },
  'per index of axis 1': { strategy: 'axis', axes: [1] },
  'per index of axes 0 and 2': { strategy: 'axis', axes: [0, 2] },
  'per index of axes 3 and 1': { strategy: 'axis', axes: [3, 1] },
  'per block of 2 x 32': { strategy: 'block', blockShape: [2, 32] },
  'per block of 2 x the whole axis': { strategy: 'block', blockShape: [2, 0] },
  'per block of the whole axis x 5': { strategy: 'block', blockShape: [0, 5] },
  'per block of 2 x 1 x 128': { strategy: 'block', blockShape: [2, 1, 128] },
  'per block of 128 x 128, ragged on both sides': { strategy: 'block', blockShape: [128, 128] },
};

describe('every granularity', () => {
  test.each(Object.entries(GRANULARITIES))('%s', (_, granularity) => {
    expectOracle(integerScheme(5, granularity, { scale: FP32 }));
    expectOracle(affineScheme(3, granularity), 0, undefined, 6);
  });
});

describe('every rule', () => {
  const signed = { element: INT4 };
  const powers = ['floor', 'ceil', 'even', 'rceil'];
  const elements = ['fp8_e4m3fn', 'fp8_e5m2', 'fp6_e2m3', 'fp6_e3m2', 'fp4_e2m1', 'mxint8', 'int4'];
  const plain = ['amax/qmax', 'amax/half-range', 'amax', 'mean', 'amax/qmax, up', 'amax, up', 'nvfp4-block'];
  const schemes: TensorScheme[] = [
    ...elements.flatMap((element) => powers.map((rule) => mxScheme(element, rule, `${element} ${rule}`))),
    ...plain.map((rule) => tensorScheme(rule, { ...signed, scales: [scaleBy(FP32, perGroup(9), rule)] })),
    ...[2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [
      integerScheme(bits, perGroup(16), { name: `int${bits}` }),
      integerScheme(bits, perGroup(16), { name: `int${bits} half-range`, rule: 'amax/half-range' }),
      affineScheme(bits, perGroup(16), { name: `uint${bits} minmax` }),
      affineScheme(bits, perGroup(16), { name: `uint${bits} 2amax/levels`, rule: '2amax/levels' }),
    ]),
    ...['minmax', '2amax/levels'].map((rule) =>
      tensorScheme(`signed ${rule}`, {
        ...signed,
        scales: [{ ...scaleBy(FP16, perGroup(8), rule), zero: { format: INT4, kind: 'zero-point' } }],
      }),
    ),
    tensorScheme('minimum of uint4', {
      element: uintFormat(4),
      scales: [{ ...scaleBy(FP16, perGroup(8), 'min+range'), zero: minimum }],
    }),
    tensorScheme('a zero point in fp16', {
      element: uintFormat(8),
      scales: [{ ...scaleBy(FP32, PER_ROW, 'minmax'), zero: { format: FP16, kind: 'zero-point' } }],
    }),
  ];
  test.each(schemes.map((scheme) => [scheme.name, scheme] as const))('%s', (_, scheme) => {
    expectOracle(scheme, 0, undefined, 6);
  });
});

describe('levels in levels', () => {
  const divisor = { ...scaleBy(FP32, PER_TENSOR, '448·6/amax'), direction: 'divide' } as const;
  const fp32 = (granularity: Granularity) => scaleBy(FP32, granularity, 'amax/qmax');
  const pairs: Readonly<Record<string, TensorScheme['scales']>> = {
    'groups in rows': [scaleBy(FP8, perGroup(8), 'amax/qmax'), fp32(PER_ROW)],
    'groups in groups in rows in the tensor': [
      scaleBy(FP8, perGroup(4), 'amax/qmax'),
      scaleBy(FP16, perGroup(12), 'amax/qmax'),
      fp32(PER_ROW),
      fp32(PER_TENSOR),
    ],
    'groups in blocks': [
      scaleBy(FP8, perGroup(16), 'amax/qmax'),
      fp32({ strategy: 'block', blockShape: [2, 64] }),
    ],
    'a power of two in the tensor': [scaleBy(elementFormat('e8m0'), perGroup(32), 'floor'), fp32(PER_TENSOR)],
    'powers of two in powers of two': [
      scaleBy(elementFormat('e8m0'), perGroup(8), 'rceil'),
      scaleBy(elementFormat('e8m0'), perGroup(32), 'floor'),
    ],
    'a divisor of the tensor': [scaleBy(FP16, perGroup(16), 'amax/qmax'), divisor],
    'planes in the tensor': [
      scaleBy(FP8, { strategy: 'axis', axes: [0, 1] }, 'amax/qmax, up'),
      fp32({ strategy: 'axis', axes: [1] }),
    ],
  };
  test.each(Object.entries(pairs))('%s', (name, scales) => {
    expectOracle(tensorScheme(name, { element: INT4, scales }));
  });

  test('zero points under two levels belong to the combined scale', () => {
    const scales = [
      { ...scaleBy(FP8, perGroup(8), 'minmax'), zero: uint4Zero },
      scaleBy(FP32, PER_TENSOR, 'amax/qmax'),
    ];
    expectOracle(tensorScheme('double', { element: uintFormat(4), scales }));
    const lowest = [{ ...scaleBy(FP8, perGroup(8), 'min+range'), zero: minimum }, scales[1]];
    expectOracle(tensorScheme('double minimum', { element: uintFormat(4), scales: lowest }));
  });

  test('the same level record may appear twice', () => {
    const level = fp32(PER_TENSOR);
    expectOracle(tensorScheme('twice', { element: INT4, scales: [level, level] }));
  });
});

describe('every rounding mode', () => {
  const modes: readonly RoundingMode[] = [...ROUNDING_MODES, ...STOCHASTIC_ROUNDING_MODES];
  const variants = (rounding: RoundingMode): TensorScheme[] =>
    [
      integerScheme(4, perGroup(8)),
      affineScheme(4, perGroup(8)),
      mxScheme('fp4_e2m1'),
      mxScheme('fp8_e5m2', 'rceil'),
      preset('TERNARY').weights,
      preset('BINARY').weights,
      mlsScheme(2, 1, { groups: 'n' }),
    ].map((scheme) => ({ ...scheme, rounding, seed: 5 }));
  test.each(modes)('%s', (mode) => {
    for (const scheme of variants(mode)) expectOracle(scheme, 3, undefined, 6);
  });
});

test('floats that may overflow: without saturation what lies past the largest value is infinite', () => {
  // Half of a range saturates nothing; a rule whose scale is too small by design does.
  const scheme = {
    ...tensorScheme('overflow', {
      element: elementFormat('fp8_e5m2'),
      scales: [scaleBy(FP32, PER_TENSOR, 'mean')],
    }),
    saturate: false,
  };
  const data = new Float32Array(200_000).fill(2 ** -10);
  data[0] = 2 ** 10;
  const quantized = quantize({ data, shape: [data.length] }, scheme);
  expect(dequantize(quantized)[0]).toBe(Number.POSITIVE_INFINITY);
  expect(dequantize(quantize({ data, shape: [data.length] }, { ...scheme, saturate: true }))[0]).toBeLessThan(
    2 ** 10,
  );
});
