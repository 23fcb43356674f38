import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dequantizeShift, quantizeShift, type ShiftOptions, shiftGroupScale } from '../src/index.js';
import { codeThrownBy, float32Within, normals } from './support/random.js';

interface Case {
  readonly values: Float32Array;
  readonly options: ShiftOptions;
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    rows: fc.integer({ min: 1, max: 7 }),
    cols: fc.integer({ min: 1, max: 9 }),
    axis: fc.constantFrom<0 | 1>(0, 1),
    bits: fc.integer({ min: 2, max: 8 }),
    groups: fc.integer({ min: 1, max: 20 }),
  })
  .chain((options) =>
    fc
      .array(float32Within(12), {
        minLength: options.rows * options.cols,
        maxLength: options.rows * options.cols,
      })
      .map((values) => ({ values: Float32Array.from(values), options })),
  );

describe('ShiftQuant', () => {
  test('the error is at most half a step of the channel', () => {
    fc.assert(
      fc.property(cases, ({ values, options }) => {
        const quantized = quantizeShift(values, options);
        const { cols, axis, index, scale, bits, codes } = quantized;
        const actual = dequantizeShift(quantized);
        const maxCode = 2 ** (bits - 1) - 1;
        values.forEach((value, i) => {
          const step = shiftGroupScale(scale, index[axis === 1 ? i % cols : Math.floor(i / cols)]);
          // Float32 arithmetic adds a rounding of the quotient and one of the product.
          expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(step * (0.5 + maxCode * 2 ** -22));
          expect(Math.abs(codes[i])).toBeLessThanOrEqual(maxCode);
        });
      }),
    );
  });

  test('quantising what came back gives the same values, rounding to nearest', () => {
    const modes = fc.constantFrom('nearest-even', 'nearest-away' as const);
    fc.assert(
      fc.property(cases, modes, ({ values, options }, rounding) => {
        const once = dequantizeShift(quantizeShift(values, { ...options, rounding }));
        const again = quantizeShift(once, { ...options, rounding });
        expect(dequantizeShift(again)).toEqual(once);
      }),
    );
  });

  test('a factor of a power of two changes the scale and nothing else', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: -60, max: 60 }), ({ values, options }, exponent) => {
        const plain = quantizeShift(values, options);
        const scaled = quantizeShift(
          values.map((value) => value * 2 ** exponent),
          options,
        );
        expect(scaled).toEqual({ ...plain, scale: plain.scale * 2 ** exponent });
      }),
    );
  });

  test('channels along rows are channels along columns of the transposed matrix', () => {
    fc.assert(
      fc.property(cases, ({ values, options }) => {
        const { rows, cols, axis = 1 } = options;
        const transposed = Float32Array.from(
          values,
          (_, i) => values[(i % rows) * cols + Math.floor(i / rows)],
        );
        const plain = quantizeShift(values, options);
        const turned = quantizeShift(transposed, {
          ...options,
          rows: cols,
          cols: rows,
          axis: axis === 1 ? 0 : 1,
        });
        expect(turned.index).toEqual(plain.index);
        expect(turned.scale).toBe(plain.scale);
        plain.codes.forEach((code, i) => {
          expect(turned.codes[(i % cols) * rows + Math.floor(i / cols)]).toBe(code);
        });
      }),
    );
  });

  test('the largest value of every group up to the last uses more than half of the codes', () => {
    const values = Float32Array.from(normals(64 * 16, 3), (x, i) => x * 2 ** -(i % 16));
    const { codes, index, bits } = quantizeShift(values, { rows: 64, cols: 16, bits: 6, groups: 12 });
    const maxCode = 2 ** (bits - 1) - 1;
    for (let channel = 0; channel < 16; channel += 1) {
      if (index[channel] === 11) continue;
      let most = 0;
      for (let row = 0; row < 64; row += 1) most = Math.max(most, Math.abs(codes[row * 16 + channel]));
      expect(most).toBeGreaterThanOrEqual(maxCode / 2);
    }
  });

  test('stochastic rounding is unbiased: 5 standard errors of 4,096 draws at each fraction', () => {
    // With a fixed seed the draws are fixed; a fresh seed would fail by chance with probability 6e-7 per fraction.
    const rows = 4096;
    const bits = 4;
    const fractions = [0.01, 0.25, 0.5, 0.75, 0.99, 3.37, -0.4, -6.6];
    // One column of the range, and one per fraction of a step in it; two groups deep, so that scales differ.
    const cols = 1 + 2 * fractions.length;
    const values = new Float32Array(rows * cols);
    for (let row = 0; row < rows; row += 1) {
      values[row * cols] = 7;
      fractions.forEach((fraction, i) => {
        values[row * cols + 1 + 2 * i] = fraction;
        values[row * cols + 2 + 2 * i] = fraction / 2;
      });
    }
    const quantized = quantizeShift(values, {
      rows,
      cols,
      bits,
      groups: 3,
      rounding: 'stochastic',
      seed: 2024,
      stream: 5,
    });
    const actual = dequantizeShift(quantized);
    for (let col = 0; col < cols; col += 1) {
      const step = shiftGroupScale(quantized.scale, quantized.index[col]);
      const wanted = values[col];
      const [below, above] = [Math.floor(wanted / step), Math.ceil(wanted / step)];
      const deviation = step * Math.sqrt((wanted / step - below) * (above - wanted / step));
      let sum = 0;
      let between = true;
      for (let row = 0; row < rows; row += 1) {
        const value = actual[row * cols + col];
        between &&= value === below * step || value === above * step;
        sum += value;
      }
      expect(between).toBe(true);
      expect(Math.abs(sum / rows - wanted)).toBeLessThanOrEqual((5 * deviation) / Math.sqrt(rows) + 1e-12);
    }
  });

  test('streams differ, equal streams are equal', () => {
    const values = Float32Array.from(normals(300, 1));
    const options = { rows: 20, cols: 15, bits: 3, groups: 4, rounding: 'stochastic', seed: 9 } as const;
    const first = quantizeShift(values, { ...options, stream: 1 });
    expect(quantizeShift(values, { ...options, stream: 1 })).toEqual(first);
    expect(quantizeShift(values, { ...options, stream: 2 }).codes).not.toEqual(first.codes);
  });

  test('zeros, one value, subnormals, the largest float32, and no values', () => {
    const options = { bits: 4, groups: 4 };
    const zeros = quantizeShift(new Float32Array(6), { ...options, rows: 2, cols: 3 });
    expect(zeros.scale).toBe(0);
    expect(dequantizeShift(zeros)).toEqual(new Float32Array(6));
    const one = quantizeShift(Float32Array.of(-7), { ...options, rows: 1, cols: 1 });
    expect(one).toMatchObject({ codes: Int8Array.of(-7), index: Uint8Array.of(0), scale: 1 });
    const tiny = quantizeShift(Float32Array.of(2 ** -149, 2 ** -146), { ...options, rows: 1, cols: 2 });
    expect(dequantizeShift(tiny).every(Number.isFinite)).toBe(true);
    const huge = Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1e30);
    expect(
      dequantizeShift(quantizeShift(huge, { ...options, rows: 1, cols: 3 })).every(Number.isFinite),
    ).toBe(true);
    const none = quantizeShift(new Float32Array(0), { ...options, rows: 0, cols: 3 });
    expect(none.codes.length).toBe(0);
    expect([...none.index]).toEqual([3, 3, 3]);
  });

  test('typed errors', () => {
    const shape = { rows: 1, cols: 2, bits: 4, groups: 2 };
    const good = Float32Array.of(1, 2);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(codeThrownBy(() => quantizeShift(Float32Array.of(1, bad), shape))).toBe('quantize-not-finite');
    }
    expect(codeThrownBy(() => quantizeShift(good, { ...shape, bits: 1 }))).toBe('shift-option');
    expect(codeThrownBy(() => quantizeShift(good, { ...shape, bits: 9 }))).toBe('shift-option');
    expect(codeThrownBy(() => quantizeShift(good, { ...shape, groups: 0 }))).toBe('shift-option');
    expect(codeThrownBy(() => quantizeShift(good, { ...shape, cols: 3 }))).toBe('format-length');
    const quantized = quantizeShift(good, shape);
    expect(codeThrownBy(() => dequantizeShift({ ...quantized, index: new Uint8Array(3) }))).toBe(
      'format-length',
    );
  });
});
