/** The identity of the engine: the same as long as its code is. */
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { engineFolders, hashCode } from '../src/node/engine-hash.js';
import { engineHash } from '../src/node.js';

const root = mkdtempSync(join(tmpdir(), 'bitloom-engine-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folder(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(root, name);
  mkdirSync(join(path, 'node'), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

describe('engineHash', () => {
  it('is a hash of the packages that are there, and the same each time', () => {
    expect(engineHash()).toMatch(/^[0-9a-f]{64}$/);
    expect(engineHash()).toBe(engineHash());
  });

  it('takes in the packages that the evaluator needs, and those that they need', () => {
    const needed = ['compiler', 'exploration', 'formats', 'ir', 'kernels', 'simulator', 'wasm'];
    const names = [...engineFolders().keys()];
    expect(names).toEqual(expect.arrayContaining(needed.map((name) => `@bitloom/${name}`)));
    expect(names).toEqual([...names].sort());
  });

  it.each(['formats', 'simulator'])('is another after a change of %s', (name) => {
    const folders = new Map(engineFolders());
    const before = hashCode([...folders.values()]);
    expect(before).toBe(engineHash());
    const copy = join(root, `copy of ${name}`);
    cpSync(folders.get(`@bitloom/${name}`) ?? '', copy, { recursive: true });
    folders.set(`@bitloom/${name}`, copy);
    expect(hashCode([...folders.values()])).toBe(before);
    appendFileSync(join(copy, 'index.ts'), '// another figure');
    expect(hashCode([...folders.values()])).not.toBe(before);
  });

  it('depends on every file of code, its name and its package, and on nothing else', () => {
    const a = folder('a', { 'index.js': 'one', 'node/worker.js': 'two', 'index.js.map': 'map' });
    const same = folder('same', { 'index.js': 'one', 'node/worker.js': 'two', 'index.d.ts': 'types' });
    expect(hashCode([same])).toBe(hashCode([a]));
    const others = [
      folder('changed', { 'index.js': 'one', 'node/worker.js': 'two!' }),
      folder('renamed', { 'index.js': 'one', 'node/other.js': 'two' }),
      folder('more', { 'index.js': 'one', 'node/worker.js': 'two', 'third.js': '' }),
      folder('moved', { 'index.js': 'onetwo', 'node/worker.js': '' }),
    ];
    const hashes = [a, ...others].map((path) => hashCode([path]));
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashCode([a, others[0]])).not.toBe(hashCode([others[0], a]));
  });
});
