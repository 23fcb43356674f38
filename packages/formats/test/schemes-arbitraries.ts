/** Tensors to try schemes on: shapes of every rank with ragged ends, and data with the corners that schemes have. */
import type { TensorScheme } from '@bitloom/ir';
import fc from 'fast-check';
import { GGML_BLOCK_SIZES } from '../src/ggml/block-sizes.js';
import { ggmlLayoutName } from '../src/schemes/ggml-scheme.js';
import { elementsOf, type Tensor } from '../src/tensor.js';

/** A 32-bit generator for test data: small, seeded, good enough to spread values. */
export function testRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Two uniforms as one standard normal value. */
export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

type Filling = (random: () => number, row: number) => number;

/** Kinds of data, by name so that a failing case says what it was. */
const FILLINGS: Readonly<Record<string, Filling>> = {
  gaussian,
  /** Rows of very different magnitude. */
  spread: (random, row) => gaussian(random) * 2 ** (((row * 7) % 23) - 16),
  /** A few outliers. */
  heavy: (random) => gaussian(random) / Math.max(0.02, Math.abs(gaussian(random))),
  /** Mostly zeros of both signs. */
  sparse: (random) => (random() < 0.8 ? (random() < 0.5 ? 0 : -0) : gaussian(random)),
  /** Multiples of a power of two: ties, and exact codes. */
  grid: (random) => Math.round(gaussian(random) * 8) / 16,
  positive: (random) => 0.5 + random(),
  negative: (random) => -1 - random(),
  constant: () => -0.3,
  zero: () => 0,
  /** Around the smallest fp16. */
  tiny: (random) => gaussian(random) * 2 ** -24,
};

export interface Case {
  readonly filling: string;
  readonly shape: readonly number[];
  readonly seed: number;
}

/** The tensor of a case. */
export function tensorOf({ filling, shape, seed }: Case): Tensor {
  const random = testRandom(seed);
  const fill = FILLINGS[filling];
  const cols = shape.length === 0 ? 1 : shape[shape.length - 1];
  const data = Float32Array.from({ length: elementsOf(shape) }, (_, i) =>
    fill(random, Math.floor(i / Math.max(1, cols))),
  );
  return { data, shape };
}

/** Elements along the last axis that a layout of whole blocks asks for; 1 for any number. */
export function wholeBlock(scheme: TensorScheme): number {
  const block = ggmlLayoutName(scheme.layout);
  return block === undefined ? 1 : GGML_BLOCK_SIZES[block].elements;
}

/** Ranks that a scheme has a meaning for. */
export function ranksOf(scheme: TensorScheme): number[] {
  const least = scheme.scales.map(({ granularity }) => {
    if (granularity.strategy === 'axis') return Math.max(...granularity.axes) + 1;
    if (granularity.strategy === 'block') return granularity.blockShape.length;
    return 1;
  });
  return [1, 2, 3, 4].filter((rank) => rank >= Math.max(...least));
}

/** Shapes for a scheme: every rank it allows, groups that end short, no empty axis. */
export function shapesFor(scheme: TensorScheme): fc.Arbitrary<number[]> {
  const block = wholeBlock(scheme);
  const last =
    block === 1
      ? fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 70 }) }, fc.constantFrom(128, 130))
      : fc.integer({ min: 1, max: 2 });
  return fc
    .constantFrom(...ranksOf(scheme))
    .chain((rank) =>
      fc.tuple(
        fc.array(fc.integer({ min: 1, max: rank === 2 ? 4 : 2 }), {
          minLength: rank - 1,
          maxLength: rank - 1,
        }),
        last,
      ),
    )
    .map(([outer, cols]) => [...outer, cols * block]);
}

/** Cases for a scheme. */
export function casesFor(
  scheme: TensorScheme,
  fillings: readonly string[] = Object.keys(FILLINGS),
): fc.Arbitrary<Case> {
  return fc.record({
    filling: fc.constantFrom(...fillings),
    shape: shapesFor(scheme),
    seed: fc.nat(2 ** 31 - 1),
  });
}

/** Float32 values as their bits, for comparisons that see the sign of zero and every NaN. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
