import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  densityOf,
  FLIGHTLLM_SPARSITY,
  magnitudeMask,
  nmDirectory,
  nmLayoutId,
  nmMask,
  nmPackedBits,
  nmPackedBytes,
  nmSparsity,
  packNm,
  parseNmLayoutId,
  patternOf,
  unpackNm,
  unpackNmRows,
} from '../src/index.js';
import { emptyLike, expectSame, packByTheBook, randomSource, sparseCase } from './sparsity-arbitrary.js';

/** The error that `run` throws. */
function errorOf(run: () => unknown): BitloomError {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the bytes of the layout nm', () => {
  it('are headers, then codes and indices block by block, step by step, row by row', () => {
    const sparsity = nmSparsity([0, 2, 4], 4, [2, 4]);
    const shape = { rows: 2, cols: 10, bits: 4 };
    // Three blocks: 2 of 4, none, and two columns at the edge that keep all.
    const codes = Int8Array.of(1, 0, 0, 2, 0, 0, 0, 0, 5, 6, 0, 3, -1, 0, 0, 0, 0, 0, 7, -8);
    const bytes = packNm(codes, shape, sparsity);
    expect([...bytes]).toEqual([
      0b00_01_00_01, // keeps 2, 0, 2 as positions 1, 0, 1 of two bits
      0x31, // first kept codes of rows 0 and 1
      0xf2, // second: 2 and −1
      0b10_11_01_00, // indices 0, 1, then 3, 2
      0x75, // column 8 of both rows
      0x86, // column 9: 6 and −8; no indices, for both columns are kept
    ]);
    expect(bytes.length).toBe(nmPackedBytes(shape, sparsity, [2, 0, 2]));
    expect([...unpackNm(bytes, shape, sparsity, new Int8Array(20))]).toEqual([...codes]);
  });

  it('give the 2:4 metadata of sparse tensor cores in blocks of one row', () => {
    const sparsity = nmSparsity(2, 4, [1, 16]);
    const shape = { rows: 1, cols: 16, bits: 8 };
    const codes = Int8Array.of(0, 9, 8, 0, 7, 0, 0, 6, 0, 0, 5, 4, 3, 2, 0, 0);
    const bytes = packNm(codes, shape, sparsity);
    expect([...bytes.subarray(0, 8)]).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
    // Four groups of two positions fill 16 bits: (1, 2), (0, 3), (2, 3), (0, 1).
    expect(bytes[8] | (bytes[9] << 8)).toBe(
      1 | (2 << 2) | ((0 | (3 << 2)) << 4) | ((2 | (3 << 2)) << 8) | ((0 | (1 << 2)) << 12),
    );
    expect(bytes.length).toBe(10);
  });

  it('show rows past the last as zero codes', () => {
    const sparsity = nmSparsity(1, 4, [4, 4]);
    const bytes = packNm(Uint8Array.of(0, 0, 3, 0), { rows: 1, cols: 4, bits: 8 }, sparsity);
    expect([...bytes]).toEqual([3, 0, 0, 0, 2]);
  });

  it('hold the bits of float32', () => {
    const sparsity = nmSparsity(1, 2, [1, 2]);
    const values = Float32Array.of(0, 1.5, Number.NaN, -0);
    const shape = { rows: 2, cols: 2, bits: 32 };
    const bytes = packNm(values, shape, sparsity);
    expect(bytes.length).toBe(2 * 5);
    expect(new DataView(bytes.buffer).getFloat32(0, true)).toBe(1.5);
    // Negative zero is zero: it is not stored, and comes back as zero.
    expect([...unpackNm(bytes, shape, sparsity, new Float32Array(4))]).toEqual([0, 1.5, Number.NaN, 0]);
  });

  it('equal the description of the layout, and the exact size', () => {
    fc.assert(
      fc.property(sparseCase, (given) => {
        const { shape, sparsity, keeps, mask, values } = given;
        const bytes = packNm(values, shape, sparsity, { keeps, mask });
        expectSame(bytes, packByTheBook(given));
        expect(bytes.length).toBe(nmPackedBytes(shape, sparsity, keeps));
        const { headers, codes, indices, padding } = nmPackedBits(shape, sparsity, keeps);
        expect(headers + codes + indices + padding).toBe(bytes.length * 8);
      }),
      { numRuns: 300 },
    );
  });
});

describe('packing and unpacking', () => {
  it('is the identity on values that satisfy the pattern, whole and in rows', () => {
    fc.assert(
      fc.property(sparseCase, fc.nat(), fc.nat(), (given, a, b) => {
        const { shape, sparsity, keeps, mask, values } = given;
        const dense = emptyLike(values);
        const bytes = packNm(values, shape, sparsity, { keeps });
        expectSame(unpackNm(bytes, shape, sparsity, dense.fill(77)), values);

        const [start, end] = [a % (shape.rows + 1), b % (shape.rows + 1)].sort((x, y) => x - y);
        const part = emptyLike(values, (end - start) * shape.cols);
        const directory = nmDirectory(bytes, shape, sparsity);
        const expected = values.slice(start * shape.cols, end * shape.cols);
        expectSame(unpackNmRows(bytes, shape, sparsity, { start, end }, part), expected);
        expect(unpackNmRows(bytes, shape, sparsity, { start, end }, part.fill(5), directory)).toEqual(
          expected,
        );

        const masked = packNm(values, shape, sparsity, { keeps, mask });
        expectSame(nmMask(masked, shape, sparsity), mask);
        expectSame(unpackNm(masked, shape, sparsity, dense), values);
        expectSame(nmDirectory(masked, shape, sparsity).keeps, keeps);
      }),
      { numRuns: 300 },
    );
  });

  it('chooses the smallest allowed keep of each block', () => {
    fc.assert(
      fc.property(sparseCase, (given) => {
        const { shape, sparsity, keeps, values } = given;
        const found = patternOf(values, shape, sparsity);
        expect(found.every((keep, i) => keep <= keeps[i])).toBe(true);
        const bytes = packNm(values, shape, sparsity);
        expectSame(nmDirectory(bytes, shape, sparsity).keeps, found);
        expectSame(unpackNm(bytes, shape, sparsity, emptyLike(values)), values);
        // One keep less and some group no longer fits.
        found.forEach((keep, i) => {
          const less = sparsity.keep.filter((other) => other < keep);
          if (less.length === 0) return;
          const tight = found.slice();
          tight[i] = Math.max(...less);
          expect(errorOf(() => packNm(values, shape, sparsity, { keeps: tight })).code).toBe(
            'sparsity-pattern',
          );
        });
      }),
      { numRuns: 150 },
    );
  });

  it('finds a strip by its byte and a block by its bit', () => {
    fc.assert(
      fc.property(sparseCase, (given) => {
        const { shape, sparsity, keeps, mask, values } = given;
        const bytes = packNm(values, shape, sparsity, { keeps, mask });
        const { bitOffsets, stripOffsets } = nmDirectory(bytes, shape, sparsity);
        expect(stripOffsets.at(-1)).toBe(bytes.length);
        const [height, width] = sparsity.block;
        const across = Math.ceil(shape.cols / width);
        for (let down = 0; down < stripOffsets.length - 1; down += 1) {
          // A strip by itself is the packed matrix of its rows.
          const rows = Math.min(height, shape.rows - down * height);
          const own = values.slice(down * height * shape.cols, (down * height + rows) * shape.cols);
          const strip = bytes.subarray(stripOffsets[down], stripOffsets[down + 1]);
          expectSame(unpackNm(strip, { ...shape, rows }, sparsity, emptyLike(own)), own);
          for (let i = 0; i < across; i += 1) {
            const at = down * across + i;
            if (keeps[at] === 0) continue;
            const row = down * height;
            const place = mask.indexOf(1, row * shape.cols + i * width);
            const word =
              values instanceof Float32Array ? new Uint32Array(values.buffer)[place] : values[place];
            let code = 0;
            for (let bit = 0; bit < shape.bits; bit += 1) {
              const from = bitOffsets[at] + bit;
              code += ((bytes[Math.floor(from / 8)] >> (from % 8)) & 1) * 2 ** bit;
            }
            expect(code).toBe((word >>> 0) % 2 ** shape.bits);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('counts negative zero as zero where the caller says which bits are the magnitude', () => {
    const sparsity = nmSparsity([1], 2, [1, 2]);
    const fp8 = Uint8Array.of(0x80, 0x38);
    const shape = { rows: 1, cols: 2, bits: 8 };
    expect(errorOf(() => packNm(fp8, shape, sparsity)).code).toBe('sparsity-pattern');
    const bytes = packNm(fp8, shape, sparsity, { magnitudeBits: 0x7f });
    expect([...unpackNm(bytes, shape, sparsity, new Uint8Array(2))]).toEqual([0, 0x38]);
  });
});

describe('what does not fit', () => {
  const shape = { rows: 20, cols: 40, bits: 4 };

  it('names the block and the row of a group with too many', () => {
    const codes = new Int8Array(800);
    codes.fill(1, 17 * 40 + 16, 17 * 40 + 21);
    const error = errorOf(() => packNm(codes, shape, nmSparsity([0, 4], 16)));
    expect(error).toMatchObject({
      code: 'sparsity-pattern',
      where: 'block (1, 1), row 17, columns 16..31',
      expected: 'at most 4 of 16',
      got: '5',
    });
    const keeps = [4, 4, 4, 4, 0, 4];
    expect(errorOf(() => packNm(codes, shape, nmSparsity([0, 4, 8], 16), { keeps })).got).toBe('5');
  });

  it('does not lose a value outside of the mask', () => {
    const codes = new Int8Array(800);
    codes[41] = 1;
    const error = errorOf(() => packNm(codes, shape, FLIGHTLLM_SPARSITY, { mask: new Uint8Array(800) }));
    expect(error).toMatchObject({ code: 'sparsity-pattern', where: 'block (0, 0), row 1, column 1' });
    expect(
      errorOf(() => packNm(codes, shape, FLIGHTLLM_SPARSITY, { mask: new Uint8Array(800).fill(2) })).code,
    ).toBe('sparsity-pattern');
  });

  it.each([
    ['m of 0', () => nmSparsity(1, 0)],
    ['m of 257', () => nmSparsity(1, 257)],
    ['a keep above m', () => nmSparsity(5, 4)],
    ['no keep', () => nmSparsity([], 4)],
    ['a keep twice', () => nmSparsity([2, 2], 4)],
    ['a fraction', () => nmSparsity(1.5, 4)],
    ['half a group in a block', () => nmSparsity(2, 4, [1, 6])],
    ['a block of one size', () => nmSparsity(2, 4, [4])],
    ['short indices', () => nmPackedBytes(shape, { ...FLIGHTLLM_SPARSITY, indexBits: 3 }, 2)],
    ['a keep that is not allowed', () => nmPackedBytes(shape, FLIGHTLLM_SPARSITY, 3)],
    ['too few keeps', () => nmPackedBytes(shape, FLIGHTLLM_SPARSITY, [2, 2])],
    ['codes too wide', () => packNm(new Int8Array(800), { ...shape, bits: 9 }, FLIGHTLLM_SPARSITY)],
    ['float32 of 8 bits', () => packNm(new Float32Array(800), { ...shape, bits: 8 }, FLIGHTLLM_SPARSITY)],
    ['rows below zero', () => packNm(new Int8Array(0), { ...shape, rows: -1 }, FLIGHTLLM_SPARSITY)],
    [
      'rows past the end',
      () => {
        const bytes = packNm(new Int8Array(800), shape, FLIGHTLLM_SPARSITY);
        return unpackNmRows(bytes, shape, FLIGHTLLM_SPARSITY, { start: 0, end: 21 }, new Int8Array(840));
      },
    ],
  ])('refuses %s', (_, run) => {
    expect(errorOf(run).code).toBe('sparsity-shape');
  });

  it('refuses values, masks and results of another length', () => {
    const bytes = packNm(new Int8Array(800), shape, FLIGHTLLM_SPARSITY);
    const runs = [
      () => packNm(new Int8Array(799), shape, FLIGHTLLM_SPARSITY),
      () => packNm(new Int8Array(800), shape, FLIGHTLLM_SPARSITY, { mask: new Uint8Array(1) }),
      () => unpackNm(bytes, shape, FLIGHTLLM_SPARSITY, new Int8Array(801)),
      () => magnitudeMask(new Int8Array(3), shape, FLIGHTLLM_SPARSITY, 2),
    ];
    for (const run of runs) expect(errorOf(run).code).toBe('format-length');
  });
});

describe('hostile bytes', () => {
  const sparsity = nmSparsity([0, 2, 4], 4, [2, 4]);
  const shape = { rows: 3, cols: 6, bits: 4 };
  const codes = Int8Array.of(1, 0, 0, 2, 3, 0, 0, 4, 5, 0, 0, 6, 0, 0, 0, 0, 0, 7);
  const bytes = packNm(codes, shape, sparsity);
  const unpack = (from: Uint8Array): unknown => unpackNm(from, shape, sparsity, new Int8Array(18));
  const changed = (at: number, value: number): Uint8Array => bytes.with(at, value);

  it('of another length, or with a wrong header, index or padding, are refused', () => {
    expect(errorOf(() => unpack(new Uint8Array(0)))).toMatchObject({
      code: 'sparsity-packed',
      where: 'headers',
    });
    expect(errorOf(() => unpack(bytes.subarray(0, -1))).where).toBe('strip 1');
    expect(errorOf(() => unpack(Uint8Array.of(...bytes, 0))).where).toBe('packed bytes');
    expect(errorOf(() => unpack(changed(0, bytes[0] | 3)))).toMatchObject({
      where: 'header of block (0, 0)',
      expected: '0..2',
      got: '3',
    });
    expect(errorOf(() => unpack(changed(0, bytes[0] | 16))).where).toBe('headers of strip 0');
    // Byte 3 has the indices 0, 1 of the first step and 3, 2 of the second.
    expect([bytes[3] & 3, (bytes[3] >> 2) & 3, (bytes[3] >> 4) & 3, bytes[3] >> 6]).toEqual([0, 1, 3, 2]);
    expect(errorOf(() => unpack(changed(3, 0)))).toMatchObject({
      where: 'index of block (0, 0), row 0, column 0',
      expected: 'more than 0 and less than 4',
      got: '0',
    });
    const last = bytes.length - 1;
    expect(bytes[last] >> 4).toBe(0);
    expect(errorOf(() => unpack(changed(last, bytes[last] | 0x10))).where).toBe('row 3, past the last');
  });

  it('with ones behind the last block are refused', () => {
    const one = nmSparsity(1, 2, [1, 2]);
    const packed = packNm(Int8Array.of(0, 1), { rows: 1, cols: 2, bits: 2 }, one);
    expect([...packed]).toEqual([0b101]);
    const run = (): unknown =>
      unpackNm(Uint8Array.of(0b1101), { rows: 1, cols: 2, bits: 2 }, one, new Int8Array(2));
    expect(errorOf(run)).toMatchObject({ code: 'sparsity-packed', where: 'end of strip 0' });
  });

  it('at random give a typed error or a matrix that packs to the same bytes', () => {
    fc.assert(
      fc.property(
        sparseCase,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
        fc.integer({ min: -2, max: 2 }),
        (given, flips, grow) => {
          const { shape, sparsity, keeps, mask, values } = given;
          const packed = packNm(values, shape, sparsity, { keeps, mask });
          const hostile = new Uint8Array(Math.max(0, packed.length + grow));
          hostile.set(packed.subarray(0, hostile.length));
          for (const [at, flip] of flips) if (hostile.length > 0) hostile[at % hostile.length] ^= flip;
          try {
            const out = unpackNm(hostile, shape, sparsity, emptyLike(values));
            const kept = nmMask(hostile, shape, sparsity);
            const { keeps: found } = nmDirectory(hostile, shape, sparsity);
            expectSame(packNm(out, shape, sparsity, { keeps: found, mask: kept }), hostile);
          } catch (error) {
            if (!(error instanceof BitloomError)) throw error;
            expect(error.code).toBe('sparsity-packed');
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('masks of the largest magnitudes', () => {
  it('keep exactly as many as the block says, and nothing smaller than what is dropped', () => {
    fc.assert(
      fc.property(sparseCase, fc.integer(), ({ shape, sparsity, keeps }, seed) => {
        const random = randomSource(seed);
        const dense = Float32Array.from({ length: shape.rows * shape.cols }, () =>
          Math.round((random() - 0.5) * 9),
        );
        const mask = magnitudeMask(dense, shape, sparsity, keeps);
        const pruned = dense.map((value, i) => value * mask[i]);
        const bytes = packNm(pruned, { ...shape, bits: 32 }, sparsity, { keeps, mask });
        expectSame(nmMask(bytes, { ...shape, bits: 32 }, sparsity), mask);
        const across = Math.ceil(shape.cols / sparsity.block[1]);
        for (let row = 0; row < shape.rows; row += 1) {
          for (let col = 0; col < shape.cols; col += sparsity.m) {
            const end = Math.min(shape.cols, col + sparsity.m);
            const group = [...dense.subarray(row * shape.cols + col, row * shape.cols + end)].map(
              (value, i) => ({
                value: Math.abs(value),
                i,
                kept: mask[row * shape.cols + col + i],
              }),
            );
            const block = Math.floor(row / sparsity.block[0]) * across + Math.floor(col / sparsity.block[1]);
            group.sort((a, b) => b.value - a.value || a.i - b.i);
            const expected = group.map((_, place) => (place < keeps[block] ? 1 : 0));
            if (!group.every(({ kept }, place) => kept === expected[place])) {
              expect(group.map(({ kept }) => kept)).toEqual(expected);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('keep the lower column of equals, and NaN before infinity', () => {
    const shape = { rows: 1, cols: 4 };
    const of = (...values: number[]): number[] => [
      ...magnitudeMask(values, shape, nmSparsity(2, 4, [1, 4]), 2),
    ];
    expect(of(1, 1, 1, 1)).toEqual([1, 1, 0, 0]);
    expect(of(-1, 2, 1, -2)).toEqual([0, 1, 0, 1]);
    expect(of(Number.POSITIVE_INFINITY, 1, Number.NaN, Number.NaN)).toEqual([0, 0, 1, 1]);
    expect(of(0, Number.NEGATIVE_INFINITY, 5, Number.NaN)).toEqual([0, 1, 0, 1]);
  });

  it('have the density they ask for', () => {
    expect(densityOf(Float32Array.of(0, -0, 1, Number.NaN))).toBe(0.5);
    expect(densityOf([])).toBe(0);
    const mask = magnitudeMask(
      new Float32Array(64 * 64).fill(1),
      { rows: 64, cols: 64 },
      FLIGHTLLM_SPARSITY,
      4,
    );
    expect(densityOf(mask)).toBe(0.25);
  });
});

describe('the figures of FlightLLM', () => {
  const shape = { rows: 4096, cols: 11008, bits: 4 };
  const elements = 4096 * 11008;
  const blocks = (4096 / 16) * (11008 / 16);

  it.each([
    [16, 4, 0],
    [8, 2, 2],
    [4, 1, 1],
    [2, 0.5, 0.5],
    [0, 0, 0],
  ])('keep %i of 16: %f bits of codes and %f of indices per weight', (keep, codes, indices) => {
    const bits = nmPackedBits(shape, FLIGHTLLM_SPARSITY, keep);
    expect(bits.codes / elements).toBe(codes);
    expect(bits.indices / elements).toBe(indices);
    // Three bits a block say which keep; 688 blocks a strip are 258 whole bytes.
    expect(bits).toMatchObject({ headers: 3 * blocks, padding: 0 });
  });

  it('blocks of 16 rows begin and end on a byte for every width', () => {
    for (let bits = 2; bits <= 8; bits += 1) {
      const small = { rows: 16, cols: 80, bits };
      const keeps = [16, 2, 0, 8, 4];
      const random = randomSource(bits);
      const dense = Int8Array.from({ length: 1280 }, () => 1 + Math.floor(random() * (2 ** (bits - 1) - 1)));
      const mask = magnitudeMask(dense, small, FLIGHTLLM_SPARSITY, keeps);
      const pruned = dense.map((value, i) => value * mask[i]);
      const bytes = packNm(pruned, small, FLIGHTLLM_SPARSITY, { keeps });
      const { bitOffsets } = nmDirectory(bytes, small, FLIGHTLLM_SPARSITY);
      expect([...bitOffsets].map((bit) => bit % 8)).toEqual([0, 0, 0, 0, 0]);
      expect(bytes.length).toBe(2 + 2 * bits * (16 + 2 + 0 + 8 + 4) + 8 * (2 + 8 + 4));
    }
  });

  it('a quarter each of 2 and 3 bits, seven sixteenths of 4 and one of 8 average to 3.5 bits', () => {
    const shares = [
      [2, 4],
      [3, 4],
      [4, 7],
      [8, 1],
    ];
    const cols = 1600;
    let bits = 0;
    for (const [width, strips] of shares) {
      bits += nmPackedBits({ rows: 16 * strips, cols, bits: width }, FLIGHTLLM_SPARSITY, 16).codes;
    }
    expect(bits / (16 * 16 * cols)).toBe(3.5);
  });
});

describe('layout ids', () => {
  it('name group and block', () => {
    expect(nmLayoutId(FLIGHTLLM_SPARSITY)).toBe('nm.m16.b16x16');
    expect(parseNmLayoutId('nm.m16.b16x16')).toEqual({ m: 16, block: [16, 16] });
    expect(nmLayoutId(nmSparsity(2, 4))).toBe('nm.m4.b16x16');
    expect(nmSparsity(3, 5).block).toEqual([16, 20]);
    for (const id of ['nm.m16', 'nm.m0.b1x1', 'nm.m16.b16x16x1', 'rows16.u4.g32']) {
      expect(parseNmLayoutId(id)).toBeUndefined();
    }
  });
});
