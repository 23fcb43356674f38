/**
 * What every tokenizer of this package can do, and the records they travel as. A record is plain data: it goes
 * into the model artefact, and `createTokenizer` makes the tokenizer again from it, in any process.
 */

export interface EncodeOptions {
  /** Put the beginning-of-sequence token first. Default: what the model was trained with (`addBos`). */
  readonly bos?: boolean;
  /**
   * Read control tokens written in the text (`<|im_start|>`) as tokens. Default false: text from users must not
   * be able to forge them. Set it for text that a chat template rendered.
   */
  readonly special?: boolean;
}

export interface DecodeOptions {
  /** Show control tokens as text. Default false: they decode to nothing. */
  readonly special?: boolean;
  /**
   * Tokens that come before: the result is the text these ids add to them. Only whether the ids begin a text
   * matters (the space that encoding put in front is dropped there), so the last few suffice.
   */
  readonly after?: readonly number[];
}

/**
 * Decodes token by token. What `push` and `end` return, joined, equals `decode` of the same ids; a character
 * whose bytes are spread over several tokens comes out whole, with the last of them.
 */
export interface StreamDecoder {
  push(id: number): string;
  /** Whatever is left; incomplete bytes as U+FFFD. */
  end(): string;
}

export interface Tokenizer {
  readonly kind: TokenizerRecord['kind'];
  /** Number of ids: every id is below it. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** Tokens that end a text. */
  readonly eosIds: readonly number[];
  /** Whether `encode` puts the beginning-of-sequence token first unless told otherwise. */
  readonly addBos: boolean;
  encode(text: string, options?: EncodeOptions): number[];
  /** @throws BitloomError `token-id-outside` */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  decodeStream(options?: DecodeOptions): StreamDecoder;
  /** The vocabulary entry of an id as it is stored, for people. @throws BitloomError `token-id-outside` */
  token(id: number): string;
  toJSON(): TokenizerRecord;
}

/** Fields every record has. */
interface CommonRecord {
  readonly bosId?: number;
  readonly eosIds: readonly number[];
  readonly unknownId?: number;
  readonly addBos: boolean;
}

/** BPE over characters by score, with byte fallback: Llama 1 and 2, Mistral, TinyLlama, llama2.c. */
export interface SentencePieceRecord extends CommonRecord {
  readonly kind: 'sentencepiece-bpe';
  readonly pieces: readonly string[];
  /** A higher score merges earlier; equal scores merge from the left. */
  readonly scores: readonly number[];
  /** {@link TOKEN_TYPE} of each piece. */
  readonly types: readonly number[];
  /** The character that stands for a space in pieces: U+2581, or a plain space in llama2.c files. */
  readonly space: string;
  /** Whether a space is put before a text, so that its first word looks like any other. */
  readonly addSpacePrefix: boolean;
}

/** BPE over bytes by merge rank, after a regular expression has cut the text into words: GPT-2, Llama 3, Qwen. */
export interface ByteLevelRecord extends CommonRecord {
  readonly kind: 'byte-level-bpe';
  /** Tokens in the GPT-2 byte alphabet (`Ġ` is a space). */
  readonly tokens: readonly string[];
  /** {@link TOKEN_TYPE} of each token. */
  readonly types: readonly number[];
  /** `left right`, most eager first. */
  readonly merges: readonly string[];
  /** Name of the pre-tokenizer. */
  readonly pre: string;
  /** Whether a word that is a token is taken whole, without merging. */
  readonly ignoreMerges: boolean;
}

/** A Hugging Face `tokenizer.json`, run by @huggingface/tokenizers. */
export interface HfJsonRecord extends CommonRecord {
  readonly kind: 'hf-json';
  /** The document `tokenizer.json`. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** The document `tokenizer_config.json`, or `{}`. */
  readonly config: Readonly<Record<string, unknown>>;
}

export type TokenizerRecord = SentencePieceRecord | ByteLevelRecord | HfJsonRecord;

/** Kinds of vocabulary entries; the numbers are SentencePiece's, and GGUF's. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
