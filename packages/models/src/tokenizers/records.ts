/**
 * Checks tokenizer records that come from outside (an artefact, a file of another tool) before anything is built
 * from them: shape, types, ids inside the vocabulary, and a bound on the work that building takes.
 */
import { BitloomError } from '@bitloom/ir';
import { describe } from '../json/strict-json.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

/** Most vocabulary entries; the largest published vocabularies have about 2^18. */
const MAX_VOCABULARY = 1 << 21;
/** Sum of squared piece lengths: what finding every split of every piece costs. Llama 2 has about 2^21. */
const MAX_SPLIT_WORK = 2 ** 26;

const TYPES = new Set<unknown>(Object.values(TOKEN_TYPE));

/**
 * Checks a record.
 * @throws BitloomError `tokenizer-record-invalid`
 */
export function parseTokenizerRecord(value: unknown): TokenizerRecord {
  if (!isObject(value)) throw invalid('record', 'an object', value);
  switch (value.kind) {
    case 'sentencepiece-bpe': {
      const pieces = strings(value, 'pieces');
      const scores = numbers(value, 'scores', pieces.length);
      const work = pieces.reduce((sum, piece) => sum + piece.length ** 2, 0);
      if (work > MAX_SPLIT_WORK) throw invalid('pieces', 'pieces of ordinary length', 'very long pieces');
      const space = value.space;
      if (typeof space !== 'string' || space.length !== 1) throw invalid('space', 'one character', space);
      const types = tokenTypes(value, pieces.length);
      const addSpacePrefix = boolean(value, 'addSpacePrefix');
      return {
        kind: value.kind,
        pieces,
        scores,
        types,
        space,
        addSpacePrefix,
        ...common(value, pieces.length),
      };
    }
    case 'byte-level-bpe': {
      const tokens = strings(value, 'tokens');
      const merges = strings(value, 'merges');
      const types = tokenTypes(value, tokens.length);
      const ignoreMerges = boolean(value, 'ignoreMerges');
      if (typeof value.pre !== 'string') throw invalid('pre', 'a name', value.pre);
      return {
        kind: value.kind,
        tokens,
        types,
        merges,
        pre: value.pre,
        ignoreMerges,
        ...common(value, tokens.length),
      };
    }
    case 'hf-json': {
      const { tokenizer, config } = value;
      if (!isObject(tokenizer)) throw invalid('tokenizer', 'an object', tokenizer);
      if (!isObject(config)) throw invalid('config', 'an object', config);
      return { kind: value.kind, tokenizer, config, ...common(value, MAX_VOCABULARY) };
    }
    default:
      throw invalid('kind', 'sentencepiece-bpe, byte-level-bpe or hf-json', value.kind);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(field: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'tokenizer-record-invalid',
    message: 'the tokenizer is not valid',
    where: `field '${field}'`,
    expected,
    got: describe(got),
    hint: 'read the tokenizer again from the files of its model',
  });
}

function strings(record: Record<string, unknown>, field: string): readonly string[] {
  const list = record[field];
  if (!Array.isArray(list) || list.length > MAX_VOCABULARY) {
    throw invalid(field, `an array of at most ${MAX_VOCABULARY} strings`, list);
  }
  const wrong = list.findIndex((item) => typeof item !== 'string');
  if (wrong !== -1) throw invalid(`${field}[${wrong}]`, 'a string', list[wrong]);
  return list;
}

function numbers(record: Record<string, unknown>, field: string, length: number): readonly number[] {
  const list = record[field];
  if (!Array.isArray(list) || list.length !== length)
    throw invalid(field, `an array of ${length} numbers`, list);
  const wrong = list.findIndex((item) => typeof item !== 'number' || !Number.isFinite(item));
  if (wrong !== -1) throw invalid(`${field}[${wrong}]`, 'a finite number', list[wrong]);
  return list;
}

function tokenTypes(record: Record<string, unknown>, length: number): readonly number[] {
  const list = numbers(record, 'types', length);
  const wrong = list.findIndex((item) => !TYPES.has(item));
  if (wrong !== -1) throw invalid(`types[${wrong}]`, 'a type from 1 to 6', list[wrong]);
  return list;
}

function boolean(record: Record<string, unknown>, field: string): boolean {
  const value = record[field];
  if (typeof value !== 'boolean') throw invalid(field, 'true or false', value);
  return value;
}

function tokenId(value: unknown, field: string, vocabulary: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < vocabulary) return value;
  throw invalid(field, `an id below ${vocabulary}`, value);
}

function common(
  record: Record<string, unknown>,
  vocabulary: number,
): { bosId?: number; eosIds: number[]; unknownId?: number; addBos: boolean } {
  const { bosId, eosIds, unknownId } = record;
  if (!Array.isArray(eosIds) || eosIds.length > 64)
    throw invalid('eosIds', 'an array of at most 64 ids', eosIds);
  return {
    ...(bosId === undefined ? {} : { bosId: tokenId(bosId, 'bosId', vocabulary) }),
    eosIds: eosIds.map((id) => tokenId(id, 'eosIds', vocabulary)),
    ...(unknownId === undefined ? {} : { unknownId: tokenId(unknownId, 'unknownId', vocabulary) }),
    addBos: boolean(record, 'addBos'),
  };
}
