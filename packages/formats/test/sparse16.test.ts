/** The layout `sparse16`: nothing is lost, sizes are exact, what does not fit is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  packCanonical,
  packSparse16,
  SPARSE16_KEEPS,
  sparse16Bytes,
  sparse16Keeps,
  sparse16LayoutId,
  sparse16TileBytes,
  unpackSparse16,
} from '../src/index.js';

/** A matrix whose tiles keep chosen numbers of values. */
const matrices = fc
  .record({
    rows: fc.integer({ min: 0, max: 40 }),
    cols: fc.integer({ min: 0, max: 70 }),
    bits: fc.integer({ min: 2, max: 8 }),
    groupSize: fc.constantFrom(16, 32, 48, 1000),
    seed: fc.integer({ min: 1, max: 1 << 30 }),
  })
  .map(({ rows, cols, bits, groupSize, seed }) => {
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const tiles = Math.ceil(cols / 16);
    const keeps = Uint8Array.from({ length: Math.ceil(rows / 16) * tiles }, () => SPARSE16_KEEPS[random(5)]);
    const codes = new Int8Array(rows * cols);
    for (let row = 0; row < rows; row += 1) {
      for (let tile = 0; tile < tiles; tile += 1) {
        const keep = keeps[Math.floor(row / 16) * tiles + tile];
        for (let i = 0; i < keep; i += 1) {
          const col = tile * 16 + (keep === 16 ? i : random(16));
          if (col < cols) codes[row * cols + col] = random(2 ** bits) - 2 ** (bits - 1);
        }
      }
    }
    const groups = Math.ceil(cols / groupSize);
    const scales = Uint16Array.from({ length: rows * groups }, () => random(0x7c00));
    return { matrix: packCanonical({ rows, cols, bits, groupSize, codes, scales }), keeps, codes };
  });

describe('sparse16', () => {
  it('loses nothing, with the keeps it finds and with larger ones', () => {
    fc.assert(
      fc.property(matrices, ({ matrix, keeps }) => {
        const found = sparse16Keeps(matrix);
        found.forEach((keep, i) => {
          expect(keep).toBeLessThanOrEqual(keeps[i]);
        });
        for (const chosen of [found, keeps]) {
          const bytes = packSparse16(matrix, chosen);
          expect(bytes.length).toBe(sparse16Bytes(matrix, chosen));
          expect(unpackSparse16(bytes, matrix)).toEqual(matrix);
        }
      }),
    );
  });

  it('takes as many bytes as its values: 8 bits per kept value of 4 bits, 12 of 8, scales apart', () => {
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(4, keep))).toEqual([0, 32, 64, 128, 128]);
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(8, keep))).toEqual([0, 48, 96, 192, 256]);
    expect(sparse16LayoutId(3, 32)).toBe('sparse16.u4.g32');
  });

  it('a directory may start at any block', () => {
    const codes = Int8Array.from({ length: 48 * 16 }, (_, i) => (i % 5 === 0 ? (i % 7) - 3 : 0));
    const scales = new Uint16Array(48).fill(0x3c00);
    const matrix = packCanonical({ rows: 48, cols: 16, bits: 4, groupSize: 16, codes, scales });
    const bytes = packSparse16(matrix);
    const rest = unpackSparse16(bytes.subarray(4), { rows: 32, cols: 16, bits: 4, groupSize: 16 });
    const expected = packCanonical({
      ...{ rows: 32, cols: 16, bits: 4, groupSize: 16 },
      codes: codes.subarray(16 * 16),
      scales: scales.subarray(16),
    });
    expect(rest).toEqual(expected);
  });

  it('refuses too many values in a tile, unknown keeps, odd groups and bytes that end early', () => {
    const shape = { rows: 16, cols: 16, bits: 4, groupSize: 16 };
    const codes = new Int8Array(256).fill(1);
    const matrix = packCanonical({ ...shape, codes, scales: new Uint16Array(16) });
    expect(() => packSparse16(matrix, Uint8Array.of(8))).toThrow(/more values to keep.*row 0/s);
    expect(() => packSparse16(matrix, Uint8Array.of(5))).toThrow(/0, 2, 4, 8, 16.*5/s);
    expect(() => packSparse16(matrix, Uint8Array.of(8, 8))).toThrow(/keeps/);
    const bytes = packSparse16(matrix);
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => unpackSparse16(bytes.subarray(0, length), shape)).toThrow(/bytes/);
    }
    const odd = packCanonical({
      rows: 1,
      cols: 40,
      bits: 4,
      groupSize: 24,
      codes: new Int8Array(40),
      scales: new Uint16Array(2),
    });
    expect(() => packSparse16(odd)).toThrow(/multiple of 16/);
  });
});
