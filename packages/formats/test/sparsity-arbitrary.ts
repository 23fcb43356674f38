/** Random N:M sparse matrices for the property tests, and the layout `nm` written a second time, bit by bit. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type NmSparsity, nmSparsity, type SparseShape, type SparseValues } from '../src/index.js';

export interface SparseCase {
  readonly shape: SparseShape;
  readonly sparsity: NmSparsity;
  /** [blocks down, blocks across] */
  readonly keeps: Uint16Array;
  /** Exactly min(keep, width) ones in each group. */
  readonly mask: Uint8Array;
  /** Zero wherever the mask is, and at some places where it is not. */
  readonly values: SparseValues;
}

/** A small generator, so that a case is one integer and shrinks quickly. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

export function emptyLike(values: SparseValues, length = values.length): SparseValues {
  if (values instanceof Float32Array) return new Float32Array(length);
  if (values instanceof Uint16Array) return new Uint16Array(length);
  return values instanceof Int8Array ? new Int8Array(length) : new Uint8Array(length);
}

/** Like `expect(actual).toEqual(expected)`, but quick where they are equal bit for bit. */
export function expectSame(actual: SparseValues, expected: SparseValues): void {
  const bytesOf = (of: SparseValues): Buffer => Buffer.from(of.buffer, of.byteOffset, of.byteLength);
  if (actual.constructor === expected.constructor && bytesOf(actual).equals(bytesOf(expected))) return;
  expect(actual).toEqual(expected);
  throw new Error('the arrays differ in bits that are not seen, such as the sign of zero');
}

function emptyValues(bits: number, signed: boolean, length: number): SparseValues {
  if (bits === 32) return new Float32Array(length);
  if (bits === 16) return new Uint16Array(length);
  return signed ? new Int8Array(length) : new Uint8Array(length);
}

/** A value of `bits` bits that is not zero. */
function randomValue(random: () => number, bits: number, signed: boolean): number {
  if (bits === 32) return (random() - 0.5) * 2 ** Math.floor(random() * 60 - 30) || 1;
  const code = 1 + Math.floor(random() * (2 ** bits - 1));
  return bits <= 8 && signed ? (code << (32 - bits)) >> (32 - bits) : code;
}

function makeCase(
  seed: number,
  rows: number,
  cols: number,
  m: number,
  blockHeight: number,
  groups: number,
  bits: number,
  signed: boolean,
): SparseCase {
  const random = randomSource(seed);
  const shape = { rows, cols, bits };
  const allowed = [
    ...new Set(Array.from({ length: 1 + Math.floor(random() * 5) }, () => Math.floor(random() * (m + 1)))),
  ];
  const sparsity = nmSparsity(allowed, m, [blockHeight, groups * m]);
  const gridCols = Math.ceil(cols / (groups * m));
  const keeps = new Uint16Array(Math.ceil(rows / blockHeight) * gridCols);
  for (let i = 0; i < keeps.length; i += 1) keeps[i] = allowed[Math.floor(random() * allowed.length)];
  const mask = new Uint8Array(rows * cols);
  const values = emptyValues(bits, signed, rows * cols);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += m) {
      const width = Math.min(m, cols - col);
      const keep = keeps[Math.floor(row / blockHeight) * gridCols + Math.floor(col / (groups * m))];
      const order = Array.from({ length: width }, (_, i) => ({ i, at: random() })).sort(
        (a, b) => a.at - b.at,
      );
      for (const { i } of order.slice(0, keep)) {
        mask[row * cols + col + i] = 1;
        if (random() < 0.8) values[row * cols + col + i] = randomValue(random, bits, signed);
      }
    }
  }
  return { shape, sparsity, keeps, mask, values };
}

/** Cases over shapes with ragged edges, group lengths, blocks, widths and kinds of array. */
export const sparseCase: fc.Arbitrary<SparseCase> = fc
  .tuple(
    fc.integer(),
    fc.integer({ min: 0, max: 37 }),
    fc.integer({ min: 0, max: 70 }),
    fc.constantFrom(1, 2, 3, 4, 5, 8, 16, 32, 200, 256),
    fc.constantFrom(1, 2, 3, 8, 16),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 16, 32),
    fc.boolean(),
  )
  .map((of) => makeCase(...of));

/** The layout as its description reads, over a list of bits. `mask` has exactly the kept elements of each group. */
export function packByTheBook({ shape, sparsity, keeps, mask, values }: SparseCase): Uint8Array {
  const { rows, cols, bits } = shape;
  const { m, keep: allowed, indexBits } = sparsity;
  const [height, width] = sparsity.block;
  const words = values instanceof Float32Array ? new Uint32Array(values.buffer) : values;
  const stream: number[] = [];
  const push = (value: number, count: number): void => {
    for (let i = 0; i < count; i += 1) stream.push(Math.floor((value >>> 0) / 2 ** i) % 2);
  };
  const align = (): void => {
    while (stream.length % 8 !== 0) stream.push(0);
  };
  const across = Math.ceil(cols / width);
  for (let down = 0; down * height < rows; down += 1) {
    for (let i = 0; i < across; i += 1) {
      push(allowed.indexOf(keeps[down * across + i]), Math.ceil(Math.log2(allowed.length)));
    }
    align();
    for (let i = 0; i < across; i += 1) {
      const indices: number[] = [];
      const end = Math.min(cols, (i + 1) * width);
      for (let col = i * width; col < end; col += m) {
        const length = Math.min(m, end - col);
        const lanes = Array.from({ length: height }, (_, lane) => {
          const row = down * height + lane;
          const places = Array.from({ length }, (_, at) => at);
          return row < rows ? places.filter((at) => mask[row * cols + col + at] === 1) : places;
        });
        const steps = Math.min(keeps[down * across + i], length);
        for (let step = 0; step < steps; step += 1) {
          lanes.forEach((places, lane) => {
            const row = down * height + lane;
            push(row < rows ? words[row * cols + col + places[step]] : 0, bits);
            if (steps < length) indices.push(places[step]);
          });
        }
      }
      for (const index of indices) push(index, indexBits);
    }
    align();
  }
  const bytes = new Uint8Array(stream.length / 8);
  stream.forEach((bit, i) => {
    bytes[i >> 3] |= bit << (i & 7);
  });
  return bytes;
}
