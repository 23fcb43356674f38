/**
 * Reads the values of a GGUF header: integers, strings, typed values, arrays. It holds the bounds: a count is compared
 * with the bytes that are left before anything is allocated, and header, strings and nested arrays have limits.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { Cursor } from '../bytes/cursor.js';
import type { GgufData, GgufValue } from './metadata.js';
import { GGUF_MIN_BYTES, GGUF_VALUE_TYPES, type GgufValueType } from './types.js';

/** Bounds on what a header may ask for. The defaults are far above any published model. */
export interface GgufLimits {
  /** Bytes of metadata and tensor table together. Default 256 MiB (Llama 3 needs 8). */
  readonly headerBytes?: number;
  /** Bytes of one string. Default 16 MiB. */
  readonly stringBytes?: number;
  /** Values inside arrays of arrays, which cost objects. Default 65536. */
  readonly nestedValues?: number;
}

const MAX_KEY_BYTES = 65535;
const MAX_NESTING = 4;

export class ValueReader {
  readonly cursor: Cursor;
  readonly #limits: Required<GgufLimits>;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #nested = 0;

  constructor(source: ByteSource, limits: GgufLimits) {
    this.cursor = new Cursor(source, 'gguf-truncated');
    this.#limits = {
      headerBytes: limits.headerBytes ?? 256 << 20,
      stringBytes: limits.stringBytes ?? 16 << 20,
      nestedValues: limits.nestedValues ?? 65536,
    };
  }

  /** A count of things that take at least `minBytes` each. */
  async count(what: string, minBytes: number): Promise<number> {
    await this.need(8, `the number of ${what}`);
    return this.#checkCount(this.cursor.u64(), minBytes, what);
  }

  /** A key, or the name of a tensor. */
  async name(where: string): Promise<string> {
    return this.#string(MAX_KEY_BYTES, where);
  }

  /** A type and a value of that type. */
  async typedValue(where: string): Promise<GgufValue> {
    return this.#value(await this.#valueType(where), where, 0);
  }

  #checkCount(value: bigint, minBytes: number, what: string): number {
    const most = Math.floor(this.cursor.remaining / minBytes);
    if (value <= BigInt(most)) return Number(value);
    throw this.error('gguf-count', `more ${what} than the file can hold`, `at most ${most}`, String(value));
  }

  /** As the cursor's, within the limit on the header as a whole. */
  async need(length: number, where: string): Promise<void> {
    if (this.cursor.position + length > this.#limits.headerBytes) {
      const limit = this.#limits.headerBytes;
      throw this.error('gguf-limit', `the header is too long, at ${where}`, `at most ${limit} bytes`, 'more');
    }
    if (!this.cursor.has(length)) await this.cursor.need(length, where);
  }

  /** An error of this file, near the next byte. */
  error(code: string, message: string, expected: string, got: string): BitloomError {
    return new BitloomError({
      code,
      message,
      where: `${this.cursor.source.name} near byte ${this.cursor.position}`,
      expected,
      got,
      hint: 'the file is damaged, cut short or not what its name says; fetch or convert it again',
    });
  }

  async #value(type: GgufValueType, where: string, depth: number): Promise<GgufValue> {
    if (type === 'string') return { type, data: await this.#string(this.#limits.stringBytes, where) };
    if (type === 'array') return this.#array(where, depth);
    await this.need(GGUF_MIN_BYTES[type], where);
    return { type, data: this.#scalar(type, where) };
  }

  #scalar(type: Exclude<GgufValueType, 'string' | 'array'>, where: string): GgufData {
    const cursor = this.cursor;
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
    const byte = this.cursor.u8();
    if (byte > 1) throw this.error('gguf-value-type', `'${where}' is not a boolean`, '0 or 1', String(byte));
    return byte === 1;
  }

  async #array(where: string, depth: number): Promise<GgufValue> {
    if (depth >= MAX_NESTING) {
      throw this.error(
        'gguf-limit',
        `arrays nest too deeply in '${where}'`,
        `at most ${MAX_NESTING}`,
        'more',
      );
    }
    const elementType = await this.#valueType(where);
    await this.need(8, where);
    const count = this.#checkCount(this.cursor.u64(), GGUF_MIN_BYTES[elementType], `values of '${where}'`);
    if (depth > 0 || elementType === 'array') this.#countNested(count, where);
    const data = await this.#elements(elementType, count, where, depth);
    return { type: 'array', elementType, data };
  }

  async #elements(type: GgufValueType, count: number, where: string, depth: number): Promise<GgufData> {
    const cursor = this.cursor;
    if (type === 'string') return this.#strings(count, where);
    if (type === 'array') {
      const arrays: GgufValue[] = [];
      for (let i = 0; i < count; i++) arrays.push(await this.#array(where, depth + 1));
      return arrays;
    }
    if (type === 'bool') {
      const flags: boolean[] = [];
      await this.need(count, where);
      for (let i = 0; i < count; i++) flags.push(this.#boolean(where));
      return flags;
    }
    const bytes = count * GGUF_MIN_BYTES[type];
    await this.need(bytes, where);
    // A copy, so that the window can move on, and so that it begins at an aligned address.
    return typedArray(type, new Uint8Array(cursor.bytes(bytes)).buffer);
  }

  #countNested(count: number, where: string): void {
    this.#nested += count;
    if (this.#nested > this.#limits.nestedValues) {
      throw this.error(
        'gguf-limit',
        `too many values in arrays of arrays at '${where}'`,
        `at most ${this.#limits.nestedValues}`,
        String(this.#nested),
      );
    }
  }

  async #valueType(where: string): Promise<GgufValueType> {
    await this.need(4, where);
    const number = this.cursor.u32();
    const type = GGUF_VALUE_TYPES[number];
    if (type === undefined) {
      throw this.error('gguf-value-type', `unknown type of a value of '${where}'`, '0..12', String(number));
    }
    return type;
  }

  async #string(limit: number, where: string): Promise<string> {
    if (!this.cursor.has(8)) await this.need(8, where);
    const count = this.#stringLength(limit, where);
    if (!this.cursor.has(count)) await this.need(count, where);
    return this.#text(count, where);
  }

  /** Strings one after another; waits only where the window ends, as vocabularies have 10^5 of them. */
  async #strings(count: number, where: string): Promise<string[]> {
    const cursor = this.cursor;
    const out: string[] = [];
    for (let i = 0; i < count; i++) {
      if (!cursor.has(8)) await this.need(8, where);
      const length = this.#stringLength(this.#limits.stringBytes, where);
      if (!cursor.has(length)) await this.need(length, where);
      out.push(this.#text(length, where));
    }
    return out;
  }

  #stringLength(limit: number, where: string): number {
    const low = this.cursor.u32();
    const high = this.cursor.u32();
    const length = high * 2 ** 32 + low;
    if (length <= limit) return length;
    throw this.error(
      'gguf-limit',
      `a string is too long in ${where}`,
      `at most ${limit} bytes`,
      `${length} bytes`,
    );
  }

  #text(length: number, where: string): string {
    const bytes = this.cursor.bytes(length);
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
      throw this.error(
        'gguf-string-not-utf8',
        `a string is not valid UTF-8 in ${where}`,
        'UTF-8',
        `${length} bytes`,
      );
    }
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
