/**
 * A folder as readers see it: files by plain name. Names come from the files inside (an index of shards), so
 * they are checked here: a name can never leave the folder.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from './byte-source.js';
import { fromBytes } from './memory-source.js';

export interface Folder {
  /** What errors call it. */
  readonly name: string;
  has(file: string): boolean;
  /**
   * Opens a file of the folder. The caller closes it.
   * @throws BitloomError `file-not-found`, `file-name-unsafe`
   */
  open(file: string): ByteSource;
}

/** Whether a name stays inside its folder on every system: no separators, drive letters, dots, controls. */
export function isPlainFileName(name: string): boolean {
  if (name.length === 0 || name.length > 255 || name === '.' || name === '..') return false;
  for (const char of name) {
    if (char < ' ' || '/\\:*?"<>|\u007f'.includes(char)) return false;
  }
  return true;
}

/** @throws BitloomError `file-name-unsafe` */
export function requirePlainFileName(name: string, where: string): void {
  if (isPlainFileName(name)) return;
  throw new BitloomError({
    code: 'file-name-unsafe',
    message: 'a file name would leave its folder or cannot exist on every system',
    where,
    expected: 'a plain file name such as model-00001-of-00002.safetensors',
    got: JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}...` : name),
    hint: 'do not load this folder unless you trust who made it; a correct index names files beside itself',
  });
}

/** @throws BitloomError `file-not-found`, always. */
export function fileNotFound(where: string, hint?: string): BitloomError {
  return new BitloomError({
    code: 'file-not-found',
    message: 'there is no such file',
    where,
    hint: hint ?? 'check the path',
  });
}

/** A folder held in memory, for browsers and tests. */
export function memoryFolder(files: Readonly<Record<string, Uint8Array>>, name = 'memory'): Folder {
  const byName = new Map(Object.entries(files));
  return {
    name,
    has: (file) => byName.has(file),
    open(file) {
      requirePlainFileName(file, name);
      const bytes = byName.get(file);
      if (bytes === undefined) throw fileNotFound(`${name}/${file}`);
      return fromBytes(bytes, file);
    },
  };
}

/**
 * Reads a small text or JSON file of a folder in full.
 * @param limit most bytes it may have
 * @throws BitloomError `file-too-large`, `file-not-found`
 */
export async function readSmallFile(folder: Folder, file: string, limit: number): Promise<Uint8Array> {
  const source = folder.open(file);
  try {
    if (source.size > limit) {
      throw new BitloomError({
        code: 'file-too-large',
        message: 'a file that is read in full is larger than any such file should be',
        where: `${folder.name}/${file}`,
        expected: `at most ${limit} bytes`,
        got: `${source.size} bytes`,
        hint: 'check that this is the file it claims to be',
      });
    }
    // A copy: a memory source gives views, and a caller may keep the bytes.
    return Uint8Array.from(await source.read(0, source.size));
  } finally {
    source.close();
  }
}
