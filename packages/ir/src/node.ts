/**
 * `@bitloom/ir/node`: artefacts as files, and the platform's SHA-256.
 */
export * from './node/artefact-files.js';
export {
  type FileContainer,
  openContainer,
  writeContainer,
  writeContainerAsync,
} from './node/file-container.js';
export {
  beginFile,
  type FileOperations,
  NODE_FILES,
  type PendingFile,
  writeFileAtomically,
} from './node/file-sink.js';
export { type FileSource, openFile } from './node/file-source.js';
export { nodeSha256 } from './node/sha256.js';
export { readSmallFile, readSmallJson } from './node/small-file.js';
export { type AsyncWriteOptions, writePieces } from './node/write-pieces.js';
