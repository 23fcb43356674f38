/**
 * Random decoders of every family, in random formats, on random cards of one to four cores: each compiles or is
 * refused, and what compiles is right in every order. `BITLOOM_FUZZ` multiplies how many are tried.
 */
import type { CompileOptions } from '@bitloom/compiler';
import { type BlockMask, localGlobalMask, maskAttention, quantizeModel } from '@bitloom/compression';
import type { ModelBundle } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attempt } from './support/card-against-host.js';
import { inTurn } from './support/mixed-widths.js';
import { type DecoderSizes, decoderSizes, FAMILY_NAMES, familyModel } from './support/random-decoders.js';
import { card, ofWidth, options, scheme } from './support/random-machines.js';
import { cardWith } from './support/small-cards.js';

const RUNS = Number(process.env.BITLOOM_FUZZ || 1);
const PROMPTS = [1, 31, 33, 64, 65, 200];

/** Calls that fill a context: a prompt, steps, more of a prompt behind what is cached, steps. */
const session = fc.record({
  first: fc.constantFrom(...PROMPTS),
  second: fc.constantFrom(...PROMPTS),
  steps: fc.integer({ min: 0, max: 3 }),
});

function callsFor(
  { first, second, steps }: { first: number; second: number; steps: number },
  most: number,
): number[] {
  const calls: number[] = [];
  let left = most;
  for (const length of [first, ...Array<number>(steps).fill(1), second, 1]) {
    const fits = Math.min(length, left);
    if (fits > 0) calls.push(fits);
    left -= fits;
  }
  return calls;
}

/** Which blocks of scores are hidden: nothing, all but local and global ones, or of every head others. */
interface MaskChoice {
  readonly block: number;
  readonly local: number;
  readonly global: number;
  readonly byHead: boolean;
}
const mask: fc.Arbitrary<MaskChoice | undefined> = fc.option(
  fc.record({
    block: fc.constantFrom(1, 5, 16, 32),
    local: fc.integer({ min: 1, max: 3 }),
    global: fc.nat(2),
    byHead: fc.boolean(),
  }),
  { nil: undefined, freq: 3 },
);

function masked(
  bundle: ModelBundle,
  capacity: number,
  heads: number,
  own: MaskChoice | undefined,
): ModelBundle {
  if (own === undefined) return bundle;
  const shared = localGlobalMask(capacity, own);
  if (!own.byHead) return maskAttention(bundle, shared);
  const [, rows, cols] = shared.shape;
  const seen = new Uint8Array(heads * rows * cols);
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < rows; row++)
      for (let col = 0; col < cols; col++)
        seen[(head * rows + row) * cols + col] =
          row === col || (3 * head + 5 * row + 7 * col) % 4 > 1 ? 1 : shared.seen[row * cols + col];
  const mask: BlockMask = { block: shared.block, seen, shape: [heads, rows, cols] };
  return maskAttention(bundle, mask);
}

const runs = { numRuns: 5 * RUNS, endOnFailure: process.env.BITLOOM_FUZZ !== undefined };

const SIZES: DecoderSizes = {
  layers: 2,
  width: 28,
  kvHeads: 3,
  share: 2,
  headDim: 4,
  hiddenWidth: 40,
  vocabSize: 30,
  maxPositions: 100,
  tiedEmbeddings: true,
};

/** Failures that were found once. */
describe('fixed cases', () => {
  const buffers = { weights: 65_536, stream: 32_768, data: 2 ** 20, accumulator: 65_536, index: 1024 };
  const card = (cores: number) => cardWith(`${cores} cores`, { cores, buffers });
  it.each<[string, DecoderSizes, string, CompileOptions, number[]]>([
    [
      'a window behind the end of a short prompt: a micro-batch without a token',
      { ...SIZES, windows: [5, 16] },
      'W4A8',
      { maxChunk: 64 },
      [3, 1, 29, 1],
    ],
    ['a chunk of an odd number of tokens', SIZES, 'W8A8', { maxChunk: 33 }, [50, 1, 34]],
    ['layers with windows of their own', { ...SIZES, windows: [16, 40] }, 'W4A8', {}, [65, 1, 30]],
    [
      'a window in one layer only',
      { ...SIZES, windows: [0, 17] },
      'W8A8',
      { onchipDecode: false },
      [40, 1, 1],
    ],
    ['N:M weights as sparse tiles', SIZES, 'W4A8-8:16', {}, [33, 1]],
    ['N:M weights with their zeros', SIZES, 'FlightLLM-2:4', { sparseChains: false }, [33, 1]],
  ])('%s', (_what, sizes, scheme, options, calls) => {
    const bundle = quantizeModel(familyModel('mistral', sizes, 1), scheme);
    for (const cores of [1, 3])
      expect(attempt({ bundle, device: card(cores), options, calls, orders: ['program', 'end'] })).toBe(
        'right',
      );
  });
});

describe.each(FAMILY_NAMES)('%s', (family) => {
  it(
    'random models on random cards are refused, or right',
    () => {
      const outcomes = new Map<string, number>();
      const widths = fc.array(fc.integer({ min: 2, max: 8 }), { maxLength: 3 });
      const model = fc.record({ sizes: decoderSizes(220), seed: fc.nat(1000), scheme, widths, mask });
      const machine = fc.record({ device: card, options });
      fc.assert(
        fc.property(
          model,
          machine,
          session,
          ({ sizes, seed, scheme, widths, mask }, { device, options }, calls) => {
            const { maxPositions, kvHeads, share } = sizes;
            const schemes = [scheme, ...widths.map((bits) => ofWidth(scheme, bits))];
            const quantized = inTurn(familyModel(family, sizes, seed), schemes);
            const bundle = masked(quantized, maxPositions, kvHeads * share, mask);
            const outcome = attempt({ bundle, device, options, calls: callsFor(calls, maxPositions) });
            outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          },
        ),
        runs,
      );
      // Most cards fit most models, or the test would say little.
      expect(outcomes.get('right') ?? 0).toBeGreaterThan(0);
    },
    60_000 * RUNS,
  );
});
