/**
 * `@bitloom/ir/node`: artefacts as files, and the platform's SHA-256.
 */
export * from './node/artefact-files.js';
export { type FileContainer, openContainer, writeContainer } from './node/file-container.js';
export { type FileOperations, NODE_FILES, writeFileAtomically } from './node/file-sink.js';
export { type FileSource, openFile } from './node/file-source.js';
export { nodeSha256 } from './node/sha256.js';
