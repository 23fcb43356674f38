/** Weights in the image: what layout names mean, and that tiles and slices hold the matrix they were made of. */
import {
  type CanonicalMatrix,
  groupsPerRow,
  packCanonical,
  ROWS16_CONTAINERS,
  unpackCanonical,
  unpackRows16,
  unpackSparse16,
} from '@bitloom/formats';
import { weightTileBytes } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../ir/test/support/errors.js';
import { packedBytes, packWeights } from '../src/function/pack-weights.js';
import { parseWeightLayout, type WeightLayout, weightTiles } from '../src/function/weight-layout.js';

describe('names of layouts', () => {
  it.each([
    [
      'rows16.u4.g128.t64x8',
      { kind: 'rows16', containerBits: 4, groupSize: 128, keep: 0, tileRows: 64, tileGroups: 8 },
    ],
    [
      'rows16.s8.g32',
      { kind: 'rows16', containerBits: 8, groupSize: 32, tileRows: 0, tileGroups: 0, sliceRows: 0 },
    ],
    ['rows16.u4.g128.t64x8.c1376', { tileRows: 64, sliceRows: 1376 }],
    ['rows16.u3.g128.t64x8', { containerBits: 3, tileRows: 64 }],
    ['sparse16.u2.g32.k8.t16x1', { kind: 'sparse16', containerBits: 2, keep: 8 }],
    ['rows16.u2.g64', { containerBits: 2, groupSize: 64 }],
    ['sparse16.u4.g128.k8.t64x8', { kind: 'sparse16', keep: 8, tileRows: 64, sliceRows: 0 }],
    ['sparse16.s8.g32.k4.t16x1.c48', { kind: 'sparse16', containerBits: 8, keep: 4, sliceRows: 48 }],
  ])('%s', (name, expected) => {
    expect(parseWeightLayout(name)).toMatchObject(expected);
  });

  it.each([
    'f32',
    'canonical',
    'rows16.u4',
    'rows16.u7.g32',
    'sparse16.u5.g32.k8',
    'rows16.u4.g128.k8.t64x8',
    'sparse16.u4.g128.t64x8',
    'rows16.u4.g0.t0x0',
  ])('%s is none', (name) => expect(parseWeightLayout(name)).toBeUndefined());
});

/** Codes with at most `keep` of each 16 columns that are not zero (all of them for 0). */
function matrixOf(
  rows: number,
  cols: number,
  bits: number,
  groupSize: number,
  keep: number,
): CanonicalMatrix {
  let state = rows * 7919 + cols * 31 + keep;
  const next = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 8;
  };
  const most = 2 ** (bits - 1) - 1;
  const codes = Int8Array.from({ length: rows * cols }, (_, i) => {
    const lane = (i % cols) % 16;
    if (keep !== 0 && (lane * 5 + Math.floor(i / cols)) % 16 >= keep) return 0;
    return (next() % (2 * most + 1)) - most;
  });
  const scales = Uint16Array.from(
    { length: rows * Math.ceil(cols / groupSize) },
    () => 0x3000 + (next() % 512),
  );
  return packCanonical({ rows, cols, bits, groupSize, codes, scales });
}

/** One of the containers that hold codes of `bits` bits: the narrowest, or a wider one. */
function wide<T extends number>(containers: readonly T[], bits: number, wider: number): T {
  const fitting = containers.filter((container) => container >= bits);
  return fitting[Math.min(wider, fitting.length - 1)];
}

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 130 }),
  cols: fc.integer({ min: 1, max: 150 }),
  bits: fc.integer({ min: 2, max: 8 }),
  wider: fc.nat(2),
  tileRows: fc.integer({ min: 1, max: 4 }).map((blocks) => 16 * blocks),
  tileGroups: fc.integer({ min: 1, max: 3 }),
  sliceRows: fc.constantFrom(0, 16, 48, 64),
  keep: fc.constantFrom(0, 2, 4, 8, 16),
});

describe('packed weights', () => {
  it('every slice is tiled for itself, every tile is the part it says, whole blocks and nothing between', () => {
    fc.assert(
      fc.property(shapes, ({ rows, cols, bits, wider, keep, ...tile }) => {
        const groupSize = 32;
        const matrix = matrixOf(rows, cols, bits, groupSize, keep);
        const tiling = { groupSize, keep, ...tile };
        const dense = wide(
          ROWS16_CONTAINERS.map((one) => one.bits),
          bits,
          wider,
        );
        const sparse = wide([2, 3, 4, 8] as const, bits, wider);
        const layout: WeightLayout =
          keep === 0
            ? { kind: 'rows16', containerBits: dense, ...tiling }
            : { kind: 'sparse16', containerBits: sparse, ...tiling };
        const target = new Uint8Array(packedBytes(layout, matrix)).fill(0xa5);
        packWeights(layout, matrix, target);
        const { codes } = unpackCanonical(matrix);
        const groups = groupsPerRow(matrix);
        const seen = new Uint8Array(rows * groups);
        let at = 0;
        for (const part of weightTiles(layout, rows, groups)) {
          const shape = {
            rows: part.rowEnd - part.rowStart,
            cols: Math.min(cols, part.groupEnd * groupSize) - part.groupStart * groupSize,
            bits,
            groupSize,
          };
          const bytes = weightTileBytes(layout.containerBits, groupSize, keep, shape.cols, shape.rows);
          const own = target.slice(at, at + bytes);
          at += bytes;
          const back =
            layout.kind === 'rows16'
              ? unpackRows16(own, shape, { containerBits: layout.containerBits })
              : unpackSparse16(own, shape, layout.containerBits);
          const got = unpackCanonical(back).codes;
          for (let row = 0; row < shape.rows; row++) {
            const from = (part.rowStart + row) * cols + part.groupStart * groupSize;
            expect(got.subarray(row * shape.cols, (row + 1) * shape.cols)).toEqual(
              codes.subarray(from, from + shape.cols),
            );
            for (let group = part.groupStart; group < part.groupEnd; group++) {
              seen[(part.rowStart + row) * groups + group]++;
              expect(back.scales[row * (part.groupEnd - part.groupStart) + group - part.groupStart]).toBe(
                matrix.scales[(part.rowStart + row) * groups + group],
              );
            }
          }
          // No tile crosses the border of a slice.
          if (tile.sliceRows > 0)
            expect(Math.floor(part.rowStart / tile.sliceRows)).toBe(
              Math.floor((part.rowEnd - 1) / tile.sliceRows),
            );
        }
        expect(at).toBe(target.length);
        expect(seen.every((times) => times === 1)).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  it('refuses a matrix with more values than the layout keeps', () => {
    const layout = parseWeightLayout('sparse16.u4.g32.k2.t16x1');
    if (layout === undefined) throw new Error('no layout');
    const matrix = matrixOf(16, 32, 4, 32, 4);
    const target = new Uint8Array(packedBytes(layout, matrix));
    expect(errorOf(() => packWeights(layout, matrix, target)).code).toBe('sparsity-pattern');
  });
});
