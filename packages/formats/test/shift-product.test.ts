import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkShiftAccumulator,
  dequantizeShift,
  quantizeShift,
  type ShiftTensor,
  shiftAccumulatorBits,
  shiftProduct,
} from '../src/index.js';
import { codeThrownBy, normals } from './support/random.js';

/** An operand with any codes and groups. */
function operandArbitrary(outer: number, inner: number): fc.Arbitrary<ShiftTensor> {
  return fc
    .record({
      axis: fc.constantFrom<0 | 1>(0, 1),
      bits: fc.integer({ min: 2, max: 8 }),
      groups: fc.integer({ min: 1, max: 8 }),
      scaleExponent: fc.integer({ min: -10, max: 10 }),
    })
    .chain(({ axis, bits, groups, scaleExponent }) => {
      const maxCode = 2 ** (bits - 1) - 1;
      const length = outer * inner;
      return fc
        .record({
          codes: fc.array(fc.integer({ min: -maxCode, max: maxCode }), {
            minLength: length,
            maxLength: length,
          }),
          index: fc.array(fc.integer({ min: 0, max: groups - 1 }), { minLength: inner, maxLength: inner }),
        })
        .map(({ codes, index }) => ({
          rows: axis === 1 ? outer : inner,
          cols: axis === 1 ? inner : outer,
          axis,
          bits,
          groups,
          codes: Int8Array.from(codes),
          index: Uint8Array.from(index),
          scale: 2 ** scaleExponent,
        }));
    });
}

const pairs = fc
  .record({
    m: fc.integer({ min: 1, max: 4 }),
    n: fc.integer({ min: 1, max: 4 }),
    k: fc.integer({ min: 0, max: 12 }),
  })
  .chain(({ m, n, k }) => fc.tuple(operandArbitrary(m, k), operandArbitrary(n, k)));

/** Code of outer position `at` and channel k. */
function codeAt({ axis, cols, codes }: ShiftTensor, at: number, k: number): number {
  return codes[axis === 1 ? at * cols + k : k * cols + at];
}

const outerOf = ({ axis, rows, cols }: ShiftTensor) => (axis === 1 ? rows : cols);
const innerOf = ({ axis, rows, cols }: ShiftTensor) => (axis === 1 ? cols : rows);

describe('the shift product', () => {
  test('is the integer sum of shifted code products, bit for bit', () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const { rows, cols, sums } = shiftProduct(a, b, 'safe-integer');
        expect([rows, cols]).toEqual([outerOf(a), outerOf(b)]);
        for (let m = 0; m < rows; m += 1) {
          for (let n = 0; n < cols; n += 1) {
            let sum = 0n;
            for (let k = 0; k < innerOf(a); k += 1) {
              const shift = BigInt(a.groups - 1 - a.index[k] + b.groups - 1 - b.index[k]);
              sum += (BigInt(codeAt(a, m, k)) * BigInt(codeAt(b, n, k))) << shift;
            }
            expect(BigInt(sums[m * cols + n])).toBe(sum);
          }
        }
      }),
    );
  });

  test('times its scale is the product of the dequantised matrices, exactly', () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        // Scales are powers of two here, so no dequantised value is rounded and float64 sums are exact.
        const left = { ...a, codes: dequantizeShift(a) };
        const right = { ...b, codes: dequantizeShift(b) };
        const { rows, cols, sums, scale } = shiftProduct(a, b, 'safe-integer');
        for (let m = 0; m < rows; m += 1) {
          for (let n = 0; n < cols; n += 1) {
            let sum = 0;
            for (let k = 0; k < innerOf(a); k += 1) {
              const x = left.codes[a.axis === 1 ? m * a.cols + k : k * a.cols + m];
              const y = right.codes[b.axis === 1 ? n * b.cols + k : k * b.cols + n];
              sum += x * y;
            }
            expect(sums[m * cols + n] * scale).toBe(sum);
          }
        }
      }),
    );
  });

  test('with any scale it is the float64 product of the codes under their group scales, to the last bits', () => {
    const [m, n, k] = [5, 6, 64];
    const a = quantizeShift(
      Float32Array.from(normals(m * k, 1), (x, i) => x * 2 ** -(i % 7)),
      { rows: m, cols: k, bits: 6, groups: 8 },
    );
    const b = quantizeShift(Float32Array.from(normals(k * n, 2)), {
      rows: k,
      cols: n,
      axis: 0,
      bits: 4,
      groups: 1,
    });
    const { sums, scale } = shiftProduct(a, b);
    for (let i = 0; i < m; i += 1) {
      for (let j = 0; j < n; j += 1) {
        let sum = 0;
        let magnitude = 0;
        for (let c = 0; c < k; c += 1) {
          const term = codeAt(a, i, c) * a.scale * 2 ** -a.index[c] * (codeAt(b, j, c) * b.scale);
          sum += term;
          magnitude += Math.abs(term);
        }
        expect(Math.abs(sums[i * n + j] * scale - sum)).toBeLessThanOrEqual(magnitude * k * 2 ** -52);
      }
    }
  });

  test('32-bit and safe integers agree where both fit', () => {
    const a = quantizeShift(Float32Array.from(normals(40, 5)), { rows: 4, cols: 10, bits: 5, groups: 6 });
    const b = quantizeShift(Float32Array.from(normals(30, 6)), { rows: 3, cols: 10, bits: 5, groups: 2 });
    const narrow = shiftProduct(a, b);
    expect(narrow.sums).toBeInstanceOf(Int32Array);
    expect([...shiftProduct(a, b, 'safe-integer').sums]).toEqual([...narrow.sums]);
  });

  test('one group is the plain integer product', () => {
    const a = quantizeShift(Float32Array.of(1, 2, 3, 7), { rows: 2, cols: 2, bits: 4, groups: 1 });
    const b = quantizeShift(Float32Array.of(7, -1, 0, 5), { rows: 2, cols: 2, bits: 4, groups: 1 });
    expect([...shiftProduct(a, b).sums]).toEqual([7 - 2, 10, 21 - 7, 35]);
  });
});

describe('the width of the accumulator', () => {
  test('bitsA + bitsB − 2 + groups − 1 + ⌈log2 K⌉', () => {
    expect(shiftAccumulatorBits({ bitsA: 4, bitsB: 4, groupsA: 4, inner: 4096 })).toBe(6 + 3 + 12);
    expect(shiftAccumulatorBits({ bitsA: 6, bitsB: 6, groupsA: 8, inner: 1000 })).toBe(10 + 7 + 10);
    expect(shiftAccumulatorBits({ bitsA: 8, bitsB: 8, groupsA: 4, groupsB: 3, inner: 1 })).toBe(14 + 3 + 2);
  });

  test('the largest sum stays below it, and comes within a factor of 4 at 8 bits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.integer({ min: 2, max: 8 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (bitsA, bitsB, groups, inner) => {
          const worst = (bits: number, sign: number): ShiftTensor => ({
            rows: 1,
            cols: inner,
            axis: 1,
            bits,
            groups,
            codes: new Int8Array(inner).fill(sign * (2 ** (bits - 1) - 1)),
            index: new Uint8Array(inner),
            scale: 1,
          });
          const bound = 2 ** shiftAccumulatorBits({ bitsA, bitsB, groupsA: groups, groupsB: groups, inner });
          const { sums } = shiftProduct(worst(bitsA, 1), worst(bitsB, -1), 'safe-integer');
          expect(-sums[0]).toBeLessThan(bound);
          if (bitsA === 8 && bitsB === 8) expect(-sums[0]).toBeGreaterThan(bound / 4);
        },
      ),
    );
  });

  test('31 bits fit 32-bit accumulators to the last code, 32 do not; 53 and 54 likewise', () => {
    const shape = { bitsA: 8, bitsB: 8, groupsA: 10, inner: 256 };
    expect(shiftAccumulatorBits(shape)).toBe(31);
    checkShiftAccumulator(shape, 'int32');
    expect(codeThrownBy(() => checkShiftAccumulator({ ...shape, inner: 257 }, 'int32'))).toBe(
      'accumulator-width',
    );
    checkShiftAccumulator({ ...shape, groupsA: 32 }, 'safe-integer');
    expect(codeThrownBy(() => checkShiftAccumulator({ ...shape, groupsA: 33 }, 'safe-integer'))).toBe(
      'accumulator-width',
    );

    const full = (sign: number): ShiftTensor => ({
      rows: 1,
      cols: 256,
      axis: 1,
      bits: 8,
      groups: 10,
      codes: new Int8Array(256).fill(sign * 127),
      index: new Uint8Array(256),
      scale: 1,
    });
    const other = { ...full(-1), groups: 1 };
    expect(shiftProduct(full(1), other).sums[0]).toBe(-127 * 127 * 256 * 2 ** 9);
  });

  test('typed errors of the product', () => {
    const a = quantizeShift(Float32Array.of(1, 2), { rows: 1, cols: 2, bits: 8, groups: 40 });
    const b = quantizeShift(Float32Array.of(1, 2, 3), { rows: 1, cols: 3, bits: 8, groups: 1 });
    expect(codeThrownBy(() => shiftProduct(a, b))).toBe('shift-inner');
    expect(codeThrownBy(() => shiftProduct(a, { ...a, groups: 1 }))).toBe('accumulator-width');
    expect(codeThrownBy(() => shiftProduct({ ...b, codes: new Int8Array(2) }, b))).toBe('format-length');
  });
});
