/**
 * SentencePiece-style BPE: characters merge by score into the pieces of a vocabulary, characters outside it fall
 * back to byte pieces. The semantics are those of sentencepiece's BPE model with its identity normaliser, which
 * llama.cpp (`llama` vocabularies) and llama2.c share.
 *
 * Control, unknown and byte pieces never arise from merging: they have other ways in.
 */
import { BitloomError } from '@bitloom/ir';
import { byteStream, decodeAll, wellFormed } from './byte-stream.js';
import { Merger, MergeTable } from './merge-engine.js';
import { SpecialTokens } from './special-tokens.js';
import {
  type DecodeOptions,
  type EncodeOptions,
  type SentencePieceRecord,
  type StreamDecoder,
  TOKEN_TYPE,
  type Tokenizer,
} from './tokenizer.js';
import { WordCache } from './word-cache.js';

const SPACE = 0x20;
/** What stands for a space in SentencePiece's own files. */
export const SENTENCEPIECE_SPACE = '\u2581';
const BYTE_PIECE = /^<0x([0-9A-F]{2})>$/;

/** The byte a piece such as `<0x0A>` stands for, or undefined. */
export function byteOfPiece(piece: string): number | undefined {
  const match = BYTE_PIECE.exec(piece);
  return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 16);
}

/** Pieces with SentencePiece's space for the record's own; control and user-defined pieces are text as it stands. */
export function spaced({ pieces, types, space }: SentencePieceRecord): readonly string[] {
  if (space === SENTENCEPIECE_SPACE) return pieces;
  const merged = new Set<number>([TOKEN_TYPE.normal, TOKEN_TYPE.unused]);
  return pieces.map((piece, id) =>
    merged.has(types[id]) ? piece.replaceAll(space, SENTENCEPIECE_SPACE) : piece,
  );
}

export class SentencePieceBpe implements Tokenizer {
  readonly kind = 'sentencepiece-bpe';
  readonly #record: SentencePieceRecord;
  /** Bytes each id decodes to; control pieces too, as text. */
  readonly #bytes: readonly Uint8Array[];
  /** Symbol of each character: a piece id, or an internal symbol from `vocabSize` up. */
  readonly #characters: ReadonlyMap<string, number>;
  /** Characters of the internal symbols. */
  readonly #internal: readonly string[];
  readonly #byteIds: Int32Array;
  readonly #merger: Merger;
  readonly #cache = new WordCache();
  /** Whether a merge can reach over the start of a space, so that a text cannot be cut there. */
  readonly #spaceInside: boolean;
  readonly #userDefined: SpecialTokens;
  readonly #allSpecial: SpecialTokens;
  #scratch = new Int32Array(256);

  /** @param record must have been validated: `createTokenizer` does. */
  constructor(record: SentencePieceRecord) {
    this.#record = record;
    this.#bytes = pieceBytes(record);
    this.#byteIds = byteIds(record);
    const { characters, internal, table } = buildMerges(record);
    this.#characters = characters;
    this.#internal = internal;
    this.#merger = new Merger(table);
    const normal = record.pieces.filter((_, id) => record.types[id] === TOKEN_TYPE.normal);
    this.#spaceInside = normal.some((piece) => hasInnerSpace(piece, record.space));
    const ofTypes = (...types: number[]): SpecialTokens =>
      new SpecialTokens(
        [...record.pieces.entries()]
          .filter(([id]) => types.includes(record.types[id]))
          .map(([id, piece]): [string, number] => [piece, id]),
      );
    this.#userDefined = ofTypes(TOKEN_TYPE.userDefined);
    this.#allSpecial = ofTypes(TOKEN_TYPE.userDefined, TOKEN_TYPE.control);
  }

  get vocabSize(): number {
    return this.#record.pieces.length;
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
    const { space, addSpacePrefix, bosId, addBos } = this.#record;
    const out: number[] = [];
    if ((options.bos ?? addBos) && bosId !== undefined) out.push(bosId);
    const special = options.special === true ? this.#allSpecial : this.#userDefined;
    let prefix = addSpacePrefix;
    for (const fragment of special.split(wellFormed(text))) {
      if ('id' in fragment) {
        out.push(fragment.id);
        prefix = addSpacePrefix;
      } else {
        const spaced = (prefix ? ' ' : '') + fragment.text;
        this.#encodeText(space === ' ' ? spaced : spaced.replaceAll(' ', space), out);
        prefix = false;
      }
    }
    return out;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    return decodeAll(this.decodeStream(options), ids);
  }

  decodeStream(options: DecodeOptions = {}): StreamDecoder {
    const { bosId, addSpacePrefix, types } = this.#record;
    const { special = false, after = [] } = options;
    const silent = (id: number): boolean => !special && types[id] === TOKEN_TYPE.control;
    // The space that encoding put in front goes, at the start of a text: first of all, or after BOS.
    let atStart = addSpacePrefix && (after.every(silent) || after[after.length - 1] === bosId);
    return byteStream((id) => {
      this.#check(id);
      if (silent(id)) {
        if (id === bosId) atStart = addSpacePrefix;
        return new Uint8Array(0);
      }
      const bytes = this.#bytes[id];
      const strip = atStart && bytes[0] === SPACE && types[id] !== TOKEN_TYPE.byte;
      atStart = addSpacePrefix && id === bosId;
      return strip ? bytes.subarray(1) : bytes;
    });
  }

  token(id: number): string {
    this.#check(id);
    return this.#record.pieces[id];
  }

  toJSON(): SentencePieceRecord {
    return this.#record;
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) return;
    throw tokenOutside(id, this.vocabSize);
  }

  /** Text in which spaces are the space character already. */
  #encodeText(text: string, out: number[]): void {
    const encodeWord = (word: string): readonly number[] => this.#encodeWord(word);
    if (this.#spaceInside) {
      for (const id of encodeWord(text)) out.push(id);
      return;
    }
    // No piece has a space after another character, so no merge crosses the start of a run of spaces.
    const space = this.#record.space;
    let start = 0;
    while (start < text.length) {
      let end = start;
      while (end < text.length && text[end] === space) end++;
      while (end < text.length && text[end] !== space) end++;
      for (const id of this.#cache.get(text.slice(start, end), encodeWord)) out.push(id);
      start = end;
    }
  }

  #encodeWord(word: string): readonly number[] {
    if (this.#scratch.length < word.length)
      this.#scratch = new Int32Array(2 ** Math.ceil(Math.log2(word.length)));
    const symbols = this.#scratch;
    /** Characters without a symbol: symbol -2 - index. Negative symbols never merge. */
    const strangers: string[] = [];
    let count = 0;
    for (const character of word) {
      const symbol = this.#characters.get(character);
      symbols[count++] = symbol ?? -1 - strangers.push(character);
    }
    const length = this.#merger.merge(symbols, count);
    const ids: number[] = [];
    for (let i = 0; i < length; i++) {
      const symbol = symbols[i];
      if (symbol >= 0 && symbol < this.vocabSize) ids.push(symbol);
      else this.#fallBack(symbol < 0 ? strangers[-2 - symbol] : this.#internal[symbol - this.vocabSize], ids);
    }
    return ids;
  }

  #fallBack(character: string, ids: number[]): void {
    for (const byte of new TextEncoder().encode(character)) {
      const id = this.#byteIds[byte];
      if (id !== -1) {
        ids.push(id);
        continue;
      }
      const unknown = this.#record.unknownId;
      if (unknown === undefined) {
        throw new BitloomError({
          code: 'tokenizer-character-unknown',
          message: 'the vocabulary has neither this character, nor its bytes, nor an unknown token',
          got: JSON.stringify(character),
          hint: 'the tokenizer does not belong to this kind of text, or its file is damaged',
        });
      }
      ids.push(unknown);
      return;
    }
  }
}

export function tokenOutside(id: number, vocabSize: number): BitloomError {
  return new BitloomError({
    code: 'token-id-outside',
    message: 'a token id is not in the vocabulary',
    expected: `an integer in 0..${vocabSize - 1}`,
    got: String(id),
    hint: 'model and tokenizer probably do not belong together',
  });
}

function hasInnerSpace(piece: string, space: string): boolean {
  for (let i = 1; i < piece.length; i++) if (piece[i] === space && piece[i - 1] !== space) return true;
  return false;
}

function pieceBytes(record: SentencePieceRecord): Uint8Array[] {
  const encoder = new TextEncoder();
  return record.pieces.map((piece, id) => {
    const type = record.types[id];
    const byte = type === TOKEN_TYPE.byte ? byteOfPiece(piece) : undefined;
    if (byte !== undefined) return Uint8Array.of(byte);
    const plain = type === TOKEN_TYPE.normal || type === TOKEN_TYPE.userDefined;
    return encoder.encode(plain ? piece.replaceAll(record.space, ' ') : piece);
  });
}

/** Id of each byte's piece, or -1. */
function byteIds(record: SentencePieceRecord): Int32Array {
  const out = new Int32Array(256).fill(-1);
  record.pieces.forEach((piece, id) => {
    const byte = record.types[id] === TOKEN_TYPE.byte ? byteOfPiece(piece) : undefined;
    if (byte !== undefined) out[byte] = id;
  });
  return out;
}

/**
 * Every way to put a piece together from two: left and right parts that are pieces themselves or single
 * characters. Scores become ranks, highest score first, equal scores equal rank.
 */
function buildMerges(record: SentencePieceRecord): {
  characters: Map<string, number>;
  internal: string[];
  table: MergeTable;
} {
  const ids = new Map<string, number>();
  const characters = new Map<string, number>();
  record.pieces.forEach((piece, id) => {
    if (record.types[id] === TOKEN_TYPE.normal && piece.length > 0 && !ids.has(piece)) ids.set(piece, id);
  });
  const internal: string[] = [];
  for (const [piece, id] of ids) {
    if (isSingle(piece)) characters.set(piece, id);
    else {
      for (const character of piece) {
        if (ids.has(character) || characters.has(character)) continue;
        characters.set(character, record.pieces.length + internal.length);
        internal.push(character);
      }
    }
  }
  const scores = [...new Set(record.scores.map(Math.fround))].sort((a, b) => b - a);
  const rankOf = new Map(scores.map((score, rank) => [score, rank]));
  const table = new MergeTable(ids.size * 8);
  for (const [piece, id] of ids) {
    if (isSingle(piece)) continue;
    const rank = rankOf.get(Math.fround(record.scores[id])) ?? 0;
    for (let cut = 1; cut < piece.length; cut++) {
      const left = ids.get(piece.slice(0, cut)) ?? characters.get(piece.slice(0, cut));
      if (left === undefined) continue;
      const right = ids.get(piece.slice(cut)) ?? characters.get(piece.slice(cut));
      if (right !== undefined) table.add(left, right, rank, id);
    }
  }
  return { characters, internal, table };
}

function isSingle(piece: string): boolean {
  return piece.length === 1 || (piece.length === 2 && (piece.codePointAt(0) ?? 0) > 0xffff);
}
