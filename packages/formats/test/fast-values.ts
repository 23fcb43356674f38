/** Values that find the corners of block formats: every exponent, ties, subnormals, both zeros. */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect } from 'vitest';

const word = new Int32Array(1);
const float = new Float32Array(word.buffer);

/** The float32 with these bits. */
export function fromBits(bits: number): number {
  word[0] = bits;
  return float[0];
}

/** A finite float32 of any exponent. */
const anyFinite = fc
  .record({
    sign: fc.boolean(),
    exponent: fc.integer({ min: 0, max: 254 }),
    mantissa: fc.integer({ min: 0, max: 0x7fffff }),
  })
  .map(({ sign, exponent, mantissa }) => fromBits(((sign ? 1 << 31 : 0) | (exponent << 23) | mantissa) >> 0));

/** Multiples of a small step: ties of every format meet here. */
const onGrid = fc
  .record({ step: fc.integer({ min: -30, max: 20 }), count: fc.integer({ min: -64, max: 64 }) })
  .map(({ step, count }) => count * 2 ** step);

const gaussian = fc.double({ min: -3, max: 3, noNaN: true }).map(Math.fround);

const corners = fc.constantFrom(
  0,
  -0,
  1,
  -1,
  6,
  7,
  448,
  2 ** -126,
  2 ** -127,
  2 ** -149,
  -(2 ** -149),
  3.4028234663852886e38,
  -3.4028234663852886e38,
  65504,
  458640,
  458639.96875,
);

/**
 * Matrices of values. `spread` chooses how far exponents lie apart: a block of one magnitude says more about elements,
 * a block of all about scales.
 */
export function valuesOf(length: number): fc.Arbitrary<Float32Array<ArrayBuffer>> {
  const list = (value: fc.Arbitrary<number>) =>
    fc.array(value, { minLength: length, maxLength: length, size: 'max' });
  const scaled = fc
    .record({ list: list(fc.oneof(gaussian, onGrid)), power: fc.integer({ min: -149, max: 100 }) })
    .map(({ list: values, power }) => values.map((value) => value * 2 ** power));
  return fc
    .oneof(list(gaussian), list(onGrid), scaled, list(fc.oneof(anyFinite, corners, gaussian)))
    .map((values) => Float32Array.from(values));
}

/** Equal lengths and bytes; where they differ, the values are shown. */
export function expectBits<T extends Float32Array | Uint8Array | Uint16Array>(got: T, expected: T): void {
  const bytes = (array: T): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  if (bytes(got).equals(bytes(expected))) return;
  const at = expected.findIndex((value, i) => !Object.is(value, got[i]));
  expect({ at, length: got.length, values: got.slice(at, at + 16) }).toEqual({
    at,
    length: expected.length,
    values: expected.slice(at, at + 16),
  });
  throw new Error('the bytes differ where the values are equal: NaNs with other bits');
}
