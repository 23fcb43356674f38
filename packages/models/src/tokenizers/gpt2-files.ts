/**
 * Reads the two files GPT-2 came with: a JSON object of token to id (`encoder.json`, `vocab.json`) and the merges,
 * one a line (`vocab.bpe`, `merges.txt`).
 */
import { BitloomError } from '@bitloom/ir';
import { decodeUtf8, describe, isJsonObject, parseStrictJson } from '../json/strict-json.js';
import { parseTokenizerRecord } from './records.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

export interface Gpt2Files {
  /** Bytes of `encoder.json` or `vocab.json`. */
  readonly vocabulary: Uint8Array;
  /** Bytes of `vocab.bpe` or `merges.txt`. */
  readonly merges: Uint8Array;
  /** Control tokens. Default: those of GPT-2 and OPT that the vocabulary has. */
  readonly control?: readonly string[];
  /** Token that begins a text. Default `</s>` or `<|endoftext|>`, whichever there is. */
  readonly bos?: string;
  readonly eos?: string;
  readonly unknown?: string;
  /** Whether texts begin with `bos`. Default false, as GPT-2; OPT has it true. */
  readonly addBos?: boolean;
}

const CONTROL = ['<|endoftext|>', '<s>', '</s>', '<pad>', '<unk>', '<mask>'];
const MAX_ID = 1 << 21;

/**
 * The record of a GPT-2 style tokenizer.
 * @throws BitloomError `gpt2-vocabulary-invalid`, the `json-` errors, `tokenizer-record-invalid`
 */
export function readGpt2Tokenizer(files: Gpt2Files): TokenizerRecord {
  const tokens = readVocabulary(files.vocabulary);
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const control = new Set(files.control ?? CONTROL);
  const end = idOf.has('</s>') ? '</s>' : '<|endoftext|>';
  const id = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : idOf.get(token);
  const bosId = id(files.bos ?? end);
  const eosId = id(files.eos ?? end);
  const unknownId = id(files.unknown);
  return parseTokenizerRecord({
    kind: 'byte-level-bpe',
    tokens,
    types: tokens.map((token) => typeOf(token, control)),
    merges: readMerges(files.merges),
    pre: 'gpt-2',
    ignoreMerges: false,
    ...(bosId === undefined ? {} : { bosId }),
    eosIds: eosId === undefined ? [] : [eosId],
    ...(unknownId === undefined ? {} : { unknownId }),
    addBos: files.addBos ?? false,
  });
}

function typeOf(token: string, control: ReadonlySet<string>): number {
  if (token === '') return TOKEN_TYPE.unused;
  return control.has(token) ? TOKEN_TYPE.control : TOKEN_TYPE.normal;
}

/** Tokens by id; ids that no token has are empty strings. */
function readVocabulary(bytes: Uint8Array): string[] {
  const where = 'vocabulary';
  const document = parseStrictJson(bytes, where);
  const fail = (expected: string, got: unknown): BitloomError =>
    new BitloomError({
      code: 'gpt2-vocabulary-invalid',
      message: 'the vocabulary is not an object of token to id',
      where,
      expected,
      got: describe(got),
      hint: 'take encoder.json or vocab.json of the model',
    });
  if (!isJsonObject(document)) throw fail('an object', document);
  const tokens: string[] = [];
  for (const token of Object.keys(document)) {
    const id = document[token];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MAX_ID) {
      throw fail(`an id below ${MAX_ID} for ${describe(token)}`, id);
    }
    while (tokens.length <= id) tokens.push('');
    if (tokens[id] !== '') throw fail('each id once', `${id} twice`);
    tokens[id] = token;
  }
  return tokens;
}

function readMerges(bytes: Uint8Array): string[] {
  const lines = decodeUtf8(bytes, 'merges').split('\n');
  if (lines[0]?.startsWith('#version') === true) lines.shift();
  return lines
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => line.trim() !== '');
}
