import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeContainer } from '@bitloom/ir/node';
import { modelSchema } from '@bitloom/ir/schema';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryFolder } from '../src/bytes/folder.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import { ggufCheckpoint } from '../src/families/gguf.js';
import { hfCheckpoint } from '../src/families/hf-checkpoint.js';
import { readGguf } from '../src/gguf/reader.js';
import { writeHfLlama } from '../src/hf/write-hf-llama.js';
import { readLlama2c } from '../src/llama2c/checkpoint.js';
import { openModel, readTokenizerFile } from '../src/node.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { f32Entry, writeSafetensors } from '../src/safetensors/writer.js';
import { zooEntry } from '../src/zoo/zoo.js';
import { buildGguf, type Value } from './gguf-builder.js';
import {
  damage,
  damageArbitrary,
  dataPath,
  expectBitloomError,
  hasData,
  toleratesOrRejects,
} from './support.js';

let scratch = '';
const path = (name: string): string => join(scratch, name);
const write = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(path(name), bytes);
  return path(name);
};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'bitloom-open-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** A llama2.c checkpoint of these header numbers; tensors are zero. */
function llama2c(header: readonly number[], floats?: number): Uint8Array {
  const [dim, hidden, layers, heads, kvHeads, vocab, length] = header;
  const kv = (dim / heads) * kvHeads;
  const size = Math.abs(vocab);
  const perLayer = 2 * dim + 2 * dim * dim + 2 * dim * kv + 3 * dim * hidden;
  const count = size * dim * (vocab < 0 ? 2 : 1) + layers * perLayer + dim + length * (dim / heads);
  const out = new Uint8Array(28 + 4 * (floats ?? count));
  const view = new DataView(out.buffer);
  header.forEach((value, i) => void view.setInt32(4 * i, value, true));
  return out;
}
const HEADER = [16, 24, 2, 4, 2, 10, 8];

/** A small Llama, as a Hugging Face folder in memory. */
const SMALL = {
  ...zooEntry('llama2-7b').config,
  vocabSize: 10,
  layers: 2,
  width: 8,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  hiddenWidth: 12,
  maxPositions: 16,
};
const small = randomDecoder(SMALL);
const SMALL_FILES: Record<string, Uint8Array> = { ...writeHfLlama(SMALL, small.sections) };

describe('llama2.c checkpoints', () => {
  it('reads the header, tied and untied', async () => {
    const tied = await readLlama2c(fromBytes(llama2c(HEADER)));
    expect(tied.config).toMatchObject({
      width: 16,
      hiddenWidth: 24,
      layers: 2,
      headDim: 4,
      tiedEmbeddings: true,
    });
    expect(tied.tensors.has('wcls')).toBe(false);
    const untied = await readLlama2c(fromBytes(llama2c([16, 24, 2, 4, 2, -10, 8])));
    expect(untied.config).toMatchObject({ vocabSize: 10, tiedEmbeddings: false });
    expect(untied.tensors.get('wcls')?.shape).toEqual([10, 16]);
  });

  it.each<[string, readonly number[], string]>([
    ['a dim of 0', [0, 24, 2, 4, 2, 10, 8], 'llama2c-header-invalid'],
    ['a negative size', [16, -24, 2, 4, 2, 10, 8], 'llama2c-header-invalid'],
    ['sizes of 2^31 - 1', Array(7).fill(2 ** 31 - 1), 'llama2c-header-invalid'],
    ['sizes of 2^24', [2 ** 24, 2 ** 24, 4096, 4096, 4096, 2 ** 24, 2 ** 24], 'llama2c-size-mismatch'],
    ['heads that do not divide', [16, 24, 2, 3, 1, 10, 8], 'llama2c-header-invalid'],
    ['an odd head', [20, 24, 2, 4, 2, 10, 8], 'llama2c-header-invalid'],
    ['more key heads than heads', [16, 24, 2, 4, 8, 10, 8], 'llama2c-header-invalid'],
    ['a vocabulary of -2^31', [16, 24, 2, 4, 2, -(2 ** 31), 8], 'llama2c-header-invalid'],
    ['a later version', [0x616b3432, 1, 2, 4, 2, 10, 8], 'llama2c-version'],
  ])('refuses %s', async (_, header, code) => {
    await expectBitloomError(() => readLlama2c(fromBytes(llama2c(header, 16))), code);
  });

  it('refuses a file of another length, and damaged ones only with typed errors', async () => {
    const whole = llama2c(HEADER);
    await expectBitloomError(() => readLlama2c(fromBytes(whole.subarray(0, -1))), 'llama2c-size-mismatch');
    await expectBitloomError(() => readLlama2c(fromBytes(whole.subarray(0, 27))), 'llama2c-truncated');
    await fc.assert(
      fc.asyncProperty(damageArbitrary(whole.length, 28), (how) =>
        toleratesOrRejects(() => readLlama2c(fromBytes(damage(whole, how)))),
      ),
      { numRuns: 500 },
    );
  });
});

describe('Hugging Face folders', () => {
  const open = (files: Record<string, Uint8Array>): Promise<unknown> =>
    hfCheckpoint(memoryFolder(files, 'folder'));
  const config = (changes: object): Uint8Array => {
    const json: object = JSON.parse(new TextDecoder().decode(SMALL_FILES['config.json']));
    return new TextEncoder().encode(JSON.stringify({ ...json, ...changes }));
  };

  it('refuses tensors that are missing, superfluous or of another shape, by name', async () => {
    const cases: [object, string, string][] = [
      [{ num_hidden_layers: 3 }, 'model-tensor-missing', 'model.layers.2.input_layernorm.weight'],
      [{ num_hidden_layers: 1 }, 'model-tensor-extra', 'model.layers.1.'],
      [{ attention_bias: true }, 'model-tensor-missing', 'q_proj.bias'],
      [{ intermediate_size: 13 }, 'model-tensor-shape', 'gate_proj'],
      [{ tie_word_embeddings: true, vocab_size: 9 }, 'model-tensor-shape', 'embed_tokens'],
    ];
    for (const [changes, code, tensor] of cases) {
      const error = await expectBitloomError(
        () => open({ ...SMALL_FILES, 'config.json': config(changes) }),
        code,
      );
      expect(error.message).toContain(tensor);
    }
    const error = await expectBitloomError(
      () => open({ ...SMALL_FILES, 'config.json': config({ vocab_size: 9 }) }),
      'model-tensor-shape',
    );
    expect([error.expected, error.got]).toEqual(['[9, 8]', '[10, 8]']);
  });

  it('lets a tied model carry a copy of its output projection', async () => {
    await open({ ...SMALL_FILES, 'config.json': config({ tie_word_embeddings: true }) });
  });

  it('says what a folder lacks', async () => {
    await expectBitloomError(() => open({}), 'file-not-found');
    await expectBitloomError(() => open({ 'config.json': SMALL_FILES['config.json'] }), 'file-not-found');
    const weights = SMALL_FILES['model.safetensors'];
    await expectBitloomError(
      () => open({ 'config.json': new Uint8Array([0xff]), 'model.safetensors': weights }),
      'json-not-utf8',
    );
    await expectBitloomError(
      () => open({ ...SMALL_FILES, 'model.safetensors': weights.subarray(0, -1) }),
      'safetensors-tensor-outside',
    );
    const other = writeSafetensors([f32Entry('something.else', [1], new Float32Array(1))]);
    await expectBitloomError(
      () => open({ ...SMALL_FILES, 'model.safetensors': other }),
      'model-tensor-missing',
    );
  });

  it('throws only typed errors on damaged files', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('config.json', 'model.safetensors'),
        damageArbitrary(2000),
        (name, how) =>
          toleratesOrRejects(() => open({ ...SMALL_FILES, [name]: damage(SMALL_FILES[name], how) })),
      ),
      { numRuns: 300 },
    );
  });
});

describe('GGUF models', () => {
  const pairs = (changes: Record<string, Value> = {}): [string, Value][] =>
    Object.entries({
      'general.architecture': { type: 'string', value: 'llama' } as Value,
      'llama.block_count': { type: 'uint32', value: 1 },
      'llama.context_length': { type: 'uint32', value: 8 },
      'llama.embedding_length': { type: 'uint32', value: 8 },
      'llama.feed_forward_length': { type: 'uint32', value: 8 },
      'llama.attention.head_count': { type: 'uint32', value: 2 },
      'llama.attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-6 },
      ...changes,
    } satisfies Record<string, Value>);
  const open = async (changes: Record<string, Value>): Promise<unknown> =>
    ggufCheckpoint(await readGguf(fromBytes(buildGguf({ pairs: pairs(changes) }), 'test.gguf')));
  const vocab: Record<string, Value> = { 'llama.vocab_size': { type: 'uint32', value: 4 } };

  it('names an architecture it does not know', async () => {
    const error = await expectBitloomError(
      () => open({ 'general.architecture': { type: 'string', value: 'mamba' } }),
      'model-architecture-unknown',
    );
    expect(error.got).toContain('mamba');
  });

  it.each<[string, Record<string, Value>, string]>([
    ['experts', { 'llama.expert_count': { type: 'uint32', value: 8 } }, 'model-unsupported'],
    ['yarn', { 'llama.rope.scaling.type': { type: 'string', value: 'yarn' } }, 'model-unsupported'],
    ['partial rotation', { 'llama.rope.dimension_count': { type: 'uint32', value: 2 } }, 'model-unsupported'],
    [
      'value heads of another width',
      { 'llama.attention.value_length': { type: 'uint32', value: 2 } },
      'model-unsupported',
    ],
    [
      'heads per layer',
      { 'llama.attention.head_count': { type: 'array', of: 'uint32', value: [] } },
      'gguf-metadata-type',
    ],
    [
      'heads that do not divide',
      { 'llama.attention.head_count_kv': { type: 'uint32', value: 3 } },
      'model-config-invalid',
    ],
    ['a vocabulary without tensors', {}, 'model-tensor-missing'],
  ])('refuses %s', async (_, changes, code) => {
    await expectBitloomError(() => open({ ...vocab, ...changes }), code);
  });

  it('says which number is missing', async () => {
    await expectBitloomError(() => open({}), 'model-config-invalid');
    const bytes = buildGguf({ pairs: pairs().slice(0, 1) });
    await expectBitloomError(
      async () => ggufCheckpoint(await readGguf(fromBytes(bytes))),
      'gguf-metadata-missing',
    );
  });
});

describe('openModel', () => {
  it('opens a name of the zoo, without weights', async () => {
    const model = await openModel('llama3.2-1b', { context: 32 });
    expect(model.model.name).toBe('llama3.2-1b');
    expect(model.sections.has('embedding.weight')).toBe(false);
    const error = await expectBitloomError(() => model.sections.read('embedding.weight'), 'section-missing');
    expect(error.message).toContain('zoo');
    model.close();
  });

  it('says what it would have taken', async () => {
    const error = await expectBitloomError(() => openModel('llama-9000'), 'model-not-found');
    expect(error.expected).toContain('opt-6.7b');
    await expectBitloomError(() => openModel(scratch), 'file-not-found');
  });

  it.each<[string, Uint8Array]>([
    ['a zip archive', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0)],
    ['a Python pickle', Uint8Array.of(0x80, 2, 0x8a, 10)],
    ['an old GGML file', new TextEncoder().encode('tjgg....')],
    ['an ONNX file', Uint8Array.of(8, 7, 0x12, 4, 0, 0)],
    ['a safetensors file', SMALL_FILES['model.safetensors']],
  ])('tells %s from a llama2.c checkpoint', async (name, bytes) => {
    const error = await expectBitloomError(() => openModel(write('foreign', bytes)), 'model-format-unknown');
    expect(error.got).toContain(name);
    expect(error.hint).not.toBeUndefined();
  });

  it.each<[string, Uint8Array | string, string]>([
    ['an empty file', '', 'empty'],
    ['a text', 'Once upon a time there was a text.'.repeat(100), 'no model'],
    ['a few bytes', '{}', 'no model'],
    ['zeros', new Uint8Array(4096), 'no model'],
    ['numbers of another kind', llama2c([16, 24, 2 ** 20, 4, 2, 10, 8], 4000), 'no model'],
  ])('says of %s what was looked for', async (_, bytes, message) => {
    const error = await expectBitloomError(() => openModel(write('other', bytes)), 'model-format-unknown');
    expect(error.message).toContain(message);
    for (const known of ['GGUF', 'llama2.c', 'safetensors', 'bitloom'])
      expect(error.expected).toContain(known);
  });

  it.each<[string, Uint8Array, string]>([
    ['cut', llama2c(HEADER).subarray(0, 600), 'llama2c-size-mismatch'],
    ['with a header that is damaged', llama2c([16, 24, 2, 3, 1, 10, 8], 3000), 'llama2c-header-invalid'],
    ['of a later version', llama2c([0x616b3432, 1, 2, 4, 2, 10, 8], 8), 'llama2c-version'],
  ])('knows a llama2.c checkpoint that is %s', async (_, bytes, code) => {
    await expectBitloomError(() => openModel(write('damaged.bin', bytes)), code);
  });

  it('opens a checkpoint of any of the first bytes that others begin with', async () => {
    // A width of 80 begins with the byte of 'P'; a width of 264 with that of ONNX.
    for (const dim of [80, 264, 640]) {
      const file = write('any.bin', llama2c([dim, 8, 1, 4, 2, 3, 2]));
      const model = await openModel(file);
      expect(model.config?.width).toBe(dim);
      model.close();
    }
  });

  it('opens an artefact of our own with its weights and tokenizer', async () => {
    const tokenizer = {
      kind: 'byte-level-bpe',
      tokens: ['a', 'b'],
      types: [1, 1],
      merges: [],
      pre: 'gpt-2',
      ignoreMerges: false,
      eosIds: [1],
      addBos: false,
    };
    const bundle = randomDecoder(SMALL, { text: { tokenizer, eosIds: [1] } });
    modelSchema.parse(bundle.model);
    const file = path('small.bitloom');
    writeContainer(file, {
      kind: 'model',
      header: bundle.model,
      sections: bundle.model.constants.map(({ name }) => ({
        name,
        byteLength: bundle.sections.byteLength(name),
        chunks: () => [bundle.sections.read(name)],
      })),
    });
    const model = await openModel(file);
    expect(model.model).toEqual(bundle.model);
    expect(model.tokenizer?.encode('abba')).toEqual([0, 1, 1, 0]);
    for (const { name } of model.model.constants) {
      expect(Buffer.compare(model.sections.read(name), bundle.sections.read(name))).toBe(0);
    }
    model.close();
    await expectBitloomError(() => openModel(file, { context: 4 }), 'model-config-invalid');
    const bytes = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(damageArbitrary(bytes.length, 2000), (how) =>
        toleratesOrRejects(async () =>
          (await openModel(write('damaged.bitloom', damage(bytes, how)))).close(),
        ),
      ),
      { numRuns: 100 },
    );
  });

  it('does not take a tokenizer that is larger than the model', async () => {
    const folder = path('mismatch');
    mkdirSync(folder);
    for (const [name, bytes] of Object.entries(SMALL_FILES)) writeFileSync(join(folder, name), bytes);
    const vocab = Object.fromEntries([...'abcdefghijk'].map((letter, id) => [letter, id]));
    writeFileSync(join(folder, 'vocab.json'), JSON.stringify(vocab));
    writeFileSync(join(folder, 'merges.txt'), '#version: 0.2\n');
    await expectBitloomError(() => openModel(folder), 'tokenizer-vocabulary-mismatch');
    delete vocab.k;
    writeFileSync(join(folder, 'vocab.json'), JSON.stringify(vocab));
    writeFileSync(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ chat_template: [{ name: 'default', template: 'x' }] }),
    );
    const model = await openModel(folder);
    expect(model.tokenizer?.encode('abk'.slice(0, 2))).toEqual([0, 1]);
    expect(model.model.text?.chatTemplate).toBe('x');
    expect(model.model.text?.eosIds).toEqual([]);
    model.close();
  });
});

describe.skipIf(!hasData)('tokenizer files', () => {
  it.each([
    ['stories260K/tok512.bin', 'sentencepiece-bpe'],
    ['stories260K/stories260K-f32.gguf', 'sentencepiece-bpe'],
    ['llama2c-tokenizer/tokenizer.model', 'sentencepiece-bpe'],
    ['llamacpp-vocab/ggml-vocab-gpt-2.gguf', 'byte-level-bpe'],
    ['gpt2-bpe', 'byte-level-bpe'],
  ])('%s', async (file, kind) => {
    expect((await readTokenizerFile(dataPath(file))).kind).toBe(kind);
  });

  it('reads tokenizer.json under any name, with what stands beside it', async () => {
    const json = {
      added_tokens: [{ id: 2, content: '<s>', special: true }],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: { type: 'BPE', vocab: { a: 0, b: 1, '<s>': 2 }, merges: [] },
    };
    const file = write('my-tokenizer.json', JSON.stringify(json));
    write('tokenizer_config.json', JSON.stringify({ bos_token: '<s>' }));
    expect(await readTokenizerFile(file)).toMatchObject({ kind: 'hf-json', bosId: 2, addBos: false });
  });

  it('says when there is none', async () => {
    await expectBitloomError(() => readTokenizerFile(path('nowhere')), 'file-not-found');
    mkdirSync(path('no-tokenizer'));
    await expectBitloomError(() => readTokenizerFile(path('no-tokenizer')), 'tokenizer-not-found');
    copyFileSync(dataPath('tinyshakespeare/input.txt'), path('play.txt'));
    await expectBitloomError(() => readTokenizerFile(path('play.txt')), 'llama2c-tokenizer-invalid');
  });

  it('goes with a model it fits', async () => {
    const bin = dataPath('stories260K/stories260K.bin');
    const model = await openModel(bin, { tokenizer: dataPath('stories260K/tok512.bin') });
    expect(model.model.text).toMatchObject({ bosId: 1, eosIds: [1, 2] });
    modelSchema.parse(model.model);
    model.close();
    await expectBitloomError(
      () => openModel(bin, { tokenizer: dataPath('llama2c-tokenizer/tokenizer.bin') }),
      'llama2c-tokenizer-invalid',
    );
    await expectBitloomError(
      () => openModel(bin, { tokenizer: dataPath('llama2c-tokenizer/tokenizer.model') }),
      'tokenizer-vocabulary-mismatch',
    );
  });
});

describe('the tokenizer beside a llama2.c checkpoint', () => {
  it.skipIf(!hasData)('is taken by its name, and only by the name of this vocabulary', async () => {
    const folder = path('beside');
    mkdirSync(folder, { recursive: true });
    const checkpoint = join(folder, 'model.bin');
    copyFileSync(dataPath('stories260K/stories260K.bin'), checkpoint);
    copyFileSync(dataPath('stories260K/tok512.bin'), join(folder, 'tokenizer.bin'));
    const without = await openModel(checkpoint);
    expect(without.tokenizer).toBeUndefined();
    without.close();
    copyFileSync(dataPath('stories260K/tok512.bin'), join(folder, 'tok512.bin'));
    const beside = await openModel(checkpoint);
    expect(beside.tokenizer?.vocabSize).toBe(512);
    beside.close();
  });
});

describe('a model that bitloom wrote', () => {
  it.skipIf(!hasData)('takes a llama2.c tokenizer of the width of its logits', async () => {
    const { writeModel } = await import('@bitloom/ir/node');
    const source = await openModel(dataPath('stories260K/stories260K.bin'));
    const file = path('stories.bitloom');
    const { text: _text, ...silent } = source.model;
    writeModel(file, { model: silent, sections: source.sections });
    source.close();
    const opened = await openModel(file, { tokenizer: dataPath('stories260K/tok512.bin') });
    expect(opened.tokenizer?.vocabSize).toBe(512);
    opened.close();
  });
});
