import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeElement,
  formatRange,
  mlsEffectiveScale,
  mlsElementFormat,
  mlsFractionBits,
  mlsGroupScale,
  mlsGroupScaleFormat,
  mlsProductBits,
} from '../src/index.js';
import { codeThrownBy } from './support/random.js';

const elements = fc
  .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 5 }))
  .filter(
    ([exponentBits, mantissaBits]) => exponentBits + mantissaBits > 0 && exponentBits + mantissaBits < 9,
  )
  .filter(([exponentBits, mantissaBits]) => exponentBits > 0 || mantissaBits > 0);

/** Values of the codes without a sign, ascending. */
function positives(exponentBits: number, mantissaBits: number): number[] {
  const format = mlsElementFormat(exponentBits, mantissaBits);
  return Array.from({ length: 2 ** (exponentBits + mantissaBits) }, (_, code) => decodeElement(code, format));
}

describe('the element of MLS', () => {
  test('<2,1>, <1,2> and <0,3> in full', () => {
    expect(positives(2, 1)).toEqual([0, 1, 2, 3, 4, 6, 8, 12].map((n) => n / 16));
    expect(positives(1, 2)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => n / 8));
    expect(positives(0, 3)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => n / 8));
  });

  test('every element is a proper fraction of W bits, the smallest 2^−W', () => {
    fc.assert(
      fc.property(elements, ([exponentBits, mantissaBits]) => {
        const width = mlsFractionBits(exponentBits, mantissaBits);
        const values = positives(exponentBits, mantissaBits);
        expect(values.every((value) => Number.isInteger(value * 2 ** width) && value < 1)).toBe(true);
        const format = mlsElementFormat(exponentBits, mantissaBits);
        expect(formatRange(format).smallest).toBe(2 ** -width);
        expect(formatRange(format).max).toBe(1 - 2 ** -(mantissaBits + (exponentBits > 0 ? 1 : 0)));
        // The product width is tight: the square of the largest element needs its top bit.
        const largest = formatRange(format).max * 2 ** width;
        const bits = mlsProductBits(exponentBits, mantissaBits);
        expect(largest ** 2).toBeLessThan(2 ** bits);
        if (mantissaBits > 0 && exponentBits > 0)
          expect(largest ** 2).toBeGreaterThanOrEqual(2 ** (bits - 1));
      }),
    );
  });

  test('product widths that the paper names, 2·Mx + 2^(Ex+1) − 2', () => {
    expect(mlsProductBits(2, 1)).toBe(8);
    expect(mlsProductBits(2, 4)).toBe(14);
    fc.assert(
      fc.property(elements, ([exponentBits, mantissaBits]) => {
        expect(mlsProductBits(exponentBits, mantissaBits)).toBe(
          2 * mantissaBits + 2 ** (exponentBits + 1) - 2,
        );
      }),
    );
  });

  test('widths that it does not have', () => {
    for (const [exponentBits, mantissaBits] of [
      [0, 0],
      [7, 1],
      [2, 14],
      [1.5, 1],
      [-1, 3],
    ]) {
      expect(codeThrownBy(() => mlsElementFormat(exponentBits, mantissaBits))).toBe('mls-option');
    }
    expect(codeThrownBy(() => mlsGroupScaleFormat(2))).toBe('mls-option');
  });
});

describe('the group scale of MLS', () => {
  const value = (code: number, mantissaBits: 0 | 1) => decodeElement(code, mlsGroupScaleFormat(mantissaBits));

  test('is the smallest of its format that covers the ratio', () => {
    const ratio = fc
      .tuple(fc.integer({ min: 2 ** 23, max: 2 ** 24 }), fc.integer({ min: -100, max: 0 }))
      .map(([mantissa, exponent]) => mantissa * 2 ** (exponent - 24));
    fc.assert(
      fc.property(ratio, fc.constantFrom(0, 1 as const), (wanted, mantissaBits) => {
        const code = mlsGroupScale(wanted, 1, mantissaBits);
        expect(value(code, mantissaBits)).toBeGreaterThanOrEqual(wanted);
        expect(value(code - 1, mantissaBits)).toBeLessThan(wanted);
        expect(value(code, mantissaBits)).toBeLessThan(wanted * (mantissaBits === 0 ? 2 : 1.5));
      }),
    );
  });

  test('is a power of two, or one and a half of one', () => {
    const scales = (mantissaBits: 0 | 1) =>
      [1, 0.8, 0.75, 0.7, 0.5, 0.26].map((ratio) =>
        value(mlsGroupScale(ratio, 1, mantissaBits), mantissaBits),
      );
    expect(scales(0)).toEqual([1, 1, 1, 1, 0.5, 0.5]);
    expect(scales(1)).toEqual([1, 1, 0.75, 0.75, 0.5, 0.375]);
  });

  test('is 1 for the group of the largest value, whatever the tensor scale', () => {
    for (const scale of [1, 0.1, 3e38, 1e-38, 2 ** -149].map(Math.fround)) {
      expect(value(mlsGroupScale(scale, scale, 0), 0)).toBe(1);
      expect(value(mlsGroupScale(scale, scale, 1), 1)).toBe(1);
    }
  });

  test('of zeros, and below its range, is the smallest code that is left', () => {
    expect(mlsGroupScale(0, 1, 0)).toBe(0);
    expect(mlsGroupScale(0, 0, 0)).toBe(0);
    expect(mlsGroupScale(0, 0, 1)).toBe(0);
    expect(value(mlsGroupScale(2 ** -140, 1, 0), 0)).toBe(2 ** -127);
    expect(value(mlsGroupScale(2 ** -140, 1, 1), 1)).toBe(2 ** -127);
  });

  test('every value is a float32, so the effective scale is one product', () => {
    for (const mantissaBits of [0, 1] as const) {
      for (let code = 0; code <= mlsGroupScale(1, 1, mantissaBits); code += 1) {
        expect(Math.fround(value(code, mantissaBits))).toBe(value(code, mantissaBits));
      }
    }
    const tensorScale = Math.fround(0.3);
    const code = mlsGroupScale(0.7, 1, 1);
    expect(mlsEffectiveScale(code, tensorScale, 1)).toBe(Math.fround(0.75 * tensorScale));
  });
});
