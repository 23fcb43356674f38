/**
 * Files that are written piece by piece and appear whole or not at all, with progress, and cancelled by a signal: for
 * checkpoints of other programs. Timers and signals run between pieces.
 */
import { BitloomError } from '@bitloom/ir';
import type { ContainerWrite } from '@bitloom/ir/container';
import { type AsyncWriteOptions, beginFile } from '@bitloom/ir/node';
import { type GgufContent, ggufDataBytes, ggufWrites } from '../gguf/writer.js';

/**
 * Writes a GGUF file: to a temporary file in the same folder, flushed, then renamed.
 *
 * @returns length of the file in bytes
 * @throws BitloomError `write-cancelled`, `write-failed`, and the codes of `ggufWrites`; the old file stays as it was
 *   and nothing else does
 */
export function writeGguf(
  path: string,
  content: GgufContent,
  options: AsyncWriteOptions = {},
): Promise<number> {
  return writePieces(path, ggufWrites(content), ggufDataBytes(content), options);
}

/**
 * Writes what a generator gives, whose result is the length of the file.
 *
 * @param total bytes that `onProgress` counts to
 */
export async function writePieces(
  path: string,
  writes: Iterator<ContainerWrite, number>,
  total: number,
  options: AsyncWriteOptions,
): Promise<number> {
  const { signal, onProgress, files } = options;
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
