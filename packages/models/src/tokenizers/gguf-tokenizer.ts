/** Reads the tokenizer of a GGUF file from its metadata (`tokenizer.ggml.*`). */
import { BitloomError } from '@bitloom/ir';
import type { GgufMetadata } from '../gguf/metadata.js';
import { preTokenizerDefaults } from './pre-tokenizers.js';
import { parseTokenizerRecord } from './records.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

/** Control tokens that end a turn or a text whatever the file says of them. */
const END_TOKENS = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
]);

/**
 * The record of a GGUF file's tokenizer, or undefined when it has none.
 * @throws BitloomError `gguf-tokenizer-unsupported` for kinds other than `llama` and `gpt2`,
 *   `pre-tokenizer-unknown`, `gguf-metadata-missing`, `gguf-metadata-type`, `tokenizer-record-invalid`
 */
export function readGgufTokenizer(metadata: GgufMetadata): TokenizerRecord | undefined {
  const model = metadata.optionalString('tokenizer.ggml.model');
  if (model === undefined || model === 'no_vocab' || model === 'none') return undefined;
  const tokens = metadata.optionalStrings('tokenizer.ggml.tokens');
  if (tokens === undefined) throw missing(metadata, 'tokenizer.ggml.tokens');
  const types =
    metadata.optionalIntegers('tokenizer.ggml.token_type') ?? tokens.map((): number => TOKEN_TYPE.normal);
  if (model === 'llama') return readSentencePiece(metadata, tokens, types);
  if (model === 'gpt2') return readByteLevel(metadata, tokens, types);
  throw new BitloomError({
    code: 'gguf-tokenizer-unsupported',
    message: 'no reader for this kind of tokenizer',
    where: metadata.file,
    expected: 'llama (SentencePiece BPE) or gpt2 (byte-level BPE)',
    got: JSON.stringify(model),
    hint: 'use the tokenizer.json of the model instead: pass it with --tokenizer',
  });
}

function readSentencePiece(
  metadata: GgufMetadata,
  pieces: readonly string[],
  types: readonly number[],
): TokenizerRecord {
  const scores = metadata.optionalFloats('tokenizer.ggml.scores');
  if (scores === undefined) throw missing(metadata, 'tokenizer.ggml.scores');
  return parseTokenizerRecord({
    kind: 'sentencepiece-bpe',
    pieces,
    scores,
    types,
    space: '\u2581',
    addSpacePrefix: metadata.optionalBoolean('tokenizer.ggml.add_space_prefix') ?? true,
    ...specialIds(metadata, pieces, types, { bos: 1, eos: 2, unknown: 0 }),
    addBos: metadata.optionalBoolean('tokenizer.ggml.add_bos_token') ?? true,
  });
}

function readByteLevel(
  metadata: GgufMetadata,
  tokens: readonly string[],
  types: readonly number[],
): TokenizerRecord {
  const merges = metadata.optionalStrings('tokenizer.ggml.merges');
  if (merges === undefined) throw missing(metadata, 'tokenizer.ggml.merges');
  const pre = metadata.optionalString('tokenizer.ggml.pre') ?? 'default';
  const defaults = preTokenizerDefaults(pre);
  return parseTokenizerRecord({
    kind: 'byte-level-bpe',
    tokens,
    types,
    merges,
    pre,
    ignoreMerges: defaults.ignoreMerges,
    ...specialIds(metadata, tokens, types, {}),
    addBos: metadata.optionalBoolean('tokenizer.ggml.add_bos_token') ?? defaults.addBos,
  });
}

function specialIds(
  metadata: GgufMetadata,
  tokens: readonly string[],
  types: readonly number[],
  defaults: { bos?: number; eos?: number; unknown?: number },
): { bosId?: number; eosIds: number[]; unknownId?: number } {
  const id = (name: string): number | undefined =>
    metadata.optionalInteger(`tokenizer.ggml.${name}_token_id`);
  const bos = id('bos') ?? defaults.bos;
  const unknown = id('unknown') ?? defaults.unknown;
  const ends = [id('eos') ?? defaults.eos, id('eot'), id('eom')].filter((end) => end !== undefined);
  const named = tokens.flatMap((token, index) =>
    types[index] === TOKEN_TYPE.control && END_TOKENS.has(token) ? [index] : [],
  );
  return {
    ...(bos === undefined ? {} : { bosId: bos }),
    eosIds: [...new Set([...ends, ...named])],
    ...(unknown === undefined ? {} : { unknownId: unknown }),
  };
}

function missing(metadata: GgufMetadata, key: string): BitloomError {
  return new BitloomError({
    code: 'gguf-metadata-missing',
    message: `the tokenizer lacks '${key}'`,
    where: metadata.file,
    hint: 'convert the model again with a current converter',
  });
}
