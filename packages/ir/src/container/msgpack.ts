/**
 * The msgpack subset of container headers, read strictly. Headers come from files that may be damaged or
 * hostile: nothing is allocated beyond what the bytes at hand can fill, nesting is bounded, and everything that
 * two readers could understand differently (duplicate keys, extensions, keys that are no strings, invalid UTF-8,
 * numbers that are not finite or not exact) is refused. Writing is done by the msgpack library.
 */
import { encode } from '@msgpack/msgpack';
import { BitloomError } from '../error.js';
import { FORBIDDEN_KEY, HEADER_DEPTH } from '../plain-data.js';

/** Values of a decoded header. Binary is copied out of the file's bytes. */
export type HeaderValue = null | boolean | number | string | Uint8Array | readonly HeaderValue[] | HeaderMap;
export interface HeaderMap {
  readonly [key: string]: HeaderValue;
}

/** Encodes a header: keys as they stand, keys without a value left out, BigInt as uint64. */
export function encodeHeader(value: unknown): Uint8Array {
  return encode(value, { ignoreUndefined: true, useBigInt64: true, maxDepth: HEADER_DEPTH + 4 });
}

/**
 * Decodes one value that fills the bytes exactly.
 *
 * @throws BitloomError `container-header`
 */
export function decodeHeader(bytes: Uint8Array, where: string): HeaderValue {
  const reader: Reader = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
    at: 0,
    where,
  };
  const value = readValue(reader, 0);
  if (reader.at !== bytes.byteLength) {
    throw invalid(reader, 'one value', `${bytes.byteLength - reader.at} bytes after it`);
  }
  return value;
}

interface Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly text: TextDecoder;
  readonly where: string;
  at: number;
}

function readValue(reader: Reader, depth: number): HeaderValue {
  if (depth > HEADER_DEPTH + 4) throw invalid(reader, `nesting of at most ${HEADER_DEPTH + 4}`, 'more');
  const type = reader.view.getUint8(take(reader, 1));
  if (type < 0x80) return type;
  if (type < 0x90) return readMap(reader, type & 0x0f, depth);
  if (type < 0xa0) return readArray(reader, type & 0x0f, depth);
  if (type < 0xc0) return readString(reader, type & 0x1f);
  if (type >= 0xe0) return type - 0x100;
  const read = READERS[type - 0xc0];
  if (read === undefined)
    throw invalid(reader, 'a type of JSON data or binary', `type byte 0x${type.toString(16)}`);
  return read(reader, depth);
}

type ReadType = (reader: Reader, depth: number) => HeaderValue;

/** Readers of the type bytes 0xc0..0xdf; extensions have none. */
const READERS: readonly (ReadType | undefined)[] = [
  () => null, // c0 nil
  undefined, // c1 never used
  () => false,
  () => true,
  (r) => readBinary(r, r.view.getUint8(take(r, 1))), // c4 bin
  (r) => readBinary(r, r.view.getUint16(take(r, 2))),
  (r) => readBinary(r, r.view.getUint32(take(r, 4))),
  undefined, // c7 ext
  undefined,
  undefined,
  (r) => finite(r, r.view.getFloat32(take(r, 4))), // ca float
  (r) => finite(r, r.view.getFloat64(take(r, 8))),
  (r) => r.view.getUint8(take(r, 1)), // cc uint
  (r) => r.view.getUint16(take(r, 2)),
  (r) => r.view.getUint32(take(r, 4)),
  (r) => safeInteger(r, r.view.getBigUint64(take(r, 8))),
  (r) => r.view.getInt8(take(r, 1)), // d0 int
  (r) => r.view.getInt16(take(r, 2)),
  (r) => r.view.getInt32(take(r, 4)),
  (r) => safeInteger(r, r.view.getBigInt64(take(r, 8))),
  undefined, // d4 fixext
  undefined,
  undefined,
  undefined,
  undefined,
  (r) => readString(r, r.view.getUint8(take(r, 1))), // d9 str
  (r) => readString(r, r.view.getUint16(take(r, 2))),
  (r) => readString(r, r.view.getUint32(take(r, 4))),
  (r, depth) => readArray(r, r.view.getUint16(take(r, 2)), depth), // dc array
  (r, depth) => readArray(r, r.view.getUint32(take(r, 4)), depth),
  (r, depth) => readMap(r, r.view.getUint16(take(r, 2)), depth), // de map
  (r, depth) => readMap(r, r.view.getUint32(take(r, 4)), depth),
];

/** Position of the next `count` bytes, which are then behind the reader. */
function take(reader: Reader, count: number): number {
  const at = reader.at;
  if (at + count > reader.bytes.byteLength) {
    throw invalid(reader, `${count} more bytes`, `${reader.bytes.byteLength - at}`);
  }
  reader.at = at + count;
  return at;
}

function readString(reader: Reader, byteLength: number): string {
  const at = take(reader, byteLength);
  if (byteLength <= 24) {
    const short = shortAscii(reader.bytes, at, byteLength);
    if (short !== undefined) return short;
  }
  try {
    return reader.text.decode(reader.bytes.subarray(at, at + byteLength));
  } catch (cause) {
    throw invalid(reader, 'text in UTF-8', 'other bytes', cause);
  }
}

/** Most strings of a header are short names, for which setting up the text decoder costs more than reading. */
function shortAscii(bytes: Uint8Array, at: number, byteLength: number): string | undefined {
  let text = '';
  for (let i = at; i < at + byteLength; i++) {
    if (bytes[i] >= 0x80) return undefined;
    text += String.fromCharCode(bytes[i]);
  }
  return text;
}

function readBinary(reader: Reader, byteLength: number): Uint8Array {
  const at = take(reader, byteLength);
  return new Uint8Array(reader.bytes.subarray(at, at + byteLength));
}

function readArray(reader: Reader, count: number, depth: number): readonly HeaderValue[] {
  requireRoom(reader, count);
  const out: HeaderValue[] = [];
  for (let i = 0; i < count; i++) out.push(readValue(reader, depth + 1));
  return out;
}

function readMap(reader: Reader, count: number, depth: number): HeaderMap {
  requireRoom(reader, 2 * count);
  const out: Record<string, HeaderValue> = {};
  for (let i = 0; i < count; i++) {
    const key = readValue(reader, depth + 1);
    if (typeof key !== 'string') throw invalid(reader, 'keys that are strings', typeof key);
    if (key === FORBIDDEN_KEY) throw invalid(reader, 'keys that are names of fields', `the key '${key}'`);
    if (Object.hasOwn(out, key))
      throw invalid(reader, 'each key once', `the key '${key.slice(0, 64)}' twice`);
    out[key] = readValue(reader, depth + 1);
  }
  return out;
}

/** Every element takes at least a byte, so a count beyond the bytes left is a lie. */
function requireRoom(reader: Reader, count: number): void {
  const left = reader.bytes.byteLength - reader.at;
  if (count > left) throw invalid(reader, `at most ${left} elements in ${left} bytes`, String(count));
}

function finite(reader: Reader, value: number): number {
  if (!Number.isFinite(value)) throw invalid(reader, 'a finite number', String(value));
  return value;
}

function safeInteger(reader: Reader, value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new BitloomError({
    code: 'container-integer-range',
    message: 'the header holds an integer that is not exact in memory',
    where: `${reader.where}, header byte ${reader.at}`,
    expected: `an integer within +-${Number.MAX_SAFE_INTEGER}`,
    got: String(value),
  });
}

function invalid(reader: Reader, expected: string, got: string, cause?: unknown): BitloomError {
  return new BitloomError({
    code: 'container-header',
    message: 'the header is not valid',
    where: `${reader.where}, header byte ${reader.at}`,
    expected,
    got,
    hint: 'the file is damaged or was not written by bitloom',
    cause,
  });
}
