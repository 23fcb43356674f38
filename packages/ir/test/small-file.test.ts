import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSmallFile, readSmallJson } from '../src/node.js';
import { errorOf } from './support/errors.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bitloom-small-file-'));
  writeFileSync(join(folder, 'a.json'), '{"a":"ü"}');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('small files', () => {
  test('are read whole up to the limit', () => {
    const path = join(folder, 'a.json');
    expect(readSmallJson(path, 10)).toEqual({ a: 'ü' });
    expect(readSmallFile(path, 10)).toHaveLength(10);
    expect(errorOf(() => readSmallFile(path, 9))).toMatchObject({
      code: 'read-failed',
      where: path,
      expected: 'a regular file of up to 9 bytes',
      got: '10 bytes',
    });
  });

  test('that are huge are not begun', () => {
    const path = join(folder, 'huge.json');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
    expect(errorOf(() => readSmallJson(path, 1 << 20)).got).toBe(`${2 ** 40} bytes`);
  });

  test('are files', () => {
    const others = [folder, ...(process.platform === 'win32' ? [] : ['/dev/zero'])];
    for (const path of others) {
      expect(errorOf(() => readSmallFile(path, 1 << 20))).toMatchObject({
        code: 'read-failed',
        got: 'no regular file',
      });
    }
    expect(errorOf(() => readSmallFile(join(folder, 'none'), 10)).code).toBe('read-failed');
  });
});
