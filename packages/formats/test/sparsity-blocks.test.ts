import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BlockSparsity,
  bitmapFromBlockList,
  blockBitmapBytes,
  blockDensityOf,
  blockGrid,
  blockListFromBitmap,
  blockMaskFromValues,
  blockPayloadBytes,
  blocksLayoutId,
  blocksPackedBytes,
  packBlocks,
  packedBitmap,
  type SparseShape,
  type SparseValues,
  unpackBlocks,
} from '../src/index.js';
import { emptyLike, expectSame, randomSource } from './sparsity-arbitrary.js';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

const of = (...block: number[]): BlockSparsity => ({ kind: 'block-mask', block });

interface BlockCase {
  readonly shape: SparseShape;
  readonly sparsity: BlockSparsity;
  /** Blocks to keep; those of them that hold no value are kept zeros. */
  readonly bitmap: Uint8Array;
  readonly values: SparseValues;
}

/** Matrices whose values lie in chosen blocks of any shape. */
const blockCase: fc.Arbitrary<BlockCase> = fc
  .tuple(
    fc.integer(),
    fc.nat(30),
    fc.nat(50),
    fc.integer({ min: 1, max: 17 }),
    fc.integer({ min: 1, max: 17 }),
    fc.constantFrom(1, 3, 4, 8, 16, 32),
  )
  .map(([seed, rows, cols, height, width, bits]) => {
    const random = randomSource(seed);
    const sparsity = of(height, width);
    const grid = blockGrid({ rows, cols }, sparsity);
    const bitmap = new Uint8Array(blockBitmapBytes(grid));
    const length = rows * cols;
    const values =
      bits === 32 ? new Float32Array(length) : bits === 16 ? new Uint16Array(length) : new Int8Array(length);
    for (let r = 0; r < grid.gridRows; r += 1) {
      for (let c = 0; c < grid.gridCols; c += 1) {
        if (random() < 0.5) continue;
        bitmap[r * Math.ceil(grid.gridCols / 8) + (c >> 3)] |= 1 << (c & 7);
        if (random() < 0.2) continue;
        for (let row = r * height; row < Math.min(rows, (r + 1) * height); row += 1) {
          for (let col = c * width; col < Math.min(cols, (c + 1) * width); col += 1) {
            const code = Math.floor(random() * 2 ** Math.min(bits, 16));
            values[row * cols + col] = bits <= 8 ? (code << (32 - bits)) >> (32 - bits) : code;
          }
        }
      }
    }
    return { shape: { rows, cols, bits }, sparsity, bitmap, values };
  });

describe('block masks', () => {
  it('mark the blocks with values, those at the edge too', () => {
    const values = new Float32Array(5 * 20);
    values[0] = 1; // block (0, 0)
    values[1 * 20 + 19] = 2; // block (0, 9)
    values[4 * 20 + 3] = -0; // zero
    values[4 * 20 + 18] = Number.NaN; // block (2, 9)
    const shape = { rows: 5, cols: 20 };
    const grid = blockGrid(shape, of(2, 2));
    expect(grid).toEqual({ gridRows: 3, gridCols: 10 });
    const bitmap = blockMaskFromValues(values, shape, of(2, 2));
    expect([...bitmap]).toEqual([1, 2, 0, 0, 0, 2]);
    const list = blockListFromBitmap(bitmap, grid);
    expect([...list.rowStarts]).toEqual([0, 2, 2, 3]);
    expect([...list.cols]).toEqual([0, 9, 9]);
    expect(blockDensityOf(list)).toBe(0.1);
    expect(bitmapFromBlockList(list)).toEqual(bitmap);
  });

  it('go from bitmap to list and back', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(40), fc.integer(), (gridRows, gridCols, seed) => {
        const random = randomSource(seed);
        const grid = { gridRows, gridCols };
        const bitmap = new Uint8Array(blockBitmapBytes(grid));
        let kept = 0;
        for (let r = 0; r < gridRows; r += 1) {
          for (let c = 0; c < gridCols; c += 1) {
            if (random() < 0.6) continue;
            bitmap[r * Math.ceil(gridCols / 8) + (c >> 3)] |= 1 << (c & 7);
            kept += 1;
          }
        }
        const list = blockListFromBitmap(bitmap, grid);
        expect(list.cols.length).toBe(kept);
        expectSame(bitmapFromBlockList(list), bitmap);
      }),
    );
  });

  it('refuse lists and bitmaps that contradict themselves', () => {
    const list = blockListFromBitmap(Uint8Array.of(0b101, 0b011), { gridRows: 2, gridCols: 3 });
    const codes = [
      { ...list, rowStarts: Uint32Array.of(0, 2) },
      { ...list, rowStarts: Uint32Array.of(0, 5, 4) },
      { ...list, rowStarts: Uint32Array.of(1, 2, 4) },
      { ...list, cols: Uint32Array.of(0, 2, 1, 0) },
      { ...list, cols: Uint32Array.of(0, 0, 0, 1) },
      { ...list, cols: Uint32Array.of(0, 3, 0, 1) },
    ].map((broken) => codeOf(() => bitmapFromBlockList(broken)));
    expect(codes).toEqual(Array(6).fill('sparsity-list'));
    expect(codeOf(() => blockListFromBitmap(Uint8Array.of(8), { gridRows: 1, gridCols: 3 }))).toBe(
      'sparsity-packed',
    );
    expect(codeOf(() => blockListFromBitmap(Uint8Array.of(1, 1), { gridRows: 1, gridCols: 3 }))).toBe(
      'format-length',
    );
    expect(codeOf(() => blockGrid({ rows: 1, cols: 1 }, of(0, 4)))).toBe('sparsity-shape');
    expect(codeOf(() => blockGrid({ rows: 1, cols: 1 }, of(4)))).toBe('sparsity-shape');
  });
});

describe('packed blocks', () => {
  it('are the bitmap, then whole blocks', () => {
    const values = Int8Array.of(1, 2, 0, 0, 3, 4, 0, 0, -5, 0, 0, 6);
    const shape = { rows: 3, cols: 4, bits: 4 };
    const bytes = packBlocks(values, shape, of(2, 2));
    // Blocks (0, 0), (1, 0), (1, 1); the lower two are cut to one row.
    expect([...bytes]).toEqual([0b01, 0b11, 0x21, 0x43, 0x0b, 0x00, 0x60, 0x00]);
    expect(bytes.length).toBe(blocksPackedBytes(shape, of(2, 2), 3));
    expectSame(unpackBlocks(bytes, shape, of(2, 2), new Int8Array(12)), values);
    expect(blocksLayoutId(of(64, 64))).toBe('blocks.b64x64');
    expect(blockPayloadBytes(8, of(64, 64))).toBe(4096);
  });

  it('round trip with an exact size, kept zeros included', () => {
    fc.assert(
      fc.property(blockCase, ({ shape, sparsity, bitmap, values }) => {
        const grid = blockGrid(shape, sparsity);
        const kept = blockListFromBitmap(bitmap, grid).cols.length;
        const bytes = packBlocks(values, shape, sparsity, { bitmap });
        expect(bytes.length).toBe(blocksPackedBytes(shape, sparsity, kept));
        expectSame(packedBitmap(bytes, grid), bitmap);
        expectSame(unpackBlocks(bytes, shape, sparsity, emptyLike(values).fill(3)), values);
        const tight = packBlocks(values, shape, sparsity);
        expect(tight.length).toBeLessThanOrEqual(bytes.length);
        expectSame(unpackBlocks(tight, shape, sparsity, emptyLike(values)), values);
      }),
      { numRuns: 200 },
    );
  });

  it('refuse to lose a value', () => {
    const values = new Int8Array(40);
    values[39] = 1;
    const shape = { rows: 2, cols: 20, bits: 4 };
    try {
      packBlocks(values, shape, of(1, 2), { bitmap: new Uint8Array(4) });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'sparsity-pattern', where: 'block (1, 9)' });
    }
  });

  it('of hostile bytes give a typed error or a matrix that packs to the same bytes', () => {
    fc.assert(
      fc.property(
        blockCase,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 2 }),
        fc.integer({ min: -1, max: 1 }),
        ({ shape, sparsity, bitmap, values }, flips, grow) => {
          const packed = packBlocks(values, shape, sparsity, { bitmap });
          const hostile = new Uint8Array(Math.max(0, packed.length + grow));
          hostile.set(packed.subarray(0, hostile.length));
          for (const [at, flip] of flips) if (hostile.length > 0) hostile[at % hostile.length] ^= flip;
          try {
            const out = unpackBlocks(hostile, shape, sparsity, emptyLike(values));
            const kept = packedBitmap(hostile, blockGrid(shape, sparsity));
            expectSame(packBlocks(out, shape, sparsity, { bitmap: kept, magnitudeBits: -1 }), hostile);
          } catch (error) {
            if (!(error instanceof BitloomError)) throw error;
            expect(error.code).toBe('sparsity-packed');
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
