/** Seeded random numbers for tests: uniform, normal, and arbitraries of float32 values in a range of exponents. */
import fc from 'fast-check';
import { randomWords } from '../../src/rounding/philox.js';

/** `length` numbers in (0, 1). */
export function uniforms(length: number, seed: number, stream = 0): Float64Array {
  const words = randomWords(seed, stream, 0, new Uint32Array(length));
  return Float64Array.from(words, (word) => (word + 0.5) / 2 ** 32);
}

/** `length` numbers of the standard normal distribution, by Box and Muller. */
export function normals(length: number, seed: number, stream = 0): Float64Array {
  const u = uniforms(2 * length, seed, stream);
  return Float64Array.from(
    { length },
    (_, i) => Math.sqrt(-2 * Math.log(u[2 * i])) * Math.cos(2 * Math.PI * u[2 * i + 1]),
  );
}

/** A float32 that is zero or has an exponent from −`span` to `span`, of either sign. */
export function float32Within(span: number): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(0, -0, 1, -1) },
    {
      weight: 9,
      arbitrary: fc
        .tuple(
          fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }),
          fc.integer({ min: -span, max: span }),
          fc.constantFrom(1, -1),
        )
        .map(([mantissa, exponent, sign]) => sign * mantissa * 2 ** (exponent - 23)),
    },
  );
}

/** The code of a thrown error that has one, or what happened instead. */
export function codeThrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
  return 'nothing thrown';
}
