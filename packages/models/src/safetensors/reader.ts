/**
 * Reads a safetensors file: 8 bytes of header length (uint64, little-endian), a JSON header, then the tensors.
 * Everything the format promises is checked before a value is read: the header's length and encoding, each
 * tensor's type, shape and byte range, and that the ranges tile the data exactly, without overlap, hole or
 * rest. So a file either has one reading or is refused.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { Cursor } from '../bytes/cursor.js';
import { describe, isJsonObject, type JsonValue, parseJsonObject } from '../json/strict-json.js';
import { checkedElementCount, type StoredTensor, type TensorFile } from '../tensors/tensor-file.js';
import { SAFETENSORS_DTYPES } from './dtypes.js';

/** Longest header accepted; the format's own reference reader has the same limit. */
export const MAX_SAFETENSORS_HEADER = 100_000_000;

export interface SafetensorsFile extends TensorFile {
  /** The free-form string map of the header. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads the header of a safetensors file. The file stays open until `close`.
 * @throws BitloomError `safetensors-truncated`, `safetensors-header-too-long`, `safetensors-header-invalid`,
 *   `safetensors-tensor-invalid`, `safetensors-tensor-outside`, `safetensors-overlap`, `safetensors-hole`, and
 *   the `json-` errors of the header
 */
export async function readSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const headerLength = await readHeaderLength(source);
  const where = `header of ${source.name}`;
  const bytes = await source.read(8, headerLength);
  if (bytes[0] !== 0x7b) {
    throw new BitloomError({
      code: 'safetensors-header-invalid',
      message: "the header does not begin with '{'",
      where,
      expected: '0x7b',
      got: `0x${(bytes[0] ?? 0).toString(16)}`,
      hint: 'this is not a safetensors file, or its first bytes are damaged',
    });
  }
  const header = parseJsonObject(bytes, where);
  const data = { source, start: 8 + headerLength, size: source.size - 8 - headerLength };
  const tensors: StoredTensor[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const name of Object.keys(header)) {
    if (name === '__metadata__') metadata = readMetadata(header[name], where);
    else tensors.push(readEntry(name, header[name], data));
  }
  checkTiling(tensors, data);
  return {
    name: source.name,
    metadata,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    close: () => source.close(),
  };
}

interface DataPart {
  readonly source: ByteSource;
  /** File offset of the first data byte. */
  readonly start: number;
  readonly size: number;
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  const cursor = new Cursor(source, 'safetensors-truncated');
  await cursor.need(8, 'the header length');
  const length = cursor.u64();
  const limit = Math.min(MAX_SAFETENSORS_HEADER, source.size - 8);
  if (length > BigInt(limit)) {
    throw new BitloomError({
      code: 'safetensors-header-too-long',
      message: 'the header is said to be longer than the file, or than any header may be',
      where: source.name,
      expected: `at most ${limit} bytes`,
      got: `${length} bytes`,
      hint: 'this is not a safetensors file, or it is cut short',
    });
  }
  if (length === 0n) {
    throw new BitloomError({
      code: 'safetensors-header-invalid',
      message: 'the header is empty',
      where: source.name,
      expected: 'at least {}',
    });
  }
  return Number(length);
}

function readMetadata(value: JsonValue | undefined, where: string): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  if (!isJsonObject(value)) throw invalidEntry(where, '__metadata__', 'an object of strings', value);
  for (const key of Object.keys(value)) {
    const text = value[key];
    if (typeof text !== 'string') throw invalidEntry(where, '__metadata__', 'strings only', text);
    out.set(key, text);
  }
  return out;
}

function readEntry(name: string, value: JsonValue | undefined, data: DataPart): StoredTensor {
  const where = `header of ${data.source.name}`;
  if (!isJsonObject(value)) throw invalidEntry(where, name, 'an object', value);
  const dtype = value.dtype;
  const encoding = typeof dtype === 'string' ? SAFETENSORS_DTYPES.get(dtype) : undefined;
  if (encoding === undefined) {
    throw invalidEntry(where, name, `a dtype of ${[...SAFETENSORS_DTYPES.keys()].join(', ')}`, dtype);
  }
  const shape = readIntegers(value.shape);
  if (shape === undefined) throw invalidEntry(where, name, 'a shape of non-negative integers', value.shape);
  const offsets = readIntegers(value.data_offsets);
  if (offsets === undefined || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw invalidEntry(where, name, 'data_offsets [begin, end] in order', value.data_offsets);
  }
  const [begin, end] = offsets;
  if (end > data.size) {
    throw new BitloomError({
      code: 'safetensors-tensor-outside',
      message: `tensor '${name}' leaves the file`,
      where,
      expected: `an end of at most ${data.size}`,
      got: `[${begin}, ${end}]`,
      hint: 'the file is cut short or damaged; fetch it again',
    });
  }
  const count = checkedElementCount(shape);
  const blocks = count === undefined ? undefined : count / encoding.blockElements;
  const bytes = blocks === undefined ? undefined : blocks * encoding.blockBytes;
  if (bytes === undefined || !Number.isInteger(blocks) || bytes !== end - begin) {
    throw new BitloomError({
      code: 'safetensors-tensor-invalid',
      message: `tensor '${name}' has a byte range that does not fit its shape and type`,
      where,
      expected: `${bytes ?? 'more than 2^53'} bytes for ${encoding.name}[${shape.join(', ')}]`,
      got: `${end - begin} bytes`,
      hint: 'the file was written wrongly; write it again',
    });
  }
  return { name, shape, encoding, source: data.source, offset: data.start + begin, byteLength: end - begin };
}

function readIntegers(value: JsonValue | undefined): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const out: number[] = [];
  for (const item of value) {
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0) return undefined;
    out.push(item);
  }
  return out;
}

function invalidEntry(where: string, name: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'safetensors-tensor-invalid',
    message: `the entry ${describe(name)} is not valid`,
    where,
    expected,
    got: describe(got),
    hint: 'the file was written wrongly or is damaged; write it again',
  });
}

/** The ranges, in order of offset, must follow one another from the first data byte to the last. */
function checkTiling(tensors: readonly StoredTensor[], data: DataPart): void {
  const ordered = [...tensors].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = data.start;
  let previous = 'the header';
  for (const tensor of ordered) {
    if (tensor.offset !== end)
      throw tilingError(tensor.offset - end, `tensor '${tensor.name}'`, previous, data);
    end = tensor.offset + tensor.byteLength;
    previous = `tensor '${tensor.name}'`;
  }
  if (end !== data.start + data.size)
    throw tilingError(data.start + data.size - end, 'the end of the file', previous, data);
}

function tilingError(gap: number, next: string, previous: string, data: DataPart): BitloomError {
  const overlap = gap < 0;
  return new BitloomError({
    code: overlap ? 'safetensors-overlap' : 'safetensors-hole',
    message: overlap
      ? `${next} overlaps ${previous}`
      : `bytes between ${previous} and ${next} belong to no tensor`,
    where: data.source.name,
    expected: 'tensors that follow one another without overlap, hole or rest',
    got: overlap ? `an overlap of ${-gap} bytes` : `a hole of ${gap} bytes`,
    hint: 'the file was written wrongly, extended or altered; get it from its source again',
  });
}
