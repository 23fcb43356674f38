/** Token embeddings and output projections that a configuration ties: as transformers 5 reads what a file has of them. */
import { expect, it } from 'vitest';
import { memoryFolder } from '../src/bytes/folder.js';
import { decoderParameters } from '../src/decoder/parameters.js';
import type { Checkpoint } from '../src/families/checkpoint.js';
import { hfCheckpoint } from '../src/families/hf-checkpoint.js';
import { hfTensorName, writeHfLlama } from '../src/hf/write-hf-llama.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { f32Entry, type SafetensorsEntry, writeSafetensors } from '../src/safetensors/writer.js';
import { zooEntry } from '../src/zoo/zoo.js';
import { expectBitloomError } from './support.js';

const CONFIG = {
  ...zooEntry('llama2-7b').config,
  vocabSize: 10,
  layers: 2,
  width: 8,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  hiddenWidth: 12,
  maxPositions: 16,
  tiedEmbeddings: true,
};
const { sections } = randomDecoder(CONFIG, { seed: 9 });
const floats = (name: string): Float32Array => new Float32Array(new Uint8Array(sections.read(name)).buffer);
const EMBEDDING = floats('embedding.weight');
const SHAPE = [CONFIG.vocabSize, CONFIG.width];
const INPUT = f32Entry('model.embed_tokens.weight', SHAPE, EMBEDDING);
const OTHERS = decoderParameters(CONFIG).flatMap(({ name, shape }) =>
  name === 'embedding.weight' ? [] : [f32Entry(hfTensorName(name), shape, floats(name))],
);

function open(entries: readonly SafetensorsEntry[]): Promise<Checkpoint> {
  const files = {
    'config.json': writeHfLlama(CONFIG, sections)['config.json'],
    'model.safetensors': writeSafetensors([...OTHERS, ...entries]),
  };
  return hfCheckpoint(memoryFolder(files, 'tied'));
}

it('are one, whichever of them a file has', async () => {
  const copy = f32Entry('lm_head.weight', SHAPE, EMBEDDING);
  for (const entries of [[INPUT], [copy], [INPUT, copy]]) {
    const checkpoint = await open(entries);
    expect(checkpoint.config.tiedEmbeddings).toBe(true);
    expect(checkpoint.weights(8).get('embedding.weight')?.read(0, EMBEDDING.length)).toEqual(EMBEDDING);
    expect(checkpoint.weights(8).has('head.weight')).toBe(false);
  }
});

it('are two where a file has two', async () => {
  const other = EMBEDDING.slice();
  other[other.length - 1] += 1;
  const checkpoint = await open([INPUT, f32Entry('lm_head.weight', SHAPE, other)]);
  expect(checkpoint.config.tiedEmbeddings).toBe(false);
  expect(checkpoint.weights(8).get('head.weight')?.read(0, other.length)).toEqual(other);
  const narrow = f32Entry('lm_head.weight', [1, CONFIG.width], other.slice(0, CONFIG.width));
  await expectBitloomError(() => open([INPUT, narrow]), 'model-tensor-shape');
  await expectBitloomError(() => open([]), 'model-tensor-missing');
});
