/**
 * Reads the header of a GGUF file, versions 2 and 3, little-endian, by ranges: metadata of every type, and the
 * table of tensors. Nothing in the file is trusted: a count is compared with the bytes that are left before
 * anything is allocated for it, metadata as a whole are limited, and the tensors must tile the data part as
 * ggml lays them out.
 *
 * Why not a package: docs/design/0003-gguf-reader.md.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { Cursor } from '../bytes/cursor.js';
import { checkedElementCount, type StoredTensor, type TensorFile } from '../tensors/tensor-file.js';
import { type GgufData, GgufMetadata, type GgufValue } from './metadata.js';
import { GGUF_MIN_BYTES, GGUF_TENSOR_TYPES, GGUF_VALUE_TYPES, type GgufValueType } from './types.js';

/** Bounds on what a header may ask for. The defaults are far above any published model. */
export interface GgufLimits {
  /** Bytes of metadata and tensor table together. Default 256 MiB (Llama 3 needs 8). */
  readonly headerBytes?: number;
  /** Bytes of one string. Default 16 MiB. */
  readonly stringBytes?: number;
  /** Values inside arrays of arrays, which cost objects. Default 65536. */
  readonly nestedValues?: number;
}

export interface GgufFile extends TensorFile {
  readonly version: number;
  readonly metadata: GgufMetadata;
}

const MAGIC = 0x46554747;
const MAX_DIMENSIONS = 4;
const MAX_KEY_BYTES = 65535;
const MAX_NESTING = 4;

/**
 * Reads a GGUF header. The file stays open until `close`.
 * @throws BitloomError `gguf-magic`, `gguf-version`, `gguf-truncated`, `gguf-count`, `gguf-limit`,
 *   `gguf-value-type`, `gguf-key-duplicate`, `gguf-string-not-utf8`, `gguf-alignment`, `gguf-tensor-invalid`,
 *   `gguf-tensor-type`, `gguf-tensor-outside`, `gguf-overlap`, `gguf-hole`, `gguf-split`
 */
export async function readGguf(source: ByteSource, limits: GgufLimits = {}): Promise<GgufFile> {
  const header = new HeaderReader(source, limits);
  const version = await header.version();
  const tensorCount = await header.count('tensors', 24);
  const pairCount = await header.count('metadata pairs', 13);
  const metadata = new GgufMetadata(source.name, await header.pairs(pairCount));
  const shards = metadata.optionalInteger('split.count') ?? 0;
  if (shards > 1) {
    throw new BitloomError({
      code: 'gguf-split',
      message: 'the model is split over several GGUF files',
      where: source.name,
      expected: 'one file',
      got: `${shards} files`,
      hint: 'merge them first, for example with llama-gguf-split --merge',
    });
  }
  const tensors = await header.tensors(tensorCount, readAlignment(metadata));
  return { name: source.name, version, metadata, tensors, close: () => source.close() };
}

function readAlignment(metadata: GgufMetadata): number {
  const alignment = metadata.optionalInteger('general.alignment') ?? 32;
  if (alignment >= 1 && alignment <= 1 << 20 && (alignment & (alignment - 1)) === 0) return alignment;
  throw new BitloomError({
    code: 'gguf-alignment',
    message: 'general.alignment is not usable',
    where: metadata.file,
    expected: 'a power of two up to 2^20',
    got: String(alignment),
  });
}

class HeaderReader {
  readonly #cursor: Cursor;
  readonly #limits: Required<GgufLimits>;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #nested = 0;

  constructor(source: ByteSource, limits: GgufLimits) {
    this.#cursor = new Cursor(source, 'gguf-truncated');
    this.#limits = {
      headerBytes: limits.headerBytes ?? 256 << 20,
      stringBytes: limits.stringBytes ?? 16 << 20,
      nestedValues: limits.nestedValues ?? 65536,
    };
  }

  async version(): Promise<number> {
    const cursor = this.#cursor;
    await cursor.need(8, 'the magic number and version');
    const magic = cursor.u32();
    if (magic !== MAGIC) {
      throw this.#error(
        'gguf-magic',
        'this is not a GGUF file',
        "the bytes 'GGUF'",
        `0x${magic.toString(16)}`,
      );
    }
    const version = cursor.u32();
    if (version === 2 || version === 3) return version;
    const bigEndian = version !== 0 && (version & 0xffff) === 0;
    throw this.#error(
      'gguf-version',
      bigEndian ? 'the file is big-endian' : 'no reader for this version of GGUF',
      'version 2 or 3, little-endian',
      bigEndian ? 'a byte-swapped version number' : `version ${version}`,
    );
  }

  /** A count of things that take at least `minBytes` each. */
  async count(what: string, minBytes: number): Promise<number> {
    await this.#need(8, `the number of ${what}`);
    return this.#checkCount(this.#cursor.u64(), minBytes, what);
  }

  async pairs(count: number): Promise<Map<string, GgufValue>> {
    const values = new Map<string, GgufValue>();
    for (let i = 0; i < count; i++) {
      const key = await this.#string(MAX_KEY_BYTES, `key ${i} of the metadata`);
      if (values.has(key)) {
        throw this.#error(
          'gguf-key-duplicate',
          'a metadata key occurs twice',
          'each key once',
          JSON.stringify(key),
        );
      }
      values.set(key, await this.#value(await this.#valueType(key), key, 0));
    }
    return values;
  }

  async tensors(count: number, alignment: number): Promise<Map<string, StoredTensor>> {
    const relative: StoredTensor[] = [];
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const tensor = await this.#tensor(i, alignment);
      if (names.has(tensor.name)) {
        throw this.#error('gguf-tensor-invalid', 'a tensor name occurs twice', 'each name once', tensor.name);
      }
      names.add(tensor.name);
      relative.push(tensor);
    }
    const start = Math.ceil(this.#cursor.position / alignment) * alignment;
    const tensors = relative.map((tensor) => ({ ...tensor, offset: tensor.offset + start }));
    this.#checkTiling(tensors, start, alignment);
    return new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** An entry of the tensor table, its offset still relative to the data part. */
  async #tensor(index: number, alignment: number): Promise<StoredTensor> {
    const cursor = this.#cursor;
    const name = await this.#string(MAX_KEY_BYTES, `the name of tensor ${index}`);
    const where = `tensor '${name}'`;
    await this.#need(4, where);
    const rank = cursor.u32();
    if (rank > MAX_DIMENSIONS) {
      throw this.#error(
        'gguf-tensor-invalid',
        `${where} has too many axes`,
        `at most ${MAX_DIMENSIONS}`,
        String(rank),
      );
    }
    await this.#need(rank * 8 + 12, where);
    // ggml lists the contiguous axis first; shapes here list it last.
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.unshift(this.#size(cursor.u64(), where));
    const type = cursor.u32();
    const encoding = GGUF_TENSOR_TYPES.get(type);
    if (encoding === undefined) {
      throw this.#error(
        'gguf-tensor-type',
        `${where} has an unknown type`,
        [...GGUF_TENSOR_TYPES.values()].map((known) => known.name).join(', '),
        `type ${type}`,
      );
    }
    const offset = this.#size(cursor.u64(), where);
    const elements = checkedElementCount(shape);
    const rowLength = shape[shape.length - 1] ?? 1;
    if (elements === undefined || elements === 0 || rowLength % encoding.blockElements !== 0) {
      throw this.#error(
        'gguf-tensor-invalid',
        `${where} has an impossible shape`,
        `positive sizes, rows a multiple of ${encoding.blockElements}, fewer than 2^53 elements`,
        `${encoding.name}[${shape.join(', ')}]`,
      );
    }
    const byteLength = (elements / encoding.blockElements) * encoding.blockBytes;
    if (!Number.isSafeInteger(byteLength) || offset % alignment !== 0) {
      throw this.#error(
        'gguf-tensor-invalid',
        `${where} does not begin at a multiple of the alignment, or is too large`,
        `an offset that is a multiple of ${alignment}`,
        String(offset),
      );
    }
    return { name, shape, encoding, source: cursor.source, offset, byteLength };
  }

  #checkTiling(tensors: readonly StoredTensor[], start: number, alignment: number): void {
    const size = this.#cursor.source.size;
    let end = start;
    for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
      const where = `tensor '${tensor.name}'`;
      if (tensor.offset + tensor.byteLength > size) {
        throw this.#error(
          'gguf-tensor-outside',
          `${where} leaves the file`,
          `bytes inside 0..${size}`,
          `${tensor.byteLength} bytes at ${tensor.offset}`,
        );
      }
      const gap = tensor.offset - end;
      if (gap < 0) {
        throw this.#error(
          'gguf-overlap',
          `${where} overlaps another tensor`,
          'no overlap',
          `${-gap} bytes shared`,
        );
      }
      if (gap >= alignment) {
        throw this.#error(
          'gguf-hole',
          `bytes before ${where} belong to no tensor`,
          'padding only',
          `${gap} bytes`,
        );
      }
      end = tensor.offset + tensor.byteLength;
    }
  }

  async #value(type: GgufValueType, where: string, depth: number): Promise<GgufValue> {
    if (type === 'string') return { type, data: await this.#string(this.#limits.stringBytes, where) };
    if (type === 'array') return this.#array(where, depth);
    await this.#need(GGUF_MIN_BYTES[type], where);
    return { type, data: this.#scalar(type, where) };
  }

  #scalar(type: Exclude<GgufValueType, 'string' | 'array'>, where: string): GgufData {
    const cursor = this.#cursor;
    switch (type) {
      case 'uint8':
        return cursor.u8();
      case 'int8':
        return cursor.i8();
      case 'uint16':
        return cursor.u16();
      case 'int16':
        return cursor.i16();
      case 'uint32':
        return cursor.u32();
      case 'int32':
        return cursor.i32();
      case 'float32':
        return cursor.f32();
      case 'uint64':
        return cursor.u64();
      case 'int64':
        return cursor.i64();
      case 'float64':
        return cursor.f64();
      case 'bool':
        return this.#boolean(where);
    }
  }

  #boolean(where: string): boolean {
    const byte = this.#cursor.u8();
    if (byte > 1) throw this.#error('gguf-value-type', `'${where}' is not a boolean`, '0 or 1', String(byte));
    return byte === 1;
  }

  async #array(where: string, depth: number): Promise<GgufValue> {
    if (depth >= MAX_NESTING) {
      throw this.#error(
        'gguf-limit',
        `arrays nest too deeply in '${where}'`,
        `at most ${MAX_NESTING}`,
        'more',
      );
    }
    const elementType = await this.#valueType(where);
    await this.#need(8, where);
    const count = this.#checkCount(this.#cursor.u64(), GGUF_MIN_BYTES[elementType], `values of '${where}'`);
    if (depth > 0 || elementType === 'array') this.#countNested(count, where);
    const data = await this.#elements(elementType, count, where, depth);
    return { type: 'array', elementType, data };
  }

  async #elements(type: GgufValueType, count: number, where: string, depth: number): Promise<GgufData> {
    const cursor = this.#cursor;
    if (type === 'string') return this.#strings(count, where);
    if (type === 'array') {
      const arrays: GgufValue[] = [];
      for (let i = 0; i < count; i++) arrays.push(await this.#array(where, depth + 1));
      return arrays;
    }
    if (type === 'bool') {
      const flags: boolean[] = [];
      await this.#need(count, where);
      for (let i = 0; i < count; i++) flags.push(this.#boolean(where));
      return flags;
    }
    const bytes = count * GGUF_MIN_BYTES[type];
    await this.#need(bytes, where);
    // A copy, so that the window can move on, and so that it begins at an aligned address.
    return typedArray(type, cursor.bytes(bytes).slice().buffer);
  }

  #countNested(count: number, where: string): void {
    this.#nested += count;
    if (this.#nested > this.#limits.nestedValues) {
      throw this.#error(
        'gguf-limit',
        `too many values in arrays of arrays at '${where}'`,
        `at most ${this.#limits.nestedValues}`,
        String(this.#nested),
      );
    }
  }

  async #valueType(where: string): Promise<GgufValueType> {
    await this.#need(4, where);
    const number = this.#cursor.u32();
    const type = GGUF_VALUE_TYPES[number];
    if (type === undefined) {
      throw this.#error('gguf-value-type', `unknown type of a value of '${where}'`, '0..12', String(number));
    }
    return type;
  }

  async #string(limit: number, where: string): Promise<string> {
    if (!this.#cursor.has(8)) await this.#need(8, where);
    const count = this.#stringLength(limit, where);
    if (!this.#cursor.has(count)) await this.#need(count, where);
    return this.#text(count, where);
  }

  /** Strings one after another; waits only where the window ends, as vocabularies have 10^5 of them. */
  async #strings(count: number, where: string): Promise<string[]> {
    const cursor = this.#cursor;
    const out: string[] = [];
    for (let i = 0; i < count; i++) {
      if (!cursor.has(8)) await this.#need(8, where);
      const length = this.#stringLength(this.#limits.stringBytes, where);
      if (!cursor.has(length)) await this.#need(length, where);
      out.push(this.#text(length, where));
    }
    return out;
  }

  #stringLength(limit: number, where: string): number {
    const low = this.#cursor.u32();
    const high = this.#cursor.u32();
    const length = high * 2 ** 32 + low;
    if (length <= limit) return length;
    throw this.#error(
      'gguf-limit',
      `a string is too long in ${where}`,
      `at most ${limit} bytes`,
      `${length} bytes`,
    );
  }

  #text(length: number, where: string): string {
    const bytes = this.#cursor.bytes(length);
    // Most tokens are short and plain: building them here is several times faster than the decoder.
    if (length <= 16) {
      let text = '';
      for (const byte of bytes) {
        if (byte >= 128) break;
        text += String.fromCharCode(byte);
      }
      if (text.length === length) return text;
    }
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw this.#error(
        'gguf-string-not-utf8',
        `a string is not valid UTF-8 in ${where}`,
        'UTF-8',
        `${length} bytes`,
      );
    }
  }

  #size(value: bigint, where: string): number {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw this.#error(
      'gguf-tensor-invalid',
      `${where} has an impossible size or offset`,
      'below 2^53',
      String(value),
    );
  }

  #checkCount(value: bigint, minBytes: number, what: string): number {
    const most = Math.floor(this.#cursor.remaining / minBytes);
    if (value <= BigInt(most)) return Number(value);
    throw this.#error('gguf-count', `more ${what} than the file can hold`, `at most ${most}`, String(value));
  }

  /** As the cursor's, within the limit on the header as a whole. */
  async #need(length: number, where: string): Promise<void> {
    if (this.#cursor.position + length > this.#limits.headerBytes) {
      const limit = this.#limits.headerBytes;
      throw this.#error(
        'gguf-limit',
        `the header is too long, at ${where}`,
        `at most ${limit} bytes`,
        'more',
      );
    }
    if (!this.#cursor.has(length)) await this.#cursor.need(length, where);
  }

  #error(code: string, message: string, expected: string, got: string): BitloomError {
    return new BitloomError({
      code,
      message,
      where: `${this.#cursor.source.name} near byte ${this.#cursor.position}`,
      expected,
      got,
      hint: 'the file is damaged, cut short or not what its name says; fetch or convert it again',
    });
  }
}

function typedArray(
  type: Exclude<GgufValueType, 'string' | 'array' | 'bool'>,
  buffer: ArrayBufferLike,
): GgufData {
  switch (type) {
    case 'uint8':
      return new Uint8Array(buffer);
    case 'int8':
      return new Int8Array(buffer);
    case 'uint16':
      return new Uint16Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'uint32':
      return new Uint32Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'float32':
      return new Float32Array(buffer);
    case 'uint64':
      return new BigUint64Array(buffer);
    case 'int64':
      return new BigInt64Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
  }
}
