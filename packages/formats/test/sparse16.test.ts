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
          for (const container of ([2, 3, 4, 8] as const).filter((width) => width >= matrix.bits)) {
            const own = packSparse16(matrix, chosen, container);
            expect(own.length).toBe(sparse16Bytes(matrix, chosen, container));
            expect(own.length % 16).toBe(0);
            expect(unpackSparse16(own, matrix, container)).toEqual(matrix);
          }
        }
      }),
    );
  });

  it('takes as many bytes as its values: 8 bits per kept value of 4 bits, 12 of 8, scales apart', () => {
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(4, keep))).toEqual([0, 32, 64, 128, 128]);
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(8, keep))).toEqual([0, 48, 96, 192, 256]);
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(2, keep, 2))).toEqual([0, 24, 48, 96, 64]);
    expect([0, 2, 4, 8, 16].map((keep) => sparse16TileBytes(2, keep, 3))).toEqual([0, 28, 56, 112, 96]);
    expect(sparse16LayoutId(3, 32)).toBe('sparse16.u4.g32');
  });

  it('puts codes of 2 and 3 bits where it says', () => {
    // Row 1 of a tile of two: columns 3 and 9, codes −1 and 2 (2 bits: −1 and 1).
    for (const [bits, codes, stream] of [
      [2, [-1, 1], 0b1101],
      [3, [-1, 2], 0b110011],
    ] as const) {
      const all = new Int8Array(256);
      [all[16 + 3], all[16 + 9]] = codes;
      const shape = { rows: 16, cols: 16, bits, groupSize: 16 };
      const matrix = packCanonical({ ...shape, codes: all, scales: new Uint16Array(16) });
      const bytes = packSparse16(matrix, Uint8Array.of(2), bits);
      // Behind the directory and the keeps.
      const tile = bytes.subarray(32, 32 + 2 * 2 * bits + 16);
      const first = bits * 2;
      const word = tile[0] | (tile[1] << 8);
      expect((word >> first) & (2 ** first - 1)).toBe(stream);
      // Row 0 keeps nothing: codes 0, which are stored as the offset.
      const zero = 2 ** (bits - 1);
      expect(word & (2 ** first - 1)).toBe(zero | (zero << bits));
      expect(Array.from(tile.subarray(4 * bits))).toEqual([0, 0x93, ...new Array<number>(14).fill(0)]);
    }
    const shape = { rows: 1, cols: 16, bits: 3, groupSize: 16 };
    const matrix = packCanonical({ ...shape, codes: new Int8Array(16), scales: new Uint16Array(1) });
    expect(() => packSparse16(matrix, Uint8Array.of(2), 2)).toThrow(/at least 3 bits/);
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
