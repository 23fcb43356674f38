/**
 * A Hugging Face `tokenizer.json` as one of this package's own records, where it is of a kind that has one: byte-level
 * BPE cut by a pattern that is known by name, or SentencePiece BPE with byte fallback. Formats that store a tokenizer in
 * parts (GGUF) need it. Every part of the document that changes tokens is either understood or refused.
 *
 * SentencePiece merges by the score of the piece that arises, `tokenizer.json` by the rank of the pair. The two agree
 * when the pairs of a piece stand together, as converters write them; then the score is minus the rank.
 */
import { BitloomError } from '@bitloom/ir';
import { describe } from '../json/strict-json.js';
import { type AddedToken, addedTokens } from './hf-json.js';
import { parseTokenizerRecord } from './records.js';
import { byteOfPiece, SENTENCEPIECE_SPACE as SPACE } from './sentencepiece-bpe.js';
import {
  type ByteLevelRecord,
  type HfJsonRecord,
  type SentencePieceRecord,
  TOKEN_TYPE,
  type TokenizerRecord,
} from './tokenizer.js';

type Json = Readonly<Record<string, unknown>>;

const GPT2_CUT = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const tiktokenCut = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** A pattern that cuts text into words as tokenizer.json files have it. */
interface HfCut {
  readonly pattern: string;
  readonly ignoreMerges: boolean;
  /** What GGUF calls it; the first one is written. */
  readonly names: readonly string[];
}

export const HF_CUTS: readonly HfCut[] = [
  { pattern: GPT2_CUT, ignoreMerges: false, names: ['gpt-2'] },
  { pattern: tiktokenCut('\\p{N}{1,3}'), ignoreMerges: true, names: ['llama-bpe', 'llama3', 'llama-v3'] },
  { pattern: tiktokenCut('\\p{N}{1,3}'), ignoreMerges: false, names: ['dbrx', 'smaug-bpe'] },
  { pattern: tiktokenCut('\\p{N}'), ignoreMerges: false, names: ['qwen2'] },
];

/**
 * The record itself where it is one of our own kinds, else the one its `tokenizer.json` amounts to.
 *
 * @throws BitloomError `export-unsupported`, `tokenizer-json-invalid`, `tokenizer-record-invalid`
 */
export function nativeRecord(record: TokenizerRecord): SentencePieceRecord | ByteLevelRecord {
  if (record.kind !== 'hf-json') return record;
  const document = record.tokenizer;
  const model = object(document.model) ?? refuse('a model', document.model);
  if (model.type !== 'BPE') refuse('a model of type BPE', model.type);
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[key] ?? '';
    if (value !== '' && value !== 0) refuse(`no ${key}`, value);
  }
  const native = parseTokenizerRecord(
    model.byte_fallback === true
      ? sentencePiece(record, document, model)
      : byteLevel(record, document, model),
  );
  if (native.kind === 'hf-json') refuse('a record of another kind', native.kind);
  return native;
}

function byteLevel(record: HfJsonRecord, document: Json, model: Json): unknown {
  const normalizer = object(document.normalizer)?.type ?? 'none';
  // Composed characters are what text has anyway; GGUF has no word for it, and readers of GGUF do not compose.
  if (normalizer !== 'none' && normalizer !== 'NFC') refuse('no normalizer, or NFC', normalizer);
  const { tokens, types } = vocabulary(document, model);
  const pattern = cutPattern(document.pre_tokenizer);
  const ignoreMerges = model.ignore_merges === true;
  const cut = HF_CUTS.find((known) => known.pattern === pattern && known.ignoreMerges === ignoreMerges);
  if (cut === undefined) refuse('a pattern of GPT-2, Llama 3 or Qwen 2 in pre_tokenizer', pattern);
  const unknownId = typeof model.unk_token === 'string' ? tokens.indexOf(model.unk_token) : -1;
  return {
    ...ends(record, unknownId),
    kind: 'byte-level-bpe',
    tokens,
    types,
    merges: mergePairs(model).map(([left, right]) => `${left} ${right}`),
    pre: cut.names[0],
    ignoreMerges,
  };
}

/** The pattern of a pre-tokenizer that cuts once and then spells words in bytes. */
function cutPattern(value: unknown): string {
  const root = object(value) ?? refuse('a pre_tokenizer', value);
  const steps: unknown[] =
    root.type === 'Sequence' && Array.isArray(root.pretokenizers) ? root.pretokenizers : [root];
  const bytes = object(steps[steps.length - 1]);
  if (bytes?.type !== 'ByteLevel' || bytes.add_prefix_space === true) {
    refuse('a pre_tokenizer that ends in ByteLevel without a space in front', bytes?.type);
  }
  if (steps.length === 1 && bytes.use_regex !== false) return GPT2_CUT;
  const split = object(steps[0]);
  const pattern = object(split?.pattern)?.Regex;
  const isPlain =
    steps.length === 2 &&
    bytes.use_regex === false &&
    split?.type === 'Split' &&
    split.behavior === 'Isolated' &&
    split.invert !== true;
  return isPlain && typeof pattern === 'string'
    ? pattern
    : refuse('one Split by a pattern, then ByteLevel', split?.type);
}

function sentencePiece(record: HfJsonRecord, document: Json, model: Json): unknown {
  const { tokens, types } = vocabulary(document, model);
  const merges = mergePairs(model);
  const ranks = new Map<string, number>();
  let previous = '';
  for (const [rank, [left, right]] of merges.entries()) {
    const piece = left + right;
    if (!ranks.has(piece)) ranks.set(piece, rank);
    else if (piece !== previous) refuse('merges in the order of their pieces', JSON.stringify(piece));
    previous = piece;
  }
  const unknownId = typeof model.unk_token === 'string' ? tokens.indexOf(model.unk_token) : -1;
  return {
    ...ends(record, unknownId),
    kind: 'sentencepiece-bpe',
    pieces: tokens,
    // Pieces that no merge makes are characters; they come after all others.
    scores: tokens.map((token, id) =>
      types[id] === TOKEN_TYPE.normal ? -(ranks.get(token) ?? merges.length) : 0,
    ),
    types: types.map((type, id) => {
      if (id === unknownId) return TOKEN_TYPE.unknown;
      return type === TOKEN_TYPE.normal && byteOfPiece(tokens[id]) !== undefined ? TOKEN_TYPE.byte : type;
    }),
    space: SPACE,
    addSpacePrefix: spacePrefix(document),
  };
}

/** Whether a space is put before a text, by either of the ways in which converters say so. */
function spacePrefix(document: Json): boolean {
  const normalizer = object(document.normalizer);
  const steps: unknown[] =
    normalizer?.type === 'Sequence' && Array.isArray(normalizer.normalizers)
      ? normalizer.normalizers
      : normalizer === undefined
        ? []
        : [normalizer];
  const pre = object(document.pre_tokenizer);
  if (pre === undefined) {
    const kinds = steps.map((step) => object(step)?.type).join(' ');
    const replace = object(steps[steps.length - 1]);
    const isSpace = object(replace?.pattern)?.String === ' ' && replace?.content === SPACE;
    const prepend = object(steps[0])?.prepend;
    if (isSpace && kinds === 'Replace') return false;
    if (isSpace && kinds === 'Prepend Replace' && prepend === SPACE) return true;
  } else if (
    pre.type === 'Metaspace' &&
    steps.length === 0 &&
    pre.replacement === SPACE &&
    pre.split === false
  ) {
    if (pre.prepend_scheme === 'never') return false;
    // `first` and `always` differ after control tokens only, where SentencePiece has its own way.
    if (pre.prepend_scheme === 'first' || pre.prepend_scheme === 'always') return true;
  }
  return refuse('spaces that become U+2581, as SentencePiece has them', pre?.type ?? steps.length);
}

/** Tokens by id with their types; ids that nothing has are unused. */
function vocabulary(document: Json, model: Json): { tokens: string[]; types: number[] } {
  const vocab = object(model.vocab) ?? refuse('a vocabulary by token', model.vocab);
  const added: readonly AddedToken[] = addedTokens(document);
  const byId = new Map<number, { token: string; type: number }>();
  for (const [token, id] of Object.entries(vocab)) {
    if (typeof id === 'number') byId.set(id, { token, type: TOKEN_TYPE.normal });
  }
  for (const { id, content, special } of added) {
    byId.set(id, { token: content, type: special === true ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined });
  }
  const size = [...byId.keys()].reduce((most, id) => Math.max(most, id), -1) + 1;
  const entries = Array.from(
    { length: size },
    (_, id) => byId.get(id) ?? { token: `[UNUSED${id}]`, type: TOKEN_TYPE.unused },
  );
  return { tokens: entries.map(({ token }) => token), types: entries.map(({ type }) => type) };
}

/** Merges in either form: `a b`, or a pair. */
function mergePairs(model: Json): [string, string][] {
  const { merges } = model;
  if (!Array.isArray(merges)) return refuse('a list of merges', describe(merges));
  return merges.map((merge: unknown) => {
    const pair: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = pair;
    if (pair.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right];
    return refuse('merges of two tokens', describe(merge));
  });
}

function ends(record: HfJsonRecord, unknownId: number): object {
  const { bosId, eosIds, addBos } = record;
  return {
    ...(bosId === undefined ? {} : { bosId }),
    eosIds,
    addBos,
    ...(unknownId === -1 ? {} : { unknownId }),
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: unknown): Json | undefined {
  return isObject(value) ? value : undefined;
}

function refuse(expected: string, got: unknown): never {
  throw new BitloomError({
    code: 'export-unsupported',
    message: 'this tokenizer.json has no form outside of Hugging Face that gives the same tokens',
    where: 'tokenizer.json',
    expected,
    got: describe(got),
    hint: 'give the tokenizer in another form: --tokenizer FILE (tokenizer.model, or a GGUF file of the same model)',
  });
}
