/** The block functions against the definition of group integers: same bits, same errors. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeGroupsPacked, quantizeGroupsPacked } from '../src/fast/group-integers.js';
import {
  decodeSource,
  encodeSource,
  sharedDecodeSource,
  sharedEncodeSource,
} from '../src/fast/simd-module.js';
import type { CanonicalMatrix, GroupShape } from '../src/layouts/group-shape.js';
import { dequantizeCanonical, packCanonical, quantizeGroups } from '../src/scaled/group-integers.js';
import { expectBits, fromBits, valuesOf } from './fast-values.js';

const definition = (values: Float32Array, shape: GroupShape): CanonicalMatrix =>
  packCanonical(quantizeGroups(values, shape));

/** Sources that must give functions, so that a test cannot pass on the definition alone. */
const fast: typeof sharedEncodeSource = () => {
  const functions = sharedEncodeSource();
  expect(functions).toBeDefined();
  return functions;
};
const fastBack: typeof sharedDecodeSource = () => {
  const functions = sharedDecodeSource();
  expect(functions).toBeDefined();
  return functions;
};

function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    const { code, message, where, expected, got, hint } = error;
    return { code, message, where, expected, got, hint };
  }
  return 'no error';
}

const shapes = fc
  .record({
    rows: fc.integer({ min: 0, max: 5 }),
    cols: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom(32, 64, 128, 129, 160, 255)),
    bits: fc.oneof(fc.integer({ min: 2, max: 8 }), fc.constantFrom(4, 8)),
    groupSize: fc.oneof(fc.constantFrom(32, 64, 128, 16, 8, 24, 40), fc.integer({ min: 1, max: 70 })),
  })
  .chain((shape) => valuesOf(shape.rows * shape.cols).map((values) => ({ shape, values })));

describe('quantizeGroupsPacked', () => {
  it('is the definition, bit for bit', () => {
    fc.assert(
      fc.property(shapes, ({ shape, values }) => {
        const expected = failure(() => definition(values, shape));
        if (expected === 'no error') {
          expect(quantizeGroupsPacked(values, shape, fast)).toEqual(definition(values, shape));
        } else {
          expect(failure(() => quantizeGroupsPacked(values, shape, fast))).toEqual(expected);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('rounds every scale as the definition: all fp16 intervals, their ends and their middles', () => {
    // One group per value, whose only element is the value: codes and scales follow from the quotient alone.
    const values: number[] = [];
    for (let half = 0; half < 0x7c00; half += 7) {
      const bits = half >= 0x400 ? (half << 13) + 0x38000000 : 0;
      const scale = half >= 0x400 ? fromBits(bits) : half * 2 ** -24;
      const step = half >= 0x400 ? 2 ** (Math.floor(Math.log2(scale)) - 10) : 2 ** -24;
      for (const part of [0, 0.25, 0.5, 0.75]) values.push(Math.fround((scale + part * step) * 7));
      const tie = Math.fround((scale + step / 2) * 7);
      values.push(Math.fround(tie * (1 + 2 ** -23)), Math.fround(tie * (1 - 2 ** -24)));
    }
    const finite = Float32Array.from(values.filter((value) => value / 7 < 65519));
    const shape = { rows: finite.length, cols: 1, bits: 4, groupSize: 32 };
    expect(quantizeGroupsPacked(finite, shape, fast)).toEqual(definition(finite, shape));
  });

  it('takes matrices of many pieces, and rows longer than a piece', () => {
    for (const shape of [
      { rows: 37, cols: 1000, bits: 4, groupSize: 32 },
      { rows: 3, cols: 40_001, bits: 4, groupSize: 128 },
      { rows: 2, cols: 33_333, bits: 5, groupSize: 8 },
      { rows: 2, cols: 70_000, bits: 8, groupSize: 70_000 },
      { rows: 1, cols: 50_001, bits: 3, groupSize: 60_000 },
    ]) {
      const values = Float32Array.from(
        { length: shape.rows * shape.cols },
        (_, i) => Math.sin(i * i) * (1 + (i % 7)),
      );
      const packed = quantizeGroupsPacked(values, shape, fast);
      const expected = definition(values, shape);
      expectBits(packed.codes, expected.codes);
      expectBits(packed.scales, expected.scales);
      expectBits(dequantizeGroupsPacked(packed, undefined, fastBack), dequantizeCanonical(packed));
    }
  });

  it('reads views that begin anywhere', () => {
    const all = Float32Array.from({ length: 203 }, (_, i) => Math.cos(i) * 3);
    const shape = { rows: 2, cols: 100, bits: 4, groupSize: 32 };
    const view = all.subarray(3);
    expect(quantizeGroupsPacked(view, shape, fast)).toEqual(definition(view, shape));
  });

  it('refuses what the definition refuses, in its words', () => {
    const shape = { rows: 3, cols: 70, bits: 4, groupSize: 32 };
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 458640, -3e38]) {
      const values = new Float32Array(210).fill(0.5);
      values[70 + 45] = bad;
      const expected = failure(() => definition(values, shape));
      expect(expected).toMatchObject({ where: expect.stringContaining('row 1, group 1') });
      expect(failure(() => quantizeGroupsPacked(values, shape, fast))).toEqual(expected);
    }
    for (const wrong of [
      { ...shape, bits: 9 },
      { ...shape, cols: 71 },
      { ...shape, groupSize: 0 },
    ]) {
      const expected = failure(() => definition(new Float32Array(210), wrong));
      expect(failure(() => quantizeGroupsPacked(new Float32Array(210), wrong, fast))).toEqual(expected);
    }
    // The largest value whose scale fits, and the first whose scale does not.
    const edge = new Float32Array(32).fill(458639.96875);
    const one = { rows: 1, cols: 32, bits: 4, groupSize: 32 };
    expect(quantizeGroupsPacked(edge, one, fast).scales).toEqual(Uint16Array.of(0x7bff));
  });
});

describe('dequantizeGroupsPacked', () => {
  it('is the definition, bit for bit, for any codes and any finite or unusual scales', () => {
    const matrices = fc
      .record({
        rows: fc.integer({ min: 0, max: 4 }),
        cols: fc.integer({ min: 0, max: 140 }),
        bits: fc.integer({ min: 2, max: 8 }),
        groupSize: fc.oneof(fc.constantFrom(32, 16, 64, 128, 8), fc.integer({ min: 1, max: 40 })),
        anyScale: fc.boolean(),
        seed: fc.integer(),
      })
      .map(({ anyScale, seed, ...shape }) => {
        let state = seed;
        const random = (limit: number): number => {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          return (state >>> 8) % limit;
        };
        const groups = Math.ceil(shape.cols / shape.groupSize);
        const rowBytes = Math.ceil((shape.cols * shape.bits) / 8);
        const codes = Uint8Array.from({ length: shape.rows * rowBytes }, () => random(256));
        const scales = Uint16Array.from({ length: shape.rows * groups }, () =>
          random(anyScale ? 65536 : 0x7c00),
        );
        return { ...shape, codes, scales };
      });
    fc.assert(
      fc.property(matrices, (matrix) => {
        expectBits(dequantizeGroupsPacked(matrix, undefined, fastBack), dequantizeCanonical(matrix));
      }),
      { numRuns: 400 },
    );
  });

  it('writes where it is told to and checks lengths', () => {
    const matrix = quantizeGroupsPacked(Float32Array.of(1, -7, 3), {
      rows: 1,
      cols: 3,
      bits: 4,
      groupSize: 32,
    });
    const out = new Float32Array(3);
    expect(dequantizeGroupsPacked(matrix, out)).toBe(out);
    expect(out).toEqual(Float32Array.of(1, -7, 3));
    expect(() => dequantizeGroupsPacked(matrix, new Float32Array(4))).toThrow(/do not have the length/);
    expect(() => dequantizeGroupsPacked({ ...matrix, cols: 5 })).toThrow(/length/);
  });
});

describe('without WebAssembly', () => {
  const shape = { rows: 3, cols: 50, bits: 4, groupSize: 32 };
  const values = Float32Array.from({ length: 150 }, (_, i) => Math.sin(i));

  it('gives the same result where the engine refuses to compile, and asks it once for each module', () => {
    let asked = 0;
    const refuse = (): never => {
      asked += 1;
      throw new Error('no SIMD here');
    };
    const [none, noneBack] = [encodeSource(refuse), decodeSource(refuse)];
    for (let turn = 0; turn < 2; turn += 1) {
      const matrix = quantizeGroupsPacked(values, shape, none);
      expect(matrix).toEqual(quantizeGroupsPacked(values, shape, fast));
      expect(dequantizeGroupsPacked(matrix, undefined, noneBack)).toEqual(
        dequantizeGroupsPacked(matrix, undefined, fastBack),
      );
    }
    expect(asked).toBe(2);
  });

  it('says so when the module is not the one it should be', () => {
    const other = encodeSource(() => ({ memory: {}, encode: 1 }));
    expect(() => quantizeGroupsPacked(values, shape, other)).toThrow(/internal/);
  });
});
