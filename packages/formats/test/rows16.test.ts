import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type CanonicalMatrix,
  packCanonical,
  packRows16,
  parseRows16LayoutId,
  rows16BlockBytes,
  rows16Bytes,
  rows16ContainerBits,
  rows16LayoutId,
  unpackCanonical,
  unpackRows16,
} from '../src/index.js';

/** A canonical matrix with codes and scales that depend on their position. */
function matrix(rows: number, cols: number, bits: number, groupSize: number, seed = 1): CanonicalMatrix {
  const max = 2 ** (bits - 1) - 1;
  const codes = Int8Array.from({ length: rows * cols }, (_, i) => ((i * 7919 + seed) % (2 * max + 1)) - max);
  const scales = Uint16Array.from(
    { length: rows * Math.ceil(cols / groupSize) },
    (_, i) => 0x3000 + ((i * 31 + seed) % 999),
  );
  return packCanonical({ rows, cols, bits, groupSize, codes, scales });
}

const layouts = fc
  .record({
    rows: fc.integer({ min: 0, max: 40 }),
    cols: fc.integer({ min: 0, max: 90 }),
    bits: fc.integer({ min: 2, max: 8 }),
    groupSize: fc.constantFrom(8, 16, 32, 64, 100, 128),
    seed: fc.nat(1000),
  })
  .filter(({ cols, groupSize }) => groupSize % 8 === 0 || groupSize >= cols);

it('puts every code and scale where the layout says', () => {
  fc.assert(
    fc.property(layouts, ({ rows, cols, bits, groupSize, seed }) => {
      const source = matrix(rows, cols, bits, groupSize, seed);
      const { codes, scales } = unpackCanonical(source);
      const bytes = packRows16(source);
      const container = rows16ContainerBits(bits);
      expect(bytes.length).toBe(rows16Bytes(source));
      const groups = Math.ceil(cols / groupSize);
      const step = container === 4 ? 8 : 4;
      let at = 0;
      for (let block = 0; block < Math.ceil(rows / 16); block += 1) {
        expect(at).toBe(block * rows16BlockBytes(bits, cols, groupSize));
        for (let group = 0; group < groups; group += 1) {
          const length = Math.min(groupSize, cols - group * groupSize);
          for (let k0 = 0; k0 < length; k0 += step, at += 64) {
            for (let r = 0; r < 16; r += 1) {
              for (let j = 0; j < step; j += 1) {
                const row = block * 16 + r;
                const k = k0 + j;
                const expected = row < rows && k < length ? codes[row * cols + group * groupSize + k] : 0;
                const byte = bytes[at + r * 4 + (j % 4)];
                const got = container === 8 ? (byte << 24) >> 24 : (j < 4 ? byte & 15 : byte >> 4) - 8;
                expect(got).toBe(expected);
              }
            }
          }
          for (let r = 0; r < 16; r += 1, at += 2) {
            const row = block * 16 + r;
            expect(bytes[at] + bytes[at + 1] * 256).toBe(row < rows ? scales[row * groups + group] : 0);
          }
        }
      }
      expect(at).toBe(bytes.length);
    }),
  );
});

it('is inverted by unpackRows16', () => {
  fc.assert(
    fc.property(layouts, ({ rows, cols, bits, groupSize, seed }) => {
      const source = matrix(rows, cols, bits, groupSize, seed);
      expect(unpackRows16(packRows16(source), source)).toEqual(source);
    }),
  );
});

it('lays out a part as if it were the whole', () => {
  const source = matrix(40, 100, 4, 32);
  const all = packRows16(source);
  const block = rows16BlockBytes(4, 100, 32);
  expect(packRows16(source, { rowStart: 16, rowEnd: 32 })).toEqual(all.slice(block, 2 * block));
  // Groups 1..3 of the last, ragged block.
  const part = packRows16(source, { rowStart: 32, groupStart: 1 });
  const skipped = rows16BlockBytes(4, 32, 32);
  expect(part).toEqual(all.slice(2 * block + skipped));
  const out = new Uint8Array(block);
  expect(packRows16(source, { rowStart: 32, rowEnd: 40 }, out)).toBe(out);
  expect(out).toEqual(all.slice(2 * block));
});

it('names itself and reads its name', () => {
  expect(rows16LayoutId(8, 32)).toBe('rows16.s8.g32');
  expect(rows16LayoutId(3, 128)).toBe('rows16.u4.g128');
  expect(parseRows16LayoutId('rows16.u4.g128')).toEqual({ containerBits: 4, groupSize: 128 });
  expect(parseRows16LayoutId('rows16.u4.g0')).toBeUndefined();
  expect(parseRows16LayoutId('canonical')).toBeUndefined();
});

it('refuses what it cannot hold', () => {
  const code = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      if (error instanceof BitloomError) return error.code;
    }
    return 'nothing';
  };
  expect(code(() => packRows16(matrix(16, 40, 4, 20)))).toBe('format-group-size');
  expect(code(() => packRows16(matrix(16, 40, 4, 40)))).toBe('nothing');
  expect(code(() => packRows16(matrix(16, 40, 4, 8), { rowEnd: 17 }))).toBe('format-range');
  expect(code(() => packRows16(matrix(16, 40, 4, 8), {}, new Uint8Array(3)))).toBe('format-length');
  expect(code(() => unpackRows16(new Uint8Array(3), { rows: 1, cols: 1, bits: 4, groupSize: 8 }))).toBe(
    'format-length',
  );
});
