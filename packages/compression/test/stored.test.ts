/** The scheme `stored`: codes of a checkpoint as they are, integer arithmetic around them. */
import { readFileSync } from 'node:fs';
import { fillFromSection, type ModelBundle, verifyModel } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import {
  bundleCheckpoint,
  type DecoderConfig,
  type ExportSource,
  encodeGguf,
  exportGguf,
  fromBytes,
  ggufCheckpoint,
  type OpenModel,
  randomDecoder,
  readGguf,
} from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, textPerplexity } from '@bitloom/runtime';
import { describe, expect, it } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { findScheme, quantizeModel, storedWeights } from '../src/index.js';
import { slowLogits } from './support/slow-graph.js';

const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 48,
  layers: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 96,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'interleaved', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 32,
};
const IDS = [1, 5, 40, 3, 20, 7];
const LAYERS = Array.from({ length: CONFIG.layers }, (_, i) => i);

async function throughGguf(source: ExportSource, type: string): Promise<OpenModel> {
  const file = await readGguf(fromBytes(encodeGguf(exportGguf(source, { type }).content)));
  return bundleCheckpoint(await ggufCheckpoint(file), { name: source.model.name, format: 'GGUF' });
}

/** A random model whose file is in `type`. */
function checkpoint(type: string, config: Partial<DecoderConfig> = {}): Promise<OpenModel> {
  return throughGguf(randomDecoder({ ...CONFIG, ...config }, { seed: 11, name: 'random' }), type);
}

function logits(bundle: ModelBundle, backend: 'reference' | 'wasm', chunk = 64): Float32Array {
  const kernels = createKernels({ backend });
  try {
    return createHostEngine(bundle, { kernels, chunk }).forward(IDS);
  } finally {
    kernels.close();
  }
}

describe.each([
  ['q4_0', 'Q4_0', 'int4'],
  ['q8_0', 'Q8_0', 'int8'],
])('%s', (type, format, element) => {
  it('keeps every matrix, and has float norms and tables', async () => {
    const open = await checkpoint(type);
    const { model, notes } = quantizeModel(open, 'stored');
    verifyModel(model);
    expect(notes).toEqual([]);
    expect(model.numerics).toEqual(findScheme('stored').numerics);
    for (const { name, type, scheme } of model.constants) {
      const isMatrix = type.shape.length === 2;
      expect([name, type.kind, scheme?.name]).toEqual(
        isMatrix ? [name, 'quantized', format] : [name, 'dense', undefined],
      );
      if (type.kind === 'quantized') expect(type.element.name).toBe(element);
    }
    expect(storedWeights(open)).toEqual({ share: 1, formats: [format] });
  });

  it('computes what a second reading of the graph computes, with the same bits on every backend', async () => {
    const quantized = quantizeModel(await checkpoint(type), 'stored');
    const reference = logits(quantized, 'reference');
    const expected = slowLogits(quantized, IDS).flat();
    const largest = Math.max(...expected.map(Math.abs));
    reference.forEach((value, i) => {
      expect(Math.abs(value - expected[i]) / largest).toBeLessThan(2e-2);
    });
    expect(logits(quantized, 'wasm')).toEqual(reference);
    expect(logits(quantized, 'wasm', 2)).toEqual(reference);
  });

  it('keeps a tied embedding one constant', async () => {
    const open = await checkpoint(type, { tiedEmbeddings: true });
    const quantized = quantizeModel(open, 'stored');
    const tied = quantized.model.constants.filter(({ type }) => Number(type.shape[0]) === CONFIG.vocabSize);
    expect(tied.map(({ name }) => name)).toEqual(['embedding.weight']);
    expect(logits(quantized, 'wasm')).toEqual(logits(quantized, 'reference'));
  });

  it('says of every matrix stored otherwise that it is rounded', async () => {
    // Rows of 76 are no whole blocks: those of the last map of a layer are F16 in the file.
    const open = await checkpoint(type, { hiddenWidth: 76 });
    const quantized = quantizeModel(open, 'stored');
    const { model, notes } = quantized;
    expect(logits(quantized, 'wasm')).toEqual(logits(quantized, 'reference'));
    // Sections are filled as they are read, kept ones and rounded ones.
    for (const { components } of model.constants) {
      for (const section of Object.values(components)) {
        const expected = new Uint8Array(quantized.sections.read(section));
        const target = new Uint8Array(expected.length - 2);
        fillFromSection(quantized.sections, section, 2, target);
        expect(target).toEqual(expected.slice(2));
      }
    }
    const downs = LAYERS.map((layer) => `layers.${layer}.down.weight`);
    for (const name of downs) {
      expect(model.constants.find((one) => one.name === name)).toMatchObject({ scheme: { name: 'W8A8' } });
      expect(notes).toContain(
        `weight '${name}' [64, 76]: not stored as group integers, rounded to int8 as in W8A8`,
      );
    }
    const { share, formats } = storedWeights(open);
    expect(formats).toEqual([format]);
    expect(share).toBeGreaterThan(0.5);
    expect(share).toBeLessThan(1);
  });
});

describe('without stored codes', () => {
  it.each(['f32', 'iq4_nl', 'q4_1'])('%s is refused', async (type) => {
    const open = await checkpoint(type);
    expect(storedWeights(open)).toEqual({ share: 0, formats: [] });
    expect(() => quantizeModel(open, 'stored')).toThrow(
      expect.objectContaining({ code: 'scheme-not-stored', where: "model 'random'" }),
    );
  });

  it('a random model is refused, and one that is quantised already', async () => {
    expect(() => quantizeModel(randomDecoder(CONFIG), 'stored')).toThrow(
      expect.objectContaining({ code: 'scheme-not-stored' }),
    );
    const once = quantizeModel(await checkpoint('q8_0'), 'stored');
    expect(() => quantizeModel(once, 'stored')).toThrow(
      expect.objectContaining({ code: 'model-already-quantized' }),
    );
  });
});

describe.skipIf(!hasData)('stories260K', () => {
  /** Perplexity of the same file in float32, and the most that integer activations and caches may move it. */
  it.each([
    ['q8_0', 1],
    ['q4_0', 1.5],
  ])('in %s is as good from its codes as decoded to float32', async (type, percent) => {
    const original = await openModel(dataPath('stories260K', 'stories260K-f32.gguf'));
    const open = await throughGguf(original, type);
    const { tokenizer } = original;
    if (tokenizer === undefined) throw new Error('no tokenizer');
    const text = readFileSync(dataPath('tinyshakespeare', 'input.txt'), 'utf8').slice(0, 12_000);
    const score = (scheme: string): number => {
      const kernels = createKernels();
      const engine = createHostEngine(quantizeModel(open, scheme), { kernels });
      return textPerplexity(engine, tokenizer, text, { chunks: 8 }).perplexity;
    };
    const [stored, float] = [score('stored'), score('f32')];
    console.log(`${type}: perplexity ${stored.toFixed(3)} from its codes, ${float.toFixed(3)} in float32`);
    expect(Math.abs(stored / float - 1) * 100).toBeLessThan(percent);
    original.close();
  });
});
