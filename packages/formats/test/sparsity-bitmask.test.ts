import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decode24Bitmask,
  decodeBitmask,
  encode24Bitmask,
  encodeBitmask,
  magnitudeMask,
  nmSparsity,
} from '../src/index.js';
import { expectSame, randomSource } from './sparsity-arbitrary.js';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

// Expected parts computed with numpy: values = x[x != 0], mask = packbits(x != 0, axis=-1, bitorder='little'),
// offsets = cumsum(count) - count, which is the definition of the format.
describe('sparse-bitmask', () => {
  const dense = Int8Array.from(
    [
      [2, 0, 0, 0, -7, 0, 0, -2, 0, -2, -3, 0, 0, 0, 0, 0, 3, 0, 0, 0, -7],
      [0, -3, 1, 0, 0, 0, 0, 3, 0, -7, 7, 0, 0, 5, 0, -5, 0, 0, 5, 0, 0],
      [0, 0, 0, 0, 0, -4, 0, 1, 0, -3, 0, 2, 0, 1, 0, -6, 0, -1, 6, 0, 0],
      [0, 0, -6, 0, -5, 0, 0, 0, 0, 0, 0, -5, -3, -5, -5, 5, 0, -1, -4, 0, 0],
      [0, 0, -2, 0, 0, -4, 0, 1, 0, 0, 0, 0, 0, -1, 0, 3, 0, 0, 0, 7, -7],
    ].flat(),
  );
  const shape = { rows: 5, cols: 21 };

  it('equals numpy on a ragged matrix', () => {
    const matrix = encodeBitmask(dense, shape);
    expect([...matrix.values]).toEqual([
      2, -7, -2, -2, -3, 3, -7, -3, 1, 3, -7, 7, 5, -5, 5, -4, 1, -3, 2, 1, -6, -1, 6, -6, -5, -5, -3, -5, -5,
      5, -1, -4, -2, -4, 1, -1, 3, 7, -7,
    ]);
    expect([...matrix.bitmask]).toEqual([145, 6, 17, 134, 166, 4, 160, 170, 6, 20, 248, 6, 164, 160, 24]);
    expect([...matrix.rowOffsets].map(Number)).toEqual([0, 7, 15, 23, 32]);
    expectSame(decodeBitmask(matrix), dense);
  });

  it('equals numpy with an empty row', () => {
    const values = Float32Array.of(
      ...[0, 0, 0, 1, 0, -2, 0, 0, 3],
      ...[0, 0, 0, 0, 0, 0, -0, 0, 0],
      ...[5, 0, 0, 0, 0, 0, 0, 7, -8],
    );
    const matrix = encodeBitmask(values, { rows: 3, cols: 9 });
    expect([...matrix.values]).toEqual([1, -2, 3, 5, 7, -8]);
    expect([...matrix.bitmask]).toEqual([40, 1, 0, 0, 129, 1]);
    expect([...matrix.rowOffsets]).toEqual([0n, 3n, 3n]);
    expectSame(
      decodeBitmask(matrix),
      values.map((value) => value + 0),
    );
  });

  it('takes the sign of fp16 for no magnitude where it is told so', () => {
    const bits = Uint16Array.of(0x8000, 0x3c00, 0, 0xbc00);
    expect(encodeBitmask(bits, { rows: 1, cols: 4 }).values.length).toBe(3);
    const matrix = encodeBitmask(bits, { rows: 1, cols: 4 }, { magnitudeBits: 0x7fff });
    expect(matrix).toMatchObject({ values: Uint16Array.of(0x3c00, 0xbc00), bitmask: Uint8Array.of(10) });
  });

  it('fails closed when the parts disagree', () => {
    const matrix = encodeBitmask(dense, shape);
    const { values, bitmask, rowOffsets } = matrix;
    for (const broken of [
      { ...matrix, values: values.subarray(1) },
      { ...matrix, values: Int8Array.of(...values, 1) },
      { ...matrix, bitmask: bitmask.with(2, bitmask[2] | 0x20) },
      { ...matrix, bitmask: bitmask.with(0, 0) },
      { ...matrix, rowOffsets: rowOffsets.with(4, 31n) },
    ]) {
      expect(codeOf(() => decodeBitmask(broken))).toBe('sparsity-packed');
    }
    expect(codeOf(() => decodeBitmask({ ...matrix, bitmask: bitmask.subarray(1) }))).toBe('format-length');
    expect(codeOf(() => decodeBitmask({ ...matrix, rowOffsets: rowOffsets.subarray(1) }))).toBe(
      'format-length',
    );
    expect(codeOf(() => encodeBitmask(dense, { rows: 5, cols: 20 }))).toBe('format-length');
    expect(codeOf(() => encodeBitmask(dense, { rows: -5, cols: -21 }))).toBe('sparsity-shape');
  });

  it('round trips, and survives hostile parts', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.nat(9),
        fc.nat(40),
        fc.nat(),
        fc.nat(255),
        (seed, rows, cols, at, flip) => {
          const random = randomSource(seed);
          const values = Int8Array.from({ length: rows * cols }, () =>
            random() < 0.5 ? 0 : Math.floor(random() * 256) - 128,
          );
          const matrix = encodeBitmask(values, { rows, cols });
          expectSame(decodeBitmask(matrix), values);
          if (matrix.bitmask.length === 0) return;
          const place = at % matrix.bitmask.length;
          const hostile = { ...matrix, bitmask: matrix.bitmask.with(place, matrix.bitmask[place] ^ flip) };
          try {
            const out = decodeBitmask(hostile);
            expect(out.filter((value) => value !== 0)).toEqual(matrix.values);
          } catch (error) {
            if (!(error instanceof BitloomError)) throw error;
            expect(error.code).toBe('sparsity-packed');
          }
        },
      ),
    );
  });
});

describe('sparse-24-bitmask', () => {
  const dense = Float32Array.from(
    [
      [0, 0, -0.78, -0.48, -0.82, 0, 0.85, 0, 0, 0.81, 0, 1.7],
      [-2.09, 0.86, 0, 0, 0, 1.08, 1.04, 0, 1.61, 0, 0, 0.8],
      [0, 2.16, 0, 2.18, 0, -0.38, 0, 0.73, -0.59, 0, 0, 1.62],
    ].flat(),
  );
  const shape = { rows: 3, cols: 12 };

  it('equals numpy', () => {
    const matrix = encode24Bitmask(dense, shape);
    expectSame(
      matrix.values,
      Float32Array.from(
        [
          [-0.78, -0.48, -0.82, 0.85, 0.81, 1.7],
          [-2.09, 0.86, 1.08, 1.04, 1.61, 0.8],
          [2.16, 2.18, -0.38, 0.73, -0.59, 1.62],
        ].flat(),
      ),
    );
    expect([...matrix.bitmask]).toEqual([92, 10, 99, 9, 170, 9]);
    expectSame(decode24Bitmask(matrix), dense);
  });

  it('keeps two of four always, zeros of the lowest columns where it must', () => {
    const matrix = encode24Bitmask(Int8Array.of(0, 0, 0, 5, 0, 0, 0, 0), { rows: 2, cols: 4 });
    expect([...matrix.values]).toEqual([0, 5, 0, 0]);
    expect([...matrix.bitmask]).toEqual([0b1001, 0b0011]);
  });

  it('lets fours run across rows, as the reference does', () => {
    const values = Int8Array.of(1, 0, 0, 2, 0, 3, 4, 0, 0, 0, 5, 6);
    const matrix = encode24Bitmask(values, { rows: 2, cols: 6 });
    expect([...matrix.bitmask]).toEqual([0b101001, 0b110001]);
    expectSame(decode24Bitmask(matrix), values);
  });

  it('refuses what is not 2:4, and parts that disagree', () => {
    expect(codeOf(() => encode24Bitmask(Int8Array.of(1, 2, 3, 0), { rows: 1, cols: 4 }))).toBe(
      'sparsity-pattern',
    );
    expect(codeOf(() => encode24Bitmask(new Int8Array(6), { rows: 1, cols: 6 }))).toBe('sparsity-shape');
    expect(codeOf(() => encode24Bitmask(new Int8Array(12), { rows: 4, cols: 3 }))).toBe('sparsity-shape');
    const matrix = encode24Bitmask(dense, shape);
    const { values, bitmask } = matrix;
    expect(codeOf(() => decode24Bitmask({ ...matrix, values: values.subarray(1) }))).toBe('format-length');
    expect(codeOf(() => decode24Bitmask({ ...matrix, bitmask: bitmask.with(0, 91) }))).toBe(
      'sparsity-packed',
    );
    expect(codeOf(() => decode24Bitmask({ ...matrix, bitmask: bitmask.with(1, 0x1a) }))).toBe(
      'sparsity-packed',
    );
  });

  it('round trips what magnitude pruning leaves', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(9), fc.nat(12), (seed, rows, fours) => {
        const random = randomSource(seed);
        const whole = { rows, cols: fours * 4 };
        const given = Float32Array.from({ length: rows * whole.cols }, () => Math.round(random() * 6 - 3));
        const mask = magnitudeMask(given, whole, nmSparsity(2, 4), 2);
        const pruned = given.map((value, i) => (mask[i] === 1 ? value + 0 : 0));
        const matrix = encode24Bitmask(pruned, whole);
        expect(matrix.values.length).toBe(pruned.length / 2);
        expectSame(decode24Bitmask(matrix), pruned);
      }),
    );
  });
});
