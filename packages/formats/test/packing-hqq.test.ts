import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hqqLayout, readHqq, writeHqq } from '../src/packings/hqq.js';
import { dequantizePacked, type ScaleGroups } from '../src/packings/packed-linear.js';
import { roundToStored } from '../src/packings/stored-floats.js';
import { expectSame, integerMatrix, seeds, valuesByDefinition } from './packing-arbitraries.js';

const fp32 = (...values: number[]): ReturnType<typeof roundToStored> =>
  roundToStored(Float32Array.from(values), 'fp32');

describe('hqq', () => {
  it('keeps the first half of the groups in the high nibbles (axis 1)', () => {
    // W [2, 4] in groups of two is a matrix [4, 2]: its rows 0 and 1 are high, 2 and 3 low.
    const tensors = {
      packed: Uint8Array.of(0x15, 0x26, 0x37, 0x48),
      scales: fp32(1, 10, 100, 1000),
      zeros: fp32(0, 0.5, 0, 8),
    };
    const shape = { rows: 2, cols: 4, bits: 4, groupSize: 2, axis: 1 } as const;
    const packed = readHqq(tensors, shape);
    expect([...packed.codes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...dequantizePacked(packed)]).toEqual([1, 2, 25, 35, 500, 600, -1000, 0]);
    expect([...dequantizePacked(readHqq(tensors, shape, { start: 1, end: 2 }))]).toEqual([
      500, 600, -1000, 0,
    ]);
    expect(writeHqq(packed)).toEqual({ ...tensors, shape });
  });

  it('has one scale per column of the reshaped matrix (axis 0)', () => {
    // W [2, 4] for axis 0 with groups of two is [2, 4]: row 0 is high, row 1 low; a scale per column.
    const tensors = {
      packed: Uint8Array.of(0x15, 0x26, 0x37, 0x48),
      scales: fp32(1, 10, 100, 1000),
      zeros: fp32(0, 0, 0, 0),
    };
    const packed = readHqq(tensors, { rows: 2, cols: 4, bits: 4, groupSize: 2, axis: 0 });
    expect([...dequantizePacked(packed)]).toEqual([1, 20, 300, 4000, 5, 60, 700, 8000]);
  });

  it('pads the rows of 3 bits to a multiple of ten', () => {
    // Eleven groups of one: two elements, rows 0, 2, 4, ... in the first, 1, 3, ... in the second.
    const layout = hqqLayout({ rows: 11, cols: 1, bits: 3, groupSize: 1, axis: 1 });
    expect(layout).toMatchObject({ packing: '3bit_32', packedShape: [2, 1], scaleShape: [11, 1] });
    const groups = { kind: 'runs', groupSize: 1 } as const;
    const matrix = {
      ...integerMatrix({ rows: 11, cols: 1, bits: 3, signed: false, groups, zeros: 'floats', seed: 4 }),
      codes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3),
    };
    const written = writeHqq(matrix);
    expect([...written.packed].map((word) => word.toString(8))).toEqual(['1357130000', '2460200000']);
    expectSame(readHqq(written, written.shape), { ...matrix, firstRow: 0 });
  });

  it('reads what it writes, whatever the axis and wherever groups end', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 3, 4, 5, 6, 8),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom<0 | 1>(0, 1),
        seeds,
        (bits, tall, wide, groupSize, axis, seed) => {
          // Lanes of eight bits and fewer divide 8, and all sizes have 8 in them.
          const [rows, cols] = [tall * 8, wide * groupSize];
          const size = axis === 0 ? 8 : groupSize;
          const groups: ScaleGroups =
            axis === 1
              ? { kind: 'runs', groupSize: size }
              : { kind: 'strides', groups: (rows * cols) / size };
          const matrix = integerMatrix({ rows, cols, bits, signed: false, groups, zeros: 'floats', seed });
          const written = writeHqq(matrix);
          expect(written.shape).toEqual({ rows, cols, bits, groupSize: size, axis });
          const back = readHqq(written, written.shape);
          expectSame(back, { ...matrix, firstRow: 0 });
          const values = dequantizePacked(back);
          expectSame(
            values,
            valuesByDefinition(matrix, (code) => code),
          );
          const start = seed % rows;
          const end = start + 1 + (seed % (rows - start));
          const part = readHqq(written, written.shape, { start, end });
          expectSame(dequantizePacked(part), values.slice(start * cols, end * cols));
          expectSame(
            valuesByDefinition(part, (code) => code),
            values.slice(start * cols, end * cols),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes groups that run over the end of a row', () => {
    const groups = { kind: 'runs', groupSize: 6 } as const;
    const matrix = integerMatrix({
      rows: 8,
      cols: 3,
      bits: 8,
      signed: false,
      groups,
      zeros: 'floats',
      seed: 8,
    });
    const written = writeHqq(matrix);
    const values = dequantizePacked(matrix);
    for (let row = 0; row < 8; row += 1) {
      const part = readHqq(written, written.shape, { start: row, end: row + 1 });
      expectSame(dequantizePacked(part), values.slice(row * 3, row * 3 + 3));
    }
  });

  it.each<[string, string, object, object]>([
    ['7 bits', 'packing-bits', {}, { bits: 7 }],
    ['1.58 bits', 'packing-bits', {}, { bits: 1.58 }],
    ['an axis of 2', 'packing-shape', {}, { axis: 2 }],
    ['a group size that does not divide', 'packing-shape', {}, { groupSize: 3 }],
    ['an odd number of groups in nibbles', 'packing-shape', {}, { groupSize: 8 }],
    ['a short W_q', 'packing-length', { packed: new Uint8Array(3) }, {}],
    ['words for bytes', 'packing-shape', { packed: new Int32Array(4) }, {}],
    ['short scales', 'packing-length', { scales: fp32(1) }, {}],
    [
      'an infinite zero point',
      'packing-scale-not-finite',
      { zeros: fp32(0, 0, 0, Number.POSITIVE_INFINITY) },
      {},
    ],
  ])('refuses %s', (_, code, change, other) => {
    const tensors = { packed: new Uint8Array(4), scales: fp32(1, 1, 1, 1), zeros: fp32(0, 0, 0, 0) };
    const shape = { rows: 2, cols: 4, bits: 4, groupSize: 2, axis: 1 } as const;
    expect(() => readHqq(tensors, shape)).not.toThrow();
    expect(() => readHqq({ ...tensors, ...change }, { ...shape, ...other })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('refuses codes past the width that a byte could hold', () => {
    const tensors = { packed: Uint8Array.of(31, 32), scales: fp32(1), zeros: fp32(0) };
    const shape = { rows: 1, cols: 2, bits: 5, groupSize: 2, axis: 1 } as const;
    expect(() => readHqq(tensors, shape)).toThrow(expect.objectContaining({ code: 'packing-code-range' }));
  });
});
