/** GGUF files on disk: written piece by piece, whole or not at all. */
import { type AsyncWriteOptions, writePieces } from '@bitloom/ir/node';
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
