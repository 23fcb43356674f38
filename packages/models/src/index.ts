/**
 * `@bitloom/models`: get a graph. Readers and writers of checkpoints, tokenizers, chat templates and the
 * shape-only zoo. Files of the file system live behind `./node`; everything here runs in a browser too.
 */
export { type BlobLike, fromBlob } from './bytes/blob-source.js';
export type { ByteSource, SyncReader } from './bytes/byte-source.js';
export { type Folder, memoryFolder } from './bytes/folder.js';
export { fromBytes } from './bytes/memory-source.js';
export { type GgufData, GgufMetadata, type GgufValue } from './gguf/metadata.js';
export { type GgufFile, type GgufLimits, readGguf } from './gguf/reader.js';
export type { GgufValueType } from './gguf/types.js';
export { readSafetensors, type SafetensorsFile } from './safetensors/reader.js';
export { openSafetensorsFolder } from './safetensors/sharded.js';
export { f32Entry, type SafetensorsEntry, writeSafetensors } from './safetensors/writer.js';
export type { TensorEncoding } from './tensors/encoding.js';
export { readFloats, readFloatsAsync, type StoredTensor, type TensorFile } from './tensors/tensor-file.js';
