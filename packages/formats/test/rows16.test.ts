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
  // Both ends of the range: checkpoints of others have the lowest code, and negative scales.
  const codes = Int8Array.from(
    { length: rows * cols },
    (_, i) => ((i * 7919 + seed) % 2 ** bits) - 2 ** (bits - 1),
  );
  const scales = Uint16Array.from(
    { length: rows * Math.ceil(cols / groupSize) },
    (_, i) => (i % 3 === 0 ? 0xb000 : 0x3000) + ((i * 31 + seed) % 999),
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

/** The stored code of (lane r, column k of the group) from the bytes of a group, bit by bit as the contract says. */
function storedCode(container: number, bytes: Uint8Array, r: number, k: number): number {
  const byteAt = (step: number): number => bytes[step * 64 + r * 4 + (k % 4)];
  const quad = Math.floor(k / 4);
  const unit = Math.floor(k / 32);
  switch (container) {
    case 2:
      return ((byteAt(Math.floor(k / 16)) >> (2 * (quad % 4))) & 3) - 2;
    case 3: {
      const low = (byteAt(unit * 3 + Math.floor((k % 32) / 16)) >> (2 * (quad % 4))) & 3;
      return (low | (((byteAt(unit * 3 + 2) >> (quad % 8)) & 1) << 2)) - 4;
    }
    case 4:
      return ((byteAt(Math.floor(k / 8)) >> (4 * (quad % 2))) & 15) - 8;
    case 5: {
      const low = (byteAt(unit * 5 + Math.floor((k % 32) / 8)) >> (4 * (quad % 2))) & 15;
      return (low | (((byteAt(unit * 5 + 4) >> (quad % 8)) & 1) << 4)) - 16;
    }
    case 6: {
      const half = Math.floor(k / 16);
      const low = (byteAt(half * 3 + Math.floor((k % 16) / 8)) >> (4 * (quad % 2))) & 15;
      return (low | (((byteAt(half * 3 + 2) >> (2 * (quad % 4))) & 3) << 4)) - 32;
    }
    default:
      return (byteAt(quad) << 24) >> 24;
  }
}

const UNIT_COLUMNS: Readonly<Record<number, number>> = { 2: 16, 3: 32, 4: 8, 5: 32, 6: 16, 8: 4 };

it('puts every code and scale where the layout says', () => {
  fc.assert(
    fc.property(layouts, fc.nat(6), ({ rows, cols, bits, groupSize, seed }, wider) => {
      const source = matrix(rows, cols, bits, groupSize, seed);
      const { codes, scales } = unpackCanonical(source);
      const container = rows16ContainerBits(Math.min(8, bits + wider));
      const bytes = packRows16(source, { containerBits: container });
      expect(bytes.length).toBe(rows16Bytes({ rows, cols, bits: container, groupSize }));
      const groups = Math.ceil(cols / groupSize);
      const unit = UNIT_COLUMNS[container];
      let at = 0;
      for (let block = 0; block < Math.ceil(rows / 16); block += 1) {
        expect(at).toBe(block * rows16BlockBytes(container, cols, groupSize));
        for (let group = 0; group < groups; group += 1) {
          const length = Math.min(groupSize, cols - group * groupSize);
          const padded = Math.ceil(length / unit) * unit;
          const groupBytes = bytes.subarray(at, at + padded * container * 2);
          for (let r = 0; r < 16; r += 1) {
            const row = block * 16 + r;
            for (let k = 0; k < padded; k += 1) {
              const expected = row < rows && k < length ? codes[row * cols + group * groupSize + k] : 0;
              // Compared without the expensive matcher: there are many codes.
              if (storedCode(container, groupBytes, r, k) !== expected) {
                expect.fail(`row ${row}, group ${group}, column ${k}: not ${expected}`);
              }
            }
          }
          at += groupBytes.length;
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
      const wide = { containerBits: 8 } as const;
      expect(unpackRows16(packRows16(source, wide), source, wide)).toEqual(source);
    }),
  );
});

it('takes sources and targets of any alignment', () => {
  const source = matrix(20, 44, 5, 8);
  const expected = packRows16(source);
  const shifted = new Uint8Array(source.codes.length + 1).subarray(1);
  shifted.set(source.codes);
  const out = new Uint8Array(expected.length + 3).subarray(3);
  expect(packRows16({ ...source, codes: shifted }, {}, out)).toBe(out);
  expect(out).toEqual(expected);
  expect(unpackRows16(out, source)).toEqual(source);
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
  expect([2, 3, 4, 5, 6, 7, 8].map((bits) => rows16LayoutId(bits, 128))).toEqual(
    ['u2', 'u3', 'u4', 'u5', 'u6', 's8', 's8'].map((name) => `rows16.${name}.g128`),
  );
  expect(parseRows16LayoutId('rows16.u5.g64')).toEqual({ containerBits: 5, groupSize: 64 });
  expect(parseRows16LayoutId('rows16.u8.g64')).toBeUndefined();
  expect(parseRows16LayoutId('rows16.s4.g64')).toBeUndefined();
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
  expect(code(() => packRows16(matrix(16, 40, 4, 8), { containerBits: 3 }))).toBe('format-shape');
  for (const bits of [1, 2.5, 9, Number.NaN])
    expect(code(() => rows16ContainerBits(bits))).toBe('format-shape');
  expect(code(() => packRows16(matrix(16, 40, 4, 8), { rowEnd: 17 }))).toBe('format-range');
  expect(code(() => packRows16(matrix(16, 40, 4, 8), {}, new Uint8Array(3)))).toBe('format-length');
  expect(code(() => unpackRows16(new Uint8Array(3), { rows: 1, cols: 1, bits: 4, groupSize: 8 }))).toBe(
    'format-length',
  );
});
