/**
 * Folders that appear whole or not at all: written under another name beside the place, then renamed. A folder that has
 * something in it is never replaced.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BitloomError } from '@bitloom/ir';
import type { ContainerWrite } from '@bitloom/ir/container';
import { type AsyncWriteOptions, writePieces } from '@bitloom/ir/node';
import type { PiecewiseFile } from '../safetensors/writer.js';

/** Bytes handed to the system at once, so that a long write can be watched and cancelled. */
const PIECE = 1 << 24;

/**
 * Writes files into a folder that does not exist yet, or is empty.
 *
 * @param files contents by plain name, whole or made as they are written
 * @returns bytes of the files together
 * @throws BitloomError `write-failed`, `write-cancelled`; nothing is left behind then
 */
export async function writeFolder(
  path: string,
  files: Readonly<Record<string, Uint8Array | PiecewiseFile>>,
  options: Omit<AsyncWriteOptions, 'files'> = {},
): Promise<number> {
  const place = resolve(path);
  const wasThere = requireEmpty(place, path);
  const temporary = join(dirname(place), `.${basename(place)}.${randomBytes(6).toString('hex')}.tmp`);
  const total = Object.values(files).reduce((sum, bytes) => sum + bytes.byteLength, 0);
  attempt(path, () => mkdirSync(temporary));
  try {
    let before = 0;
    for (const [name, content] of Object.entries(files)) {
      const onProgress = (done: number): void => options.onProgress?.(before + done, total);
      const { byteLength } = content;
      await writePieces(join(temporary, name), pieces(content), byteLength, { ...options, onProgress });
      before += byteLength;
    }
    attempt(path, () => {
      if (wasThere) rmdirSync(place);
      renameSync(temporary, place);
    });
    return total;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function* pieces(content: Uint8Array | PiecewiseFile): Generator<ContainerWrite, number, void> {
  let end = 0;
  for (const chunk of content instanceof Uint8Array ? [content] : content.chunks()) {
    for (let at = 0; at < chunk.byteLength; at += PIECE) {
      yield { offset: end + at, bytes: chunk.subarray(at, at + PIECE) };
    }
    end += chunk.byteLength;
  }
  return end;
}

/** Whether there is an empty folder at a place. @throws BitloomError `write-failed` for anything else that is there */
function requireEmpty(place: string, path: string): boolean {
  let entries: string[];
  try {
    entries = readdirSync(place);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT') return false;
    throw failed(path, code === 'ENOTDIR' ? 'a file' : String(cause), cause);
  }
  if (entries.length === 0) return true;
  throw failed(path, `a folder with ${entries.length} entries`);
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw failed(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function failed(path: string, got: string, cause?: unknown): BitloomError {
  return new BitloomError({
    code: 'write-failed',
    message: 'a folder cannot be written',
    where: path,
    expected: 'a new or empty folder, in a folder that you may write to',
    got,
    hint: 'name a folder that does not exist yet',
    cause,
  });
}
