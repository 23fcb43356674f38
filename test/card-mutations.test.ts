/**
 * Programs with one thing broken, of one core and of several: the verifier refuses them with a typed error, or they leave
 * the same bytes in every order in which a card could carry them out. A verifier computes no numbers, so a program that it
 * takes may compute something else; what it must never do is depend on time. `BITLOOM_FUZZ` multiplies how many are tried.
 */
import { type CompileOptions, compile } from '@bitloom/compiler';
import { maskAttention, maskFromRows, quantizeModel } from '@bitloom/compression';
import {
  BitloomError,
  type Device,
  encodedLength,
  type ModelBundle,
  type Program,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { type CardOptions, SimulatedCard } from '@bitloom/simulator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TinyShape, tinyModel } from '../packages/runtime/test/support/tiny-model.js';
import { NO_BYTES } from './support/card-against-host.js';
import { CORE_MUTATIONS, MUTATIONS, type MutationChoice, mutate } from './support/mutate-program.js';
import { familyModel } from './support/random-decoders.js';
import { cardWith } from './support/small-cards.js';

const RUNS = Number(process.env.BITLOOM_FUZZ || 1);

/** Small in every way, so that whole memories can be compared. */
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
const LITTLE = { weights: 65_536, stream: 32_768, data: 65_536, accumulator: 8192, index: 64 };

interface Target {
  readonly device: Device;
  readonly bundle: ModelBundle;
  readonly options: CompileOptions;
  readonly runs: number;
  /** Failures that were found once. */
  readonly found?: readonly MutationChoice[];
}

const TARGETS: readonly Target[] = [
  {
    // Tiles everything.
    device: cardWith('cramped', {
      buffers: { weights: 4 * 1088, stream: 1024, data: 6 * 1024, accumulator: 512, index: 64 },
      queueDepth: 3,
      lanes: 2,
      hbmChannels: 2,
      efficiency: 0.2,
      bytesPerCyclePerPort: 16,
    }),
    bundle: quantizeModel(tinyModel(SMALL), 'W8A8'),
    options: { maxChunk: 16 },
    runs: 25,
  },
  {
    // Tiles little; two micro-batches of 16, the second of them short.
    device: cardWith('roomy', { buffers: LITTLE, mv: { n: 4, k: 4 } }),
    bundle: quantizeModel(
      familyModel(
        'qwen3',
        {
          layers: 1,
          width: 20,
          kvHeads: 2,
          share: 2,
          headDim: 6,
          hiddenWidth: 40,
          vocabSize: 50,
          maxPositions: 40,
          tiedEmbeddings: true,
          windows: [5],
        },
        1,
      ),
      'W4A8',
    ),
    options: { maxChunk: 32 },
    runs: 25,
  },
  {
    // Hidden blocks are left out: loads are looked up in tables.
    device: cardWith('masked', {
      buffers: { weights: 4 * 1088, stream: 1024, data: 12 * 1024, accumulator: 512, index: 64 },
      queueDepth: 3,
      mm: { n: 16 },
    }),
    bundle: maskAttention(
      quantizeModel(tinyModel(SMALL), 'W8A8'),
      maskFromRows({ block: 16, rows: ['1', '01', '101'] }),
    ),
    options: { maxChunk: 16 },
    runs: 25,
  },
  {
    device: cardWith('two cores', {
      cores: 2,
      buffers: LITTLE,
      queueDepth: 4,
      exchange: { bytesPerCycle: 1, latencyCycles: 300 },
    }),
    bundle: quantizeModel(tinyModel(SMALL), 'W4A8-8:16'),
    options: { maxChunk: 32 },
    runs: 40,
  },
  {
    device: cardWith('three cores and barriers', {
      cores: 3,
      buffers: LITTLE,
      lanes: 3,
      groupBarriers: true,
      barrierCycles: 40,
    }),
    bundle: quantizeModel(tinyModel({ ...SMALL, style: 'opt', kvHeads: 4 }), 'W8A8'),
    options: { maxChunk: 16, onchipDecode: false },
    runs: 30,
    // The part of one core over that of the last one, both with one end.
    found: [{ kind: 'overlap', entry: 0, at: 372, by: 1, core: 1 }],
  },
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

const common = { entry: fc.nat(1), at: fc.nat(400), by: fc.nat(400) };
const onOneCore: fc.Arbitrary<MutationChoice> = fc.record({ kind: fc.constantFrom(...MUTATIONS), ...common });
/** Broken on all cores alike, or on one of them. */
const onSeveral: fc.Arbitrary<MutationChoice> = fc.record({
  kind: fc.constantFrom(...MUTATIONS, ...CORE_MUTATIONS, ...CORE_MUTATIONS),
  ...common,
  core: fc.option(fc.nat(2), { nil: undefined }),
});

describe.each(TARGETS.map((target) => [target.device.name, target] as const))(
  'programs with one thing broken, on a card %s',
  (_name, { device, bundle, options, runs, found = [] }) => {
    it(
      'are refused, or give the same bytes in every order',
      () => {
        const program = compile(bundle.model, device, { ...options, sections: bundle.sections });
        expect(refusal(program, device)).toBeUndefined();
        const tally = new Map<string, { refused: number; passed: number }>();
        fc.assert(
          fc.property(device.cores === 1 ? onOneCore : onSeveral, (chosen) => {
            const mutant = mutate(program, chosen);
            if (mutant === undefined) return;
            const counts = tally.get(chosen.kind) ?? { refused: 0, passed: 0 };
            tally.set(chosen.kind, counts);
            if (refusal(mutant.program, device) !== undefined) {
              counts.refused++;
              return;
            }
            counts.passed++;
            // An exchange that one core leaves out, or whose parts leave a gap or overlap, is always found.
            const isFound =
              chosen.kind === 'gap' ||
              chosen.kind === 'overlap' ||
              (chosen.kind === 'unsent' && chosen.core !== undefined);
            expect(isFound, mutant.what).toBe(false);
            const expected = aftermath(mutant.program, device, bundle, 'program');
            for (const order of ['start', 'end'] as const) {
              const got = aftermath(mutant.program, device, bundle, order);
              expect(got.end, `${mutant.what}, ${order}`).toBe(expected.end);
              if (expected.end === 'done')
                expect(sameWords(got.words, expected.words), `${mutant.what}, ${order}`).toBe(true);
            }
          }),
          {
            numRuns: runs * RUNS,
            examples: found.map((one) => [one]),
            endOnFailure: process.env.BITLOOM_FUZZ !== undefined,
          },
        );
        // A wait without its token is always found. Most tokens matter; some were more than was needed.
        expect(tally.get('wait')?.passed ?? 0).toBe(0);
        const token = tally.get('token') ?? { refused: 0, passed: 0 };
        expect(token.refused).toBeGreaterThanOrEqual(token.passed);
      },
      60_000 * RUNS,
    );
  },
);
