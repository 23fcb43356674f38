import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonicalJson,
  contentHash,
  memorySections,
  modelHash,
  modelSectionNames,
  portableSha256,
} from '../src/index.js';
import { nodeSha256 } from '../src/node.js';
import { errorOf } from './support/errors.js';

const none = memorySections({});

/** Plain data as headers hold it: no `__proto__`, which canonical JSON refuses. */
const key = fc.string().filter((name) => name !== '__proto__');
const plainValue = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"'));

describe('canonicalJson', () => {
  test('sorts keys by code units and writes numbers in shortest form', () => {
    // The example of RFC 8785, section 3.2.3, and some numbers of its appendix B.
    const value = {
      '\u20ac': 'Euro',
      '\r': 'CR',
      '1': 'One',
      '\ud83d\ude02': 'Smiley',
      '\u00f6': 'o',
      '</script>': 1,
    };
    expect(canonicalJson(value)).toBe(
      '{"\\r":"CR","1":"One","</script>":1,"\u00f6":"o","\u20ac":"Euro","\ud83d\ude02":"Smiley"}',
    );
    expect(canonicalJson([1e21, 1e-7, 0.000001, -0, 4.5, 1 / 3])).toBe(
      '[1e+21,1e-7,0.000001,0,4.5,0.3333333333333333]',
    );
  });

  test('does not see in which order an object was made', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, plainValue), { selector: ([name]) => name }), (fields) => {
        const usable = fields.filter(([key]) => key !== '__proto__');
        const forwards = canonicalJson(Object.fromEntries(usable));
        expect(canonicalJson(Object.fromEntries([...usable].reverse()))).toBe(forwards);
        expect(JSON.parse(forwards)).toEqual(JSON.parse(JSON.stringify(Object.fromEntries(usable))));
      }),
    );
  });
});

describe('contentHash', () => {
  test('is SHA-256 over lengths, header, names and bytes', () => {
    const sections = memorySections({ b: Uint8Array.of(1, 2), a: new Uint8Array(0) });
    const uint64 = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
    const text = (value: string) => [uint64(Buffer.byteLength(value)), Buffer.from(value)];
    const bytes = Buffer.concat([
      ...text('{"x":1}'),
      ...text('a'),
      uint64(0),
      ...text('b'),
      uint64(2),
      Buffer.of(1, 2),
    ]);
    const expected = createHash('sha256').update(bytes).digest('hex');
    expect(contentHash({ x: 1 }, sections, ['b', 'a', 'b'])).toBe(expected);
    expect(contentHash({ x: 1 }, sections, ['b', 'a'], nodeSha256)).toBe(expected);
  });

  test('sees every change', () => {
    const data = Uint8Array.of(1, 2, 3);
    const hash = (header: unknown, sections: Record<string, Uint8Array>) =>
      contentHash(header, memorySections(sections), Object.keys(sections));
    const hashes = [
      hash({ x: 1 }, {}),
      hash({ x: 2 }, {}),
      hash({ x: 1 }, { a: data }),
      hash({ x: 1 }, { b: data }),
      hash({ x: 1 }, { a: data.subarray(1) }),
      hash({ x: 1 }, { a: data, b: new Uint8Array(0) }),
      hash({ x: '1' }, {}),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('is the same from both implementations on more than a chunk', () => {
    const sections = memorySections({ w: new Uint8Array(3_000_000).fill(5) });
    expect(contentHash({}, sections, ['w'], nodeSha256)).toBe(
      contentHash({}, sections, ['w'], portableSha256),
    );
  });

  test('refuses a section that is not there', () => {
    expect(errorOf(() => contentHash({}, none, ['w'])).code).toBe('section-missing');
  });
});

describe('modelHash', () => {
  const constant = (name: string, components: Record<string, string>) => ({
    name,
    type: { kind: 'dense', dtype: 'u8', shape: [2] } as const,
    components,
  });
  const model = (constants: ReturnType<typeof constant>[]) => ({
    kind: 'model' as const,
    name: 'tiny',
    family: 'test',
    numerics: { scheme: 'f32' } as never,
    symbols: [],
    constants,
    states: [],
    functions: [],
    metadata: {},
  });

  test('covers the sections its constants name, each once', () => {
    const twice = model([constant('w', { data: 's1' }), constant('v', { data: 's1', more: 's0' })]);
    expect(modelSectionNames(twice)).toEqual(['s0', 's1']);
    const sections = memorySections({ s1: Uint8Array.of(1), s0: Uint8Array.of(2), other: Uint8Array.of(3) });
    expect(modelHash(twice, sections)).toBe(contentHash(twice, sections, ['s0', 's1']));
  });

  test('of a shape-only model needs no bytes', () => {
    const shapes = model([constant('w', {})]);
    expect(modelHash(shapes, none)).toBe(contentHash(shapes, none, []));
  });
});
