/**
 * `@bitloom/models`: get a graph. Readers and writers of checkpoints, tokenizers, chat templates and the
 * shape-only zoo. Files of the file system live behind `./node`; everything here runs in a browser too.
 */
export { type BundleOptions, bundleCheckpoint, type OpenModel } from './bundle.js';
export { type BlobLike, fromBlob } from './bytes/blob-source.js';
export type { ByteSource, SyncReader } from './bytes/byte-source.js';
export { type Folder, memoryFolder } from './bytes/folder.js';
export { fromBytes } from './bytes/memory-source.js';
export { type ChatMessage, type ChatOptions, renderChat } from './chat/render-chat.js';
export { type BuildOptions, buildDecoder } from './decoder/build-decoder.js';
export { checkDecoderConfig, type DecoderConfig, type Positions } from './decoder/decoder-config.js';
export {
  decoderParameters,
  type Parameter,
  type ParameterRole,
  parameterCount,
} from './decoder/parameters.js';
export type { Weights } from './decoder/weights.js';
export type { Checkpoint } from './families/checkpoint.js';
export type { ExportedTensor, ExportSource } from './families/export-source.js';
export { ggufCheckpoint } from './families/gguf.js';
export { exportGguf, type GgufExport, type GgufExportOptions } from './families/gguf-export.js';
export { hfCheckpoint } from './families/hf-checkpoint.js';
export { readHfConfig } from './families/hf-config.js';
export { llama2cCheckpoint } from './families/llama2c.js';
export { type GgufData, GgufMetadata, type GgufValue } from './gguf/metadata.js';
export { type GgufFile, readGguf } from './gguf/reader.js';
export { GGUF_STORAGE_TYPES } from './gguf/storage-types.js';
export type { GgufValueType } from './gguf/types.js';
export type { GgufLimits } from './gguf/value-reader.js';
export { encodeGguf, type GgufContent, type GgufTensorInput, ggufWrites } from './gguf/writer.js';
export { readChatTemplate } from './hf/chat-template.js';
export {
  exportHf,
  exportHfAsync,
  HF_STORAGE_TYPES,
  type HfExport,
  type HfExportOptions,
} from './hf/export-hf.js';
export {
  QUANTIZED_HF_FORMATS,
  type QuantizedHf,
  type QuantizedHfFormat,
  type QuantizedHfModule,
  type QuantizedHfOptions,
  writeQuantizedHf,
} from './hf/quantization/write-quantized-hf.js';
export type { WatchOptions } from './hf/steps.js';
export { type HfFiles, type HfLlamaOptions, writeHfLlama } from './hf/write-hf-llama.js';
export type { JsonObject, JsonValue } from './json/strict-json.js';
export { type Llama2cFile, readLlama2c } from './llama2c/checkpoint.js';
export { type RandomOptions, randomDecoder } from './random/random-decoder.js';
export { readSafetensors, type SafetensorsFile } from './safetensors/reader.js';
export { openSafetensorsFolder } from './safetensors/sharded.js';
export {
  f32Entry,
  type PiecewiseFile,
  type SafetensorsEntry,
  writeSafetensors,
} from './safetensors/writer.js';
export type { DecodeBlocks, TensorEncoding } from './tensors/encoding.js';
export { readFloats, readFloatsAsync, type StoredTensor, type TensorFile } from './tensors/tensor-file.js';
export { createTokenizer } from './tokenizers/create-tokenizer.js';
export { readGgufTokenizer } from './tokenizers/gguf-tokenizer.js';
export { type Gpt2Files, readGpt2Tokenizer } from './tokenizers/gpt2-files.js';
export { type HfTokenizerFiles, hfTokenizerFiles } from './tokenizers/hf-json-writer.js';
export { hfJsonRecord, readHfTokenizer } from './tokenizers/hf-tokenizer-files.js';
export { readLlama2cTokenizer } from './tokenizers/llama2c-tokenizer.js';
export { readSentencePieceModel } from './tokenizers/sentencepiece-model.js';
export {
  type ByteLevelRecord,
  type DecodeOptions,
  type EncodeOptions,
  type HfJsonRecord,
  type SentencePieceRecord,
  type StreamDecoder,
  TOKEN_TYPE,
  type Tokenizer,
  type TokenizerRecord,
} from './tokenizers/tokenizer.js';
export { ZOO, type ZooEntry, zooEntry, zooModel } from './zoo/zoo.js';
