/** The file of outcomes, whole and damaged. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EvaluatedDesign, explore } from '../src/index.js';
import { openStateFile } from '../src/node.js';
import { madeUp, smallSpace } from './support/small-space.js';

let folder = '';
let designs: readonly EvaluatedDesign[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bitloom-exploration-'));
  const options = { space: smallSpace(), evaluate: madeUp, identity: 'made up', points: 20, seed: 3 };
  ({ designs } = await explore(options));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const outcomes = (some: readonly EvaluatedDesign[]) =>
  new Map(some.map(({ key, outcome }) => [key, outcome]));

function write(path: string, some: readonly EvaluatedDesign[]): void {
  const file = openStateFile(path);
  for (const design of some) file.add(design);
  file.close();
}

function known(path: string): ReadonlyMap<string, unknown> {
  const file = openStateFile(path);
  file.close();
  return file.known;
}

test('what is added is there when the file is opened again', () => {
  const path = join(folder, 'whole.jsonl');
  write(path, designs.slice(0, 5));
  write(path, designs.slice(5));
  expect(known(path)).toEqual(outcomes(designs));
  expect(designs.some(({ outcome }) => outcome.failure !== undefined)).toBe(true);
});

test('an outcome is in the file before the next is taken', () => {
  const path = join(folder, 'at-once.jsonl');
  const file = openStateFile(path);
  file.add(designs[0]);
  expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(2);
  file.close();
});

test('however short it is cut, it opens with all whole lines and can be added to', () => {
  const path = join(folder, 'cut.jsonl');
  write(path, designs.slice(0, 3));
  const whole = readFileSync(path, 'utf8');
  for (let length = whole.length - 1; length >= 0; length -= length < 60 ? 1 : 7) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    const lines = whole.slice(0, length).split('\n').length - 1;
    const file = openStateFile(path);
    expect(file.known).toEqual(outcomes(designs.slice(0, Math.max(0, lines - 1))));
    expect(file.isRepaired).toBe(length > 0 && whole[length - 1] !== '\n');
    file.add(designs[4]);
    file.close();
    expect(known(path).get(designs[4].key)).toEqual(designs[4].outcome);
  }
});

describe('refuses', () => {
  test.each([
    ['another file', 'name,value\n1,2\n', 1],
    ['a line without an end that is no beginning of it', 'something', 1],
    ['another kind of document', '{"kind":"bitloom-exploration","version":9}\n', 1],
    ['a damaged line in the middle', '{"kind":"bitloom-exploration","version":1}\n{"key":"a"\n{}\n', 2],
    ['a line without an outcome', '{"kind":"bitloom-exploration","version":1}\n{"key":"a"}\n', 2],
    [
      'a figure that is none',
      '{"kind":"bitloom-exploration","version":1}\n{"key":"a","measures":{"decodeSeconds":"1"}}\n',
      2,
    ],
    [
      'a figure without end',
      '{"kind":"bitloom-exploration","version":1}\n{"key":"a","measures":{"prefillSeconds":1,"prefillTokensPerSecond":1,"decodeSeconds":1e999,"tokensPerSecond":1,"joulesPerToken":1}}\n',
      2,
    ],
  ])('%s, and leaves it as it is', (_, text, line) => {
    const path = join(folder, 'other.jsonl');
    writeFileSync(path, text);
    expect(() => openStateFile(path)).toThrow(
      expect.objectContaining({ code: 'exploration-state-invalid', where: `${path}, line ${line}` }),
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test.skipIf(process.platform === 'win32')('what is no regular file, and what is too large, unread', () => {
    const large = join(folder, 'large.jsonl');
    writeFileSync(large, '');
    truncateSync(large, 2 ** 40);
    for (const [path, got] of [
      ['/dev/zero', 'no regular file'],
      [large, `${2 ** 40} bytes`],
    ]) {
      expect(() => openStateFile(path)).toThrow(
        expect.objectContaining({
          code: 'exploration-state-invalid',
          expected: expect.stringContaining('a regular file of up to'),
          got,
        }),
      );
    }
  });

  test('a place where nothing can be written', () => {
    expect(() => openStateFile(join(folder, 'no', 'such'))).toThrow(
      expect.objectContaining({ code: 'exploration-state-write' }),
    );
    expect(() => openStateFile(folder)).toThrow(
      expect.objectContaining({ code: 'exploration-state-invalid' }),
    );
  });
});

test('text of several bytes is cut where its line ends', () => {
  const path = join(folder, 'bytes.jsonl');
  const design = { ...designs[0], settings: { name: 'größer' } };
  write(path, [design]);
  const bytes = readFileSync(path).byteLength;
  appendFileSync(path, '{"key":"ü');
  write(path, []);
  expect(readFileSync(path).byteLength).toBe(bytes);
});
