import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonObject, parseStrictJson } from '../src/json/strict-json.js';
import { expectBitloomError, toleratesOrRejects } from './support.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string): unknown => parseStrictJson(encode(text), 'test');

describe('strict JSON', () => {
  it('agrees with JSON.parse on what both accept', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        // Back through JSON, because objects here have no prototype and fast-check may repeat no key.
        expect(JSON.stringify(parse(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('refuses what JSON.parse refuses', () => {
    fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (valid) parse(text);
        else await expectBitloomError(() => parse(text));
      }),
    );
    for (const text of [
      '',
      '{',
      '[1,]',
      '{"a":1,}',
      '01',
      '1.',
      '"\\x"',
      '"\\u12"',
      'nul',
      '"a\nb"',
      '1 2',
    ]) {
      expect(() => parse(text)).toThrow();
    }
  });

  it('refuses duplicate keys, deep nesting and bytes that are not UTF-8', async () => {
    await expectBitloomError(() => parse('{"a":1,"a":2}'), 'json-duplicate-key');
    await expectBitloomError(() => parse('{"a":1,"\\u0061":2}'), 'json-duplicate-key');
    await expectBitloomError(() => parse('['.repeat(100_000)), 'json-too-deep');
    await expectBitloomError(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), 'test'), 'json-not-utf8');
    await expectBitloomError(() => parseJsonObject(encode('[]'), 'test'), 'json-invalid');
  });

  it('keeps __proto__ as data', () => {
    const value = parseJsonObject(encode('{"__proto__":{"polluted":1},"constructor":2}'), 'test');
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect('polluted' in {}).toBe(false);
  });

  it('throws only typed errors on noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        toleratesOrRejects(() => parseStrictJson(bytes, 'test')),
      ),
    );
  });
});
