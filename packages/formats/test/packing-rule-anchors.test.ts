import { describe, expect, it } from 'vitest';
import { dequantizePacked, type PackedLinear } from '../src/packings/packed-linear.js';
import { type RoundToNearestRule, roundToNearest } from '../src/packings/round-to-nearest.js';

/*
 * One literal result for every rule, from the formulas of the tools in Python, apart from the code under test. Recipe:
 * numpy, every operand a numpy.float32 (0-d arrays keep the type), one operation at a time in the order of the tool's
 * source; round is numpy.rint; fp16 scales go through numpy.float16 and back; codes of fp8 and fp4 are the nearest
 * entry of a table made from sign, exponent and mantissa, the even code of two equally near.
 */
const ROW = [0.37, -0.81, 0.12, -0.05, 0.66, 0.29, -0.44, 0.93];
const POSITIVE = ROW.map(Math.abs);
const NEGATIVE = POSITIVE.map((value) => -value);

function round(values: readonly number[], rule: RoundToNearestRule): PackedLinear {
  return roundToNearest(Float32Array.from(values), { rows: 1, cols: values.length }, rule);
}

type Anchor = [
  name: string,
  values: number[],
  rule: RoundToNearestRule,
  scale: number,
  zero: number | undefined,
];

describe('literal results of the integer rules', () => {
  const gptq = { bits: 4, groupSize: 8 } as const;
  const awq = { groupSize: 8 } as const;
  const scaling = { strategy: 'channel' } as const;
  const hqq = { rule: 'hqq', groupSize: 8, axis: 1 } as const;
  const original = { rule: 'gptq-symmetric-original', ...gptq } as const;
  it.each<[...Anchor, codes: number[]]>([
    [
      'gptq-symmetric, 4 bits',
      ROW,
      { rule: 'gptq-symmetric', ...gptq },
      0.1240234375,
      8,
      [11, 1, 9, 8, 13, 10, 4, 15],
    ],
    [
      'gptq-symmetric, 3 bits',
      ROW,
      { rule: 'gptq-symmetric', bits: 3, groupSize: 8 },
      0.265625,
      4,
      [5, 1, 4, 4, 6, 5, 2, 7],
    ],
    [
      'gptq-symmetric, no negative weights',
      POSITIVE,
      { rule: 'gptq-symmetric', ...gptq },
      0.1240234375,
      8,
      [11, 15, 9, 8, 13, 10, 12, 15],
    ],
    ['gptq-symmetric-original, both signs', ROW, original, 0.1240234375, 8, [11, 1, 9, 8, 13, 10, 4, 15]],
    [
      'gptq-symmetric-original, no negative weights: half the scale, the upper half clipped',
      POSITIVE,
      original,
      0.06201171875,
      8,
      [14, 15, 10, 9, 15, 13, 15, 15],
    ],
    [
      'gptq-symmetric-original, no positive weights: mirrored',
      NEGATIVE,
      original,
      0.1240234375,
      8,
      [5, 1, 7, 8, 3, 6, 4, 0],
    ],
    [
      'gptq-asymmetric, 4 bits',
      ROW,
      { rule: 'gptq-asymmetric', ...gptq },
      0.11602783203125,
      7,
      [10, 0, 8, 7, 13, 9, 3, 15],
    ],
    [
      'gptq-asymmetric, 8 bits',
      ROW,
      { rule: 'gptq-asymmetric', bits: 8, groupSize: 8 },
      0.006824493408203125,
      119,
      [173, 0, 137, 112, 216, 161, 55, 255],
    ],
    ['awq-symmetric', ROW, { rule: 'awq-symmetric', ...awq }, 0.1328125, 8, [11, 2, 9, 8, 13, 10, 5, 15]],
    [
      'awq-asymmetric',
      ROW,
      { rule: 'awq-asymmetric', ...awq },
      0.11602783203125,
      7,
      [10, 0, 8, 7, 13, 9, 3, 15],
    ],
    [
      'awq-asymmetric, a range below 1e-5',
      new Array(8).fill(1e-9),
      { rule: 'awq-asymmetric', ...awq },
      6.556510925292969e-7,
      0,
      new Array(8).fill(0),
    ],
    [
      'compressed-symmetric, 4 bits',
      ROW,
      { rule: 'compressed-symmetric', bits: 4, scaling },
      0.12399999797344208,
      undefined,
      [3, -7, 1, 0, 5, 2, -4, 7],
    ],
    [
      'compressed-symmetric, 8 bits, fp16',
      ROW,
      { rule: 'compressed-symmetric', bits: 8, scaling, scaleFormat: 'fp16' },
      0.007293701171875,
      undefined,
      [51, -111, 16, -7, 90, 40, -60, 127],
    ],
    [
      'compressed-asymmetric, 4 bits',
      ROW,
      { rule: 'compressed-asymmetric', bits: 4, scaling },
      0.11600000411272049,
      -1,
      [2, -8, 0, -1, 5, 1, -5, 7],
    ],
    [
      'compressed-asymmetric, 5 bits, fp16',
      ROW,
      { rule: 'compressed-asymmetric', bits: 5, scaling, scaleFormat: 'fp16' },
      0.056121826171875,
      -2,
      [5, -16, 0, -3, 10, 3, -10, 15],
    ],
    // 0.29 / 0.116 is a tie that only the float32 inverse decides upwards.
    ['hqq, 4 bits', ROW, { ...hqq, bits: 4 }, 0.11602783203125, 7, [10, 0, 8, 7, 13, 10, 3, 15]],
    ['hqq, 3 bits', ROW, { ...hqq, bits: 3 }, 0.24853515625, 3.2578125, [5, 0, 4, 3, 6, 4, 1, 7]],
    [
      'hqq, 8 bits, fp32',
      ROW,
      { ...hqq, bits: 8, scaleFormat: 'fp32' },
      0.006823529489338398,
      118.70690155029297,
      [173, 0, 136, 111, 215, 161, 54, 255],
    ],
  ])('%s', (_name, values, rule, scale, zero, codes) => {
    const packed = round(values, rule);
    expect([...packed.scales]).toEqual([scale]);
    expect(packed.zeros?.[0]).toBe(zero);
    expect([...packed.codes]).toEqual(codes);
  });
});

describe('literal results of the float rules', () => {
  const block = [...ROW, ...Array.from(Float32Array.from(ROW), (value) => value * 0.25)];
  // float32 at each step, as in the recipe.
  const blocks = [...block, ...Array.from(Float32Array.from(block), (value) => value * Math.fround(0.3))];

  it('fp8', () => {
    const packed = round(ROW, { rule: 'fp8', scaling: { strategy: 'channel' } });
    expect([...packed.scales]).toEqual([0.002075892873108387]);
    expect([...packed.codes]).toEqual([115, 252, 102, 220, 122, 113, 245, 126]);
  });

  it('nvfp4', () => {
    const packed = round(blocks, { rule: 'nvfp4' });
    expect([packed.tensorDivisor, ...packed.scales]).toEqual([2890.322509765625, 448, 128]);
    expect([...packed.codes]).toEqual([
      ...[4, 15, 2, 9, 6, 4, 13, 7, 1, 11, 0, 8, 2, 1, 9, 3],
      ...[5, 15, 2, 9, 6, 4, 13, 7, 1, 11, 0, 8, 2, 1, 9, 3],
    ]);
  });

  it('mxfp4', () => {
    const packed = round(blocks, { rule: 'mxfp4' });
    expect([...packed.scales]).toEqual([0.25]);
    expect([...packed.codes]).toEqual([
      ...[3, 13, 1, 8, 5, 2, 12, 6, 1, 10, 0, 8, 1, 1, 9, 2],
      ...[1, 10, 0, 8, 2, 1, 9, 2, 0, 8, 0, 8, 0, 0, 8, 1],
    ]);
  });
});

describe('what a tool does with groups that have next to no range', () => {
  const hqq = (values: readonly number[], bits: number, scaleFormat: 'fp16' | 'fp32'): PackedLinear =>
    round(values, { rule: 'hqq', bits, groupSize: values.length, axis: 1, scaleFormat });

  // HQQ: scale = levels / (max − min), 1 where max − min ≤ 1e-4, then at most 2e4; zero = round(−min · scale).
  it.each([
    [10, -10],
    [1, -1],
    [-3, 3],
    [60000, -60000],
  ])('hqq: a constant group of %d is exact', (value, zero) => {
    const packed = hqq(new Array(64).fill(value), 4, 'fp16');
    expect([packed.scales[0], packed.zeros?.[0]]).toEqual([1, zero]);
    expect([...dequantizePacked(packed)]).toEqual(new Array(64).fill(value));
  });

  it('hqq: a range of 1e-4 has the scale 1, a larger one 1 / 2e4 at least', () => {
    const at = hqq([0, 1e-4], 4, 'fp32');
    expect([at.scales[0], [...at.codes]]).toEqual([1, [0, 0]]);
    const above = hqq([1, 1.0002], 2, 'fp32');
    expect([above.scales[0], above.zeros?.[0]]).toEqual([6.667772686341777e-5, -14997.51171875]);
    expect([...above.codes]).toEqual([0, 3]);
    expect(hqq([0, 1.5e-4], 8, 'fp32').scales[0]).toBe(Math.fround(1 / 2e4));
  });

  it('gptq: a range that is no float32 scale gives zeros', () => {
    const values = new Array(32).fill(1e-45);
    const packed = round(values, { rule: 'gptq-asymmetric', bits: 4, groupSize: 32 });
    expect([packed.scales[0], packed.zeros?.[0], packed.codes[0]]).toEqual([0, 0, 0]);
    // 22 / 15 of the least float32 rounds to it, and the zero point 22 is no code.
    const below = round([-22 * 2 ** -149, 0], {
      rule: 'gptq-asymmetric',
      bits: 4,
      groupSize: 2,
      scaleFormat: 'fp32',
    });
    expect([below.scales[0], below.zeros?.[0]]).toEqual([2 ** -149, 15]);
  });

  // calculate_qparams rounds to the dtype of the scale, then replaces zeros by the epsilon of that dtype.
  it.each([
    ['fp16', 2 ** -10, 1e-9],
    ['bf16', 2 ** -7, 1e-45],
    ['fp32', 2 ** -23, 1e-45],
  ] as const)('compressed-tensors: a scale that is 0 in %s is %d', (scaleFormat, epsilon, value) => {
    const scaling = { strategy: 'channel' } as const;
    const values = new Array(8).fill(value);
    for (const rule of ['compressed-symmetric', 'compressed-asymmetric'] as const) {
      const packed = round(values, { rule, bits: 4, scaling, scaleFormat });
      expect(packed.scales[0]).toBe(epsilon);
      expect([...dequantizePacked(packed)]).toEqual(new Array(8).fill(0));
    }
    const fp8 = round(values, { rule: 'fp8', scaling, scaleFormat });
    expect([fp8.scales[0], fp8.codes[0]]).toEqual([epsilon, 0]);
  });
});
