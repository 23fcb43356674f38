/**
 * Typed metadata of a GGUF file and the getters that readers use. Numbers keep the type they had in the file;
 * a getter converts to what the caller needs or says precisely what it found.
 */
import { BitloomError } from '@bitloom/ir';
import { describe } from '../json/strict-json.js';
import type { GgufValueType } from './types.js';

/** Arrays of numbers are typed arrays, others plain arrays; 64-bit integers are bigint. */
export type GgufData =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array
  | readonly boolean[]
  | readonly string[]
  | readonly GgufValue[];

export interface GgufValue {
  readonly type: GgufValueType;
  /** Type of the elements of an array. */
  readonly elementType?: GgufValueType;
  readonly data: GgufData;
}

/** Key-value pairs of a header, in file order. */
export class GgufMetadata {
  /** Name of the file, for errors. */
  readonly file: string;
  readonly values: ReadonlyMap<string, GgufValue>;

  constructor(file: string, values: ReadonlyMap<string, GgufValue>) {
    this.file = file;
    this.values = values;
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** @throws BitloomError `gguf-metadata-missing`, `gguf-metadata-type` */
  string(key: string): string {
    return this.optionalString(key) ?? this.#missing(key, 'a string');
  }

  optionalString(key: string): string | undefined {
    const data = this.values.get(key)?.data;
    if (data === undefined || typeof data === 'string') return data;
    return this.#wrong(key, 'a string');
  }

  optionalBoolean(key: string): boolean | undefined {
    const data = this.values.get(key)?.data;
    if (data === undefined || typeof data === 'boolean') return data;
    return this.#wrong(key, 'a boolean');
  }

  /** @throws BitloomError `gguf-metadata-missing`, `gguf-metadata-type` */
  integer(key: string): number {
    return this.optionalInteger(key) ?? this.#missing(key, 'an integer');
  }

  /** A non-negative safe integer of any integer type. */
  optionalInteger(key: string): number | undefined {
    const data = this.values.get(key)?.data;
    if (data === undefined) return undefined;
    const number = typeof data === 'bigint' ? Number(data) : data;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
    return this.#wrong(key, 'a non-negative integer below 2^53');
  }

  /** @throws BitloomError `gguf-metadata-missing`, `gguf-metadata-type` */
  float(key: string): number {
    return this.optionalFloat(key) ?? this.#missing(key, 'a finite number');
  }

  /**
   * A finite number. A float32 is given as the shortest decimal that names it (1e-5, not 9.999999747378752e-6),
   * so that the same model read from JSON and from GGUF has the same configuration; both name the same float32.
   */
  optionalFloat(key: string): number | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (typeof value.data !== 'number' || !Number.isFinite(value.data))
      return this.#wrong(key, 'a finite number');
    return value.type === 'float32' ? shortestFloat32(value.data) : value.data;
  }

  optionalStrings(key: string): readonly string[] | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    if (value.elementType !== 'string' || !Array.isArray(value.data))
      return this.#wrong(key, 'an array of strings');
    const out: string[] = [];
    for (const item of value.data) if (typeof item === 'string') out.push(item);
    return out;
  }

  /** An array of float32 or float64. */
  optionalFloats(key: string): readonly number[] | undefined {
    const data = this.values.get(key)?.data;
    if (data === undefined) return undefined;
    if (data instanceof Float32Array || data instanceof Float64Array) return Array.from(data);
    return this.#wrong(key, 'an array of floats');
  }

  /** An array of integers of up to 32 bits. */
  optionalIntegers(key: string): readonly number[] | undefined {
    const data = this.values.get(key)?.data;
    if (data === undefined) return undefined;
    if (
      data instanceof Int32Array ||
      data instanceof Uint32Array ||
      data instanceof Int16Array ||
      data instanceof Uint16Array ||
      data instanceof Int8Array ||
      data instanceof Uint8Array
    ) {
      return Array.from(data);
    }
    return this.#wrong(key, 'an array of integers');
  }

  #missing(key: string, expected: string): never {
    throw new BitloomError({
      code: 'gguf-metadata-missing',
      message: `the file does not say '${key}'`,
      where: this.file,
      expected,
      hint: 'convert the model again with a current converter',
    });
  }

  #wrong(key: string, expected: string): never {
    const value = this.values.get(key);
    const type = value?.elementType === undefined ? value?.type : `array of ${value.elementType}`;
    throw new BitloomError({
      code: 'gguf-metadata-type',
      message: `'${key}' has a value of the wrong kind`,
      where: this.file,
      expected,
      got: `${type} ${typeof value?.data === 'object' ? '' : describe(value?.data)}`.trim(),
      hint: 'the file was written wrongly; convert the model again',
    });
  }
}

/** The double with the fewest digits that rounds to the float32 `value`. */
export function shortestFloat32(value: number): number {
  if (value === 0) return value;
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
