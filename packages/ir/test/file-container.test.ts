import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContainerContent, encodeContainer, sectionOf } from '../src/container.js';
import { BitloomError } from '../src/index.js';
import {
  type FileOperations,
  NODE_FILES,
  openContainer,
  openFile,
  writeContainer,
  writeContainerAsync,
  writeFileAtomically,
} from '../src/node.js';
import { errorOf } from './support/errors.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bitloom-ir-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

const content = (size = 9000): ContainerContent => ({
  kind: 'device',
  header: { kind: 'device', name: 'tiny' },
  sections: [sectionOf('data', new Uint8Array(size).fill(7)), sectionOf('more', new Uint8Array(10).fill(9))],
});

describe('a container file', () => {
  test('comes back, and is the same bytes as in memory', () => {
    const path = join(folder, 'a.bitloom');
    expect(writeContainer(path, content())).toBe(encodeContainer(content()).byteLength);
    expect(Buffer.compare(readFileSync(path), encodeContainer(content()))).toBe(0);
    const file = openContainer(path);
    expect(file.kind).toBe('device');
    expect(file.sections.read('more')).toEqual(new Uint8Array(10).fill(9));
    file.close();
    file.close();
    const error = errorOf(() => file.sections.read('data'));
    expect(error.code).toBe('read-failed');
    expect(error.message).toContain(path);
    expect(readdirSync(folder)).toEqual(['a.bitloom']);
  });

  test('replaces the file before it', () => {
    const path = join(folder, 'a.bitloom');
    writeFileSync(path, 'old');
    writeContainer(path, content());
    expect(openContainer(path).header).toEqual(content().header);
    expect(readdirSync(folder)).toEqual(['a.bitloom']);
  });

  test('that is cut after it was opened is noticed', () => {
    const path = join(folder, 'a.bitloom');
    writeContainer(path, content());
    const file = openContainer(path);
    truncateSync(path, 5000);
    expect(errorOf(() => file.sections.read('data')).code).toBe('container-truncated');
    file.close();
  });

  test.each<[string, (path: string) => void, string]>([
    ['no file', () => undefined, 'read-failed'],
    ['a folder', (path) => mkdirSync(path), 'read-failed'],
    ['an empty file', (path) => writeFileSync(path, ''), 'container-magic'],
    [
      'another format',
      (path) => writeFileSync(path, 'PK\u0003\u0004 something else entirely'),
      'container-magic',
    ],
  ])('%s gives a typed error', (_title, prepare, code) => {
    const path = join(folder, 'a.bitloom');
    prepare(path);
    const error = errorOf(() => openContainer(path));
    expect(error.code).toBe(code);
    expect(error.where).toBe(path);
  });
});

describe('a write that fails leaves the old file and nothing else', () => {
  const full = (): FileOperations => {
    // Real "no space left" errors from the kernel, where there is a device that gives them.
    const device = openSync('/dev/full', 'w');
    return {
      ...NODE_FILES,
      write: (_descriptor, bytes, at, length) => writeSync(device, bytes, at, length),
      remove: (path) => {
        closeSync(device);
        NODE_FILES.remove(path);
      },
    };
  };
  const failing = (name: keyof FileOperations, code: string): FileOperations => ({
    ...NODE_FILES,
    [name]: () => {
      throw Object.assign(new Error(`${code}: injected, ${name}`), { code });
    },
  });

  const cases: [string, () => FileOperations, RegExp][] = [
    ['open', () => failing('open', 'EACCES'), /EACCES.*a folder that you may write to/],
    ['write', () => failing('write', 'ENOSPC'), /ENOSPC.*free some space/],
    ['flush', () => failing('flush', 'EIO'), /EIO/],
    ['close', () => failing('close', 'EDQUOT'), /EDQUOT.*quota/],
    ['rename', () => failing('rename', 'EPERM'), /EPERM/],
    [
      'half a write',
      () => {
        let writes = 0;
        const { write } = failing('write', 'ENOSPC');
        return {
          ...NODE_FILES,
          write: (...args) => (writes++ < 3 ? NODE_FILES.write(...args) : write(...args)),
        };
      },
      /ENOSPC/,
    ],
  ];
  if (existsSync('/dev/full')) cases.push(['a full device', full, /ENOSPC.*free some space/]);

  test.each(cases)('%s', (_title, files, message) => {
    const path = join(folder, 'a.bitloom');
    writeFileSync(path, 'old');
    const error = errorOf(() => writeContainer(path, content(), files()));
    expect(error.code).toBe('write-failed');
    expect(error.message).toMatch(message);
    expect(error.where).toBe(path);
    expect(error.cause).toBeInstanceOf(Error);
    expect(readdirSync(folder)).toEqual(['a.bitloom']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('short writes are gone on with', () => {
    const path = join(folder, 'a.bitloom');
    writeContainer(path, content(), {
      ...NODE_FILES,
      write: (descriptor, bytes, at, length, position) =>
        NODE_FILES.write(descriptor, bytes, at, Math.min(length, 100), position),
    });
    expect(Buffer.compare(readFileSync(path), encodeContainer(content()))).toBe(0);
  });

  test('an error of the data passes through', () => {
    const path = join(folder, 'a.bitloom');
    const broken = new BitloomError({ code: 'container-checksum', message: 'the source is damaged' });
    const source = {
      name: 'x',
      byteLength: 10,
      chunks: () => {
        throw broken;
      },
    };
    expect(errorOf(() => writeContainer(path, { ...content(), sections: [source] }))).toBe(broken);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('no folder', () => {
    const error = errorOf(() => writeContainer(join(folder, 'none', 'a.bitloom'), content()));
    expect(error.code).toBe('write-failed');
    expect(error.hint).toBe('make the folder first');
  });

  test('a folder, a device and a link to one are never replaced', () => {
    expect(errorOf(() => writeContainer(folder, content())).message).toMatch(/a folder/);
    if (!existsSync('/dev/null')) return;
    const link = join(folder, 'link.bitloom');
    symlinkSync('/dev/null', link);
    expect(errorOf(() => writeContainer(link, content())).message).toMatch(/a device/);
    expect(errorOf(() => openFile('/dev/null')).message).toMatch(/a regular file/);
  });

  test('a folder that is not writable', () => {
    // Permissions do not bind root; the injected EACCES above stands for this case then.
    if (process.getuid?.() === 0) return;
    chmodSync(folder, 0o500);
    const error = errorOf(() => writeContainer(join(folder, 'a.bitloom'), content()));
    chmodSync(folder, 0o700);
    expect(error.code).toBe('write-failed');
    expect(error.hint).toMatch(/may write to/);
  });

  test('what the producer returns is handed on', () => {
    const path = join(folder, 'text');
    const value = writeFileAtomically(path, (sink) => {
      sink.write(2, new TextEncoder().encode('c'));
      sink.write(0, new TextEncoder().encode('ab'));
      return 3;
    });
    expect(value).toBe(3);
    expect(readFileSync(path, 'utf8')).toBe('abc');
  });
});

/** A file system of 64 KiB; undefined where mounting is not allowed. */
function mountTiny(): string | undefined {
  const at = mkdtempSync(join(tmpdir(), 'bitloom-tiny-'));
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at], { stdio: 'ignore' });
    return at;
  } catch {
    rmSync(at, { recursive: true, force: true });
    return undefined;
  }
}

const tiny = process.platform === 'linux' && process.getuid?.() === 0 ? mountTiny() : undefined;

/** Only where a small disk could be had; `/dev/full` above needs no privilege. */
function fullDiskTests(disk: string): void {
  afterAll(() => {
    execFileSync('/bin/umount', [disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  test('keeps the old file, and has room again afterwards', () => {
    const path = join(disk, 'a.bitloom');
    writeContainer(path, content());
    const before = readFileSync(path);
    const error = errorOf(() => writeContainer(path, content(200_000)));
    expect(error.code).toBe('write-failed');
    expect(error.message).toMatch(/ENOSPC.*free some space/);
    expect(readdirSync(disk)).toEqual(['a.bitloom']);
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
    writeContainer(path, content(20_000));
  });
}

if (tiny !== undefined) describe('a disk that is really full', () => fullDiskTests(tiny));

describe('a write that lets others run', () => {
  test('gives the same bytes and tells how far it is', async () => {
    const path = join(folder, 'a.bitloom');
    const told: number[] = [];
    const length = await writeContainerAsync(path, content(), { onProgress: (done) => told.push(done) });
    expect(length).toBe(encodeContainer(content()).byteLength);
    expect(Buffer.compare(readFileSync(path), encodeContainer(content()))).toBe(0);
    expect(told.slice(0, 2)).toEqual([9000, 9010]);
    expect(readdirSync(folder)).toEqual(['a.bitloom']);
  });

  test('can be cancelled between two pieces, and leaves the old file alone', async () => {
    const path = join(folder, 'a.bitloom');
    writeFileSync(path, 'old');
    const controller = new AbortController();
    const write = writeContainerAsync(path, content(), {
      signal: controller.signal,
      onProgress: () => {
        setImmediate(() => controller.abort());
      },
    });
    await expect(write).rejects.toMatchObject({ code: 'write-cancelled' });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.bitloom']);
  });

  test('leaves nothing behind when a section or the disk fails', async () => {
    const path = join(folder, 'a.bitloom');
    const broken: ContainerContent = {
      ...content(),
      sections: [{ name: 'data', byteLength: 5, chunks: () => [new Uint8Array(4)] }],
    };
    await expect(writeContainerAsync(path, broken)).rejects.toMatchObject({
      code: 'container-section-length',
    });
    const files: FileOperations = {
      ...NODE_FILES,
      rename: () => {
        throw new Error('no');
      },
    };
    await expect(writeContainerAsync(path, content(), { files })).rejects.toMatchObject({
      code: 'write-failed',
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});
