/**
 * Random cards, schemes and compile options, for tests that hold a card against the host: hard where they can be, of
 * one to four cores, with and without barriers of groups. Not for claims about real boards.
 */
import type { compile } from '@bitloom/compiler';
import { PRUNED_SPARSITIES, type Scheme, type WidthMix, withSparsity } from '@bitloom/compression';
import { integerScheme, perGroup } from '@bitloom/formats';
import { type Device, findCard, integerNumerics } from '@bitloom/ir';
import fc from 'fast-check';
import { cardWith } from './small-cards.js';

type CompileOptions = NonNullable<Parameters<typeof compile>[2]>;

const weights = fc
  .tuple(fc.integer({ min: 2, max: 8 }), fc.constantFrom(8, 16, 32, 128))
  .map(([bits, groupSize]) => integerScheme(bits, perGroup(groupSize)));

/** Formats in groups of `groupSize` with bands of columns, a width chosen for each; in small groups small models have some. */
interface MixChoice {
  readonly widths: readonly number[];
  /** From the narrowest width, 0, to the widest, 1. */
  readonly wide: number;
  readonly bands?: number;
}
const mix: fc.Arbitrary<MixChoice | undefined> = fc.option(
  fc.record(
    {
      widths: fc
        .uniqueArray(fc.integer({ min: 2, max: 8 }), { minLength: 2, maxLength: 4 })
        .map((bits) => bits.sort((a, b) => a - b)),
      wide: fc.double({ min: 0, max: 1, noNaN: true }),
      bands: fc.integer({ min: 1, max: 6 }),
    },
    { requiredKeys: ['widths', 'wide'] },
  ),
  { nil: undefined, freq: 1 },
);

function widthMix({ widths, wide, bands }: MixChoice, groupSize: number): WidthMix {
  const [least, most] = [widths[0], widths[widths.length - 1]];
  return {
    average: least + wide * (most - least),
    formats: widths.map((bits) => integerScheme(bits, perGroup(groupSize))),
    ...(bands === undefined ? {} : { bands }),
  };
}

/**
 * Widths and groups of their own for each role; sometimes N:M weights, in groups of whole tiles, a KV cache of 4 bits, or
 * widths mixed by matrix or by bands of columns, as `FlightLLM-mixed<average>-bands` has them in groups of 128.
 */
export const scheme: fc.Arbitrary<Scheme> = fc
  .record({
    formats: fc.record({ linear: weights, embedding: weights, head: weights }),
    sparsity: fc.option(fc.constantFrom(...PRUNED_SPARSITIES), { nil: undefined, freq: 3 }),
    bits: fc.integer({ min: 2, max: 8 }),
    groupSize: fc.constantFrom(32, 64, 128),
    mix,
    mixGroupSize: fc.constantFrom(8, 16, 32, 128),
    cacheBits: fc.constantFrom(4 as const, 8 as const),
  })
  .map(({ formats, sparsity, bits, groupSize, mix, mixGroupSize, cacheBits }) => {
    const numerics = integerNumerics('random', cacheBits);
    const mixed =
      mix === undefined ? {} : { mix: widthMix(mix, sparsity === undefined ? mixGroupSize : groupSize) };
    const dense = { name: 'random', doc: 'for a test', weights: formats, ...mixed, numerics };
    if (sparsity === undefined) return dense;
    const linear = integerScheme(bits, perGroup(groupSize));
    return withSparsity({ ...dense, weights: { ...formats, linear } }, sparsity);
  });

/** The scheme with its linear weights in one other width, in the same groups. */
export function ofWidth({ mix: _, ...scheme }: Scheme, bits: number): Scheme {
  const linear = scheme.weights?.linear;
  if (linear === undefined) return scheme;
  const narrow = integerScheme(bits, linear.scales[0].granularity);
  return { ...scheme, weights: { ...scheme.weights, linear: narrow } };
}

/** A power of two times 1 to 2, as buffers are. */
const bytes = (low: number, high: number): fc.Arbitrary<number> =>
  fc
    .tuple(fc.integer({ min: low, max: high }), fc.nat(15))
    .map(([power, sixteenths]) => 2 ** power + sixteenths * 2 ** (power - 4));

const mode = fc.record({
  m: fc.integer({ min: 1, max: 4 }),
  n: fc.integer({ min: 1, max: 80 }),
  k: fc.integer({ min: 1, max: 40 }),
});

export const card: fc.Arbitrary<Device> = fc
  .record({
    buffers: fc.record({
      weights: bytes(10, 15),
      stream: bytes(8, 15),
      data: bytes(13, 21),
      accumulator: bytes(7, 15),
    }),
    mm: mode,
    mv: mode,
    lanes: fc.integer({ min: 1, max: 40 }),
    exponentLanes: fc.constantFrom(0, 1, 3),
    rescaleUnits: fc.constantFrom(0, 1, 7),
    ports: fc.integer({ min: 1, max: 4 }),
    bytesPerCyclePerPort: fc.constantFrom(3, 64, 4096),
    queueDepth: fc.integer({ min: 1, max: 16 }),
    loopBufferInstructions: fc.nat(40),
    timeDivisor: fc.constantFrom(1, 3.2),
    cores: fc.integer({ min: 1, max: 4 }),
    groupBarriers: fc.boolean(),
    barrierCycles: fc.constantFrom(0, 1, 900),
    exchange: fc.record({
      bytesPerCycle: fc.constantFrom(1, 64),
      latencyCycles: fc.constantFrom(0, 16, 500),
    }),
    hbmChannels: fc.integer({ min: 1, max: 32 }),
    efficiency: fc.constantFrom(1, 0.7, 0.33),
    withoutDdr: fc.boolean(),
    weightBits: fc.constantFrom([4, 8], [2, 3, 4, 8], [2, 3, 4, 5, 6, 7, 8]),
  })
  .map((changes) => cardWith('random', changes, findCard('u280')));

export const options: fc.Arbitrary<CompileOptions> = fc.record({
  maxChunk: fc.constantFrom(1, 2, 5, 16, 32, 33, 64, 128),
  onchipDecode: fc.boolean(),
  sparseChains: fc.boolean(),
});
