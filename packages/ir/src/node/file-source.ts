/**
 * Files as range sources: positional reads of an open file, nothing cached.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { RangeSource } from '../container/container-reader.js';
import { BitloomError } from '../error.js';

/** An open file. Reads after `close` throw `read-failed`. */
export interface FileSource extends RangeSource {
  close(): void;
}

/** Node reads at most 2^31 - 1 bytes at once. */
const LARGEST_READ = 1 << 30;

/**
 * Opens a regular file.
 *
 * @throws BitloomError `read-failed`
 */
export function openFile(path: string): FileSource {
  const descriptor = attempt(path, () => openSync(path, 'r'));
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  try {
    const stat = attempt(path, () => fstatSync(descriptor));
    if (!stat.isFile()) throw readFailed(path, 'a regular file', 'something else');
    return {
      name: path,
      byteLength: stat.size,
      close,
      read: (offset, length) => {
        if (!isOpen)
          throw readFailed(path, 'an open file', 'a closed one', 'read sections before closing the artefact');
        return attempt(path, () => readRange(descriptor, offset, length));
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Fewer bytes than asked for when the file ends. */
function readRange(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = readSync(descriptor, bytes, done, Math.min(LARGEST_READ, length - done), offset + done);
    if (got === 0) return bytes.subarray(0, done);
    done += got;
  }
  return bytes;
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof BitloomError) throw cause;
    throw readFailed(
      path,
      'a readable file',
      cause instanceof Error ? cause.message : String(cause),
      undefined,
      cause,
    );
  }
}

function readFailed(
  path: string,
  expected: string,
  got: string,
  hint?: string,
  cause?: unknown,
): BitloomError {
  return new BitloomError({
    code: 'read-failed',
    message: 'a file cannot be read',
    where: path,
    expected,
    got,
    hint,
    cause,
  });
}
