/**
 * Files that are written piece by piece and appear whole or not at all, with progress, and cancelled by a signal.
 * Timers and signals run between pieces.
 */
import type { ContainerWrite } from '../container/container-writer.js';
import { BitloomError } from '../error.js';
import { beginFile, type FileOperations, NODE_FILES } from './file-sink.js';

/** Options of {@link writePieces}. */
export interface AsyncWriteOptions {
  readonly signal?: AbortSignal;
  /** Bytes of sections written so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly files?: FileOperations;
}

/**
 * Writes what a generator gives, whose result is the length of the file.
 *
 * @param total bytes that `onProgress` counts to
 * @throws BitloomError `write-cancelled`, `write-failed`, and what `writes` throws; the old file stays as it was and
 *   nothing else does
 */
export async function writePieces(
  path: string,
  writes: Iterator<ContainerWrite, number>,
  total: number,
  options: AsyncWriteOptions,
): Promise<number> {
  const { signal, onProgress, files = NODE_FILES } = options;
  const file = beginFile(path, files);
  try {
    let written = 0;
    for (;;) {
      const { done, value } = writes.next();
      if (signal?.aborted === true) throw writeCancelled(path, signal);
      if (done === true) {
        file.commit();
        return value;
      }
      file.write(value.offset, value.bytes);
      written += value.bytes.byteLength;
      onProgress?.(Math.min(written, total), total);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  } catch (error) {
    file.discard();
    throw error;
  }
}

function writeCancelled(path: string, signal: AbortSignal): BitloomError {
  return new BitloomError({
    code: 'write-cancelled',
    message: 'the write was cancelled before the file was complete',
    where: path,
    cause: signal.reason,
  });
}
