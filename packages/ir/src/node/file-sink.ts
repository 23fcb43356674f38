/**
 * Files that appear whole or not at all: written under another name in the same folder, flushed to the disk, then
 * renamed. Whatever fails, the old file stays as it was and nothing is left behind.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ByteSink } from '../container/container-writer.js';
import { BitloomError } from '../error.js';

/** The calls that reach the disk, so that a test can make each of them fail. */
export interface FileOperations {
  open(path: string): number;
  write(descriptor: number, bytes: Uint8Array, at: number, length: number, position: number): number;
  flush(descriptor: number): void;
  close(descriptor: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
}

export const NODE_FILES: FileOperations = {
  // 'x': never through a link or file that somebody put there.
  open: (path) => openSync(path, 'wx'),
  write: writeSync,
  flush: fsyncSync,
  close: closeSync,
  rename: renameSync,
  remove: unlinkSync,
};

/** Node writes at most 2^31 - 1 bytes at once. */
const LARGEST_WRITE = 1 << 30;

/** A file that is being written under another name. End it with `commit` or `discard`. */
export interface PendingFile extends ByteSink {
  /** Flushes it and gives it its name. @throws BitloomError `write-failed`; nothing is left behind then */
  commit(): void;
  /** Removes what was written. Also after a failure, and more than once. */
  discard(): void;
}

/**
 * Begins a file that will stand at `path` once it is committed.
 *
 * @throws BitloomError `write-failed` for whatever the file system refuses, here and in every write
 */
export function beginFile(path: string, files: FileOperations = NODE_FILES): PendingFile {
  requireReplaceable(path);
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const attempt = <R>(action: () => R): R => {
    try {
      return action();
    } catch (cause) {
      throw writeFailed(path, cause);
    }
  };
  const descriptor = attempt(() => files.open(temporary));
  let isOpen = true;
  let isThere = true;
  const close = (): void => {
    isOpen = false;
    files.close(descriptor);
  };
  return {
    write: (offset, bytes) => attempt(() => writeAll(files, descriptor, offset, bytes)),
    commit() {
      attempt(() => files.flush(descriptor));
      attempt(close);
      attempt(() => files.rename(temporary, path));
      isThere = false;
      flushFolder(dirname(path));
    },
    discard() {
      quietly(() => isOpen && close());
      quietly(() => isThere && files.remove(temporary));
      isThere = false;
    },
  };
}

/**
 * Runs `produce` over a sink and puts the result at `path`.
 *
 * @throws BitloomError `write-failed` for whatever the file system refuses; errors of `produce` pass through
 */
export function writeFileAtomically<T>(
  path: string,
  produce: (sink: ByteSink) => T,
  files: FileOperations = NODE_FILES,
): T {
  const file = beginFile(path, files);
  try {
    const result = produce(file);
    file.commit();
    return result;
  } catch (error) {
    // The first error is the one to report; a failing clean-up adds nothing to it.
    file.discard();
    throw error;
  }
}

function writeAll(files: FileOperations, descriptor: number, offset: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) {
    const length = Math.min(LARGEST_WRITE, bytes.byteLength - done);
    done += files.write(descriptor, bytes, done, length, offset + done);
  }
}

/** A rename would replace a device or a pipe by a file, so only regular files are replaced. */
function requireReplaceable(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile()) return;
  throw new BitloomError({
    code: 'write-failed',
    message: 'an artefact cannot be written',
    where: path,
    expected: 'a regular file or no file',
    got: stat.isDirectory() ? 'a folder' : 'a device, pipe or socket',
    hint: 'name a file',
  });
}

/** Makes the rename last. Not every platform opens folders; then the file system orders it itself. */
function flushFolder(folder: string): void {
  quietly(() => {
    const descriptor = openSync(folder, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

function quietly(action: () => unknown): void {
  try {
    action();
  } catch {
    // Best effort by contract of the callers.
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on the disk, or write elsewhere',
  EDQUOT: 'free some of your quota, or write elsewhere',
  EACCES: 'write into a folder that you may write to',
  EPERM: 'write into a folder that you may write to',
  EROFS: 'the file system is read-only; write elsewhere',
  ENOENT: 'make the folder first',
  ENOTDIR: 'a part of the path is a file, not a folder',
};

function writeFailed(path: string, cause: unknown): BitloomError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return new BitloomError({
    code: 'write-failed',
    message: 'an artefact cannot be written',
    where: path,
    expected: 'a writable folder with room for it',
    got: cause instanceof Error ? cause.message : String(cause),
    hint: Object.hasOwn(HINTS, code) ? HINTS[code] : undefined,
    cause,
  });
}
