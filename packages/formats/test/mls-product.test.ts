import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeElement,
  dequantizeMls,
  type MlsGroups,
  type MlsTensor,
  mlsAccumulatorBits,
  mlsDot,
  mlsElementFormat,
  mlsFractionBits,
  mlsGroupProduct,
  quantizeMls,
} from '../src/index.js';
import { codeThrownBy, normals } from './support/random.js';

const ELEMENTS: readonly (readonly [number, number])[] = [
  [2, 1],
  [2, 4],
  [1, 2],
  [0, 3],
  [3, 2],
  [2, 0],
];

const operands = fc.constantFrom(...ELEMENTS).chain((element) => {
  const code = fc.integer({ min: 0, max: 2 ** (1 + element[0] + element[1]) - 1 });
  return fc.array(fc.tuple(code, code), { maxLength: 40 }).map((pairs) => ({
    element,
    a: pairs.map(([first]) => first),
    b: pairs.map(([, second]) => second),
  }));
});

/** A float64 as an integer in units of 2^−unit; exact or an error. */
function integerOf(value: number, unit: number): bigint {
  return BigInt(value * 2 ** unit);
}

describe('the product inside a group', () => {
  test('is the float64 product of the elements, exactly', () => {
    fc.assert(
      fc.property(operands, ({ element, a, b }) => {
        const format = mlsElementFormat(...element);
        const expected = a.reduce(
          (sum, code, i) => sum + decodeElement(code, format) * decodeElement(b[i], format),
          0,
        );
        const unit = 2 ** (-2 * mlsFractionBits(...element));
        // No sum of these widths is rounded in float64.
        expect(mlsGroupProduct(a, b, element) * unit).toBe(expected);
        expect(mlsGroupProduct(a, b, element, 'int32')).toBe(mlsGroupProduct(a, b, element));
      }),
    );
  });

  test('the largest sum of a 3x3 plane needs the product width and 4 bits', () => {
    for (const [element, bits] of [
      [[2, 1], 8 + 4],
      [[2, 4], 14 + 4],
    ] as const) {
      const largest = 2 ** (element[0] + element[1]) - 1;
      const negative = largest + 2 ** (element[0] + element[1]);
      const nine = new Array<number>(9).fill(largest);
      expect(mlsAccumulatorBits(element, 9)).toBe(bits);
      const sum = mlsGroupProduct(nine, nine, element);
      expect(sum).toBeLessThan(2 ** bits);
      expect(sum).toBeGreaterThan(2 ** (bits - 2));
      expect(mlsGroupProduct(nine, new Array<number>(9).fill(negative), element)).toBe(-sum);
    }
  });

  test('no operands, wrong operands, and sums that may not fit', () => {
    expect(mlsGroupProduct([], [], [2, 4])).toBe(0);
    expect(codeThrownBy(() => mlsGroupProduct([1], [1, 2], [2, 4]))).toBe('mls-operands');
    const wide = new Array<number>(2 ** 17 + 1).fill(0);
    expect(codeThrownBy(() => mlsGroupProduct(wide, wide, [2, 4], 'int32'))).toBe('accumulator-width');
    expect(mlsGroupProduct(wide.slice(1), wide.slice(1), [2, 4], 'int32')).toBe(0);
    expect(codeThrownBy(() => mlsGroupProduct([1], [1], [5, 2]))).toBe('accumulator-width');
  });
});

describe('the product over groups', () => {
  const tensors = (scale: number, mantissa: 0 | 1, groups: MlsGroups, seed: number): MlsTensor => {
    const shape = [2, 3, 3, 3];
    const plane = (i: number) => Math.floor(i / 9);
    const values = Float32Array.from(normals(54, seed), (x, i) => scale * x * 1.7 ** -(plane(i) * 2));
    return quantizeMls(values, shape, { element: [2, 4], groupScaleMantissa: mantissa, groups });
  };

  test('is the exact sum of the dequantised products, by shifts and additions', () => {
    for (const mantissa of [0, 1] as const) {
      for (const groups of ['n', 'c', 'nc', 'none'] as const) {
        // Tensor scales of 1, so that no dequantised value is rounded.
        const a = { ...tensors(1, mantissa, groups, 5), tensorScale: 1 };
        const b = { ...tensors(1, mantissa, groups, 6), tensorScale: 1 };
        const { sum, exponent, value, partial } = mlsDot(a, b);
        const [x, y] = [dequantizeMls(a), dequantizeMls(b)];
        const unit = 60;
        const expected = x.reduce(
          (total, left, i) => total + integerOf(left, unit) * integerOf(y[i], unit),
          0n,
        );
        expect(sum << BigInt(2 * unit + exponent)).toBe(expected);
        expect(value).toBe(Number(expected) * 2 ** (-2 * unit));
        expect(partial.every(Number.isInteger)).toBe(true);
      }
    }
  });

  test('carries the tensor scales as one factor', () => {
    const a = tensors(1e-3, 1, 'nc', 7);
    const b = tensors(1e5, 1, 'nc', 8);
    const plain = mlsDot({ ...a, tensorScale: 1 }, { ...b, tensorScale: 1 });
    expect(mlsDot(a, b).sum).toBe(plain.sum);
    expect(mlsDot(a, b).value).toBe(plain.value * (a.tensorScale * b.tensorScale));
  });

  test('every pair of group scales, zero and the smallest ones included', () => {
    const shape = [1, 1, 2];
    const codes = Uint8Array.of(63, 5);
    for (const mantissa of [0, 1] as const) {
      const format = { element: [2, 4], groupScaleMantissa: mantissa, groups: 'nc' } as const;
      for (const [first, second] of [
        [0, 3],
        [1, 2],
        [2, 3],
        [3, 3],
        [253, 253],
        [60, 61],
        [121, 127],
      ]) {
        const tensor = (code: number): MlsTensor => ({
          ...format,
          shape,
          codes,
          groupScales: Uint16Array.of(code),
          tensorScale: 1,
        });
        const scaleOf = (code: number) =>
          mantissa === 0
            ? 2 ** (code - 127)
            : (code & 1 ? (code < 2 ? 1 : 3) : code < 2 ? 0 : 2) * 2 ** (Math.max(code >> 1, 1) - 128);
        const inside = mlsGroupProduct(codes, codes, format.element) * 2 ** -14;
        expect(mlsDot(tensor(first), tensor(second)).value).toBe(inside * scaleOf(first) * scaleOf(second));
      }
    }
  });

  test('operands that do not fit each other', () => {
    const a = tensors(1, 1, 'nc', 1);
    for (const other of [
      { ...a, shape: [3, 2, 3, 3] },
      { ...a, groups: 'n' as const },
      { ...a, groupScaleMantissa: 0 as const },
      { ...a, element: [2, 1] as const },
    ]) {
      expect(codeThrownBy(() => mlsDot(a, other))).toBe('mls-operands');
    }
    const empty = { ...a, shape: [0, 3], codes: new Uint8Array(0), groupScales: new Uint16Array(0) };
    expect(mlsDot(empty, empty).sum).toBe(0n);
    expect(codeThrownBy(() => mlsDot({ ...a, codes: a.codes.subarray(1) }, a))).toBe('format-length');
    expect(codeThrownBy(() => mlsDot(a, { ...a, groupScales: new Uint16Array(1) }))).toBe('format-length');
  });
});
