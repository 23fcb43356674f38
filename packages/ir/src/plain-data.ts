/**
 * Plain data: what an artefact header may hold. Objects, arrays, text, finite numbers, booleans and null, nested
 * to a bounded depth, so that it means the same in msgpack, in JSON and in a content hash.
 */
import { BitloomError } from './error.js';

/** Deepest nesting of an artefact header. */
export const HEADER_DEPTH = 96;

/** The one key that an assignment takes for something else than a field. */
export const FORBIDDEN_KEY = '__proto__';

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Throws unless the value is plain data. Fields that are `undefined` count as absent.
 *
 * @throws BitloomError `data-not-plain`
 */
export function requirePlainData(value: unknown): void {
  walk(value, [], 0);
}

function walk(value: unknown, path: (string | number)[], depth: number): void {
  if (depth > HEADER_DEPTH) throw notPlain(path, `nesting of at most ${HEADER_DEPTH}`, 'more');
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value)) throw notPlain(path, 'text of whole characters', 'half a surrogate pair');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw notPlain(path, 'a finite number', String(value));
    return;
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) walkInto(value[i], i, path, depth);
    return;
  }
  if (typeof value !== 'object' || !isPlainObject(value)) {
    throw notPlain(path, 'an object, an array, text, a number, a boolean or null', describe(value));
  }
  for (const [key, inner] of Object.entries(value)) {
    if (key === FORBIDDEN_KEY) throw notPlain(path, 'keys that are names of fields', `the key '${key}'`);
    if (LONE_SURROGATE.test(key)) throw notPlain(path, 'keys of whole characters', 'half a surrogate pair');
    if (inner !== undefined) walkInto(inner, key, path, depth);
  }
}

function walkInto(value: unknown, key: string | number, path: (string | number)[], depth: number): void {
  path.push(key);
  walk(value, path, depth + 1);
  path.pop();
}

function isPlainObject(value: object): boolean {
  // The root prototype of any realm has no prototype of its own.
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : typeof value;
}

function notPlain(path: readonly (string | number)[], expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'data-not-plain',
    message: 'an artefact header holds plain data only',
    where: path.length === 0 ? 'the top level' : path.slice(0, 16).join('.'),
    expected,
    got,
  });
}

/**
 * Canonical JSON of plain data: keys sorted by UTF-16 code units, no spaces, numbers in shortest form (RFC 8785).
 *
 * @throws BitloomError `data-not-plain`
 */
export function canonicalJson(value: unknown): string {
  requirePlainData(value);
  return write(value);
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`).join(',')}}`;
}
