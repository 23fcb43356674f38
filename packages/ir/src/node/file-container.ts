/**
 * Containers as files.
 */
import { type ContainerReader, readContainer } from '../container/container-reader.js';
import { type ContainerContent, containerWrites, writeContainerTo } from '../container/container-writer.js';
import { type FileOperations, NODE_FILES, writeFileAtomically } from './file-sink.js';
import { openFile } from './file-source.js';
import { type AsyncWriteOptions, writePieces } from './write-pieces.js';

/** An open container file. Close it when no section is needed any more. */
export interface FileContainer extends ContainerReader {
  close(): void;
}

/**
 * Opens a container file; sections are read when they are asked for.
 *
 * @throws BitloomError `read-failed`, and the codes of `readContainer`
 */
export function openContainer(path: string): FileContainer {
  const source = openFile(path);
  try {
    return { ...readContainer(source), close: source.close };
  } catch (error) {
    source.close();
    throw error;
  }
}

/**
 * Writes a container file: to a temporary file in the same folder, flushed, then renamed. A failure leaves the old
 * file and nothing else.
 *
 * @returns length of the file in bytes
 * @throws BitloomError `write-failed`, and the codes of `writeContainerTo`
 */
export function writeContainer(
  path: string,
  content: ContainerContent,
  files: FileOperations = NODE_FILES,
): number {
  return writeFileAtomically(path, (sink) => writeContainerTo(sink, content), files);
}

/**
 * As {@link writeContainer}, letting timers and signals run between pieces, so that a long write can be watched and
 * cancelled.
 *
 * @throws BitloomError `write-cancelled`, and as {@link writeContainer}; the old file stays and nothing else does
 */
export function writeContainerAsync(
  path: string,
  content: ContainerContent,
  options: AsyncWriteOptions = {},
): Promise<number> {
  const total = content.sections.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return writePieces(path, containerWrites(content), total, options);
}
