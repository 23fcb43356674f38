/**
 * Shapes that no tensor has, or has only without elements: whatever is asked of the public functions on matrices, they
 * end at once, with a result or with a typed error. Nothing here could be allocated, or walked through row by row.
 */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as formats from '../src/index.js';

const NONE = new Float32Array(0);
const EMPTY = new Uint8Array(0);
const HUGE = 2 ** 32 - 1;

/** Sizes at and past every limit, and what is no size. */
const SIZES = [
  0,
  1,
  3,
  2 ** 16,
  2 ** 31,
  HUGE,
  2 ** 33,
  2 ** 40,
  Number.MAX_SAFE_INTEGER,
  2 ** 60,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];
const size = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 2 ** 40, HUGE) },
  { weight: 2, arbitrary: fc.constantFrom(...SIZES) },
);

/** `done`, or the code of the typed error; any other error fails the test. */
function outcome(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return error.code;
    throw error;
  }
  return 'done';
}

function expectTyped(actions: readonly (() => unknown)[]): void {
  for (const action of actions) expect(outcome(action)).toMatch(/^[a-z0-9-]+$/);
}

type Nm = formats.NmSparsity;
const nm = (keep: readonly number[], m: number, block: readonly number[]): Nm => ({
  kind: 'n-of-m',
  keep,
  m,
  block,
  indexBits: 8,
});

describe('the cases that were found', () => {
  test('channels without elements', () => {
    const matrix = { rows: 2 ** 40, cols: 0, bits: 4, groups: 4 };
    expect(formats.quantizeShift(NONE, matrix).codes).toHaveLength(0);
    expect(formats.channelMaxima(NONE, matrix)).toHaveLength(0);
    expect(outcome(() => formats.quantizeShift(NONE, { rows: 0, cols: 2 ** 33, bits: 4, groups: 4 }))).toBe(
      'format-shape',
    );
  });

  test('groups without elements', () => {
    const options = { element: [2, 4], groupScaleMantissa: 1, groups: 'c' } as const;
    expect(outcome(() => formats.quantizeMls(NONE, [0, 2 ** 40, 3], options))).toBe('format-shape');
    // Planes without elements are not walked through.
    const tensor = formats.quantizeMls(NONE, [2 ** 20, 2 ** 20, 0], { ...options, groups: 'none' });
    expect(formats.dequantizeMls(tensor)).toHaveLength(0);
  });

  test('sparse matrices without columns, and sizes past the integers', () => {
    const { FLIGHTLLM_SPARSITY: record } = formats;
    const shape = { rows: HUGE, cols: 0, bits: 8 };
    expect(formats.unpackNm(EMPTY, shape, record, new Uint8Array(0))).toHaveLength(0);
    expect(formats.packNm(EMPTY, shape, record)).toHaveLength(0);
    expect(formats.nmDirectory(EMPTY, shape, record).stripOffsets).toEqual(Float64Array.of(0));
    expect(outcome(() => formats.nmPackedBytes({ rows: HUGE, cols: HUGE, bits: 32 }, record, 16))).toBe(
      'sparsity-shape',
    );
    // Sizes of one keep need no list of blocks.
    const large = { rows: 2 ** 24, cols: 2 ** 20, bits: 4 };
    expect(formats.nmPackedBytes(large, record, 4)).toBe(2 ** 20 * (2 ** 16 * (3 / 8 + 16 * 4)));
    expect(
      outcome(() =>
        formats.packNm(new Uint8Array(4096), { rows: 1, cols: 4096, bits: 8 }, nm([1], 1, [65536, 1])),
      ),
    ).toBe('sparsity-shape');
  });

  test('blocks that are larger than any matrix', () => {
    const record = { kind: 'block-mask', block: [2 ** 31, 2 ** 31] } as const;
    const shape = { rows: 1, cols: 1, bits: 8 };
    expect(outcome(() => formats.packBlocks(Uint8Array.of(1), shape, record))).toBe('sparsity-shape');
    expect(formats.packBlocks(Uint8Array.of(0), shape, record)).toEqual(Uint8Array.of(0));
    expect(outcome(() => formats.blockListFromBitmap(EMPTY, { gridRows: 2 ** 40, gridCols: 0 }))).toBe(
      'sparsity-shape',
    );
  });

  test('tables and arrays', () => {
    const wide = { ...formats.elementFormat('uint8'), bits: 32 };
    expect(outcome(() => formats.decodeTable(wide))).toBe('format-record');
    expect(outcome(() => formats.encodeFp16Array(new Float32Array(4), new Uint16Array(3)))).toBe(
      'format-length',
    );
    expect(outcome(() => formats.decodeBf16Array(new Uint16Array(4), new Float32Array(5)))).toBe(
      'format-length',
    );
  });
});

test('one keep for all is the size of a list of equal keeps', () => {
  fc.assert(
    fc.property(
      fc.record({ rows: fc.nat(40), cols: fc.nat(70), bits: fc.integer({ min: 1, max: 32 }) }),
      fc.constantFrom(formats.FLIGHTLLM_SPARSITY, nm([0, 3, 2], 5, [3, 10]), nm([2], 4, [1, 4])),
      fc.nat(),
      (shape, record, at) => {
        const keep = record.keep[at % record.keep.length];
        const [height, width] = record.block;
        const blocks = Math.ceil(shape.rows / height) * Math.ceil(shape.cols / width);
        const list = new Uint16Array(blocks).fill(keep);
        expect(formats.nmPackedBits(shape, record, keep)).toEqual(formats.nmPackedBits(shape, record, list));
      },
    ),
  );
});

describe('any shape', () => {
  test('shift', () => {
    fc.assert(
      fc.property(
        size,
        size,
        fc.constantFrom<0 | 1>(0, 1),
        fc.constantFrom(1, 4, 2 ** 40),
        (rows, cols, axis, groups) => {
          const matrix = { rows, cols, axis };
          const tensor = { ...matrix, bits: 4, groups, codes: new Int8Array(0), index: EMPTY, scale: 1 };
          const other = { ...tensor, rows: cols, cols: rows };
          expectTyped([
            () => formats.quantizeShift(NONE, { ...matrix, bits: 4, groups }),
            () => formats.quantizeShift(NONE, { ...matrix, bits: 4, groups, rounding: 'stochastic' }),
            () => formats.channelMaxima(NONE, matrix),
            () => formats.quantizeChannels(NONE, matrix, NONE, 4),
            () => formats.dequantizeChannels(new Int8Array(0), matrix, NONE),
            () => formats.dequantizeShift(tensor),
            () => formats.shiftProduct(tensor, tensor),
            () => formats.shiftProduct(tensor, other, 'safe-integer'),
            () => formats.measureShiftDistance(NONE, { ...matrix, bits: 4, groups }),
            () => formats.shiftDistanceTable([{ ...matrix, name: 'x', values: NONE }], [4], [groups]),
            () =>
              formats.checkShiftAccumulator({ bitsA: 4, bitsB: 4, groupsA: groups, inner: rows }, 'int32'),
          ]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('mls', () => {
    fc.assert(
      fc.property(
        fc.array(size, { maxLength: 4 }),
        fc.constantFrom<formats.MlsGroups>('n', 'c', 'nc', 'none'),
        (shape, groups) => {
          const format = { element: [2, 1], groupScaleMantissa: 1, groups } as const;
          const tensor = { ...format, shape, codes: EMPTY, groupScales: new Uint16Array(0), tensorScale: 1 };
          expectTyped([
            () => formats.quantizeMls(NONE, shape, format),
            () => formats.quantizeMls(NONE, shape, { ...format, rounding: 'stochastic' }),
            () => formats.chooseMlsScales(NONE, shape, format),
            () => formats.encodeMls(NONE, tensor),
            () => formats.dequantizeMls(tensor),
            () => formats.mlsDot(tensor, tensor),
            () => formats.mlsAccumulatorBits([2, 1], shape[0] ?? 0),
          ]);
        },
      ),
      { numRuns: 300 },
    );
  });

  const record = fc.record({
    keep: fc.constantFrom([0], [1], [0, 1], [2]),
    m: fc.constantFrom(1, 2, 256),
    block: fc.tuple(fc.constantFrom(1, 16, 65536, ...SIZES), fc.constantFrom(256, 2 ** 31, ...SIZES)),
  });

  test('n of m', () => {
    fc.assert(
      fc.property(
        size,
        size,
        record,
        fc.constantFrom(1, 8),
        fc.constantFrom(0, 1, 5),
        (rows, cols, { keep, m, block }, bits, length) => {
          const sparsity = nm(keep, m, block);
          const shape = { rows, cols, bits };
          const bytes = new Uint8Array(length);
          expectTyped([
            () => formats.nmPackedBits(shape, sparsity, keep[0]),
            () => formats.nmPackedBytes(shape, sparsity, new Uint16Array(length)),
            () => formats.packNm(bytes, shape, sparsity),
            () => formats.packNm(bytes, shape, sparsity, { keeps: keep[0] }),
            () => formats.nmDirectory(bytes, shape, sparsity),
            () => formats.nmMask(bytes, shape, sparsity),
            () => formats.unpackNm(bytes, shape, sparsity, new Uint8Array(length)),
            () =>
              formats.unpackNmRows(bytes, shape, sparsity, { start: 0, end: cols }, new Uint8Array(length)),
            () => formats.patternOf(bytes, shape, sparsity),
            () => formats.magnitudeMask(bytes, shape, sparsity, keep[0]),
            () => formats.nmSparsity(keep, m, block),
          ]);
        },
      ),
      { numRuns: 600 },
    );
  });

  test('blocks and bitmasks', () => {
    fc.assert(
      fc.property(size, size, fc.tuple(size, size), fc.constantFrom(0, 1, 5), (rows, cols, block, length) => {
        const sparsity = { kind: 'block-mask', block } as const;
        const shape = { rows, cols, bits: 8 };
        const bytes = new Uint8Array(length);
        const grid = { gridRows: rows, gridCols: cols };
        expectTyped([
          () => formats.blockGrid(shape, sparsity),
          () => formats.blockMaskFromValues(bytes, shape, sparsity),
          () => formats.blockListFromBitmap(bytes, grid),
          () =>
            formats.bitmapFromBlockList({ ...grid, rowStarts: new Uint32Array(2), cols: new Uint32Array(0) }),
          () => formats.blocksPackedBytes(shape, sparsity, length),
          () => formats.blockPayloadBytes(8, sparsity),
          () => formats.packBlocks(bytes, shape, sparsity),
          () => formats.packBlocks(bytes.fill(1), shape, sparsity),
          () => formats.unpackBlocks(bytes, shape, sparsity, new Uint8Array(length)),
          () => formats.encodeBitmask(bytes, shape),
          () =>
            formats.decodeBitmask({
              ...shape,
              values: bytes,
              bitmask: bytes,
              rowOffsets: new BigInt64Array(length),
            }),
          () => formats.encode24Bitmask(bytes, shape),
          () => formats.decode24Bitmask({ ...shape, values: bytes, bitmask: bytes }),
        ]);
      }),
      { numRuns: 600 },
    );
  });

  test('one family by itself', () => {
    fc.assert(
      // As many empty rows as are allowed take their time.
      fc.property(fc.array(size, { maxLength: 4 }), size, (shape, group) => {
        fc.pre(!shape.includes(2 ** 16));
        const tensor = { data: NONE, shape };
        expectTyped([
          () => formats.quantizeMx(tensor, 'fp4_e2m1', { blockSize: group }),
          () => formats.quantizeNvfp4(tensor),
          () => formats.quantizeFloat8(tensor),
          () => formats.quantizeFloat8(tensor, 'fp8_e5m2', { groupSize: group }),
          () => formats.quantizeAffine(tensor, 4, { strategy: 'group', groupSize: group }),
          () => formats.quantizeAffine(tensor, 4, { strategy: 'token' }),
        ]);
      }),
      { numRuns: 300 },
    );
  });
});
