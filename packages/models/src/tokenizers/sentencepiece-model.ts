/**
 * Reads a SentencePiece `tokenizer.model`: a protobuf of pieces, trainer and normaliser settings. Only what a BPE
 * model with the identity normaliser says is understood; anything else is a typed error, because it would give
 * other tokens.
 *
 * Source of the field numbers: google/sentencepiece `sentencepiece_model.proto`.
 */
import { BitloomError } from '@bitloom/ir';
import { parseTokenizerRecord } from './records.js';
import { TOKEN_TYPE, type TokenizerRecord } from './tokenizer.js';

/** Field numbers of the messages. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { modelType: 3, whitespaceSuffix: 24, unknownId: 40, bosId: 41, eosId: 42 } as const;
const NORMALIZER = { charsMap: 2, dummyPrefix: 3, removeExtraSpaces: 4, escapeSpaces: 5 } as const;
const BPE = 2;

/**
 * The record of a `tokenizer.model`.
 * @param bytes the whole file (at most a few megabytes)
 * @throws BitloomError `sentencepiece-invalid`, `sentencepiece-unsupported`, `tokenizer-record-invalid`
 */
export function readSentencePieceModel(bytes: Uint8Array, name = 'tokenizer.model'): TokenizerRecord {
  const pieces: string[] = [];
  const scores: number[] = [];
  const types: number[] = [];
  let trainer: Message = new Map();
  let normalizer: Message = new Map();
  for (const field of fieldsOf(bytes, name)) {
    if (field.number === MODEL.trainer) trainer = toMessage(bytesOf(field, name), name);
    else if (field.number === MODEL.normalizer) normalizer = toMessage(bytesOf(field, name), name);
    else if (field.number === MODEL.piece) {
      const piece = toMessage(bytesOf(field, name), name);
      pieces.push(textOf(piece.get(PIECE.text), name));
      scores.push(floatOf(piece.get(PIECE.score), name));
      types.push(integerOf(piece.get(PIECE.type), TOKEN_TYPE.normal, name));
    }
  }
  if (pieces.length === 0) throw invalid(name, 'pieces', 'none');
  requireUnderstood(trainer, normalizer, types, name);
  const id = (field: number, fallback: number): number => integerOf(trainer.get(field), fallback, name);
  const [unknown, bos, eos] = [id(TRAINER.unknownId, 0), id(TRAINER.bosId, 1), id(TRAINER.eosId, 2)];
  return parseTokenizerRecord({
    kind: 'sentencepiece-bpe',
    pieces,
    scores,
    types,
    space: '\u2581',
    addSpacePrefix: integerOf(normalizer.get(NORMALIZER.dummyPrefix), 1, name) !== 0,
    ...(bos < 0 ? {} : { bosId: bos }),
    eosIds: eos < 0 ? [] : [eos],
    ...(unknown < 0 ? {} : { unknownId: unknown }),
    addBos: bos >= 0,
  });
}

function requireUnderstood(
  trainer: Message,
  normalizer: Message,
  types: readonly number[],
  name: string,
): void {
  const unsupported = (what: string, expected: string, got: string): BitloomError =>
    new BitloomError({
      code: 'sentencepiece-unsupported',
      message: `no reader for this SentencePiece model: ${what}`,
      where: name,
      expected,
      got,
      hint: 'use the tokenizer.json of the model instead',
    });
  const type = integerOf(trainer.get(TRAINER.modelType), 1, name);
  if (type !== BPE) {
    const known = ['unigram', 'BPE', 'word', 'char'][type - 1] ?? `type ${type}`;
    throw unsupported('its kind', 'BPE', known);
  }
  const map = normalizer.get(NORMALIZER.charsMap);
  if (map !== undefined && bytesOf(map, name).byteLength > 0) {
    throw unsupported('it normalises characters', 'the identity normaliser', 'a character map');
  }
  const flag = (field: number, fallback: number): boolean =>
    integerOf(normalizer.get(field), fallback, name) !== 0;
  if (flag(NORMALIZER.removeExtraSpaces, 1)) throw unsupported('it removes extra spaces', 'false', 'true');
  if (!flag(NORMALIZER.escapeSpaces, 1)) throw unsupported('it does not escape spaces', 'true', 'false');
  if (integerOf(trainer.get(TRAINER.whitespaceSuffix), 0, name) !== 0) {
    throw unsupported('it puts spaces behind words', 'spaces in front', 'behind');
  }
  if (types.includes(TOKEN_TYPE.unused)) throw unsupported('it has unused pieces', 'none', 'some');
}

/** One field: a varint or fixed integer, or bytes. */
interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** Last field of each number. */
type Message = ReadonlyMap<number, Field>;

function toMessage(bytes: Uint8Array, name: string): Message {
  const out = new Map<number, Field>();
  for (const field of fieldsOf(bytes, name)) out.set(field.number, field);
  return out;
}

function* fieldsOf(bytes: Uint8Array, name: string): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (length: number): number => {
    if (length > bytes.byteLength - at)
      throw invalid(name, `${length} more bytes`, `${bytes.byteLength - at}`);
    const start = at;
    at += length;
    return start;
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[need(1)];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw invalid(name, 'an integer of at most 10 bytes', 'a longer one');
  };
  while (at < bytes.byteLength) {
    const key = Number(varint() & 0xffffffffn);
    const number = key >>> 3;
    const wire = key & 7;
    if (wire === 0) yield { number, value: varint() };
    else if (wire === 1) yield { number, value: view.getBigUint64(need(8), true) };
    else if (wire === 5) yield { number, value: BigInt(view.getUint32(need(4), true)) };
    else if (wire === 2) {
      const length = varint();
      if (length > BigInt(bytes.byteLength)) throw invalid(name, 'a length inside the file', String(length));
      const start = need(Number(length));
      yield { number, value: bytes.subarray(start, start + Number(length)) };
    } else throw invalid(name, 'a wire type of protobuf', String(wire));
  }
}

function bytesOf(field: Field, name: string): Uint8Array {
  if (field.value instanceof Uint8Array) return field.value;
  throw invalid(name, `bytes in field ${field.number}`, 'an integer');
}

function textOf(field: Field | undefined, name: string): string {
  if (field === undefined) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(field, name));
  } catch {
    throw invalid(name, 'pieces in UTF-8', 'other bytes');
  }
}

function floatOf(field: Field | undefined, name: string): number {
  if (field === undefined) return 0;
  if (typeof field.value !== 'bigint') throw invalid(name, 'a score', 'bytes');
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number(field.value & 0xffffffffn));
  return view.getFloat32(0);
}

/** An int32; negative ones are stored as 64 bits. */
function integerOf(field: Field | undefined, fallback: number, name: string): number {
  if (field === undefined) return fallback;
  if (typeof field.value !== 'bigint') throw invalid(name, `an integer in field ${field.number}`, 'bytes');
  return Number(BigInt.asIntN(32, field.value));
}

function invalid(name: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'sentencepiece-invalid',
    message: 'this is not a SentencePiece model, or it is damaged',
    where: name,
    expected,
    got,
    hint: 'fetch the file again',
  });
}
