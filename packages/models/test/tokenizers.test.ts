import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBytes } from '../src/bytes/memory-source.js';
import { readGguf } from '../src/gguf/reader.js';
import { openFile } from '../src/node/file-source.js';
import { createTokenizer } from '../src/tokenizers/create-tokenizer.js';
import { readGgufTokenizer } from '../src/tokenizers/gguf-tokenizer.js';
import { readGpt2Tokenizer } from '../src/tokenizers/gpt2-files.js';
import { readLlama2cTokenizer } from '../src/tokenizers/llama2c-tokenizer.js';
import { readSentencePieceModel } from '../src/tokenizers/sentencepiece-model.js';
import type { Tokenizer } from '../src/tokenizers/tokenizer.js';
import {
  damage,
  damageArbitrary,
  dataPath,
  expectBitloomError,
  hasData,
  toleratesOrRejects,
} from './support.js';

async function vocabulary(name: string): Promise<Tokenizer> {
  const file = await readGguf(openFile(dataPath('llamacpp-vocab', `ggml-vocab-${name}.gguf`)));
  file.close();
  return createTokenizer(readGgufTokenizer(file.metadata));
}

async function llama2c(path: string, size?: number): Promise<Tokenizer> {
  const source = openFile(dataPath(path));
  const record = await readLlama2cTokenizer(source, size);
  source.close();
  return createTokenizer(record);
}

/** The strings of a vocabulary test and the ids expected for each. */
function cases(name: string): { text: string; ids: number[] }[] {
  const base = dataPath('llamacpp-vocab', `ggml-vocab-${name}.gguf`);
  const texts = readFileSync(`${base}.inp`, 'utf8').split('\n__ggml_vocab_test__\n');
  const lines = readFileSync(`${base}.out`, 'utf8').split('\n');
  return texts.map((text, i) => ({ text, ids: lines[i].trim().split(/\s+/).filter(Boolean).map(Number) }));
}

/** What a stream gives, token by token. */
function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const stream = tokenizer.decodeStream();
  return ids.map((id) => stream.push(id)).join('') + stream.end();
}

describe.skipIf(!hasData)('published vocabularies', () => {
  const known = new Map<string, Tokenizer>();
  const get = (name: string): Tokenizer => {
    const tokenizer = known.get(name);
    if (tokenizer === undefined) throw new Error(`no tokenizer ${name}`);
    return tokenizer;
  };

  beforeAll(async () => {
    for (const name of ['llama-spm', 'gpt-2', 'starcoder']) known.set(name, await vocabulary(name));
    const bytes = (file: string): Uint8Array => readFileSync(dataPath('gpt2-bpe', file));
    known.set(
      'gpt-2 files',
      createTokenizer(readGpt2Tokenizer({ vocabulary: bytes('encoder.json'), merges: bytes('vocab.bpe') })),
    );
    known.set(
      'tokenizer.model',
      createTokenizer(readSentencePieceModel(readFileSync(dataPath('llama2c-tokenizer/tokenizer.model')))),
    );
    known.set('tokenizer.bin', await llama2c('llama2c-tokenizer/tokenizer.bin', 32000));
    known.set('tok512', await llama2c('stories260K/tok512.bin', 512));
  });

  it.each([
    ['llama-spm', 'llama-spm'],
    ['gpt-2', 'gpt-2'],
    ['starcoder', 'starcoder'],
    ['gpt-2 files', 'gpt-2'],
    ['tokenizer.model', 'llama-spm'],
    ['tokenizer.bin', 'llama-spm'],
  ])('%s gives the expected ids of %s, and the text back', (name, expected) => {
    const tokenizer = get(name);
    for (const { text, ids } of cases(expected)) {
      expect(tokenizer.encode(text, { bos: false }), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(streamed(tokenizer, ids)).toBe(text);
    }
  });

  it.each(['llama-spm', 'gpt-2', 'tok512'])('%s: any text comes back, whole or streamed', (name) => {
    const tokenizer = get(name);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        // U+2581 stands for a space in SentencePiece vocabularies and cannot come back.
        fc.pre(!text.includes('\u2581'));
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(streamed(tokenizer, ids)).toBe(text);
      }),
      { numRuns: 100 },
    );
  });

  it.each(['llama-spm', 'gpt-2'])('%s: a record that went through JSON makes the same tokenizer', (name) => {
    const tokenizer = get(name);
    const again = createTokenizer(JSON.parse(JSON.stringify(tokenizer)));
    const text = 'Once upon a time, 1234 Grüße 🦙\n\n  x';
    expect(again.encode(text)).toEqual(tokenizer.encode(text));
    expect(again.toJSON()).toEqual(tokenizer.toJSON());
  });

  it.each(['llama-spm', 'gpt-2', 'starcoder'])(
    '%s: what is streamed after other ids is what they add',
    (name) => {
      const tokenizer = get(name);
      fc.assert(
        fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (text, at) => {
          fc.pre(!text.includes('\u2581'));
          const ids = tokenizer.encode(text);
          const cut = ids.length === 0 ? 0 : at % ids.length;
          const [before, rest] = [ids.slice(0, cut), ids.slice(cut)];
          const whole = tokenizer.decode(before);
          fc.pre(!whole.endsWith('\ufffd'));
          expect(whole + tokenizer.decode(rest, { after: before })).toBe(text);
        }),
      );
    },
  );

  it('BOS is put where the vocabulary wants it, or where the caller does', () => {
    expect(get('llama-spm').encode('')).toEqual([1]);
    expect(get('llama-spm').encode('', { bos: false })).toEqual([]);
    expect(get('gpt-2').encode('')).toEqual([]);
    expect(get('gpt-2').encode('', { bos: true })).toEqual([50256]);
    expect(get('tok512').encode('')).toEqual([1]);
  });

  it('control tokens in a text are text, unless asked for', () => {
    const gpt2 = get('gpt-2');
    expect(gpt2.encode('a<|endoftext|>b')).not.toContain(50256);
    expect(gpt2.encode('a<|endoftext|>b', { special: true })).toEqual([64, 50256, 65]);
    expect(gpt2.decode([64, 50256, 65])).toBe('ab');
    expect(gpt2.decode([64, 50256, 65], { special: true })).toBe('a<|endoftext|>b');
    const spm = get('llama-spm');
    expect(spm.encode('<s>hi</s>', { bos: false })).not.toContain(1);
    expect(spm.encode('<s>hi</s>', { bos: false, special: true })).toEqual([
      1,
      ...spm.encode('hi', { bos: false }),
      2,
    ]);
  });

  it('refuses ids outside the vocabulary', async () => {
    for (const name of ['llama-spm', 'gpt-2']) {
      for (const id of [-1, 60000, 0.5, Number.NaN]) {
        await expectBitloomError(() => get(name).decode([id]), 'token-id-outside');
      }
    }
  });

  it('llama2.c: the golden text is what its own decoding rules give', () => {
    const golden = readFileSync(dataPath('stories260K/golden_greedy_200steps.txt'), 'utf8');
    const tokenizer = get('tok512');
    const ids = tokenizer.encode(golden);
    expect(ids[0]).toBe(1);
    expect(tokenizer.decode(ids)).toBe(golden);
    expect(tokenizer.decode(ids.slice(1), { after: [1] })).toBe(golden);
    // `<0x0A>` is a raw byte.
    expect(tokenizer.decode([3 + 10], { after: ids })).toBe('\n');
    // Without BOS before it, a leading space stays.
    const space = tokenizer.encode(' a', { bos: false }).slice(-1);
    expect(tokenizer.decode(space, { after: ids })).toBe(' a');
  });

  it('encodes a megabyte of text: the tokens give the text back', () => {
    const text = readFileSync(dataPath('tinyshakespeare/input.txt'), 'utf8');
    for (const name of ['llama-spm', 'gpt-2']) {
      const ids = get(name).encode(text);
      expect(get(name).decode(ids)).toBe(text);
    }
  });

  it('does not slow down on one long word', () => {
    // Quadratic merging would take minutes here.
    const long = 'ab'.repeat(100_000);
    for (const name of ['llama-spm', 'gpt-2']) {
      expect(get(name).decode(get(name).encode(long))).toBe(long);
      const spaces = ' '.repeat(100_000);
      expect(get(name).decode(get(name).encode(spaces))).toBe(spaces);
    }
  });

  it('reads of the GGUF and the llama2.c file of one model agree', async () => {
    const file = await readGguf(openFile(dataPath('stories260K/stories260K-f32.gguf')));
    file.close();
    const other = createTokenizer(readGgufTokenizer(file.metadata));
    const text = readFileSync(dataPath('tinyshakespeare/input.txt'), 'utf8').slice(0, 20_000);
    expect(other.encode(text)).toEqual(get('tok512').encode(text));
  });

  it('damaged tokenizer files: only typed errors', async () => {
    const bin = readFileSync(dataPath('stories260K/tok512.bin'));
    const model = readFileSync(dataPath('llama2c-tokenizer/tokenizer.model'));
    // The trainer settings stand at the end of the file.
    const short = Buffer.concat([model.subarray(0, 3000), model.subarray(-200)]);
    await fc.assert(
      fc.asyncProperty(damageArbitrary(bin.length), (how) =>
        toleratesOrRejects(async () => {
          const record = await readLlama2cTokenizer(fromBytes(damage(bin, how)), 512);
          createTokenizer(record).encode('Once upon a time');
        }),
      ),
      { numRuns: 100 },
    );
    await fc.assert(
      fc.asyncProperty(damageArbitrary(short.length), (how) =>
        toleratesOrRejects(() =>
          createTokenizer(readSentencePieceModel(damage(short, how))).encode('Once upon'),
        ),
      ),
      { numRuns: 200 },
    );
  });

  it('a llama2.c tokenizer of another model is refused', async () => {
    await expectBitloomError(() => llama2c('stories260K/tok512.bin', 511), 'llama2c-tokenizer-invalid');
    await expectBitloomError(() => llama2c('stories260K/tok512.bin', 513), 'llama2c-tokenizer-invalid');
    await expectBitloomError(() => llama2c('stories260K/stories260K.bin', 512));
    const bytes = readFileSync(dataPath('stories260K/tok512.bin')).subarray(0, -1);
    await expectBitloomError(() => readLlama2cTokenizer(fromBytes(bytes)), 'llama2c-tokenizer-truncated');
  });
});

describe('tokenizer records', () => {
  const RECORD = {
    kind: 'sentencepiece-bpe',
    pieces: ['<unk>', '<s>', '</s>', 'a', 'b', 'ab', '\u2581'],
    scores: [0, 0, 0, -2, -2, -1, -3],
    types: [2, 3, 3, 1, 1, 1, 1],
    space: '\u2581',
    addSpacePrefix: false,
    bosId: 1,
    eosIds: [2],
    unknownId: 0,
    addBos: true,
  };
  const BYTES = {
    kind: 'byte-level-bpe',
    tokens: ['a', 'b'],
    types: [1, 1],
    merges: [],
    pre: 'gpt-2',
    ignoreMerges: false,
    eosIds: [],
    addBos: false,
  };

  it('merges by score and falls back to the unknown token', () => {
    const tokenizer = createTokenizer(RECORD);
    expect(tokenizer.encode('abab ba')).toEqual([1, 5, 5, 6, 4, 3]);
    expect(tokenizer.encode('aéb')).toEqual([1, 3, 0, 4]);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['an unknown kind', { ...RECORD, kind: 'wordpiece' }],
    ['pieces that are no strings', { ...RECORD, pieces: [1, 2, 3, 4, 5, 6, 7] }],
    ['scores of another length', { ...RECORD, scores: [0] }],
    ['a score that is no number', { ...RECORD, scores: [0, 0, 0, 0, 0, 0, Number.NaN] }],
    ['a type that does not exist', { ...RECORD, types: [2, 3, 3, 1, 1, 1, 9] }],
    ['an id outside', { ...RECORD, bosId: 7 }],
    ['an end outside', { ...RECORD, eosIds: [-1] }],
    ['a space of two characters', { ...RECORD, space: '  ' }],
    ['pieces that would take for ever', { ...RECORD, pieces: RECORD.pieces.map(() => 'x'.repeat(20000)) }],
    ['a flag that is none', { ...RECORD, addBos: 1 }],
    ['merges of one part', { ...BYTES, merges: ['ab'] }],
    ['merges that end early', { ...BYTES, merges: ['a '] }],
    [
      'a tokenizer.json that is none',
      { kind: 'hf-json', tokenizer: [], config: {}, eosIds: [], addBos: false },
    ],
  ])('refuses %s', async (_, record) => {
    await expectBitloomError(() => createTokenizer(record), 'tokenizer-record-invalid');
  });

  it('refuses an unknown pre-tokenizer by name', async () => {
    const error = await expectBitloomError(
      () => createTokenizer({ ...BYTES, pre: 'mystery' }),
      'pre-tokenizer-unknown',
    );
    expect(error.got).toContain('mystery');
  });

  it('says when a byte has no token', async () => {
    await expectBitloomError(() => createTokenizer(BYTES).encode('c'), 'tokenizer-character-unknown');
    expect(createTokenizer({ ...BYTES, unknownId: 0 }).encode('cb')).toEqual([0, 1]);
  });

  it('replaces lone surrogates and survives any record', async () => {
    expect(createTokenizer({ ...BYTES, unknownId: 0 }).encode('\ud800')).toEqual([0, 0, 0]);
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.constantFrom(...Object.keys(RECORD)), (value, key) =>
        toleratesOrRejects(() => createTokenizer({ ...RECORD, [key]: value }).encode('ab c')),
      ),
    );
  });
});
