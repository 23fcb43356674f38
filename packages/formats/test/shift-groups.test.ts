import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { channelMaxima, shiftGroupScale, shiftGroups } from '../src/index.js';
import { codeThrownBy, float32Within } from './support/random.js';

const maximaArbitrary = fc
  .array(float32Within(20).map(Math.abs), { minLength: 1, maxLength: 40 })
  .map((maxima) => Float32Array.from(maxima));

describe('groups of ShiftQuant', () => {
  test('a maximum at most r / 2^g, for the largest such g', () => {
    fc.assert(
      fc.property(maximaArbitrary, fc.integer({ min: 1, max: 64 }), (maxima, groups) => {
        const { index, largest } = shiftGroups(maxima, groups);
        expect(largest).toBe(Math.max(...maxima));
        maxima.forEach((max, channel) => {
          const group = index[channel];
          expect(max).toBeLessThanOrEqual(largest / 2 ** group);
          if (group < groups - 1) expect(max).toBeGreaterThan(largest / 2 ** (group + 1));
        });
      }),
    );
  });

  test('thresholds belong to the deeper group', () => {
    expect([...shiftGroups(Float32Array.of(8, 4.5, 4, 2, 1, 0.5, 0), 4).index]).toEqual([
      0, 0, 1, 2, 3, 3, 3,
    ]);
    expect([...shiftGroups(Float32Array.of(8, 4, 0), 1).index]).toEqual([0, 0, 0]);
  });

  test('zero channels are in the last group, all of them in a tensor of zeros', () => {
    expect([...shiftGroups(new Float32Array(3), 5).index]).toEqual([4, 4, 4]);
    expect(shiftGroups(new Float32Array(0), 5)).toEqual({ index: new Uint8Array(0), largest: 0 });
  });

  test('the whole range of float32 and 256 groups', () => {
    const { index } = shiftGroups(Float32Array.of(2 ** 127, 2 ** -126, 2 ** -149), 256);
    expect([...index]).toEqual([0, 253, 255]);
  });

  test('powers of two do not change groups', () => {
    fc.assert(
      fc.property(maximaArbitrary, fc.integer({ min: -60, max: 60 }), (maxima, exponent) => {
        const scaled = maxima.map((max) => max * 2 ** exponent);
        expect(shiftGroups(scaled, 8).index).toEqual(shiftGroups(maxima, 8).index);
      }),
    );
  });

  test('scales of neighbouring groups differ by a factor of two', () => {
    expect([0, 1, 2, 9].map((group) => shiftGroupScale(Math.fround(0.3), group))).toEqual(
      [1, 2, 4, 512].map((divisor) => Math.fround(0.3) / divisor),
    );
    expect(shiftGroupScale(2 ** -140, 12)).toBe(0);
  });

  test('channels are columns or rows', () => {
    const values = Float32Array.of(1, -2, 3, -4, 5, -6);
    expect([...channelMaxima(values, { rows: 2, cols: 3 })]).toEqual([4, 5, 6]);
    expect([...channelMaxima(values, { rows: 2, cols: 3, axis: 0 })]).toEqual([3, 6]);
    expect([...channelMaxima(new Float32Array(0), { rows: 0, cols: 2 })]).toEqual([0, 0]);
  });

  test('typed errors', () => {
    const two = Float32Array.of(1, 2);
    expect(codeThrownBy(() => shiftGroups(two, 1.5))).toBe('shift-option');
    expect(codeThrownBy(() => shiftGroups(Float32Array.of(Number.POSITIVE_INFINITY), 2))).toBe(
      'quantize-not-finite',
    );
    expect(codeThrownBy(() => shiftGroups(Float32Array.of(-1), 2))).toBe('shift-option');
    expect(codeThrownBy(() => channelMaxima(two, { rows: 2, cols: 2 }))).toBe('format-length');
    expect(codeThrownBy(() => channelMaxima(two, { rows: -1, cols: -2 }))).toBe('shift-option');
    expect(codeThrownBy(() => channelMaxima(Float32Array.of(1, Number.NaN), { rows: 1, cols: 2 }))).toBe(
      'quantize-not-finite',
    );
  });
});
