/**
 * Typed access to a configuration in JSON that came from a stranger: a value is of the kind it must be, or a typed
 * error names its key. Null counts as absent.
 */
import { invalidConfig, unsupportedModel } from '../decoder/decoder-config.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../json/strict-json.js';

/** Typed access to one object of a configuration. */
export class ConfigReader {
  readonly where: string;
  readonly #json: JsonObject;

  constructor(json: JsonObject, where: string) {
    this.#json = json;
    this.where = where;
  }

  /** Null counts as absent, as in transformers. Only own keys count. */
  value(key: string): JsonValue | undefined {
    return Object.hasOwn(this.#json, key) ? (this.#json[key] ?? undefined) : undefined;
  }

  /** Whether the key is there and null: some classes have a default for its absence and another meaning for null. */
  isNull(key: string): boolean {
    return Object.hasOwn(this.#json, key) && this.#json[key] === null;
  }

  integer(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw invalidConfig(this.where, key, 'a non-negative integer', value);
  }

  float(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw invalidConfig(this.where, key, 'a number', value);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw invalidConfig(this.where, key, 'true or false', value);
  }

  /** Refuses any value but the one that is implemented. */
  only(key: string, wanted: JsonValue, what: string): void {
    const value = this.value(key) ?? wanted;
    if (value !== wanted)
      throw unsupportedModel(this.where, `${what} (${key})`, JSON.stringify(wanted), value);
  }

  /** One of `names`. */
  choice<Name extends string>(key: string, names: readonly Name[], fallback?: Name): Name {
    const value = this.value(key) ?? fallback;
    const known = names.find((name) => name === value);
    if (known !== undefined) return known;
    throw unsupportedModel(this.where, `this value of ${key}`, names.join(', '), value);
  }

  /** An object, read with the same care; undefined where there is none. */
  object(key: string): ConfigReader | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (isJsonObject(value)) return new ConfigReader(value, `${this.where}, ${key}`);
    throw invalidConfig(this.where, key, 'an object', value);
  }

  /** A list of strings; empty where there is none. */
  strings(key: string): string[] {
    const value = this.value(key) ?? [];
    const out: string[] = [];
    if (!Array.isArray(value)) throw invalidConfig(this.where, key, 'a list of names', value);
    for (const item of value) {
      if (typeof item !== 'string') throw invalidConfig(this.where, key, 'a list of names', item);
      out.push(item);
    }
    return out;
  }

  keys(): string[] {
    return Object.keys(this.#json);
  }
}
