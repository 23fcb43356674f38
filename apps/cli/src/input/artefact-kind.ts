/** What a path is, decided by what it holds and not by its name. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { hasContainerMagic } from '@bitloom/ir/container';
import { openContainer } from '@bitloom/ir/node';

/** A kind of artefact, or what else is there. */
export type PathKind = 'absent' | 'folder' | 'file' | 'model' | 'program' | 'device' | 'report' | 'trace';

/** @throws BitloomError the `container-*` codes for a damaged artefact */
export function pathKind(path: string): PathKind {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (stat.isDirectory()) return 'folder';
  if (!stat.isFile() || !hasContainerMagic(firstBytes(path, 16))) return 'file';
  const container = openContainer(path);
  container.close();
  return container.kind;
}

/** Up to `length` bytes from the start of a file; none of a file that cannot be read. */
export function firstBytes(path: string, length: number): Uint8Array {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return new Uint8Array(0);
  }
}
