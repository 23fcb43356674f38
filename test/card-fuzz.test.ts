/**
 * Random small decoders on random cards: each compiles or is refused with a typed error; what compiles passes the
 * verifier, gives the host's bits in the order of the program and in the order of card time, and accounts for every
 * cycle. Then programs with one thing broken: the verifier refuses them, or they are still right.
 */
import { compile } from '@bitloom/compiler';
import { quantizeModel, type Scheme } from '@bitloom/compression';
import { integerScheme, perGroup } from '@bitloom/formats';
import {
  BitloomError,
  type Device,
  encodedLength,
  encodeStream,
  findCard,
  integerNumerics,
  type ModelBundle,
  type Program,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { createCardEngine, createHostEngine, type Engine } from '@bitloom/runtime';
import { type CardOptions, SimulatedCard } from '@bitloom/simulator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TinyShape, tinyModel } from '../packages/runtime/test/support/tiny-model.js';
import { firstDifference, type Recording, record } from './support/bit-equality.js';
import { MUTATIONS, mutate } from './support/mutate-program.js';
import { cardWith } from './support/small-cards.js';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

const shape: fc.Arbitrary<Partial<TinyShape>> = fc
  .record({
    style: fc.constantFrom('llama' as const, 'opt' as const),
    kvHeads: fc.integer({ min: 1, max: 4 }),
    share: fc.integer({ min: 1, max: 3 }),
    headDim: fc.integer({ min: 1, max: 12 }).map((n) => 2 * n),
    width: fc.integer({ min: 1, max: 70 }),
    hidden: fc.integer({ min: 1, max: 150 }),
    vocabulary: fc.integer({ min: 2, max: 70 }),
    layers: fc.integer({ min: 1, max: 2 }),
    context: fc.integer({ min: 2, max: 100 }),
    tied: fc.boolean(),
    layout: fc.constantFrom('interleaved' as const, 'half' as const),
    seed: fc.nat(1000),
  })
  .map(({ share, ...rest }) => ({ ...rest, heads: rest.kvHeads * share }));

const format = fc
  .tuple(fc.integer({ min: 2, max: 8 }), fc.constantFrom(8, 16, 32, 128))
  .map(([bits, groupSize]) => integerScheme(bits, perGroup(groupSize)));
const scheme: fc.Arbitrary<Scheme> = fc
  .record({ linear: format, embedding: format, head: format })
  .map((weights) => ({ name: 'random', doc: 'for a test', weights, numerics: integerNumerics('random') }));

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

const card: fc.Arbitrary<Device> = fc
  .record({
    buffers: fc.record({
      weights: bytes(10, 15),
      stream: bytes(8, 15),
      data: bytes(12, 19),
      accumulator: bytes(6, 14),
    }),
    mm: mode,
    mv: mode,
    lanes: fc.integer({ min: 1, max: 40 }),
    ports: fc.integer({ min: 1, max: 4 }),
    bytesPerCyclePerPort: fc.constantFrom(3, 64, 4096),
    queueDepth: fc.integer({ min: 1, max: 16 }),
    loopBufferInstructions: fc.nat(40),
    timeDivisor: fc.constantFrom(1, 3.2),
    hbmChannels: fc.integer({ min: 1, max: 32 }),
    efficiency: fc.constantFrom(1, 0.7, 0.33),
    withoutDdr: fc.boolean(),
  })
  .map((changes) => cardWith('random', changes, findCard('u280')));

function load(
  program: Program,
  device: Device,
  bundle: ModelBundle,
  order: CardOptions['order'] = 'program',
): SimulatedCard {
  const kernels = createKernels();
  const mode = order === 'program' ? 'function' : 'both';
  return new SimulatedCard({
    program,
    device,
    bundle,
    kernels,
    encodedLength,
    instructionBytes: NO_BYTES,
    mode,
    order,
  });
}

function onCard(card: SimulatedCard, bundle: ModelBundle): Engine {
  return createCardEngine(card, card.program, bundle.model);
}

/** Prompts that end in the middle of things, with a few steps behind. */
function hostRecording(bundle: ModelBundle, context: number): Recording {
  const host = createHostEngine(bundle, { kernels: createKernels() });
  const prompts = [Math.ceil(context / 3), context - 1];
  return record(host, { prompts, steps: 3, greedy: false });
}

/** The program, or nothing where the card is too small. */
function compiled(bundle: ModelBundle, device: Device, maxChunk: number): Program | undefined {
  try {
    return compile(bundle.model, device, { maxChunk });
  } catch (error) {
    if (!(error instanceof BitloomError) || error.code !== 'compiler-does-not-fit') throw error;
    expect(error.message).toMatch(/short by \d+|at most \d+/);
    return undefined;
  }
}

function expectAccounted(card: SimulatedCard): void {
  for (const { cycles, units } of card.report().phases) {
    for (const { name, busy, idle, stall, total } of units) {
      const parts = [busy, idle, ...Object.values(stall)];
      expect(
        parts.every((part) => Number.isSafeInteger(part) && part >= 0),
        name,
      ).toBe(true);
      expect([parts.reduce((a, b) => a + b, 0), total]).toEqual([cycles, cycles]);
    }
  }
}

const maxChunk = fc.constantFrom(1, 2, 5, 16, 128);

describe('random decoders on random cards', () => {
  it('are refused, or right', () => {
    let fitted = 0;
    fc.assert(
      fc.property(shape, scheme, card, maxChunk, (changes, formats, device, chunk) => {
        const bundle = quantizeModel(tinyModel(changes), formats);
        const program = compiled(bundle, device, chunk);
        if (program === undefined) return;
        fitted++;
        verifyProgram(program, device, { samples: 2, maxExecuted: 5000 });
        for (const { streams } of program.entries) encodeStream(streams[0].instructions);
        const recording = hostRecording(bundle, changes.context ?? 2);
        for (const order of ['program', 'start', 'end'] as const) {
          const loaded = load(program, device, bundle, order);
          expect(firstDifference(onCard(loaded, bundle), recording), order).toBeUndefined();
          if (order !== 'program') expectAccounted(loaded);
        }
      }),
      { numRuns: 30 },
    );
    // Most cards fit most models, or the test would say little.
    expect(fitted).toBeGreaterThan(4);
  });
});

/** Small in every way, so that whole memories can be compared: one card that tiles everything, one that tiles little. */
const SMALL: Partial<TinyShape> = {
  context: 40,
  layers: 1,
  width: 20,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  hidden: 40,
  vocabulary: 50,
};
const TARGETS = [
  cardWith('cramped', {
    buffers: { weights: 4 * 1088, stream: 1024, data: 6 * 1024, accumulator: 512, index: 64 },
    queueDepth: 3,
    lanes: 2,
    hbmChannels: 2,
    efficiency: 0.2,
    bytesPerCyclePerPort: 16,
  }),
  cardWith('roomy', {
    buffers: { weights: 65_536, stream: 32_768, data: 65_536, accumulator: 8192, index: 64 },
    mv: { n: 4, k: 4 },
  }),
];

/** Everything a session leaves behind: logits, or the code of the error that ended it, and every byte of the card. */
function aftermath(
  program: Program,
  device: Device,
  bundle: ModelBundle,
  order: CardOptions['order'],
): { words: Int32Array; end: string } {
  const kernels = createKernels({ backend: 'reference' });
  const base = kernels.arena.used;
  const card = new SimulatedCard({
    program,
    device,
    bundle,
    kernels,
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
    order,
  });
  const top = kernels.arena.used;
  let end = 'done';
  try {
    for (const { entry, seq, past } of CALLS) {
      card.run(
        entry,
        { seq, past },
        { ids: Int32Array.from({ length: seq }, (_, i) => (7 * (i + past)) % 50) },
      );
    }
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    end = error.code;
  }
  return { words: kernels.arena.i32.slice(base / 4, top / 4), end };
}

const CALLS = [
  { entry: 'prefill', seq: 19, past: 0 },
  { entry: 'decode', seq: 1, past: 19 },
  { entry: 'decode', seq: 1, past: 20 },
] as const;

/** Whether two sets of words are the same; any NaN equals any other. */
function sameWords(a: Int32Array, b: Int32Array): boolean {
  const isNaNWord = (word: number): boolean => (word & 0x7fffffff) > 0x7f800000;
  return a.length === b.length && a.every((word, i) => word === b[i] || (isNaNWord(word) && isNaNWord(b[i])));
}

/** The code with which the verifier refuses a program, or undefined; the lengths that are run are among its own. */
function refusal(program: Program, device: Device): string | undefined {
  try {
    for (const entry of program.entries) {
      const lengths = CALLS.filter((call) => call.entry === entry.name).map(({ seq, past }) => ({
        seq,
        past,
      }));
      verifyProgram({ ...program, entries: [entry] }, device, { lengths, samples: 2, maxExecuted: 2000 });
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof BitloomError)) throw error;
    expect(error.code).toMatch(/^program-/);
    return error.code;
  }
}

const choice = fc.record({
  kind: fc.constantFrom(...MUTATIONS),
  entry: fc.nat(1),
  at: fc.nat(400),
  by: fc.nat(400),
});

describe.each(TARGETS.map((device) => [device.name, device] as const))(
  'programs with one thing broken, on a %s card',
  (_name, device) => {
    it('are refused, or give the same bytes in the order of card time', () => {
      const bundle = quantizeModel(tinyModel(SMALL), 'W8A8');
      const program = compile(bundle.model, device, { maxChunk: 16 });
      const tally = new Map<string, { refused: number; passed: number }>();
      fc.assert(
        fc.property(choice, (chosen) => {
          const mutant = mutate(program, chosen);
          if (mutant === undefined) return;
          const counts = tally.get(chosen.kind) ?? { refused: 0, passed: 0 };
          tally.set(chosen.kind, counts);
          if (refusal(mutant.program, device) !== undefined) {
            counts.refused++;
            return;
          }
          counts.passed++;
          const expected = aftermath(mutant.program, device, bundle, 'program');
          for (const order of ['start', 'end'] as const) {
            const got = aftermath(mutant.program, device, bundle, order);
            expect(got.end, `${mutant.what}, ${order}`).toBe(expected.end);
            if (expected.end === 'done')
              expect(sameWords(got.words, expected.words), `${mutant.what}, ${order}`).toBe(true);
          }
        }),
        { numRuns: 60 },
      );
      // A wait without its token is always found. Most tokens matter; some were more than was needed.
      expect(tally.get('wait')?.passed ?? 0).toBe(0);
      const token = tally.get('token') ?? { refused: 0, passed: 0 };
      expect(token.refused).toBeGreaterThan(token.passed);
    });
  },
);
