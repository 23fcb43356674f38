/**
 * A Hugging Face `tokenizer.json`, run by @huggingface/tokenizers. This file adds what a session needs beside it:
 * typed errors, control tokens that users cannot forge, and decoding token by token.
 */
import { BitloomError } from '@bitloom/ir';
import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers';
import { describe } from '../json/strict-json.js';
import { wellFormed } from './byte-stream.js';
import { tokenOutside } from './sentencepiece-bpe.js';
import type { DecodeOptions, EncodeOptions, HfJsonRecord, StreamDecoder, Tokenizer } from './tokenizer.js';

/** Tokens held back at most while a stream waits for the rest of a character (UTF-8 has at most 4 bytes). */
const MAX_PENDING = 8;
/** Tokens of context that a stream decodes along, so that rules for the start of a text do not apply. */
const CONTEXT = 4;
const MAX_ID = 1 << 21;

export class HfJsonTokenizer implements Tokenizer {
  readonly kind = 'hf-json';
  readonly vocabSize: number;
  readonly #record: HfJsonRecord;
  readonly #tokenizer: HfTokenizer;
  /** The same without control tokens, for text that must not contain any; made when it is first needed. */
  #plain: HfTokenizer | undefined;

  /**
   * @param record must have been validated: `createTokenizer` does.
   * @throws BitloomError `tokenizer-json-invalid`
   */
  constructor(record: HfJsonRecord) {
    this.#record = record;
    this.vocabSize = vocabularySize(record.tokenizer);
    this.#tokenizer = build(record, addedTokens(record.tokenizer));
  }

  get bosId(): number | undefined {
    return this.#record.bosId;
  }

  get eosIds(): readonly number[] {
    return this.#record.eosIds;
  }

  get addBos(): boolean {
    return this.#record.addBos;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const { bosId, addBos } = this.#record;
    const tokenizer = options.special === true ? this.#tokenizer : this.#withoutControl();
    const out: number[] = [];
    if ((options.bos ?? addBos) && bosId !== undefined) out.push(bosId);
    if (text.length === 0) return out;
    let ids: readonly unknown[];
    try {
      ids = tokenizer.encode(wellFormed(text), { add_special_tokens: false }).ids;
    } catch (cause) {
      throw invalid('a tokenizer that can encode this text', String(cause), cause);
    }
    for (const id of ids) {
      if (typeof id === 'number') out.push(id);
      else throw invalid('an id for every part of the text', `${describe(id)}, and no unknown token`);
    }
    return out;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const { special = false, after = [] } = options;
    for (const id of ids) this.#check(id);
    const context = after.slice(-CONTEXT);
    const before = this.#text(context, special);
    return this.#text([...context, ...ids], special).slice(before.length);
  }

  decodeStream(options: DecodeOptions = {}): StreamDecoder {
    const { special = false, after = [] } = options;
    /** Ids decoded together: some already shown, as context, then those held back. */
    let window = after.slice(-CONTEXT);
    let shown = window.length;
    const take = (): string => {
      const text = this.#text(window, special);
      const added = text.slice(this.#text(window.slice(0, shown), special).length);
      window = window.slice(-CONTEXT);
      shown = window.length;
      return added;
    };
    return {
      push: (id) => {
        this.#check(id);
        window.push(id);
        const incomplete = this.#text(window, special).endsWith('\ufffd');
        return incomplete && window.length - shown < MAX_PENDING ? '' : take();
      },
      end: take,
    };
  }

  token(id: number): string {
    this.#check(id);
    return this.#tokenizer.id_to_token(id) ?? '';
  }

  /** Id of a vocabulary entry or added token. */
  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  /** Whether the post-processor of the document puts `id` before a text. */
  beginsWith(id: number): boolean {
    try {
      return this.#tokenizer.encode('a', { add_special_tokens: true }).ids[0] === id;
    } catch (cause) {
      throw invalid('a tokenizer that can encode a text', String(cause), cause);
    }
  }

  toJSON(): HfJsonRecord {
    return this.#record;
  }

  #withoutControl(): HfTokenizer {
    const added = addedTokens(this.#record.tokenizer);
    const plain = added.filter((token) => token.special !== true);
    if (plain.length === added.length) return this.#tokenizer;
    this.#plain ??= build(this.#record, plain);
    return this.#plain;
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) return;
    throw tokenOutside(id, this.vocabSize);
  }

  #text(ids: readonly number[], special: boolean): string {
    if (ids.length === 0) return '';
    // Never the "clean-up" of spaces: it would alter text that the model wrote.
    return this.#tokenizer.decode([...ids], {
      skip_special_tokens: !special,
      clean_up_tokenization_spaces: false,
    });
  }
}

function build(record: HfJsonRecord, added: readonly AddedToken[]): HfTokenizer {
  try {
    return new HfTokenizer({ ...record.tokenizer, added_tokens: added }, record.config);
  } catch (cause) {
    throw invalid('a tokenizer that @huggingface/tokenizers can run', String(cause), cause);
  }
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < MAX_ID;
}

/** The added tokens, checked: the package trusts their ids. @throws BitloomError `tokenizer-json-invalid` */
export function addedTokens(tokenizer: Readonly<Record<string, unknown>>): AddedToken[] {
  const list = tokenizer.added_tokens ?? [];
  if (!Array.isArray(list)) throw invalid('an array added_tokens', describe(list));
  return list.map((token: unknown) => {
    if (!isObject(token) || !isId(token.id) || typeof token.content !== 'string' || token.content === '') {
      throw invalid(`added tokens with an id below ${MAX_ID} and a content`, describe(token));
    }
    return { ...token, id: token.id, content: token.content, special: token.special === true };
  });
}

/** One more than the largest id; checks that every id of the vocabulary is usable. */
function vocabularySize(tokenizer: Readonly<Record<string, unknown>>): number {
  const model = tokenizer.model;
  if (!isObject(model)) throw invalid('an object model', describe(model));
  const { vocab } = model;
  let largest = -1;
  if (Array.isArray(vocab)) largest = vocab.length - 1;
  else if (isObject(vocab)) {
    for (const [token, id] of Object.entries(vocab)) {
      if (!isId(id)) throw invalid(`an id below ${MAX_ID} for ${describe(token)}`, describe(id));
      largest = Math.max(largest, id);
    }
  } else throw invalid('a vocabulary', describe(vocab));
  for (const token of addedTokens(tokenizer)) largest = Math.max(largest, token.id);
  if (largest < 0 || largest >= MAX_ID) throw invalid('a vocabulary with tokens', `largest id ${largest}`);
  return largest + 1;
}

function invalid(expected: string, got: string, cause?: unknown): BitloomError {
  return new BitloomError({
    code: 'tokenizer-json-invalid',
    message: 'the tokenizer.json cannot be used',
    where: 'tokenizer.json',
    expected,
    got: got.slice(0, 200),
    hint: 'fetch the file again from the folder of its model',
    ...(cause === undefined ? {} : { cause }),
  });
}
