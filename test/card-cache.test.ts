/**
 * KV caches of 4 bits on cards: the bits of the host for models of every family at ragged lengths, with windows, grouped
 * queries, N:M weights and masks; what HBM carries in a decode step, and what that does to its time. Random models with
 * such caches on random cards are in `card-features.test.ts`.
 */
import { compile } from '@bitloom/compiler';
import { localGlobalMask, maskAttention, quantizeModel } from '@bitloom/compression';
import { type Device, encodedLength, findCard, type Program, verifyModel } from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { createCardEngine } from '@bitloom/runtime';
import { type Simulation, simulate } from '@bitloom/simulator';
import { describe, expect, it } from 'vitest';
import { firstDifference } from './support/bit-equality.js';
import { attempt, hostSession, loadCard, NO_BYTES } from './support/card-against-host.js';
import { type DecoderSizes, FAMILY_NAMES, familyModel } from './support/random-decoders.js';
import { cardWith, HARD_CARDS, THREE_CORES } from './support/small-cards.js';

const BITLOOM = findCard('u280-bitloom');
const FLIGHTLLM = findCard('u280-flightllm');

/** Five key heads over three cores, two query heads each; codes of a head are three bytes. */
const SIZES: DecoderSizes = {
  layers: 2,
  width: 28,
  kvHeads: 5,
  share: 2,
  headDim: 6,
  hiddenWidth: 40,
  vocabSize: 30,
  maxPositions: 100,
  tiedEmbeddings: true,
  windows: [0, 17],
};
/** A prompt of two micro-batches and one token, steps, and more of a prompt behind them. */
const CALLS = [33, 1, 1, 34, 1];

describe('the bits of the host', () => {
  it.each(FAMILY_NAMES)('%s on both cards of the U280', (family) => {
    const sizes = family === 'mistral' || family === 'qwen2' ? SIZES : { ...SIZES, windows: undefined };
    const bundle = quantizeModel(familyModel(family, sizes, 7), 'FlightLLM-KV4');
    verifyModel(bundle.model);
    for (const device of [BITLOOM, FLIGHTLLM])
      expect(attempt({ bundle, device, options: {}, calls: CALLS, orders: ['program', 'end'] })).toBe(
        'right',
      );
  });

  it.each<[string, string, Partial<DecoderSizes>]>([
    ['N:M weights', 'FlightLLM-8:16-KV4', { width: 48 }],
    ['one code per byte and one more', 'W4A8-KV4', { headDim: 2, kvHeads: 1, share: 3 }],
    ['heads of whole vectors', 'W8A8-KV4', { headDim: 32, kvHeads: 2, share: 4 }],
    ['windows of one token and of 16', 'W8A8-KV4', { windows: [1, 16] }],
  ])('%s, on chip or not, in short chunks and small buffers', (_what, scheme, changes) => {
    const bundle = quantizeModel(familyModel('llama', { ...SIZES, ...changes }, 3), scheme);
    const buffers = { weights: 16_384, stream: 4096, data: 2 ** 19, accumulator: 16_384 };
    const small = cardWith('small', { cores: 3, buffers, queueDepth: 2, mv: { n: 16, k: 8 } });
    const attempts = [
      { device: BITLOOM, options: { maxChunk: 5 } },
      { device: small, options: { onchipDecode: false } },
      { device: small, options: {} },
    ];
    for (const one of attempts)
      expect(attempt({ ...one, bundle, calls: CALLS, orders: ['program', 'start'] })).toBe('right');
  });

  it('under a mask of blocks', () => {
    const bundle = quantizeModel(familyModel('qwen3', { ...SIZES, windows: undefined }, 5), 'W4A8-KV4');
    const masked = maskAttention(bundle, localGlobalMask(100, { block: 16, local: 2, global: 1 }));
    for (const device of [BITLOOM, FLIGHTLLM])
      expect(attempt({ bundle: masked, device, options: {}, calls: CALLS, orders: ['program'] })).toBe(
        'right',
      );
  });

  it('on cards that cut caches into many tiles, through a context of 512 tokens', () => {
    const bundle = quantizeModel(familyModel('llama', { ...SIZES, maxPositions: 512 }, 9), 'W4A8-KV4');
    const calls = [401, 1, 1, 100, 1, 1];
    const recording = hostSession(bundle, calls);
    for (const device of [...HARD_CARDS, THREE_CORES]) {
      const program = compile(bundle.model, device);
      const card = loadCard(program, device, bundle, { mode: 'function' });
      const engine = createCardEngine(card, program, bundle.model);
      expect(firstDifference(engine, recording), device.name).toBeUndefined();
    }
  });

  it('are not those of a cache of 8 bits', () => {
    const model = familyModel('llama', SIZES, 7);
    const [narrow, wide] = ['W8A8-KV4', 'W8A8'].map((scheme) =>
      hostSession(quantizeModel(model, scheme), [9, 1]),
    );
    expect(narrow).not.toEqual(wide);
  });
});

it('two codes share a byte of the memory image', () => {
  const sizes = { ...SIZES, layers: 1, windows: undefined, maxPositions: 50 };
  const bytesOf = (scheme: string): number[] => {
    const { regions } = compile(quantizeModel(familyModel('llama', sizes, 1), scheme).model, BITLOOM);
    return regions.filter(({ purpose }) => purpose === 'kv').map(({ bytes }) => bytes);
  };
  // Codes and scales of keys and of values: 5 heads of 50 tokens, too few to be spread over channels.
  expect(bytesOf('W8A8')).toEqual([1500, 1000, 1500, 1000]);
  expect(bytesOf('W8A8-KV4')).toEqual([750, 1000, 750, 1000]);
});

/** A decode step behind `past` tokens. */
function decode(program: Program, device: Device, past: number): Simulation['report']['phases'][number] {
  const lengths = { prefill: past, decode: 1, model: 'm', instructionBytes: NO_BYTES, encodedLength };
  const phase = simulate(program, device, lengths).report.phases.find(({ name }) => name === 'decode');
  if (phase === undefined) throw new Error('no decode phase');
  return phase;
}

describe('a decode step of tinyllama-1.1b behind 500 tokens', () => {
  it.each([BITLOOM, FLIGHTLLM].map((device) => [device.name, device] as const))(
    'on %s',
    async (_, device) => {
      const model = await openModel('tinyllama-1.1b');
      const past = 500;
      const [wide, narrow] = ['FlightLLM', 'FlightLLM-KV4'].map((scheme) => {
        const program = compile(quantizeModel(model, scheme).model, device, { capacity: 1024 });
        const { memories, seconds } = decode(program, device, past);
        const hbm = memories.find(({ name }) => name === 'hbm');
        if (hbm === undefined) throw new Error('no HBM');
        const { weights, kv, activations, instructions, other, total } = hbm.bytes;
        const rest = activations + instructions + other;
        expect(total).toBe(weights + kv + rest);
        return { weights, kv, rest, seconds };
      });
      // 22 layers of keys and values, 4 heads of 64: a row is written, and all are read with it.
      const rows = 22 * 2 * 4 * (past + 2);
      expect(wide.kv).toBe(rows * (64 + 4));
      expect(narrow.kv).toBe(rows * (32 + 4));
      expect(narrow.weights).toBe(wide.weights);
      // Fewer instructions may be fetched, for tiles of the cache hold more tokens.
      expect(narrow.rest).toBeLessThanOrEqual(wide.rest);
      expect(narrow.rest).toBeGreaterThan(0.9 * wide.rest);
      expect(narrow.seconds).toBeLessThan(wide.seconds);
    },
  );
});

it('a card whose expander takes no codes of 4 bits refuses them, and one that does not list such a cache', () => {
  const bundle = quantizeModel(familyModel('llama', SIZES, 1), 'W8A8-KV4');
  const only8 = cardWith('8 bits', { weightBits: [8] });
  const refusal = (device: Device) => expect(() => compile(bundle.model, device));
  refusal(only8).toThrow(
    expect.objectContaining({
      code: 'compiler-numerics-unsupported',
      got: '4 bits',
      expected: expect.stringContaining('8'),
    }),
  );
  const unlisted = {
    ...only8,
    numerics: only8.numerics.filter((key) => !key.includes('int4-per-token-head')),
  };
  refusal(unlisted).toThrow(expect.objectContaining({ code: 'compiler-numerics-unsupported' }));
});
