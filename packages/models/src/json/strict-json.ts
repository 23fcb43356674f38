/**
 * A JSON parser for headers written by strangers. Beside what `JSON.parse` refuses it refuses duplicate keys,
 * nesting deeper than a limit and bytes that are not UTF-8; objects have no prototype, so a key such as
 * `__proto__` is data like any other.
 *
 * Not for: large documents where speed matters (a tokenizer of 10 MB); those go through `JSON.parse`.
 */
import { BitloomError } from '@bitloom/ir';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

const MAX_DEPTH = 64;

/**
 * Parses UTF-8 JSON.
 * @param where what errors call the document
 * @throws BitloomError `json-not-utf8`, `json-invalid`, `json-duplicate-key`, `json-too-deep`
 */
export function parseStrictJson(bytes: Uint8Array, where: string): JsonValue {
  return new Parser(decodeUtf8(bytes, where), where).document();
}

/** As {@link parseStrictJson}, for a document that must be an object. */
export function parseJsonObject(bytes: Uint8Array, where: string): JsonObject {
  const value = parseStrictJson(bytes, where);
  if (isJsonObject(value)) return value;
  throw new BitloomError({
    code: 'json-invalid',
    message: 'the document must be an object',
    where,
    expected: '{...}',
    got: describe(value),
  });
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in a few words, for errors. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' ? 'an object' : typeof value;
}

/** @throws BitloomError `json-not-utf8` */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BitloomError({
      code: 'json-not-utf8',
      message: 'the text is not valid UTF-8',
      where,
      expected: 'UTF-8',
      hint: 'the file is damaged or is not what its name says',
      cause,
    });
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Parser {
  readonly #text: string;
  readonly #where: string;
  #at = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#invalid('the end of the document');
    return value;
  }

  #value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) {
      throw new BitloomError({
        code: 'json-too-deep',
        message: 'the document nests too deeply',
        where: `${this.#where} at character ${this.#at}`,
        expected: `at most ${MAX_DEPTH} levels`,
      });
    }
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{') return this.#object(depth);
    if (char === '[') return this.#array(depth);
    if (char === '"') return this.#string();
    if (this.#word('true')) return true;
    if (this.#word('false')) return false;
    if (this.#word('null')) return null;
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const out: Record<string, JsonValue> = Object.create(null);
    this.#at++;
    this.#space();
    if (this.#eat('}')) return out;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#invalid('a key in double quotes');
      const key = this.#string();
      if (Object.hasOwn(out, key)) {
        throw new BitloomError({
          code: 'json-duplicate-key',
          message: 'a key occurs twice in one object',
          where: `${this.#where} at character ${this.#at}`,
          expected: 'each key once',
          got: describe(key),
          hint: 'a document with two readings cannot be trusted; write it again with a sound tool',
        });
      }
      this.#space();
      if (!this.#eat(':')) throw this.#invalid("':'");
      out[key] = this.#value(depth + 1);
      this.#space();
      if (this.#eat('}')) return out;
      if (!this.#eat(',')) throw this.#invalid("',' or '}'");
    }
  }

  #array(depth: number): JsonValue[] {
    const out: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#eat(']')) return out;
    for (;;) {
      out.push(this.#value(depth + 1));
      this.#space();
      if (this.#eat(']')) return out;
      if (!this.#eat(',')) throw this.#invalid("',' or ']'");
    }
  }

  #string(): string {
    const text = this.#text;
    let out = '';
    let start = ++this.#at;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (Number.isNaN(code) || code < 0x20)
        throw this.#invalid('a closed string without control characters');
      if (code === 0x22) break;
      if (code !== 0x5c) {
        this.#at++;
        continue;
      }
      out += text.slice(start, this.#at);
      const letter = text[this.#at + 1] ?? '';
      if (letter === 'u') {
        const hex = text.slice(this.#at + 2, this.#at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#invalid('four hexadecimal digits after \\u');
        out += String.fromCharCode(Number.parseInt(hex, 16));
        this.#at += 6;
      } else {
        if (!Object.hasOwn(ESCAPES, letter)) throw this.#invalid('a known escape');
        out += ESCAPES[letter];
        this.#at += 2;
      }
      start = this.#at;
    }
    out += text.slice(start, this.#at);
    this.#at++;
    return out;
  }

  #number(): number {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw this.#invalid('a value');
    this.#at = pattern.lastIndex;
    return Number(match[0]);
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #eat(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #invalid(expected: string): BitloomError {
    const got = this.#text.slice(this.#at, this.#at + 20);
    return new BitloomError({
      code: 'json-invalid',
      message: 'the document is not valid JSON',
      where: `${this.#where} at character ${this.#at}`,
      expected,
      got: got === '' ? 'the end' : JSON.stringify(got),
      hint: 'the file is cut short or damaged',
    });
  }
}
