/**
 * The simulated card against the host interpreter, bit for bit: models of two families in two schemes, every card of
 * the box and cards that force each kind of tiling, prompts of 1 to 400 tokens and up to 200 steps behind each. Random
 * models and cards are in `card-features.test.ts`.
 */
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { CARDS, type Device, encodedLength, type ModelBundle } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { type OpenModel, openModel } from '@bitloom/models/node';
import { createCardEngine, createHostEngine, type Engine } from '@bitloom/runtime';
import { SimulatedCard } from '@bitloom/simulator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TinyShape, tinyModel } from '../packages/runtime/test/support/tiny-model.js';
import {
  firstDifference,
  type Recording,
  record,
  type Script,
  scriptedTokens,
} from './support/bit-equality.js';
import { dataPath, hasData } from './support/data.js';
import { HARD_CARDS, THREE_CORES } from './support/small-cards.js';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const ALL = [...CARDS, ...HARD_CARDS, THREE_CORES];
/** The longest prompt leaves room for these steps. */
const STEPS = 112;
const SCRIPT: Script = { prompts: [1, 2, 17, 128, 400], steps: STEPS, greedy: false };

/** The shape of stories260K with one layer less and a vocabulary that is no multiple of 16. */
const SHAPE = {
  context: 512,
  layers: 2,
  width: 64,
  heads: 8,
  headDim: 8,
  hidden: 172,
  vocabulary: 50,
} as const;

function hostEngine(bundle: ModelBundle): Engine {
  return createHostEngine(bundle, { kernels: createKernels() });
}

function cardEngine(
  bundle: ModelBundle,
  device: Device,
  options: Parameters<typeof compile>[2] = {},
): Engine {
  const program = compile(bundle.model, device, options);
  const card = new SimulatedCard({
    program,
    device,
    bundle,
    kernels: createKernels(),
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
  });
  return createCardEngine(card, program, bundle.model);
}

function tiny(style: TinyShape['style'], scheme: string, changes: Partial<TinyShape> = {}): ModelBundle {
  return quantizeModel(
    tinyModel({ ...SHAPE, style, kvHeads: style === 'llama' ? 4 : 8, ...changes }),
    scheme,
  );
}

/** 400 prompt tokens leave room for 112 steps of the 512. */
function expectFull(engine: Engine): void {
  expect(engine.position).toBe(512);
  expect(() => engine.decode(1)).toThrow(expect.objectContaining({ code: 'context-full' }));
  expect(() => engine.prefill([1])).toThrow(expect.objectContaining({ code: 'context-full' }));
}

describe.each(['llama', 'opt'] as const)('%s', (style) => {
  describe.each(['W8A8', 'W4A8'])('%s', (scheme) => {
    let bundle: ModelBundle;
    let recording: Recording;

    beforeAll(() => {
      bundle = tiny(style, scheme);
      const host = hostEngine(bundle);
      recording = record(host, SCRIPT);
      expect(recording.length).toBe(5 + 5 + 5 * STEPS);
      expectFull(host);
    });

    it.each(ALL.map((device) => [device.name, device] as const))('on %s', (_name, device) => {
      const engine = cardEngine(bundle, device);
      expect(firstDifference(engine, recording)).toBeUndefined();
      expectFull(engine);
    });
  });

  it('whatever the longest chunk, and in rows of logits per token', () => {
    const bundle = tiny(style, 'W8A8', { context: 90 });
    const host = hostEngine(bundle);
    const recording = record(host, { prompts: [1, 16, 33, 80], steps: 3, greedy: false });
    host.reset();
    const tokens = scriptedTokens(57, 50, 9);
    const rows = host.forward(tokens).slice();
    for (const device of [CARDS[0], HARD_CARDS[1], HARD_CARDS[3], THREE_CORES]) {
      for (const maxChunk of [1, 3, 16, 128]) {
        const engine = cardEngine(bundle, device, { maxChunk, entries: ['prefill', 'decode', 'forward'] });
        expect(firstDifference(engine, recording), `${device.name}, chunks of ${maxChunk}`).toBeUndefined();
        engine.reset();
        expect(engine.forward(tokens)).toEqual(rows);
      }
    }
  });
});

describe('shapes that divide nothing', () => {
  it.each<[string, Partial<TinyShape>]>([
    ['one head of 8', { width: 8, heads: 1, kvHeads: 1, headDim: 8, hidden: 20, context: 40 }],
    ['three heads to one key head, of 20', { width: 60, heads: 3, kvHeads: 1, headDim: 20, context: 200 }],
    [
      'heads of 10, wider than the model',
      { width: 44, heads: 6, kvHeads: 3, headDim: 10, hidden: 50, context: 200 },
    ],
    ['untied, neighbours rotated', { tied: false, layout: 'interleaved', vocabulary: 77, context: 130 }],
  ])('%s', (_what, changes) => {
    const bundle = tiny('llama', 'W4A8', changes);
    const context = changes.context ?? 512;
    const recording = record(hostEngine(bundle), {
      prompts: [1, 17, context - 20],
      steps: 30,
      greedy: false,
    });
    for (const device of ALL) {
      expect(firstDifference(cardEngine(bundle, device), recording), device.name).toBeUndefined();
    }
  });
});

describe.skipIf(!hasData)('stories260K', () => {
  const paths = ['stories260K.bin', 'tok512.bin'].map((file) => dataPath('stories260K', file));

  describe.each(['W8A8', 'W4A8'])('%s', (scheme) => {
    let file: OpenModel;
    let bundle: ModelBundle;
    let recording: Recording;

    afterAll(() => file.close());

    beforeAll(async () => {
      file = await openModel(paths[0], { tokenizer: paths[1] });
      bundle = quantizeModel(file, scheme);
      recording = record(hostEngine(bundle), { ...SCRIPT, steps: 200, greedy: true });
    });

    it.each(CARDS.map((device) => [device.name, device] as const))(
      'on %s, 200 steps behind each prompt',
      (_name, device) => {
        const engine = cardEngine(bundle, device);
        expect(firstDifference(engine, recording)).toBeUndefined();
        expectFull(engine);
      },
    );
  });
});
