/** What holds for any input of the GGML formats: no failure, bounded errors, stable values, powers of two. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeGgmlBlocks,
  encodeGgmlBlocks,
  GGML_BLOCK_NAMES,
  type GgmlBlockName,
  ggmlBlock,
  ggmlBlockSize,
} from '../src/index.js';
import { bell, mixedValues } from './ggml-data.js';

const roundTrip = (name: GgmlBlockName, values: Float32Array): Float32Array =>
  decodeGgmlBlocks(name, encodeGgmlBlocks(name, values));

const amaxOf = (values: Float32Array): number =>
  values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);

/** Calls `check` with each block of `values` and of what came of them. */
function eachBlock(
  name: GgmlBlockName,
  values: Float32Array,
  restored: Float32Array,
  check: (before: Float32Array, after: Float32Array) => void,
): void {
  const { elements } = ggmlBlockSize(name);
  for (let i = 0; i < values.length; i += elements) {
    check(values.subarray(i, i + elements), restored.subarray(i, i + elements));
  }
}

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0);

const HALF_ROUNDING = 2 ** -10;

/**
 * Largest error of an element over the largest magnitude of its block. Half a step, or a whole one where the extreme
 * of the other sign is out of reach, plus the rounding of scales to fp16. For searched formats, which minimise another
 * error, the largest that a million values of all kinds showed, rounded up.
 */
const ERROR_BOUND: Readonly<Record<GgmlBlockName, number>> = {
  q1_0: 1,
  q2_0: 1 / 2 + HALF_ROUNDING,
  q4_0: 1 / 8 + HALF_ROUNDING,
  q4_1: 1 / 15 + 2 * HALF_ROUNDING,
  q5_0: 1 / 16 + HALF_ROUNDING,
  q5_1: 1 / 31 + 2 * HALF_ROUNDING,
  q8_0: 1 / 254 + HALF_ROUNDING,
  q2_K: 0.6,
  q3_K: 0.27,
  q4_K: 0.12,
  q5_K: 0.075,
  q6_K: 0.021,
  q8_K: 1 / 254 + 2 ** -20,
  iq4_nl: 0.18,
  iq4_xs: 0.18,
  tq1_0: 1 / 2 + HALF_ROUNDING,
  tq2_0: 1 / 2 + HALF_ROUNDING,
  mxfp4: 1 / 4,
  // Half of the widest gap, 2 in 6, and half a step of the scale.
  nvfp4: 1 / 6 + 1 / 16,
};

/**
 * How far a second pass may move a value, over the largest magnitude of its block. 0 where the values that were
 * decoded determine scale and codes. A float32 ulp or so in q8_K, whose scale is a reciprocal of a reciprocal. The
 * searches find a new optimum for the values they made: at most about a step.
 */
const DRIFT_BOUND: Readonly<Record<GgmlBlockName, number>> = {
  q1_0: 0,
  q2_0: 0,
  q4_0: 0,
  q4_1: 0,
  q5_0: 0,
  q5_1: 0,
  q8_0: 0,
  q2_K: 0.36,
  q3_K: 0.28,
  q4_K: 1 / 15,
  q5_K: 1 / 20,
  q6_K: 1 / 64,
  q8_K: 2 ** -22,
  iq4_nl: 0,
  iq4_xs: 0.1,
  tq1_0: 0,
  tq2_0: 0,
  mxfp4: 0,
  nvfp4: 0,
};

/** Blocks whose scales are normal fp16, or in nvfp4 normal e4m3 below saturation; others lose bits of the scale. */
const inRange = (name: GgmlBlockName, block: Float32Array): boolean => {
  if (name !== 'nvfp4') return amaxOf(block) > 0.3;
  for (let i = 0; i < block.length; i += 16) {
    const amax = amaxOf(block.subarray(i, i + 16));
    if (amax < 6 * 2 ** -6 || amax > 2688 / 2) return false;
  }
  return true;
};

describe.each(GGML_BLOCK_NAMES)('%s', (name) => {
  const { elements, bytes } = ggmlBlockSize(name);

  it('decodes any bytes, whole and again the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: bytes, maxLength: bytes }), (block) => {
        const target = new Float32Array(elements + 2).fill(7);
        decodeGgmlBlocks(name, block, target.subarray(1, elements + 1));
        expect([target[0], target[elements + 1]]).toEqual([7, 7]);
        expect(decodeGgmlBlocks(name, block)).toEqual(target.slice(1, elements + 1));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps a block of zeros of either sign, beside another block or alone', () => {
    const next = bell(3);
    for (const zero of [0, -0]) {
      const values = Float32Array.from({ length: 2 * elements }, (_, i) => (i < elements ? zero : next()));
      const restored = roundTrip(name, values);
      expect(restored.subarray(0, elements).every((value) => value === 0)).toBe(true);
      expect(restored.subarray(elements).some((value) => value !== 0)).toBe(true);
    }
  });

  it('keeps a constant block close', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 1000, noNaN: true }), fc.boolean(), (magnitude, negative) => {
        const value = Math.fround(negative ? -magnitude : magnitude);
        const values = new Float32Array(elements).fill(value);
        const bound = Math.max(ERROR_BOUND[name], 0.02) * magnitude;
        expect(largestDifference(values, roundTrip(name, values))).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps one spike among zeros close, and the zeros', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: elements - 1 }),
        fc.double({ min: 0.2, max: 1000, noNaN: true }),
        fc.boolean(),
        (at, magnitude, negative) => {
          const values = new Float32Array(elements);
          values[at] = negative ? -magnitude : magnitude;
          const restored = roundTrip(name, values);
          const bound = Math.max(ERROR_BOUND[name], 0.02) * magnitude;
          expect(largestDifference(values, restored)).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('takes subnormal values, and gives finite ones of at most their size', () => {
    fc.assert(
      fc.property(fc.uint32Array({ minLength: elements, maxLength: elements, max: 0x7fffff }), (bits) => {
        const values = new Float32Array(
          Uint32Array.from(bits, (b, i) => (i % 3 === 0 ? b + 2 ** 31 : b)).buffer,
        );
        const restored = roundTrip(name, values);
        expect(amaxOf(restored)).toBeLessThanOrEqual(2 * amaxOf(values));
      }),
      { numRuns: 30 },
    );
  });

  it('encodes any finite values to finite ones, or says that the scale does not fit', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: elements, maxLength: elements }), (list) => {
        const values = Float32Array.from(list);
        try {
          expect(roundTrip(name, values).every(Number.isFinite)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'quantize-scale-overflow' });
          const { halves, floats = [] } = ggmlBlock(name);
          expect(halves.length + floats.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('stays within its error bound, and moves little in a second pass', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const values = mixedValues(seed).map((value) => 8 * value);
        const once = roundTrip(name, values);
        const twice = roundTrip(name, once);
        eachBlock(name, values, once, (before, after) => {
          if (!inRange(name, before)) return;
          expect(largestDifference(before, after)).toBeLessThanOrEqual(ERROR_BOUND[name] * amaxOf(before));
        });
        eachBlock(name, once, twice, (before, after) => {
          if (!inRange(name, before)) return;
          expect(largestDifference(before, after)).toBeLessThanOrEqual(DRIFT_BOUND[name] * amaxOf(before));
        });
      }),
      { numRuns: 5 },
    );
  });

  it('scales with powers of two', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: -4, max: 4 }), (seed, exponent) => {
        const next = bell(seed);
        const values = Float32Array.from({ length: 256 }, () => next() * 20);
        const factor = 2 ** exponent;
        const scaled = roundTrip(
          name,
          values.map((value) => value * factor),
        );
        expect(scaled).toEqual(roundTrip(name, values).map((value) => value * factor));
      }),
      { numRuns: 20 },
    );
  });

  it('encodes blocks independently of their neighbours', () => {
    const values = mixedValues(11).subarray(0, 2048);
    const whole = encodeGgmlBlocks(name, values);
    for (let i = 0; i < values.length / elements; i += 1) {
      const alone = encodeGgmlBlocks(name, values.slice(i * elements, (i + 1) * elements));
      expect(alone).toEqual(whole.slice(i * bytes, (i + 1) * bytes));
    }
  });
});
