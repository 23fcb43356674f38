/**
 * A tokenizer as metadata of a GGUF file (`tokenizer.ggml.*`): SentencePiece BPE as model `llama`, byte-level BPE as
 * `gpt2`. The mate of `gguf-tokenizer.ts`. A vocabulary smaller than the model's embedding is filled with unused tokens,
 * because llama.cpp takes its size for that of the embedding.
 */

import type { GgufValue } from '../gguf/metadata.js';
import { bool, float32s, int32s, string, strings, uint32 } from '../gguf/metadata-values.js';
import { nativeRecord } from './hf-json-native.js';
import { spaced } from './sentencepiece-bpe.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

type Pairs = (readonly [string, GgufValue])[];

/** Keys for the tokens that end a text: of the text, of a turn, of a message. */
const END_KEYS = ['eos', 'eot', 'eom'] as const;

/**
 * Key-value pairs of a tokenizer, and what they cannot say.
 *
 * @param record undefined: a model without a tokenizer, for ids only
 * @param vocabSize rows of the embedding
 * @throws BitloomError `export-unsupported` for a `tokenizer.json` that is neither kind
 */
export function ggufTokenizerMetadata(
  record: TokenizerRecord | undefined,
  vocabSize: number,
): { pairs: Pairs; notes: string[] } {
  if (record === undefined) {
    return {
      pairs: [['tokenizer.ggml.model', string('no_vocab')]],
      notes: ['the model has no tokenizer: the file takes and gives token ids only'],
    };
  }
  const notes: string[] = [];
  const native = nativeRecord(record);
  const pairs: Pairs = [];
  const add = (key: string, value: GgufValue): void => {
    pairs.push([`tokenizer.ggml.${key}`, value]);
  };
  const texts = native.kind === 'sentencepiece-bpe' ? spaced(native) : native.tokens;
  const missing = vocabSize - texts.length;
  const filled = fill(texts, missing);
  if (missing > 0)
    notes.push(`${missing} rows of the embedding have no token: the file names them as unused`);
  add('model', string(native.kind === 'sentencepiece-bpe' ? 'llama' : 'gpt2'));
  if (native.kind === 'byte-level-bpe') add('pre', string(native.pre));
  add('tokens', strings(filled));
  if (native.kind === 'sentencepiece-bpe') {
    const lowest = native.scores.reduce((a, b) => Math.min(a, b), 0);
    add('scores', float32s([...native.scores, ...Array<number>(missing).fill(lowest - 1)]));
  }
  add('token_type', int32s([...native.types, ...Array<number>(missing).fill(TOKEN_TYPE.unused)]));
  if (native.kind === 'byte-level-bpe') add('merges', strings(native.merges));
  if (native.bosId !== undefined) add('bos_token_id', uint32(native.bosId));
  // The token that begins a text is an end only beside another one (llama2.c): readers expect the other one first.
  const ends = [...native.eosIds].sort((a, b) => Number(a === native.bosId) - Number(b === native.bosId));
  for (const [i, key] of END_KEYS.entries()) if (i < ends.length) add(`${key}_token_id`, uint32(ends[i]));
  if (ends.length > END_KEYS.length) {
    notes.push(`of ${ends.length} tokens that end a text, GGUF has keys for ${END_KEYS.length}`);
  }
  if (native.unknownId !== undefined) add('unknown_token_id', uint32(native.unknownId));
  add('add_bos_token', bool(native.addBos));
  add('add_eos_token', bool(false));
  if (native.kind === 'sentencepiece-bpe') add('add_space_prefix', bool(native.addSpacePrefix));
  return { pairs, notes };
}

/** The tokens and `count` more, under names that none of them has. */
function fill(tokens: readonly string[], count: number): readonly string[] {
  if (count <= 0) return tokens;
  const known = new Set(tokens);
  const out = [...tokens];
  for (let i = 0; out.length < tokens.length + count; i++) {
    const name = `[PAD${i}]`;
    if (!known.has(name)) out.push(name);
  }
  return out;
}
