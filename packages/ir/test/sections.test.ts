/** Filling memory from sections, whichever way a source can. */
import { expect, test } from 'vitest';
import { fillFromSection, memorySections, type SectionSource } from '../src/index.js';

const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);

test('a source without a way of its own is read and copied, also into shared memory', () => {
  const target = new Uint8Array(new SharedArrayBuffer(6));
  fillFromSection(memorySections({ a: bytes }), 'a', 3, target);
  expect([...target]).toEqual([3, 4, 5, 6, 7, 8]);
});

test('a source with a way of its own is asked to fill, and nothing is read', () => {
  const source: SectionSource = {
    has: () => true,
    byteLength: () => 16,
    read: () => {
      throw new Error('read');
    },
    readInto: (_section, offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  };
  const target = new Uint8Array(4);
  fillFromSection(source, 'a', 12, target);
  expect([...target]).toEqual([12, 13, 14, 15]);
});

test('refuses what leaves the section', () => {
  const fill = (section: string, offset: number) => () =>
    fillFromSection(memorySections({ a: bytes }), section, offset, new Uint8Array(8));
  expect(fill('a', 9)).toThrow(expect.objectContaining({ code: 'section-range' }));
  expect(fill('b', 0)).toThrow(expect.objectContaining({ code: 'section-missing' }));
});
