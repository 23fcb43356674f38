/**
 * Byte-level BPE: a pre-tokenizer cuts the text into words, each word's bytes merge by rank into tokens. Every
 * text can be encoded, because the 256 bytes are tokens themselves.
 */
import { BitloomError } from '@bitloom/ir';
import { byteAlphabet, bytesOfToken } from './byte-alphabet.js';
import { byteStream, decodeAll, wellFormed } from './byte-stream.js';
import { Merger, MergeTable } from './merge-engine.js';
import { preTokenizer } from './pre-tokenizers.js';
import { tokenOutside } from './sentencepiece-bpe.js';
import { SpecialTokens } from './special-tokens.js';
import {
  type ByteLevelRecord,
  type DecodeOptions,
  type EncodeOptions,
  type StreamDecoder,
  TOKEN_TYPE,
  type Tokenizer,
} from './tokenizer.js';
import { WordCache } from './word-cache.js';

export class ByteLevelBpe implements Tokenizer {
  readonly kind = 'byte-level-bpe';
  readonly #record: ByteLevelRecord;
  readonly #split: (text: string) => string[];
  readonly #merger: Merger;
  /** Symbol of each byte. */
  readonly #byteSymbols: Int32Array;
  /** Strings of the symbols from `vocabSize` up: merges that are no tokens themselves. */
  readonly #internal: readonly string[];
  /** Words that are tokens, in the byte alphabet; only where merging is ignored for them. */
  readonly #whole: ReadonlyMap<string, number> | undefined;
  readonly #alphabet: readonly string[];
  readonly #bytes: readonly Uint8Array[];
  readonly #cache = new WordCache();
  readonly #userDefined: SpecialTokens;
  readonly #allSpecial: SpecialTokens;
  readonly #encoder = new TextEncoder();

  /**
   * @param record must have been validated: `createTokenizer` does.
   * @throws BitloomError `pre-tokenizer-unknown`, `tokenizer-record-invalid` for a merge without two parts
   */
  constructor(record: ByteLevelRecord) {
    this.#record = record;
    this.#split = preTokenizer(record.pre);
    this.#alphabet = byteAlphabet();
    const byteOf = new Map(this.#alphabet.map((character, byte) => [character, byte]));
    const plain = (id: number): boolean => record.types[id] === TOKEN_TYPE.normal;
    const ids = new Map<string, number>();
    record.tokens.forEach((token, id) => {
      if (plain(id) && !ids.has(token)) ids.set(token, id);
    });
    this.#bytes = record.tokens.map((token, id) =>
      plain(id) ? bytesOfToken(token, byteOf) : this.#encoder.encode(token),
    );
    const { symbols, internal, table } = buildMerges(record, ids);
    this.#merger = new Merger(table);
    this.#internal = internal;
    this.#byteSymbols = Int32Array.from(this.#alphabet, (character) => symbols(character));
    this.#whole = record.ignoreMerges ? ids : undefined;
    const ofTypes = (...types: number[]): SpecialTokens =>
      new SpecialTokens(
        [...record.tokens.entries()]
          .filter(([id]) => types.includes(record.types[id]))
          .map(([id, token]): [string, number] => [token, id]),
      );
    this.#userDefined = ofTypes(TOKEN_TYPE.userDefined);
    this.#allSpecial = ofTypes(TOKEN_TYPE.userDefined, TOKEN_TYPE.control);
  }

  get vocabSize(): number {
    return this.#record.tokens.length;
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
    const out: number[] = [];
    if ((options.bos ?? addBos) && bosId !== undefined) out.push(bosId);
    const special = options.special === true ? this.#allSpecial : this.#userDefined;
    const encodeWord = (word: string): readonly number[] => this.#encodeWord(word);
    for (const fragment of special.split(wellFormed(text))) {
      if ('id' in fragment) {
        out.push(fragment.id);
        continue;
      }
      for (const word of this.#split(fragment.text)) {
        for (const id of this.#cache.get(word, encodeWord)) out.push(id);
      }
    }
    return out;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    return decodeAll(this.decodeStream(options), ids);
  }

  decodeStream(options: DecodeOptions = {}): StreamDecoder {
    const silent = new Uint8Array(0);
    return byteStream((id) => {
      this.#check(id);
      return options.special !== true && this.#record.types[id] === TOKEN_TYPE.control
        ? silent
        : this.#bytes[id];
    });
  }

  token(id: number): string {
    this.#check(id);
    return this.#record.tokens[id];
  }

  toJSON(): ByteLevelRecord {
    return this.#record;
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) return;
    throw tokenOutside(id, this.vocabSize);
  }

  #encodeWord(word: string): readonly number[] {
    const bytes = this.#encoder.encode(word);
    if (this.#whole !== undefined) {
      const whole = this.#whole.get(Array.from(bytes, (byte) => this.#alphabet[byte]).join(''));
      if (whole !== undefined) return [whole];
    }
    const symbols = Int32Array.from(bytes, (byte) => this.#byteSymbols[byte]);
    const count = this.#merger.merge(symbols, symbols.length);
    const ids: number[] = [];
    for (let i = 0; i < count; i++) {
      if (symbols[i] < this.vocabSize) ids.push(symbols[i]);
      else this.#fallBack(this.#internal[symbols[i] - this.vocabSize], ids);
    }
    return ids;
  }

  /** A merge that is no token is put as its bytes; a byte that is none, as the unknown token. */
  #fallBack(text: string, ids: number[]): void {
    const byteOf = new Map(this.#alphabet.map((character, byte) => [character, byte]));
    for (const character of text) {
      const symbol = this.#byteSymbols[byteOf.get(character) ?? 0];
      const id = symbol < this.vocabSize ? symbol : this.#record.unknownId;
      if (id === undefined) {
        throw new BitloomError({
          code: 'tokenizer-character-unknown',
          message: 'a byte is not in the vocabulary, and there is no unknown token',
          got: JSON.stringify(character),
          hint: 'the vocabulary is incomplete; fetch the tokenizer again',
        });
      }
      ids.push(id);
    }
  }
}

/** Symbols of strings (token ids, or internal ones from `vocabSize` up) and the merges among them. */
function buildMerges(
  record: ByteLevelRecord,
  ids: ReadonlyMap<string, number>,
): { symbols: (text: string) => number; internal: string[]; table: MergeTable } {
  const internal: string[] = [];
  const internalIds = new Map<string, number>();
  const symbols = (text: string): number => {
    const known = ids.get(text) ?? internalIds.get(text);
    if (known !== undefined) return known;
    const symbol = record.tokens.length + internal.length;
    internal.push(text);
    internalIds.set(text, symbol);
    return symbol;
  };
  const table = new MergeTable(record.merges.length * 2);
  record.merges.forEach((merge, rank) => {
    // From the second character on, as a token may itself begin with a space.
    const cut = merge.indexOf(' ', 1);
    if (cut === -1 || cut === merge.length - 1) {
      throw new BitloomError({
        code: 'tokenizer-record-invalid',
        message: 'a merge does not have two parts',
        where: `merge ${rank}`,
        expected: 'left right',
        got: JSON.stringify(merge.slice(0, 60)),
      });
    }
    const [left, right] = [merge.slice(0, cut), merge.slice(cut + 1)];
    table.add(symbols(left), symbols(right), rank, symbols(left + right));
  });
  return { symbols, internal, table };
}
