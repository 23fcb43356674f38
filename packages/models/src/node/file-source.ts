/** Byte sources and folders of the file system, over descriptors and positioned reads. Node only. */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BitloomError } from '@bitloom/ir';
import { truncated } from '../bytes/blob-source.js';
import { type ByteSource, checkRange } from '../bytes/byte-source.js';
import { type Folder, fileNotFound, requirePlainFileName } from '../bytes/folder.js';

/** Most bytes asked of the system at once; larger reads are cut, because one call is limited to 2^31 - 1. */
const CHUNK = 1 << 28;

/**
 * Opens a file for range reads. Close it when done.
 * @throws BitloomError `file-not-found`, `file-unreadable`
 */
export function openFile(path: string): ByteSource {
  let descriptor: number;
  try {
    // Not blocking: opening a pipe that nobody writes to would wait for ever. Regular files do not care.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw fileError(path, cause);
  }
  try {
    return fromDescriptor(descriptor, path);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * Wraps an open descriptor of a regular file; `close` closes it.
 * @throws BitloomError `file-unreadable` when it is a folder, a pipe or a device.
 */
export function fromDescriptor(descriptor: number, name: string): ByteSource {
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) {
    throw new BitloomError({
      code: 'file-unreadable',
      message: 'only regular files can be read by range',
      where: name,
      expected: 'a regular file',
      got: stat.isDirectory() ? 'a folder' : 'a pipe, socket or device',
      hint: 'save the stream to a file first',
    });
  }
  const self = { name, size: stat.size };
  let open = true;
  const readInto = (offset: number, target: Uint8Array): void => {
    checkRange(self, offset, target.byteLength);
    if (!open)
      throw new BitloomError({ code: 'file-unreadable', message: 'the file is closed', where: name });
    let done = 0;
    while (done < target.byteLength) {
      let count: number;
      try {
        count = readSync(descriptor, target, done, Math.min(CHUNK, target.byteLength - done), offset + done);
      } catch (cause) {
        throw fileError(name, cause);
      }
      if (count === 0) throw truncated(name, offset, target.byteLength, done);
      done += count;
    }
  };
  const read = (offset: number, length: number): Uint8Array => {
    checkRange(self, offset, length);
    const target = new Uint8Array(length);
    readInto(offset, target);
    return target;
  };
  return {
    ...self,
    read: async (offset, length) => read(offset, length),
    sync: { read, readInto },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/**
 * A folder of the file system.
 * @throws BitloomError `file-not-found`, `file-unreadable` when the path is not a folder.
 */
export function openFolder(path: string): Folder {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (cause) {
    throw fileError(path, cause);
  }
  if (!isDirectory) {
    throw new BitloomError({ code: 'file-unreadable', message: 'this is not a folder', where: path });
  }
  return {
    name: path,
    has: (file) => existsSync(join(path, file)),
    open(file) {
      requirePlainFileName(file, path);
      return openFile(join(path, file));
    },
  };
}

function fileError(path: string, cause: unknown): BitloomError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (code === 'ENOENT' || code === 'ENOTDIR') return fileNotFound(path);
  return new BitloomError({
    code: 'file-unreadable',
    message: 'the system refuses to read the file',
    where: path,
    got: code,
    hint: 'check its permissions and the medium it is on',
    cause,
  });
}
