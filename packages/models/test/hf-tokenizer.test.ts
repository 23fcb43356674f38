import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { memoryFolder } from '../src/bytes/folder.js';
import { readGguf } from '../src/gguf/reader.js';
import { openFile } from '../src/node/file-source.js';
import { createTokenizer } from '../src/tokenizers/create-tokenizer.js';
import { readGgufTokenizer } from '../src/tokenizers/gguf-tokenizer.js';
import { hfJsonRecord, readHfTokenizer } from '../src/tokenizers/hf-tokenizer-files.js';
import { TOKEN_TYPE, type Tokenizer, type TokenizerRecord } from '../src/tokenizers/tokenizer.js';
import { dataPath, expectBitloomError, hasData, toleratesOrRejects } from './support.js';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A small tokenizer.json: bytes and a few merges, with a post-processor that puts BOS first. */
const SMALL = {
  version: '1.0',
  added_tokens: [
    {
      id: 6,
      content: '<s>',
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    },
    {
      id: 7,
      content: '</s>',
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    },
  ],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [6], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    vocab: { a: 0, b: 1, ab: 2, Ġ: 3, Ã: 4, '©': 5, '<s>': 6, '</s>': 7 },
    merges: ['a b'],
  },
};
const CONFIG = { bos_token: '<s>', eos_token: { content: '</s>' } };
const small = (changes: object = {}): Tokenizer =>
  createTokenizer(hfJsonRecord(encode({ ...SMALL, ...changes }), CONFIG));

describe('tokenizer.json', () => {
  it('encodes, decodes and knows its special tokens', () => {
    const tokenizer = small();
    expect([tokenizer.bosId, tokenizer.eosIds, tokenizer.addBos, tokenizer.vocabSize]).toEqual([
      6,
      [7],
      true,
      8,
    ]);
    expect(tokenizer.encode('ab a')).toEqual([6, 2, 3, 0]);
    expect(tokenizer.encode('ab', { bos: false })).toEqual([2]);
    expect(tokenizer.encode('')).toEqual([6]);
    expect(tokenizer.decode([6, 2, 3, 0])).toBe('ab a');
    expect(tokenizer.decode([6, 2], { special: true })).toBe('<s>ab');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.token(3)).toBe('Ġ');
  });

  it('takes control tokens from text only when asked', () => {
    const letters = Object.fromEntries([...'<>/sab'].map((letter, id) => [letter, id]));
    const model = { type: 'BPE', vocab: { ...letters, '<s>': 6, '</s>': 7 }, merges: [] };
    const tokenizer = small({ model });
    expect(tokenizer.encode('a</s>', { bos: false })).toEqual([4, 0, 2, 3, 1]);
    expect(tokenizer.encode('a</s>', { bos: false, special: true })).toEqual([4, 7]);
  });

  it('streams whole characters', () => {
    const stream = small().decodeStream();
    expect([2, 4, 5, 4].map((id) => stream.push(id))).toEqual(['ab', '', 'é', '']);
    expect(stream.end()).toBe('\ufffd');
  });

  it('travels as a record', () => {
    const again = createTokenizer(JSON.parse(JSON.stringify(small())));
    expect(again.encode('ab a')).toEqual([6, 2, 3, 0]);
    expect(again.addBos).toBe(true);
  });

  it.each<[string, object]>([
    ['no model', { model: undefined }],
    ['an id of 2^40', { model: { ...SMALL.model, vocab: { a: 2 ** 40 } } }],
    ['an id that is no number', { model: { ...SMALL.model, vocab: { a: 'b' } } }],
    ['an added token far away', { added_tokens: [{ id: 2 ** 31, content: 'x' }] }],
    ['an added token without text', { added_tokens: [{ id: 1, content: '' }] }],
    ['an unknown model', { model: { type: 'Mystery', vocab: { a: 0 } } }],
    ['an unknown normaliser', { normalizer: { type: 'Mystery' } }],
    [
      'a pattern that is no regular expression',
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
    ],
  ])('refuses %s', async (_, changes) => {
    await expectBitloomError(() => small(changes).encode('ab'), 'tokenizer-json-invalid');
  });

  it('says when a text has no ids', async () => {
    await expectBitloomError(
      () => createTokenizer(hfJsonRecord(new TextEncoder().encode('{'))),
      'tokenizer-json-invalid',
    );
    await expectBitloomError(() => small().decode([8]), 'token-id-outside');
  });

  it('throws only typed errors on altered documents', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(...Object.keys(SMALL)), (value, key) =>
        toleratesOrRejects(() => small({ [key]: value }).encode('ab a')),
      ),
      { numRuns: 300 },
    );
  });

  it('is found in a folder, with its end tokens from every place that names them', async () => {
    const folder = memoryFolder({
      'tokenizer.json': encode(SMALL),
      'tokenizer_config.json': encode(CONFIG),
      'generation_config.json': encode({ eos_token_id: [7, 5] }),
    });
    const record = await readHfTokenizer(folder);
    expect(record?.eosIds).toEqual([7, 5]);
    expect(await readHfTokenizer(memoryFolder({}))).toBeUndefined();
  });
});

describe.skipIf(!hasData)('published vocabularies as tokenizer.json', () => {
  let gpt2: TokenizerRecord | undefined;
  let llama: TokenizerRecord | undefined;
  let texts: string[] = [];

  beforeAll(async () => {
    const read = async (name: string): Promise<TokenizerRecord | undefined> => {
      const file = await readGguf(openFile(dataPath(`llamacpp-vocab/ggml-vocab-${name}.gguf`)));
      file.close();
      return readGgufTokenizer(file.metadata);
    };
    gpt2 = await read('gpt-2');
    llama = await read('llama-spm');
    texts = readFileSync(dataPath('llamacpp-vocab/ggml-vocab-gpt-2.gguf.inp'), 'utf8').split(
      '\n__ggml_vocab_test__\n',
    );
    const play = readFileSync(dataPath('tinyshakespeare/input.txt'), 'utf8');
    texts.push(
      play.slice(0, 4000),
      "It'S WE'LL \u00a0\u2003x  \r\n\r\n 12345678 a1b2 ...\n\n",
      'ǅ ⅷ ²³ \u0300a e\u0301',
    );
  });

  const byteLevelJson = (record: TokenizerRecord | undefined, patterns: readonly string[]): Uint8Array => {
    if (record?.kind !== 'byte-level-bpe') throw new Error('byte-level vocabulary expected');
    return encode({
      added_tokens: [{ id: 50256, content: '<|endoftext|>', special: true, normalized: false }],
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          ...patterns.map((Regex) => ({
            type: 'Split',
            pattern: { Regex },
            behavior: 'Isolated',
            invert: false,
          })),
          {
            type: 'ByteLevel',
            add_prefix_space: false,
            trim_offsets: true,
            use_regex: patterns.length === 0,
          },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(record.tokens.map((token, id) => [token, id])),
        merges: record.merges,
      },
    });
  };

  // The patterns as the model families' own tokenizer.json files have them: a witness for our table.
  const tiktoken = (digits: string): string =>
    `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
  const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
  const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
  const tekken = `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

  it.each<[string, readonly string[]]>([
    ['gpt-2', []],
    ['dbrx', [tiktoken('\\p{N}{1,3}')]],
    ['qwen2', [tiktoken('\\p{N}')]],
    ['tekken', [tekken]],
  ])('%s: our words and merges give the ids that tokenizer.json gives', (pre, patterns) => {
    const theirs = createTokenizer(hfJsonRecord(byteLevelJson(gpt2, patterns)));
    const ours = createTokenizer({ ...gpt2, pre });
    for (const text of texts) {
      const ids = ours.encode(text);
      expect(ids, JSON.stringify(text.slice(0, 80))).toEqual(theirs.encode(text));
      if (ids.length > 0) expect(theirs.decode(ids)).toBe(text);
      const stream = theirs.decodeStream();
      const part = ids.slice(0, 60);
      expect(part.map((id) => stream.push(id)).join('') + stream.end()).toBe(ours.decode(part));
    }
  });

  it('llama: merges by score are the merges by rank that a tokenizer.json has', () => {
    if (llama?.kind !== 'sentencepiece-bpe') throw new Error('SentencePiece vocabulary expected');
    const { pieces, scores, types } = llama;
    const ids = new Map(pieces.map((piece, id) => [piece, id]));
    const merges: { pair: [string, string]; score: number; left: number }[] = [];
    pieces.forEach((piece, id) => {
      if (types[id] !== TOKEN_TYPE.normal) return;
      for (let cut = 1; cut < piece.length; cut++) {
        const pair: [string, string] = [piece.slice(0, cut), piece.slice(cut)];
        const left = ids.get(pair[0]);
        if (left !== undefined && ids.has(pair[1])) merges.push({ pair, score: scores[id], left });
      }
    });
    merges.sort((a, b) => b.score - a.score);
    const theirs = createTokenizer(
      hfJsonRecord(
        encode({
          added_tokens: [0, 1, 2].map((id) => ({
            id,
            content: pieces[id],
            special: true,
            normalized: false,
          })),
          normalizer: {
            type: 'Sequence',
            normalizers: [
              { type: 'Prepend', prepend: '\u2581' },
              { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
            ],
          },
          pre_tokenizer: null,
          post_processor: null,
          decoder: {
            type: 'Sequence',
            decoders: [
              { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
              { type: 'ByteFallback' },
              { type: 'Fuse' },
              { type: 'Strip', content: ' ', start: 1, stop: 0 },
            ],
          },
          model: {
            type: 'BPE',
            unk_token: '<unk>',
            byte_fallback: true,
            vocab: Object.fromEntries(ids),
            merges: merges.map((merge) => merge.pair),
          },
        }),
        {},
        { bosId: 1, eosIds: [2] },
      ),
    );
    const ours = createTokenizer(llama);
    for (const text of texts.slice(0, -3).concat(texts.slice(-3, -2).map((play) => play.slice(0, 2000)))) {
      const expected = ours.encode(text, { bos: false });
      expect(theirs.encode(text, { bos: false }), JSON.stringify(text.slice(0, 80))).toEqual(expected);
      if (text === '') continue;
      expect(theirs.decode(expected)).toBe(text);
      const stream = theirs.decodeStream({ after: [1] });
      const part = expected.slice(0, 60);
      expect(part.map((id) => stream.push(id)).join('') + stream.end()).toBe(ours.decode(part));
    }
  });

  it('the folder forms of a vocabulary agree', async () => {
    const folder = memoryFolder({
      'vocab.json': readFileSync(dataPath('gpt2-bpe/encoder.json')),
      'merges.txt': readFileSync(dataPath('gpt2-bpe/vocab.bpe')),
      'config.json': encode({ bos_token_id: 50256, eos_token_id: 50256 }),
    });
    const tokenizer = createTokenizer(await readHfTokenizer(folder));
    expect(tokenizer.encode('Hello world')).toEqual(createTokenizer(gpt2).encode('Hello world'));
    expect(tokenizer.eosIds).toEqual([50256]);
    const spm = memoryFolder({
      'tokenizer.model': readFileSync(dataPath('llama2c-tokenizer/tokenizer.model')),
    });
    expect(createTokenizer(await readHfTokenizer(spm)).encode('Hello world')).toEqual([1, 15043, 3186]);
  });
});
