/**
 * Logits do not depend on company: the same prompt alone, in a batch of eight with other prompts of other lengths,
 * in chunks, on one thread and on two, on every backend. In integer schemes the backends agree with each other too.
 */
import { setTimeout } from 'node:timers/promises';
import { quantizeModel } from '@bitloom/compression';
import { BitloomError, type ModelBundle } from '@bitloom/ir';
import { Arena, createKernels, type KernelOptions, type Kernels } from '@bitloom/kernels';
import { loadNative } from '@bitloom/kernels-native';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, loadHostModel } from '@bitloom/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { scriptedTokens } from './support/bit-equality.js';
import { dataPath, hasData } from './support/data.js';

const LLAMA: DecoderConfig = {
  family: 'llama',
  vocabSize: 301,
  layers: 2,
  width: 88,
  heads: 6,
  kvHeads: 2,
  headDim: 14,
  hiddenWidth: 203,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 128,
};
const OPT: DecoderConfig = {
  ...LLAMA,
  family: 'opt',
  kvHeads: 6,
  norm: { kind: 'layer', epsilon: 1e-5 },
  positions: { kind: 'learned', offset: 2 },
  biases: { qkv: true, output: true, feedForward: true },
  feedForward: { gated: false, activation: 'relu' },
  tiedEmbeddings: true,
};
const GPT2: DecoderConfig = {
  ...OPT,
  family: 'gpt2',
  positions: { kind: 'learned', offset: 0 },
  feedForward: { gated: false, activation: 'gelu' },
};
/** Products are shared between threads from some size on, so one model is above it. */
const WIDE: DecoderConfig = {
  ...LLAMA,
  layers: 1,
  width: 296,
  heads: 8,
  kvHeads: 4,
  headDim: 74,
  hiddenWidth: 812,
};

const MODELS: readonly (readonly [name: string, open: () => Promise<ModelBundle>])[] = [
  ['llama', async () => randomDecoder(LLAMA, { seed: 3 })],
  ['wide llama', async () => randomDecoder(WIDE, { seed: 4 })],
  ['opt', async () => randomDecoder(OPT, { seed: 5 })],
  ['gpt2', async () => randomDecoder(GPT2, { seed: 6 })],
  ...(hasData
    ? [['stories260K', () => openModel(dataPath('stories260K', 'stories260K-f32.gguf'))] as const]
    : []),
];
const SCHEMES = ['f32', 'W8A8', 'W4A8'];
/** Tokens of the sequences of a batch; the second is the one that is looked at. */
const LENGTHS = [3, 21, 1, 40, 7, 12, 30, 2];
const WATCHED = 1;
/** Steps behind the prompts. */
const STEPS = 3;

interface Setting {
  readonly backend: NonNullable<KernelOptions['backend']>;
  readonly threads: number;
  /** Tokens at once, alone and together. */
  readonly chunks: readonly number[];
}
const hasNative = loadNative() !== undefined;
const SETTINGS: readonly Setting[] = [
  { backend: 'wasm', threads: 1, chunks: [5, 16, 256] },
  { backend: 'wasm', threads: 2, chunks: [13, 256] },
  ...(hasNative
    ? ([
        { backend: 'native', threads: 1, chunks: [5, 16, 256] },
        { backend: 'native', threads: 2, chunks: [13, 256] },
      ] as const)
    : []),
  { backend: 'reference', threads: 1, chunks: [13] },
];

/** One memory, or as many as it takes. */
type Memory = Kernels | (() => Kernels);

const opened: Kernels[] = [];
afterAll(() => {
  for (const kernels of opened) kernels.close();
});

const started = new Map<Setting, Kernels>();

/** Kernels whose workers have all started: until then the calling thread does the work alone. */
async function startedKernels(setting: Setting): Promise<Kernels> {
  const known = started.get(setting);
  if (known !== undefined) return known;
  const { backend, threads } = setting;
  const kernels = createKernels({ backend, threads });
  opened.push(kernels);
  started.set(setting, kernels);
  for (let i = 0; i < 2000 && kernels.threads < threads; i++) await setTimeout(5);
  expect(kernels.threads).toBe(threads);
  return kernels;
}

/** What kernels take of their memory. */
const OWN_BYTES = createKernels().arena.used;
/** Sizes of small memories, beside what the kernels take, and the kernels made for them so far. */
const SMALL = Array.from({ length: 12 }, (_, i) => ({ bytes: 2 ** 17 * 1.5 ** i, made: [] as Kernels[] }));

/** Hands out kernels over memories of a size, the same ones in every test. */
function smallMemories({ bytes, made }: (typeof SMALL)[number]): {
  next: () => Kernels;
  count: () => number;
} {
  let used = 0;
  return {
    count: () => used,
    next() {
      const known = made[used];
      const kernels = known ?? createKernels({ arena: new Arena({ maxBytes: OWN_BYTES + bytes }) });
      if (known === undefined) made.push(kernels);
      used += 1;
      return kernels;
    },
  };
}

function bits(logits: Float32Array): Int32Array {
  return new Int32Array(logits.slice().buffer);
}

/** The prompt and the steps of each sequence. */
function scripts(vocabulary: number): readonly (readonly number[])[] {
  return LENGTHS.map((length, i) => scriptedTokens(length + STEPS, vocabulary, i + 1));
}

/** Bits of the watched sequence after its prompt and after each step, alone. */
function runAlone(bundle: ModelBundle, kernels: Memory, chunk: number): Int32Array[] {
  const engine = createHostEngine(bundle, { kernels, chunk, capacity: 64 });
  const script = scripts(engine.vocabularySize)[WATCHED];
  const prompt = script.slice(0, LENGTHS[WATCHED]);
  const out = [bits(engine.prefill(prompt))];
  for (const token of script.slice(prompt.length)) out.push(bits(engine.decode(token)));
  engine.close();
  return out;
}

/** The same in a batch of eight; some sequences join later, so that prompts run beside single tokens. */
function runTogether(bundle: ModelBundle, kernels: Memory, chunk: number): Int32Array[] {
  const host = loadHostModel(bundle, { kernels, chunk, capacity: 64, sequences: LENGTHS.length });
  const engines = LENGTHS.map(() => host.open());
  const all = scripts(host.vocabularySize);
  const out: Int32Array[] = [];
  for (let turn = 0; turn <= STEPS; turn++) {
    const batch = engines.flatMap((engine, i) => {
      const joins = i > WATCHED ? i % 3 : 0;
      if (turn < joins) return [];
      const length = LENGTHS[i];
      const tokens = turn === joins ? all[i].slice(0, length) : [all[i][length + turn - joins - 1]];
      return [{ engine, tokens }];
    });
    out.push(bits(host.step(batch)[WATCHED]));
  }
  for (const engine of engines) engine.close();
  host.close();
  return out;
}

/** Shows as skipped where the addon is absent: the comparisons below then go without it. */
test.skipIf(!hasNative)('native kernels are among the settings', () => {
  expect(SETTINGS.filter(({ backend }) => backend === 'native')).toHaveLength(2);
});

describe.each(MODELS)('%s', (name, open) => {
  test.each(SCHEMES)('%s gives a prompt the same logits in any company', async (scheme) => {
    const raw = await open();
    const bundle = scheme === 'f32' ? raw : quantizeModel(raw, scheme);
    const known = new Map<string, Int32Array[]>();
    for (const setting of SETTINGS) {
      // The definition takes seconds where the others take milliseconds.
      if (setting.backend === 'reference' && name === 'wide llama') continue;
      const kernels = await startedKernels(setting);
      const what = `${setting.backend}, ${setting.threads} threads`;
      const expected = runAlone(bundle, kernels, 64);
      // Float products may differ between backends, and nothing else may.
      const group = scheme === 'f32' ? setting.backend : 'all';
      expect(expected, what).toEqual(known.get(group) ?? expected);
      known.set(group, expected);
      for (const chunk of setting.chunks) {
        expect(runAlone(bundle, kernels, chunk), `${what}, alone in ${chunk}`).toEqual(expected);
        expect(runTogether(bundle, kernels, chunk), `${what}, together in ${chunk}`).toEqual(expected);
      }
    }
  });

  test.each(SCHEMES)('%s gives it over several memories too', async (scheme) => {
    const raw = await open();
    const bundle = scheme === 'f32' ? raw : quantizeModel(raw, scheme);
    const expected = runAlone(bundle, await startedKernels(SETTINGS[0]), 16);
    // The smallest memories that hold the largest part of the model make it go through most of them.
    for (const size of SMALL) {
      const memories = smallMemories(size);
      try {
        expect(runTogether(bundle, memories.next, 16)).toEqual(expected);
        expect(memories.count()).toBeGreaterThan(1);
        return;
      } catch (error) {
        if (!(error instanceof BitloomError && error.code === 'host-layer-too-large')) throw error;
      }
    }
    expect.fail('no size fits');
  });
});
