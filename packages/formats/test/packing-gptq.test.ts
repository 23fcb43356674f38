import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFp16Array } from '../src/elements/half-precision.js';
import { readAwq, writeAwq } from '../src/packings/awq.js';
import { readGptq, writeGptq } from '../src/packings/gptq.js';
import { dequantizePacked, type ScaleGroups } from '../src/packings/packed-linear.js';
import type { StoredFloats } from '../src/packings/stored-floats.js';
import { expectSame, integerMatrix, seeds, valuesByDefinition } from './packing-arbitraries.js';

const fp16 = (...values: number[]): StoredFloats => ({
  format: 'fp16',
  data: encodeFp16Array(Float32Array.from(values)),
});
const ones = (count: number): StoredFloats => fp16(...new Array<number>(count).fill(1));

/** Words of a bit stream, by arithmetic on one large integer. */
function streamWords(codes: readonly number[], bits: number): number[] {
  const stream = codes.reduce((sum, code, i) => sum + (BigInt(code) << BigInt(i * bits)), 0n);
  const count = Math.ceil((codes.length * bits) / 32);
  return Array.from({ length: count }, (_, i) => Number(BigInt.asIntN(32, stream >> BigInt(32 * i))));
}

describe('gptq', () => {
  it('packs eight inputs to a word, the first one lowest', () => {
    // N = 8 outputs, K = 8 inputs: row 0 of qweight holds all inputs of each output.
    const qweight = Int32Array.of(0x76543210, 0, 0, 0, 0, 0, 0, -1);
    const tensors = { qweight, qzeros: Int32Array.of(0x77777777), scales: ones(8) };
    const packed = readGptq(tensors, { rows: 8, cols: 8, bits: 4, groupSize: 8, version: 1 });
    expect([...packed.codes.subarray(0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...packed.codes.subarray(56)]).toEqual(new Array(8).fill(15));
    // A stored 7 is the zero point 8 in version 1, and 7 in version 2.
    expect([...dequantizePacked(packed).subarray(0, 8)]).toEqual([-8, -7, -6, -5, -4, -3, -2, -1]);
    const second = readGptq(tensors, { rows: 8, cols: 8, bits: 4, groupSize: 8, version: 2 });
    expect([...dequantizePacked(second).subarray(0, 8)]).toEqual([-7, -6, -5, -4, -3, -2, -1, 0]);
  });

  it('lays 32 codes of 3 bits over three words', () => {
    // As AutoGPTQ splits them: code 10 lies in bits 30, 31 and 0, code 21 in bits 31, 0 and 1.
    const codes = Array.from({ length: 32 }, (_, i) => (i === 10 ? 0b110 : i === 21 ? 0b101 : 0));
    expect(streamWords(codes, 3)).toEqual([0b10 << 30, 1 | (1 << 31), 0b10]);
    const qweight = new Int32Array(3 * 32);
    streamWords(codes, 3).forEach((word, i) => {
      qweight[i * 32 + 5] = word;
    });
    const packed = readGptq(
      { qweight, qzeros: new Int32Array(3), scales: ones(32) },
      { rows: 32, cols: 32, bits: 3, groupSize: 32, version: 2 },
    );
    expect([...packed.codes.subarray(5 * 32, 6 * 32)]).toEqual(codes);
    expect([...packed.codes].reduce((sum, code) => sum + code, 0)).toBe(11);
  });

  it('wraps the zero point of version 1', () => {
    const groups = { kind: 'columns', groupSize: 8 } as const;
    const matrix = integerMatrix({
      rows: 8,
      cols: 8,
      bits: 4,
      signed: false,
      groups,
      zeros: 'codes',
      seed: 3,
    });
    const zeros = Float32Array.of(0, 1, 2, 3, 12, 13, 14, 15);
    const written = writeGptq({ ...matrix, zeros }, 1);
    expect(written.qzeros[0]).toBe(0xedcb210f | 0);
    expect(writeGptq({ ...matrix, zeros }, 2).qzeros[0]).toBe(0xfedc3210 | 0);
    const back = readGptq(written, { rows: 8, cols: 8, bits: 4, groupSize: 8, version: 1 });
    expect([...(back.zeros ?? [])]).toEqual([...zeros]);
  });

  it('reads what it writes, act-order, short last groups and ranges of rows included', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(2, 3, 4, 8),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom<1 | 2>(1, 2),
        fc.boolean(),
        seeds,
        (bits, tall, wide, groupSize, version, actOrder, seed) => {
          const [rows, cols] = [tall * 32, wide * 32];
          const count = Math.ceil(cols / groupSize);
          const groupIndex = Int32Array.from({ length: cols }, (_, k) => (k * 7 + (seed % 5)) % count);
          const inOrder = groupIndex.every((group, k) => group === Math.floor(k / groupSize));
          const groups: ScaleGroups =
            actOrder && !inOrder
              ? { kind: 'indexed', groupIndex, groups: count }
              : { kind: 'columns', groupSize };
          const matrix = integerMatrix({ rows, cols, bits, signed: false, groups, zeros: 'codes', seed });
          const written = writeGptq(matrix, version);
          const shape = { rows, cols, bits, groupSize, version };
          const back = readGptq(written, shape);
          expectSame(back, { ...matrix, firstRow: 0 });
          expectSame(writeGptq(back, version), written);
          const values = dequantizePacked(back);
          expectSame(
            values,
            valuesByDefinition(matrix, (code) => code),
          );
          const range = { start: seed % rows, end: rows - (seed % 3 === 0 ? 1 : 0) };
          if (range.start < range.end) {
            expectSame(
              dequantizePacked(readGptq(written, shape, range)),
              values.slice(range.start * cols, range.end * cols),
            );
            expectSame(dequantizePacked(back, range), values.slice(range.start * cols, range.end * cols));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  const sound = (): Parameters<typeof readGptq> => [
    {
      qweight: new Int32Array(64),
      qzeros: new Int32Array(4),
      scales: ones(32),
      groupIndex: new Int32Array(32),
    },
    { rows: 16, cols: 32, bits: 4, groupSize: 16, version: 1 },
  ];

  it.each<[string, string, (tensors: Parameters<typeof readGptq>) => Parameters<typeof readGptq>]>([
    ['5 bits', 'packing-bits', ([t, s]) => [t, { ...s, bits: 5 }]],
    ['rows that leave a word half full', 'packing-shape', ([t, s]) => [t, { ...s, rows: 12 }]],
    ['columns that do', 'packing-shape', ([t, s]) => [t, { ...s, cols: 33 }]],
    ['a group size of 0', 'packing-shape', ([t, s]) => [t, { ...s, groupSize: 0 }]],
    ['a short qweight', 'packing-length', ([t, s]) => [{ ...t, qweight: new Int32Array(63) }, s]],
    ['long zero points', 'packing-length', ([t, s]) => [{ ...t, qzeros: new Int32Array(5) }, s]],
    ['scales of another shape', 'packing-length', ([t, s]) => [{ ...t, scales: ones(31) }, s]],
    [
      'an infinite scale',
      'packing-scale-not-finite',
      ([t, s]) => [{ ...t, scales: fp16(1e6, ...new Array(31).fill(1)) }, s],
    ],
    [
      'a group past the last',
      'packing-group-index',
      ([t, s]) => [{ ...t, groupIndex: new Int32Array(32).fill(2) }, s],
    ],
    [
      'a negative group',
      'packing-group-index',
      ([t, s]) => [{ ...t, groupIndex: new Int32Array(32).fill(-1) }, s],
    ],
    ['a short index', 'packing-group-index', ([t, s]) => [{ ...t, groupIndex: new Int32Array(31) }, s]],
    ['rows outside', 'packing-shape', ([t, s]) => [t, s, { start: 3, end: 17 }]],
    ['rows backwards', 'packing-shape', ([t, s]) => [t, s, { start: 3, end: 2 }]],
  ])('refuses %s', (_, code, change) => {
    expect(() => readGptq(...sound())).not.toThrow();
    expect(() => readGptq(...change(sound()))).toThrow(expect.objectContaining({ code }));
  });

  it('refuses to write what it could not read', () => {
    const groups = { kind: 'columns', groupSize: 8 } as const;
    const matrix = integerMatrix({
      rows: 8,
      cols: 8,
      bits: 4,
      signed: false,
      groups,
      zeros: 'codes',
      seed: 3,
    });
    const cases: [object, string][] = [
      [{ zeros: new Float32Array(8).fill(16) }, 'packing-zero-range'],
      [{ zeros: new Float32Array(8).fill(0.5) }, 'packing-zero-range'],
      [{ scales: new Float32Array(8).fill(0.1) }, 'packing-scale-inexact'],
      [{ scales: new Float32Array(8).fill(Number.NaN) }, 'packing-scale-not-finite'],
      [{ codes: new Uint8Array(64).fill(16) }, 'packing-code-range'],
      [{ codes: new Uint8Array(63) }, 'packing-length'],
      [{ groups: { kind: 'blocks', blockRows: 1, blockCols: 8 } }, 'packing-unsupported'],
      [{ groups: { kind: 'columns', groupSize: -8 } }, 'packing-shape'],
    ];
    for (const [change, code] of cases) {
      expect(() => writeGptq({ ...matrix, ...change }, 1), code).toThrow(expect.objectContaining({ code }));
    }
  });
});

describe('awq', () => {
  it('orders the outputs of a word 0, 2, 4, 6, 1, 3, 5, 7 from the lowest nibble up', () => {
    const tensors = { qweight: Int32Array.of(0x75316420), qzeros: Int32Array.of(0), scales: ones(8) };
    const packed = readAwq(tensors, { rows: 8, cols: 1, groupSize: 1 });
    expect([...packed.codes]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(writeAwq(packed)).toEqual(tensors);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        seeds,
        (tall, groupCount, groupSize, seed) => {
          const [rows, cols] = [tall * 8, groupCount * groupSize];
          const groups = { kind: 'columns', groupSize } as const;
          const matrix = integerMatrix({ rows, cols, bits: 4, signed: false, groups, zeros: 'codes', seed });
          const written = writeAwq(matrix);
          const shape = { rows, cols, groupSize };
          const back = readAwq(written, shape);
          expectSame(back, { ...matrix, firstRow: 0 });
          expectSame(writeAwq(back), written);
          const values = dequantizePacked(back);
          expectSame(
            values,
            valuesByDefinition(matrix, (code) => code),
          );
          const start = seed % rows;
          expectSame(
            dequantizePacked(readAwq(written, shape, { start, end: rows })),
            values.slice(start * cols),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each<[string, string, object]>([
    ['the version gemv', 'packing-unsupported', { version: 'gemv' }],
    ['8 bits', 'packing-bits', { bits: 8 }],
    ['rows that leave a word half full', 'packing-shape', { rows: 12 }],
    ['a ragged group', 'packing-shape', { groupSize: 3 }],
    ['other columns', 'packing-length', { cols: 16 }],
  ])('refuses %s', (_, code, change) => {
    const tensors = { qweight: new Int32Array(16), qzeros: new Int32Array(4), scales: ones(32) };
    const shape = { rows: 16, cols: 8, groupSize: 4 };
    expect(() => readAwq(tensors, shape)).not.toThrow();
    expect(() => readAwq(tensors, { ...shape, ...change })).toThrow(expect.objectContaining({ code }));
  });
});
