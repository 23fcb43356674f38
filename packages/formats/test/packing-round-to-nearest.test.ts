import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFp16, encodeFp16 } from '../src/elements/half-precision.js';
import { readAwq, writeAwq } from '../src/packings/awq.js';
import { readFp4, readFp8, writeFp4, writeFp8 } from '../src/packings/compressed-floats.js';
import { readPackQuantized, writePackQuantized } from '../src/packings/compressed-integers.js';
import { readGptq, writeGptq } from '../src/packings/gptq.js';
import { readHqq, writeHqq } from '../src/packings/hqq.js';
import { dequantizePacked, type PackedLinear } from '../src/packings/packed-linear.js';
import { type RoundToNearestRule, roundToNearest } from '../src/packings/round-to-nearest.js';
import { expectSame, random, seeds } from './packing-arbitraries.js';

const f = Math.fround;
const fp16 = (value: number): number => decodeFp16(encodeFp16(value));
const weights = (count: number, seed: number, spread = 1): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => spread * (next() + next() + next() - 1.5));
};

describe('the scale rules of the tools', () => {
  // amax 0.75 at column 1, least value −0.75, largest 0.5.
  const row = Float32Array.of(0.5, -0.75, 0.1, -0.05, 0, 0.3, -0.3, 0.2);
  const shape = { rows: 1, cols: 8 };
  const round = (rule: RoundToNearestRule): PackedLinear => roundToNearest(row, shape, rule);

  it('gptq: 2 · amax / 15 about zero 8; or the range', () => {
    const symmetric = round({ rule: 'gptq-symmetric', bits: 4, groupSize: 8 });
    expect([symmetric.scales[0], symmetric.zeros?.[0]]).toEqual([fp16(0.1), 8]);
    expect([...symmetric.codes]).toEqual([13, 0, 9, 8, 8, 11, 5, 10]);
    const asymmetric = round({ rule: 'gptq-asymmetric', bits: 4, groupSize: 8 });
    expect([asymmetric.scales[0], asymmetric.zeros?.[0]]).toEqual([fp16(f(1.25 / 15)), 9]);
    expect([...asymmetric.codes]).toEqual([15, 0, 10, 8, 9, 13, 5, 11]);
  });

  it('gptq: a group of zeros has the scale 2 / 15', () => {
    const packed = roundToNearest(new Float32Array(8), shape, {
      rule: 'gptq-asymmetric',
      bits: 4,
      groupSize: 8,
    });
    // 1 / fround(2 / 15) lies just below 7.5.
    expect([packed.scales[0], packed.zeros?.[0]]).toEqual([fp16(f(2 / 15)), 7]);
    expect([...dequantizePacked(packed)]).toEqual(new Array(8).fill(0));
  });

  it('awq: amax / 7 about zero 8; or the range as it is', () => {
    const symmetric = round({ rule: 'awq-symmetric', groupSize: 8 });
    expect([symmetric.scales[0], symmetric.zeros?.[0]]).toEqual([fp16(f(0.75 / 7)), 8]);
    expect([...symmetric.codes]).toEqual([13, 1, 9, 8, 8, 11, 5, 10]);
    const positive = roundToNearest(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape, {
      rule: 'awq-asymmetric',
      groupSize: 8,
    });
    // Without a zero in the range the zero point clamps, as in the tool.
    expect([positive.scales[0], positive.zeros?.[0]]).toEqual([fp16(f(7 / 15)), 0]);
  });

  it('compressed-tensors: amax / 7.5 and no zero point; or the range about a signed one', () => {
    const scaling = { strategy: 'group', groupSize: 8 } as const;
    const symmetric = round({ rule: 'compressed-symmetric', bits: 4, scaling });
    expect(symmetric.scales[0]).toBe(f(0.75 / 7.5));
    expect(symmetric.zeros).toBeUndefined();
    expect([...symmetric.codes]).toEqual([5, -8, 1, 0, 0, 3, -3, 2]);
    const asymmetric = round({ rule: 'compressed-asymmetric', bits: 4, scaling });
    expect([asymmetric.scales[0], asymmetric.zeros?.[0]]).toEqual([f(1.25 / 15), 1]);
    const zeros = roundToNearest(new Float32Array(8), shape, {
      rule: 'compressed-asymmetric',
      bits: 4,
      scaling,
    });
    expect([...dequantizePacked(zeros)]).toEqual(new Array(8).fill(0));
    expect(zeros.scales[0]).toBe(2 ** -23);
  });

  it('fp8: amax / 448', () => {
    const packed = round({ rule: 'fp8', scaling: { strategy: 'tensor' } });
    expect(packed.scales[0]).toBe(f(0.75 / 448));
    expect(packed.codes[1]).toBe(0xfe);
  });

  it('nvfp4: blocks in fp8 under a divisor of the tensor', () => {
    const values = weights(64, 5);
    values[7] = 2;
    const packed = roundToNearest(values, { rows: 2, cols: 32 }, { rule: 'nvfp4' });
    expect(packed.tensorDivisor).toBe(1344);
    // The block of the largest value has the largest scale, and the value comes back.
    expect(packed.scales[0]).toBe(448);
    expect(dequantizePacked(packed)[7]).toBe(2);
    const zero = roundToNearest(new Float32Array(32), { rows: 1, cols: 32 }, { rule: 'nvfp4' });
    expect([zero.tensorDivisor, zero.scales[0]]).toEqual([1, 0.125]);
    expect([...dequantizePacked(zero)]).toEqual(new Array(32).fill(0));
  });

  it('mxfp4: the exponent after rounding to the mantissa of fp4', () => {
    const scaleOf = (amax: number): number => {
      const values = new Float32Array(32);
      values[3] = -amax;
      return roundToNearest(values, { rows: 1, cols: 32 }, { rule: 'mxfp4' }).scales[0];
    };
    expect([1, 1.74, 1.75, 2, 6, 7].map(scaleOf)).toEqual([0.25, 0.25, 0.5, 0.5, 1, 2]);
    expect(scaleOf(0)).toBe(2 ** -127);
    expect(scaleOf(3e38)).toBe(2 ** 126);
  });

  it('hqq: the range as it is, the zero point rounded for 4 bits only', () => {
    const values = Float32Array.of(1, 1.5, 2, 2.5);
    const options = { groupSize: 4, axis: 1, scaleFormat: 'fp32' } as const;
    const four = roundToNearest(values, { rows: 1, cols: 4 }, { rule: 'hqq', bits: 4, ...options });
    expect([four.scales[0], four.zeros?.[0]]).toEqual([f(0.1), -10]);
    const two = roundToNearest(values, { rows: 1, cols: 4 }, { rule: 'hqq', bits: 2, ...options });
    expect([two.scales[0], two.zeros?.[0]]).toEqual([0.5, -2]);
    expect([...dequantizePacked(two)]).toEqual([...values]);
  });

  it('refuse what is not finite, and ragged blocks', () => {
    const bad = Float32Array.of(0, 1, Number.NaN, 0);
    expect(() =>
      roundToNearest(bad, { rows: 2, cols: 2 }, { rule: 'gptq-symmetric', bits: 4, groupSize: 2 }),
    ).toThrow(expect.objectContaining({ code: 'quantize-not-finite', where: 'row 1, column 0' }));
    for (const rule of ['nvfp4', 'mxfp4'] as const) {
      expect(() => roundToNearest(row, shape, { rule })).toThrow(
        expect.objectContaining({ code: 'packing-shape' }),
      );
    }
    const huge = new Float32Array(8).fill(3e38);
    expect(() => roundToNearest(huge, shape, { rule: 'gptq-symmetric', bits: 4, groupSize: 8 })).toThrow(
      expect.objectContaining({ code: 'packing-scale-not-finite' }),
    );
  });
});

describe('every rule', () => {
  const RULES: Record<
    string,
    [RoundToNearestRule, (packed: PackedLinear, rows: number, cols: number) => PackedLinear]
  > = {
    gptq: [
      { rule: 'gptq-symmetric', bits: 4, groupSize: 32 },
      (packed, rows, cols) =>
        readGptq(writeGptq(packed, 1), { rows, cols, bits: 4, groupSize: 32, version: 1 }),
    ],
    'gptq 3 bits': [
      { rule: 'gptq-asymmetric', bits: 3, groupSize: 48 },
      (packed, rows, cols) =>
        readGptq(writeGptq(packed, 2), { rows, cols, bits: 3, groupSize: 48, version: 2 }),
    ],
    awq: [
      { rule: 'awq-asymmetric', groupSize: 32 },
      (packed, rows, cols) => readAwq(writeAwq(packed), { rows, cols, groupSize: 32 }),
    ],
    'pack-quantized': [
      {
        rule: 'compressed-asymmetric',
        bits: 5,
        scaling: { strategy: 'group', groupSize: 16 },
        scaleFormat: 'bf16',
      },
      (packed, rows, cols) =>
        readPackQuantized(writePackQuantized(packed), {
          rows,
          cols,
          bits: 5,
          scaling: { strategy: 'group', groupSize: 16 },
        }),
    ],
    fp8: [
      { rule: 'fp8', scaling: { strategy: 'channel' } },
      (packed, rows, cols) => readFp8(writeFp8(packed), { rows, cols, scaling: { strategy: 'channel' } }),
    ],
    nvfp4: [
      { rule: 'nvfp4' },
      (packed, rows, cols) => readFp4(writeFp4(packed), { rows, cols, groupSize: 16 }),
    ],
    mxfp4: [
      { rule: 'mxfp4' },
      (packed, rows, cols) => readFp4(writeFp4(packed), { rows, cols, groupSize: 32 }),
    ],
    hqq: [
      { rule: 'hqq', bits: 4, groupSize: 16, axis: 0 },
      (packed, rows, cols) => readHqq(writeHqq(packed), { rows, cols, bits: 4, groupSize: 16, axis: 0 }),
    ],
  };
  /** Largest error as a part of the largest magnitude. */
  const BOUND: Record<string, number> = {
    gptq: 0.08,
    'gptq 3 bits': 0.17,
    'pack-quantized': 0.04,
    fp8: 0.04,
    hqq: 0.08,
  };

  it.each(Object.keys(RULES))('%s: what is written reads back, and is near', (name) => {
    const [rule, through] = RULES[name];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 3 }),
        seeds,
        (tall, wide, seed) => {
          const [rows, cols] = [tall * 32, wide * 32];
          const values = weights(rows * cols, seed, 0.05);
          const packed = roundToNearest(values, { rows, cols }, rule);
          const back = dequantizePacked(through(packed, rows, cols));
          expectSame(back, dequantizePacked(packed));
          const amax = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const error = values.reduce((a, b, i) => Math.max(a, Math.abs(b - back[i])), 0);
          expect(error / amax).toBeLessThan(BOUND[name] ?? 0.2);
        },
      ),
      { numRuns: 15 },
    );
  });
});
