/**
 * Reads the header of a GGUF file, versions 2 and 3, little-endian, by ranges: metadata of every type, and the
 * table of tensors. Nothing in the file is trusted: a count is compared with the bytes that are left before
 * anything is allocated for it, metadata as a whole are limited, and the tensors must tile the data part as
 * ggml lays them out.
 *
 * Why not a package: docs/design/0003-gguf-reader.md.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { checkedElementCount, type StoredTensor, type TensorFile } from '../tensors/tensor-file.js';
import { GgufMetadata, type GgufValue } from './metadata.js';
import { GGUF_TENSOR_TYPES } from './types.js';
import { type GgufLimits, ValueReader } from './value-reader.js';

export interface GgufFile extends TensorFile {
  readonly version: number;
  readonly metadata: GgufMetadata;
}

const MAGIC = 0x46554747;
const MAX_DIMENSIONS = 4;

/**
 * Reads a GGUF header. The file stays open until `close`.
 * @throws BitloomError `gguf-magic`, `gguf-version`, `gguf-truncated`, `gguf-count`, `gguf-limit`,
 *   `gguf-value-type`, `gguf-key-duplicate`, `gguf-string-not-utf8`, `gguf-alignment`, `gguf-tensor-invalid`,
 *   `gguf-tensor-type`, `gguf-tensor-outside`, `gguf-overlap`, `gguf-hole`, `gguf-split`
 */
export async function readGguf(source: ByteSource, limits: GgufLimits = {}): Promise<GgufFile> {
  const header = new HeaderReader(source, limits);
  const version = await header.version();
  const tensorCount = await header.values.count('tensors', 24);
  const pairCount = await header.values.count('metadata pairs', 13);
  const metadata = new GgufMetadata(source.name, await header.pairs(pairCount));
  const shards = metadata.optionalInteger('split.count') ?? 0;
  if (shards > 1) {
    throw new BitloomError({
      code: 'gguf-split',
      message: 'the model is split over several GGUF files',
      where: source.name,
      expected: 'one file',
      got: `${shards} files`,
      hint: 'merge them first, for example with llama-gguf-split --merge',
    });
  }
  const tensors = await header.tensors(tensorCount, readAlignment(metadata));
  return { name: source.name, version, metadata, tensors, close: () => source.close() };
}

function readAlignment(metadata: GgufMetadata): number {
  const alignment = metadata.optionalInteger('general.alignment') ?? 32;
  if (alignment >= 1 && alignment <= 1 << 20 && (alignment & (alignment - 1)) === 0) return alignment;
  throw new BitloomError({
    code: 'gguf-alignment',
    message: 'general.alignment is not usable',
    where: metadata.file,
    expected: 'a power of two up to 2^20',
    got: String(alignment),
  });
}

class HeaderReader {
  readonly values: ValueReader;

  constructor(source: ByteSource, limits: GgufLimits) {
    this.values = new ValueReader(source, limits);
  }

  async version(): Promise<number> {
    const cursor = this.values.cursor;
    await cursor.need(8, 'the magic number and version');
    const magic = cursor.u32();
    if (magic !== MAGIC) {
      throw this.values.error(
        'gguf-magic',
        'this is not a GGUF file',
        "the bytes 'GGUF'",
        `0x${magic.toString(16)}`,
      );
    }
    const version = cursor.u32();
    if (version === 2 || version === 3) return version;
    const bigEndian = version !== 0 && (version & 0xffff) === 0;
    throw this.values.error(
      'gguf-version',
      bigEndian ? 'the file is big-endian' : 'no reader for this version of GGUF',
      'version 2 or 3, little-endian',
      bigEndian ? 'a byte-swapped version number' : `version ${version}`,
    );
  }

  async pairs(count: number): Promise<Map<string, GgufValue>> {
    const pairs = new Map<string, GgufValue>();
    for (let i = 0; i < count; i++) {
      const key = await this.values.name(`key ${i} of the metadata`);
      if (pairs.has(key)) {
        throw this.values.error(
          'gguf-key-duplicate',
          'a metadata key occurs twice',
          'each key once',
          JSON.stringify(key),
        );
      }
      pairs.set(key, await this.values.typedValue(key));
    }
    return pairs;
  }

  async tensors(count: number, alignment: number): Promise<Map<string, StoredTensor>> {
    const relative: StoredTensor[] = [];
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const tensor = await this.#tensor(i, alignment);
      if (names.has(tensor.name)) {
        throw this.values.error(
          'gguf-tensor-invalid',
          'a tensor name occurs twice',
          'each name once',
          tensor.name,
        );
      }
      names.add(tensor.name);
      relative.push(tensor);
    }
    const start = Math.ceil(this.values.cursor.position / alignment) * alignment;
    const tensors = relative.map((tensor) => ({ ...tensor, offset: tensor.offset + start }));
    this.#checkTiling(tensors, start, alignment);
    return new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** An entry of the tensor table, its offset still relative to the data part. */
  async #tensor(index: number, alignment: number): Promise<StoredTensor> {
    const cursor = this.values.cursor;
    const name = await this.values.name(`the name of tensor ${index}`);
    const where = `tensor '${name}'`;
    await this.values.need(4, where);
    const rank = cursor.u32();
    if (rank > MAX_DIMENSIONS) {
      throw this.values.error(
        'gguf-tensor-invalid',
        `${where} has too many axes`,
        `at most ${MAX_DIMENSIONS}`,
        String(rank),
      );
    }
    await this.values.need(rank * 8 + 12, where);
    // ggml lists the contiguous axis first; shapes here list it last.
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.unshift(this.#size(cursor.u64(), where));
    const type = cursor.u32();
    const encoding = GGUF_TENSOR_TYPES.get(type);
    if (encoding === undefined) {
      throw this.values.error(
        'gguf-tensor-type',
        `${where} has an unknown type`,
        [...GGUF_TENSOR_TYPES.values()].map((known) => known.name).join(', '),
        `type ${type}`,
      );
    }
    const offset = this.#size(cursor.u64(), where);
    const elements = checkedElementCount(shape);
    const rowLength = shape[shape.length - 1] ?? 1;
    if (elements === undefined || elements === 0 || rowLength % encoding.blockElements !== 0) {
      throw this.values.error(
        'gguf-tensor-invalid',
        `${where} has an impossible shape`,
        `positive sizes, rows a multiple of ${encoding.blockElements}, fewer than 2^53 elements`,
        `${encoding.name}[${shape.join(', ')}]`,
      );
    }
    const byteLength = (elements / encoding.blockElements) * encoding.blockBytes;
    if (!Number.isSafeInteger(byteLength) || offset % alignment !== 0) {
      throw this.values.error(
        'gguf-tensor-invalid',
        `${where} does not begin at a multiple of the alignment, or is too large`,
        `an offset that is a multiple of ${alignment}`,
        String(offset),
      );
    }
    return { name, shape, encoding, source: cursor.source, offset, byteLength };
  }

  #checkTiling(tensors: readonly StoredTensor[], start: number, alignment: number): void {
    const size = this.values.cursor.source.size;
    let end = start;
    for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
      const where = `tensor '${tensor.name}'`;
      if (tensor.offset + tensor.byteLength > size) {
        throw this.values.error(
          'gguf-tensor-outside',
          `${where} leaves the file`,
          `bytes inside 0..${size}`,
          `${tensor.byteLength} bytes at ${tensor.offset}`,
        );
      }
      const gap = tensor.offset - end;
      if (gap < 0) {
        throw this.values.error(
          'gguf-overlap',
          `${where} overlaps another tensor`,
          'no overlap',
          `${-gap} bytes shared`,
        );
      }
      if (gap >= alignment) {
        throw this.values.error(
          'gguf-hole',
          `bytes before ${where} belong to no tensor`,
          'padding only',
          `${gap} bytes`,
        );
      }
      end = tensor.offset + tensor.byteLength;
    }
  }

  #size(value: bigint, where: string): number {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw this.values.error(
      'gguf-tensor-invalid',
      `${where} has an impossible size or offset`,
      'below 2^53',
      String(value),
    );
  }
}
