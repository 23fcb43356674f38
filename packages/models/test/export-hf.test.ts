/** Models as Hugging Face folders: the same weights, the same tokens, and nothing half-written. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySections } from '@bitloom/ir';
import { afterAll, describe, expect, it } from 'vitest';
import type { DecoderConfig } from '../src/decoder/decoder-config.js';
import { decoderParameters } from '../src/decoder/parameters.js';
import type { ExportSource } from '../src/families/export-source.js';
import { exportHf, HF_STORAGE_TYPES } from '../src/hf/export-hf.js';
import { writeHfLlama } from '../src/hf/write-hf-llama.js';
import { openModel } from '../src/node/open-model.js';
import { readTokenizerFile } from '../src/node/open-tokenizer.js';
import { writeFolder } from '../src/node/write-folder.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { createTokenizer } from '../src/tokenizers/create-tokenizer.js';
import { ggufTokenizerMetadata } from '../src/tokenizers/gguf-tokenizer-writer.js';
import { nativeRecord } from '../src/tokenizers/hf-json-native.js';
import { hfTokenizerFiles } from '../src/tokenizers/hf-json-writer.js';
import { hfJsonRecord } from '../src/tokenizers/hf-tokenizer-files.js';
import { type HfJsonRecord, TOKEN_TYPE, type TokenizerRecord } from '../src/tokenizers/tokenizer.js';
import { zooModel } from '../src/zoo/zoo.js';
import { dataPath, expectBitloomError, hasData } from './support.js';

const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 40,
  layers: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 96,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 64,
};
const PIECES = [
  '<unk>',
  '<s>',
  '</s>',
  ...'abcdefgh',
  '\u2581',
  '\u2581a',
  'bc',
  'abc',
  '\u2581abc',
  '<0x0A>',
];
const RECORD: TokenizerRecord = {
  kind: 'sentencepiece-bpe',
  pieces: PIECES,
  scores: PIECES.map((_, id) => -id),
  types: PIECES.map((piece, id) => {
    if (id === 0) return TOKEN_TYPE.unknown;
    if (id < 3) return TOKEN_TYPE.control;
    return piece.startsWith('<0x') ? TOKEN_TYPE.byte : TOKEN_TYPE.normal;
  }),
  space: '\u2581',
  addSpacePrefix: true,
  bosId: 1,
  eosIds: [2],
  unknownId: 0,
  addBos: true,
};
const TEXTS = [
  'Once upon a time',
  ' two  spaces, and Zo\u00eb said \u201chi\u201d\n',
  'caf\u00e9 \u{1F600} 12345 don\u2019t DON\u2019T\r\n\t x',
  '',
];

const source = (config = CONFIG): ExportSource => ({
  ...randomDecoder(config, { seed: 5, text: { tokenizer: { ...RECORD }, bosId: 1, eosIds: [2] } }),
  config,
});

const same = (got: Uint8Array, wanted: Uint8Array): boolean => Buffer.compare(got, wanted) === 0;

describe('export to a Hugging Face folder', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'bitloom-hf-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('is read as the same model with the same tokenizer', async () => {
    const model = source();
    const path = join(scratch, 'float');
    await writeFolder(path, exportHf(model, { type: 'F32' }).files);
    const back = await openModel(path);
    expect(back.config).toEqual(CONFIG);
    for (const { name } of decoderParameters(CONFIG)) {
      expect(same(back.sections.read(name), model.sections.read(name)), name).toBe(true);
    }
    const ours = createTokenizer(RECORD);
    expect([back.tokenizer?.bosId, back.tokenizer?.eosIds, back.tokenizer?.addBos]).toEqual([1, [2], true]);
    for (const text of ['abc abcd', 'a\nb', '', ' a']) {
      expect(back.tokenizer?.encode(text), text).toEqual(ours.encode(text));
    }
    back.close();
  });

  it('writes every quantised type, which is read back', async () => {
    const model = source();
    for (const type of HF_STORAGE_TYPES.filter((name) => name !== 'f32')) {
      const { files, tensors, notes } = exportHf(model, { type: type.toUpperCase(), ...groupsOf(type) });
      const path = join(scratch, type);
      await writeFolder(path, files);
      const back = await openModel(path);
      const sum = (name: string): number => {
        const values = new Float32Array(new Uint8Array(back.sections.read(name)).buffer);
        const wanted = new Float32Array(new Uint8Array(model.sections.read(name)).buffer);
        return Math.sqrt(
          values.reduce((total, value, i) => total + (value - wanted[i]) ** 2, 0) / values.length,
        );
      };
      // Weights have a deviation of 1/8, and no format here is coarser than four bits.
      for (const name of ['layers.0.q.weight', 'layers.1.down.weight']) {
        expect(sum(name), `${type} ${name}`).toBeGreaterThan(0);
        expect(sum(name), `${type} ${name}`).toBeLessThan(0.03);
      }
      expect(sum('norm.weight')).toBe(0);
      const quantized = tensors.filter((tensor) => tensor.type === type);
      expect(quantized.map(({ name }) => name)).toContain('model.layers.1.mlp.down_proj.weight');
      expect(notes).toEqual([]);
      for (const { byteLength, shape } of quantized) {
        expect((8 * byteLength) / (shape[0] * shape[1])).toBeLessThan(10);
      }
      back.close();
    }
  });

  it('says which layers stay float', () => {
    const { tensors, notes } = exportHf(source({ ...CONFIG, hiddenWidth: 100 }), {
      type: 'awq',
      groupSize: 32,
    });
    const kept = tensors.filter(({ isFallback }) => isFallback).map(({ name, type }) => `${name} ${type}`);
    expect(kept).toContain('model.layers.0.mlp.down_proj.weight F32');
    expect(
      notes.some((note) => note.startsWith("layer 'model.layers.0.mlp.down_proj': float32, because")),
    ).toBe(true);
  });

  it('makes float files a tensor at a time', () => {
    const model = source();
    const file = exportHf(model, { type: 'f32' }).files['model.safetensors'];
    if (file instanceof Uint8Array) throw new Error('a file in pieces');
    const chunks = [...file.chunks()];
    const whole = writeHfLlama(CONFIG, model.sections)['model.safetensors'];
    expect(same(Buffer.concat(chunks), whole)).toBe(true);
    expect(file.byteLength).toBe(whole.byteLength);
    expect(chunks.length).toBe(decoderParameters(CONFIG).length + 1);
  });

  it('refuses what it cannot write', async () => {
    const wide = { ...CONFIG, width: 8192, heads: 512, hiddenWidth: 28672, layers: 80 };
    await expectBitloomError(() => exportHf(source(wide), { type: 'gptq' }), 'export-unsupported');
    const shapes = { model: zooModel('tinyllama-1.1b', 64), sections: memorySections({}) };
    await expectBitloomError(() => exportHf(shapes, { type: 'f32' }), 'export-unsupported');
    await expectBitloomError(() => exportHf(source(), { type: 'q4_0' }), 'export-type-unknown');
    const biases = { qkv: true, output: true, feedForward: true };
    const variants: Partial<DecoderConfig>[] = [
      { feedForward: { gated: true, activation: 'relu' } },
      { norm: { ...CONFIG.norm, final: false } },
      { norm: { ...CONFIG.norm, place: 'after' } },
      { embeddingWidth: 12 },
      { scoreScales: [1, 1] },
      { windows: [3, 0], biases },
      { windows: [3, 0] },
      { windows: [3, 2], biases: { qkv: true, output: false, feedForward: false } },
      { headNorms: true, biases },
    ];
    for (const variant of variants) {
      const model = source({ ...CONFIG, ...variant });
      await expectBitloomError(() => exportHf(model, { type: 'f32' }), 'model-unsupported');
    }
  });

  it.each<[string, Partial<DecoderConfig>]>([
    ['mistral', {}],
    ['mistral', { windows: [7, 7] }],
    ['qwen2', { biases: { qkv: true, output: false, feedForward: false } }],
    ['qwen2', { biases: { qkv: true, output: false, feedForward: false }, windows: [0, 5] }],
    ['qwen3', { headNorms: true, headDim: 10 }],
    ['qwen3', { headNorms: true, windows: [5, 0], biases: { qkv: true, output: true, feedForward: false } }],
  ])('writes %s with %j as itself, from its graph too', async (family, variant) => {
    const config = { ...CONFIG, family, ...variant };
    const { config: _, ...artefact } = source(config);
    const path = join(scratch, `${family}-${JSON.stringify(variant).length}`);
    await writeFolder(path, exportHf(artefact, { type: 'F32' }).files);
    const back = await openModel(path);
    expect(back.config).toEqual(config);
    for (const { name } of decoderParameters(config)) {
      expect(same(back.sections.read(name), artefact.sections.read(name)), name).toBe(true);
    }
    back.close();
  });

  it('writes a folder whole or not at all', async () => {
    const files = { a: new Uint8Array(1 << 20).fill(1), b: new Uint8Array(0), c: Uint8Array.of(2) };
    const path = join(scratch, 'new', 'model');
    await expectBitloomError(() => writeFolder(path, files), 'write-failed');
    mkdirSync(join(scratch, 'new'));
    const controller = new AbortController();
    const abort = { signal: controller.signal, onProgress: () => controller.abort() };
    await expectBitloomError(() => writeFolder(path, files, abort), 'write-cancelled');
    expect(readdirSync(join(scratch, 'new'))).toEqual([]);
    mkdirSync(path);
    const progress: number[] = [];
    await writeFolder(path, files, { onProgress: (done, total) => progress.push(done / total) });
    expect(readdirSync(path).sort()).toEqual(['a', 'b', 'c']);
    expect(readFileSync(join(path, 'a')).every((byte) => byte === 1)).toBe(true);
    expect(progress[progress.length - 1]).toBe(1);
    await expectBitloomError(() => writeFolder(path, files), 'write-failed');
    writeFileSync(join(scratch, 'file'), 'x');
    await expectBitloomError(() => writeFolder(join(scratch, 'file'), files), 'write-failed');
    expect(readdirSync(join(scratch, 'new'))).toEqual(['model']);
    expect(existsSync(join(scratch, 'file'))).toBe(true);
  });
});

/** Groups that divide rows of 64 and 96, where the format leaves a choice. */
function groupsOf(type: string): { groupSize?: number } {
  return /gptq|awq|hqq|^pack/.test(type) ? { groupSize: 32 } : {};
}

describe('tokenizer.json in both directions', () => {
  const json = (record: TokenizerRecord): HfJsonRecord =>
    hfJsonRecord(hfTokenizerFiles(record)['tokenizer.json'], {}, { bosId: 1, eosIds: [2] });

  it('gives a SentencePiece record its own pieces back', () => {
    const back = nativeRecord(json(RECORD));
    if (back.kind !== 'sentencepiece-bpe') throw new Error('a SentencePiece tokenizer');
    expect({ ...back, scores: [] }).toEqual({ ...RECORD, scores: [] });
    // Ranks instead of scores, in the same order.
    const order = (scores: readonly number[]): string[] =>
      PIECES.filter(
        (piece, id) => RECORD.kind === 'sentencepiece-bpe' && RECORD.types[id] === 1 && piece.length > 1,
      ).sort((a, b) => scores[PIECES.indexOf(b)] - scores[PIECES.indexOf(a)]);
    expect(order(back.scores)).toEqual(order(RECORD.kind === 'sentencepiece-bpe' ? RECORD.scores : []));
  });

  it('refuses documents that would give other tokens', async () => {
    const good = json(RECORD);
    const change = (changes: object): HfJsonRecord => ({
      ...good,
      tokenizer: { ...good.tokenizer, ...changes },
    });
    const model = (changes: object): HfJsonRecord =>
      change({ model: { ...Object(good.tokenizer.model), ...changes } });
    const bad: readonly HfJsonRecord[] = [
      change({ normalizer: { type: 'Lowercase' } }),
      change({ normalizer: null }),
      change({ pre_tokenizer: { type: 'Whitespace' } }),
      change({ pre_tokenizer: { type: 'Metaspace', replacement: '_', split: false } }),
      model({ type: 'Unigram' }),
      model({ dropout: 0.1 }),
      model({ end_of_word_suffix: '</w>' }),
      model({ merges: ['a'] }),
      model({
        merges: [
          ['b', 'c'],
          ['a', 'bc'],
          ['b', 'c'],
        ],
      }),
      model({ byte_fallback: false }),
    ];
    for (const record of bad) await expectBitloomError(() => nativeRecord(record), 'export-unsupported');
    await expectBitloomError(
      () =>
        hfTokenizerFiles({
          kind: 'byte-level-bpe',
          tokens: ['a'],
          types: [1],
          merges: [],
          pre: 'falcon',
          ignoreMerges: false,
          eosIds: [],
          addBos: false,
        }),
      'export-unsupported',
    );
  });

  it.skipIf(!hasData)('keeps the tokens of published vocabularies', async () => {
    const paths: [string, number][] = [
      [dataPath('llama2c-tokenizer', 'tokenizer.model'), 32000],
      [dataPath('stories260K', 'tok512.bin'), 512],
      [dataPath('llamacpp-vocab', 'ggml-vocab-gpt-2.gguf'), 50257],
    ];
    const play = readFileSync(
      dataPath(
        'tinyshakespeare',
        readdirSync(dataPath('tinyshakespeare')).find((name) => name.endsWith('.txt')) ?? '',
      ),
      'utf8',
    );
    for (const [path, size] of paths) {
      const record = await readTokenizerFile(path, size);
      const ours = createTokenizer(record);
      const written = hfJsonRecord(hfTokenizerFiles(record)['tokenizer.json']);
      const theirs = createTokenizer(written);
      const native = createTokenizer(nativeRecord(written));
      for (const text of [...TEXTS, play.slice(0, 4000)]) {
        const ids = ours.encode(text, { bos: false });
        expect(theirs.encode(text, { bos: false }), `${path}: ${text.slice(0, 40)}`).toEqual(ids);
        expect(native.encode(text, { bos: false }), `${path}: ${text.slice(0, 40)}`).toEqual(ids);
        expect(theirs.decode(ids)).toBe(ours.decode(ids));
      }
    }
  });

  it.skipIf(!hasData)('makes a GGUF vocabulary of every way to cut words that has a name', async () => {
    const gpt2 = await readTokenizerFile(dataPath('llamacpp-vocab', 'ggml-vocab-gpt-2.gguf'), 50257);
    if (gpt2.kind !== 'byte-level-bpe') throw new Error('a byte-level tokenizer');
    for (const [pre, ignoreMerges] of [
      ['llama-bpe', true],
      ['dbrx', false],
      ['qwen2', false],
      ['gpt-2', false],
    ] as const) {
      const record: TokenizerRecord = { ...gpt2, pre, ignoreMerges };
      const { pairs } = ggufTokenizerMetadata(
        hfJsonRecord(hfTokenizerFiles(record)['tokenizer.json']),
        50300,
      );
      const metadata = new Map(pairs);
      expect(metadata.get('tokenizer.ggml.model')?.data).toBe('gpt2');
      expect(metadata.get('tokenizer.ggml.pre')?.data).toBe(pre);
      expect(metadata.get('tokenizer.ggml.merges')?.data).toEqual(gpt2.merges);
      const tokens = metadata.get('tokenizer.ggml.tokens')?.data;
      expect(Array.isArray(tokens) && tokens.slice(0, 50257)).toEqual(gpt2.tokens);
      expect(Array.isArray(tokens) && tokens.length).toBe(50300);
    }
  });
});
