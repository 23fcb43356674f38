/** Codes in the layout `canonical`: every width, ragged rows, bits where the definition says they are. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CodeArray, newCodes } from '../src/elements/codes.js';
import {
  codeBytes,
  codesFromBytes,
  packCodes,
  rowBytes,
  unpackCodes,
  unpackNarrow,
} from '../src/layouts/codes.js';

const WIDTHS = Array.from({ length: 32 }, (_, i) => i + 1);

/** Codes of `bits` bits for a matrix, the extremes among them. */
function codesFor(bits: number, count: number): fc.Arbitrary<CodeArray> {
  const code = fc.oneof(
    fc.integer({ min: 0, max: 2 ** bits - 1 }),
    fc.constantFrom(0, 2 ** bits - 1, 2 ** (bits - 1)),
  );
  return fc.array(code, { minLength: count, maxLength: count }).map((codes) => {
    const out = newCodes({ bits }, count);
    out.set(codes);
    return out;
  });
}

const matrices = fc
  .record({
    bits: fc.constantFrom(...WIDTHS),
    rows: fc.integer({ min: 0, max: 4 }),
    cols: fc.integer({ min: 0, max: 41 }),
  })
  .chain((shape) => codesFor(shape.bits, shape.rows * shape.cols).map((codes) => ({ ...shape, codes })));

/** Bit `bit` of a stream, the least significant bit of byte 0 first. */
const bitAt = (bytes: Uint8Array, bit: number): number => (bytes[bit >> 3] >> (bit & 7)) & 1;

describe('packed codes', () => {
  test('come back, for every width and any shape', () => {
    fc.assert(
      fc.property(matrices, ({ bits, rows, cols, codes }) => {
        const packed = packCodes(codes, rows, cols, bits);
        expect(packed.length).toBe(rows * Math.ceil((cols * bits) / 8));
        expect(unpackCodes(packed, rows, cols, bits)).toEqual(codes);
      }),
      { numRuns: 300 },
    );
  });

  test.each(WIDTHS)('%d bits: bit b of code c of a row is bit c · bits + b of its stream', (bits) => {
    const [rows, cols] = [3, 11];
    fc.assert(
      fc.property(codesFor(bits, rows * cols), (codes) => {
        const packed = packCodes(codes, rows, cols, bits);
        const stride = rowBytes(cols, bits);
        for (let row = 0; row < rows; row += 1) {
          const stream = packed.subarray(row * stride, (row + 1) * stride);
          for (let bit = 0; bit < 8 * stride; bit += 1) {
            const code = codes[row * cols + Math.floor(bit / bits)];
            // Past the last column the bits are 0.
            const expected = bit < cols * bits ? Math.floor(code / 2 ** (bit % bits)) % 2 : 0;
            if (bitAt(stream, bit) !== expected) expect.fail(`row ${row}, bit ${bit}`);
          }
        }
      }),
      { numRuns: 5 },
    );
  });

  test('hold a row and no more', () => {
    for (const bits of WIDTHS) {
      for (let cols = 0; cols < 20; cols += 1) {
        const bytes = rowBytes(cols, bits);
        expect(8 * bytes).toBeGreaterThanOrEqual(cols * bits);
        expect(8 * bytes).toBeLessThan(cols * bits + 8);
      }
    }
  });

  test('literal bytes: nibbles low first, odd rows end on a byte', () => {
    expect([...packCodes(Uint8Array.of(1, 2, 3, 4, 5, 6), 2, 3, 4)]).toEqual([0x21, 0x03, 0x54, 0x06]);
    expect([...packCodes(Uint8Array.of(1, 0, 1, 1), 1, 4, 1)]).toEqual([0b1101]);
    // 5, 1, 7, 2 of 3 bits: 101 001 111 010 from the right.
    expect([...packCodes(Uint8Array.of(5, 1, 7, 2), 1, 4, 3)]).toEqual([0b11001101, 0b0101]);
    expect([...packCodes(Uint16Array.of(0x123, 0x456), 1, 2, 12)]).toEqual([0x23, 0x61, 0x45]);
    expect([...packCodes(Uint32Array.of(0x12345, 0xabcde), 1, 2, 20)]).toEqual([
      0x45, 0x23, 0xe1, 0xcd, 0xab,
    ]);
    expect([...packCodes(Uint16Array.of(0x1234), 1, 1, 16)]).toEqual([0x34, 0x12]);
  });

  test('a packed array is nobody else', () => {
    const codes = Uint8Array.of(1, 2, 3);
    const packed = packCodes(codes, 1, 3, 8);
    packed[0] = 9;
    expect(codes[0]).toBe(1);
    expect(codes.buffer).not.toBe(packed.buffer);
  });

  test('unpack from any view of a buffer', () => {
    fc.assert(
      fc.property(matrices, fc.integer({ min: 0, max: 9 }), ({ bits, rows, cols, codes }, offset) => {
        const packed = packCodes(codes, rows, cols, bits);
        const around = new Uint8Array(packed.length + offset + 7).fill(0xa5);
        around.set(packed, offset);
        const view = around.subarray(offset, offset + packed.length);
        expect(unpackCodes(view, rows, cols, bits)).toEqual(codes);
      }),
    );
  });

  test('signed codes pack as their low bits, and part of a row unpacks with or without sign', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 41 }),
        fc.nat(40),
        fc.nat(40),
        (bits, drawn, first, length) => {
          const half = 2 ** (bits - 1);
          // Two rows, the second one of interest.
          const row = drawn.map((code) => ((((code + half) % (2 * half)) + 2 * half) % (2 * half)) - half);
          const codes = Int8Array.from([...row, ...row]);
          const packed = packCodes(codes, 2, row.length, bits);
          const raw = Uint8Array.from(codes, (code) => (code + 2 * half) % (2 * half));
          expect(packed).toEqual(packCodes(raw, 2, row.length, bits));
          const start = first % row.length;
          const count = Math.min(length, row.length - start);
          const signed = new Int8Array(count + 2).fill(99);
          unpackNarrow(packed, packed.length / 2, bits, start, count, signed, 1);
          expect([...signed]).toEqual([99, ...row.slice(start, start + count), 99]);
          const unsigned = new Uint8Array(count);
          unpackNarrow(packed, packed.length / 2, bits, start, count, unsigned, 0);
          expect([...unsigned]).toEqual([...raw.subarray(start, start + count)]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('lengths that do not fit are refused, rows of nothing cost nothing', () => {
    expect(() => packCodes(new Uint8Array(5), 2, 3, 4)).toThrow(BitloomError);
    expect(() => unpackCodes(new Uint8Array(3), 2, 3, 4)).toThrow(/length/);
    expect(() => unpackCodes(new Uint8Array(10), 2 ** 40, 2 ** 10, 3)).toThrow(/length/);
    for (const bits of WIDTHS) {
      expect(packCodes(newCodes({ bits }, 0), 2 ** 40, 0, bits).length).toBe(0);
      expect(unpackCodes(new Uint8Array(0), 2 ** 40, 0, bits).length).toBe(0);
    }
  });
});

describe('codes in whole bytes', () => {
  test('take 1, 2 or 4 bytes, little-endian, and come back', () => {
    expect([...codeBytes(Uint16Array.of(0x102, 3))]).toEqual([2, 1, 3, 0]);
    expect([...codeBytes(Uint32Array.of(0x01020304))]).toEqual([4, 3, 2, 1]);
    fc.assert(
      fc.property(
        fc.constantFrom(...WIDTHS).chain((bits) => codesFor(bits, 13).map((codes) => ({ bits, codes }))),
        ({ bits, codes }) => {
          const bytes = codeBytes(codes);
          expect(bytes.length).toBe(13 * (bits <= 8 ? 1 : bits <= 16 ? 2 : 4));
          expect(codesFromBytes(bytes, 13, { bits }, 'codes')).toEqual(codes);
          expect(() => codesFromBytes(bytes.subarray(1), 13, { bits }, 'codes')).toThrow(/bytes of codes/);
        },
      ),
    );
  });
});
