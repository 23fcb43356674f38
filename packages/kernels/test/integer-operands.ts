/** Operands of the suites of integer products: shapes, ragged ones and extremes among them, and matrices in either layout. */
import fc from 'fast-check';
import type { Operands } from './harness.js';

export interface Shape {
  M: number;
  N: number;
  K: number;
  /** Bit 0: a is stored as [K, M]; bit 1: b as [K, N]. */
  layout: number;
  gap: number;
  extreme: boolean;
}

const sizes = (max: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max }) }, { weight: 1, arbitrary: fc.constant(1) });

export const shapes: fc.Arbitrary<Shape> = fc.record({
  M: sizes(20),
  N: sizes(40),
  K: fc.oneof(sizes(40), fc.integer({ min: 1, max: 600 })),
  layout: fc.integer({ min: 0, max: 3 }),
  gap: fc.integer({ min: 0, max: 3 }),
  extreme: fc.boolean(),
});

export const listed: Shape[] = [0, 1, 2, 3].flatMap((layout) =>
  [
    [1, 1, 1],
    [4, 8, 8],
    [5, 17, 9],
    [3, 7, 511],
    [2, 9, 513],
    [7, 33, 1030],
    [16, 16, 64],
    [6, 16, 33],
    [13, 50, 4],
  ].map(([M, N, K], i) => ({ M, N, K, layout, gap: i % 3, extreme: i % 2 === 0 })),
);

/** A matrix [rows, K] in either layout: pointer and strides. */
export function matrix(
  o: Operands,
  rows: number,
  { K, gap }: Pick<Shape, 'K' | 'gap'>,
  transposed: boolean,
  value: () => number,
): [at: number, outer: number, inner: number] {
  const stride = (transposed ? rows : K) + gap;
  const count = (transposed ? K : rows) * stride;
  const at = o.block(count + 1, gap);
  for (let i = 0; i < count; i += 1) o.arena.i8[at + i] = value();
  return transposed ? [at, 1, stride] : [at, stride, 1];
}

/** Both operands of int8, −128 included; or nothing but −128 and 127. */
export function operands(
  o: Operands,
  s: Shape,
): [...ReturnType<typeof matrix>, ...ReturnType<typeof matrix>] {
  const full = (): number =>
    s.extreme ? (o.random() < 0.9 ? -128 : 127) : Math.floor(o.random() * 256) - 128;
  // Sometimes one operand spans seven bits, which backends make use of.
  const least = -((s.K * 37) % 128);
  const narrow = (): number =>
    least + (s.extreme ? (o.random() < 0.9 ? 127 : 0) : Math.floor(o.random() * 128));
  const kind = (s.M + s.N) % 4;
  const a = matrix(o, s.M, s, (s.layout & 1) !== 0, kind === 1 ? narrow : full);
  const b = matrix(o, s.N, s, (s.layout & 2) !== 0, kind === 2 ? narrow : full);
  return [...a, ...b];
}

/** Codes of so many bits, and often the largest. */
export function codes(o: Operands, bits: number): () => number {
  const most = 2 ** (bits - 1) - 1;
  return () =>
    o.random() < 0.3 ? (o.random() < 0.5 ? most : -most) : Math.floor(o.random() * (2 * most + 1)) - most;
}
