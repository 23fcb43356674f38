/**
 * A tokenizer as the files of a Hugging Face folder: `tokenizer.json` and `tokenizer_config.json`. The mate of
 * `hf-json-native.ts`: SentencePiece's scores become ranks of pairs, a pre-tokenizer's name becomes its pattern.
 */
import { BitloomError } from '@bitloom/ir';
import { HF_CUTS } from './hf-json-native.js';
import { SENTENCEPIECE_SPACE as SPACE, spaced } from './sentencepiece-bpe.js';
import {
  type ByteLevelRecord,
  type SentencePieceRecord,
  TOKEN_TYPE,
  type TokenizerRecord,
} from './tokenizer.js';

/** Contents of the two files. */
export interface HfTokenizerFiles {
  readonly 'tokenizer.json': Uint8Array;
  readonly 'tokenizer_config.json': Uint8Array;
}

/**
 * The files of a tokenizer.
 *
 * @param chatTemplate goes into `tokenizer_config.json`
 * @throws BitloomError `export-unsupported` for a pre-tokenizer whose pattern Hugging Face has under no one form
 */
export function hfTokenizerFiles(record: TokenizerRecord, chatTemplate?: string): HfTokenizerFiles {
  const chat = chatTemplate === undefined ? {} : { chat_template: chatTemplate };
  if (record.kind === 'hf-json') {
    return files(record.tokenizer, { ...record.config, ...chat });
  }
  const isByteLevel = record.kind === 'byte-level-bpe';
  const tokens = isByteLevel ? record.tokens : spaced(record);
  const nameOf = (id: number | undefined): string | null => (id === undefined ? null : tokens[id]);
  const eosId = record.eosIds.find((id) => id !== record.bosId) ?? record.eosIds[0];
  const document = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens, record.types),
    ...(isByteLevel ? byteLevelParts(record) : sentencePieceParts(record)),
    post_processor: record.addBos && record.bosId !== undefined ? bosFirst(record.bosId, tokens) : null,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: nameOf(record.unknownId),
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: !isByteLevel,
      byte_fallback: !isByteLevel,
      ignore_merges: isByteLevel && record.ignoreMerges,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: isByteLevel ? record.merges : mergesByScore(record, tokens),
    },
  };
  const config = {
    add_bos_token: record.addBos,
    bos_token: nameOf(record.bosId),
    clean_up_tokenization_spaces: false,
    eos_token: nameOf(eosId),
    tokenizer_class: 'PreTrainedTokenizerFast',
    unk_token: nameOf(record.unknownId),
    ...chat,
  };
  return files(document, config);
}

function files(tokenizer: object, config: object): HfTokenizerFiles {
  const encode = (value: object): Uint8Array =>
    new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
  return { 'tokenizer.json': encode(tokenizer), 'tokenizer_config.json': encode(config) };
}

/** Tokens that are taken from a text as they stand: control tokens, unknown, and those of the model's makers. */
function addedTokens(tokens: readonly string[], types: readonly number[]): object[] {
  const added = new Set<number>([TOKEN_TYPE.unknown, TOKEN_TYPE.control, TOKEN_TYPE.userDefined]);
  return tokens.flatMap((content, id) =>
    added.has(types[id])
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: types[id] !== TOKEN_TYPE.userDefined,
          },
        ]
      : [],
  );
}

function bosFirst(bosId: number, tokens: readonly string[]): object {
  const name = tokens[bosId];
  const bos = { SpecialToken: { id: name, type_id: 0 } };
  const text = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [bos, text('A', 0)],
    pair: [bos, text('A', 0), text('B', 1)],
    special_tokens: { [name]: { id: name, ids: [bosId], tokens: [name] } },
  };
}

function byteLevelParts({ pre, ignoreMerges }: ByteLevelRecord): object {
  // Merging is a matter of the model; names that differ in nothing else share a pattern.
  const cut = HF_CUTS.find((known) => known.names.includes(pre) && known.ignoreMerges === ignoreMerges);
  if (cut === undefined) {
    throw new BitloomError({
      code: 'export-unsupported',
      message: 'no tokenizer.json is written for this way to cut text into words',
      where: 'tokenizer',
      expected: HF_CUTS.flatMap(({ names }) => names).join(', '),
      got: `${pre}${ignoreMerges ? ', whole words first' : ''}`,
      hint: 'give the tokenizer.json that came with the model: --tokenizer FILE',
    });
  }
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  const split = { type: 'Split', pattern: { Regex: cut.pattern }, behavior: 'Isolated', invert: false };
  return {
    normalizer: null,
    pre_tokenizer:
      cut.names[0] === 'gpt-2'
        ? { ...bytes, use_regex: true }
        : { type: 'Sequence', pretokenizers: [split, { ...bytes, use_regex: false }] },
    decoder: { ...bytes, use_regex: true },
  };
}

function sentencePieceParts({ addSpacePrefix }: SentencePieceRecord): object {
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  const prepend = { type: 'Prepend', prepend: SPACE };
  const text = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    normalizer: addSpacePrefix ? { type: 'Sequence', normalizers: [prepend, spaces] } : spaces,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: addSpacePrefix ? [...text, strip] : text },
  };
}

/** Every pair of pieces that makes a piece, best score first; the pairs of a piece stand together. */
function mergesByScore(
  { scores, types }: SentencePieceRecord,
  pieces: readonly string[],
): [string, string][] {
  const normal = new Set(pieces.filter((_, id) => types[id] === TOKEN_TYPE.normal));
  const order = pieces.flatMap((piece, id) => (types[id] === TOKEN_TYPE.normal ? [{ piece, id }] : []));
  order.sort((a, b) => scores[b.id] - scores[a.id] || a.id - b.id);
  return order.flatMap(({ piece }) => {
    const pairs: [string, string][] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const [left, right] = [piece.slice(0, cut), piece.slice(cut)];
      if (normal.has(left) && normal.has(right)) pairs.push([left, right]);
    }
    return pairs;
  });
}
