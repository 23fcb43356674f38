/**
 * Writes safetensors bytes. Equal inputs give equal bytes: entries are laid out in the order given, the header
 * is padded with spaces so that the data begin at a multiple of 8, as the format asks.
 */
import { BitloomError } from '@bitloom/ir';
import { checkedElementCount } from '../tensors/tensor-file.js';

/** A tensor to write: row-major, little-endian. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'I64' | 'I32' | 'I8' | 'U8';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const ELEMENT_BYTES: Readonly<Record<SafetensorsEntry['dtype'], number>> = {
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  I64: 8,
  I32: 4,
  I8: 1,
  U8: 1,
};

/** A float32 tensor as an entry; shares the array's memory. */
export function f32Entry(name: string, shape: readonly number[], values: Float32Array): SafetensorsEntry {
  return {
    name,
    dtype: 'F32',
    shape,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** A tensor whose size is known before its bytes are. */
export type SafetensorsShape = Omit<SafetensorsEntry, 'data'>;

/**
 * The bytes of a safetensors file.
 * @param metadata string map stored as `__metadata__`
 * @throws BitloomError `safetensors-tensor-invalid` when data and shape differ in size or a name repeats
 */
export function writeSafetensors(
  entries: readonly SafetensorsEntry[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header = encodeHeader(entries, metadata);
  const end = entries.reduce((sum, { data }) => sum + data.byteLength, 0);
  const out = new Uint8Array(header.byteLength + end);
  out.set(header);
  let at = header.byteLength;
  for (const entry of entries) {
    checkLength(entry, entry.data.byteLength);
    out.set(entry.data, at);
    at += entry.data.byteLength;
  }
  return out;
}

/** A file whose bytes are made when they are asked for, in pieces. */
export interface PiecewiseFile {
  readonly byteLength: number;
  readonly chunks: () => Iterable<Uint8Array>;
}

/**
 * A safetensors file of which no more than a tensor is in memory.
 * @param tensors in the order of the file
 * @param data the bytes of each tensor, in the same order
 * @throws BitloomError `safetensors-tensor-invalid` for a name that repeats or a size that is no safe integer; from the
 *   chunks also when data and shape differ in size
 */
export function safetensorsInPieces(
  tensors: readonly SafetensorsShape[],
  data: () => Iterable<Uint8Array>,
  metadata?: Readonly<Record<string, string>>,
): PiecewiseFile {
  const header = encodeHeader(tensors, metadata);
  function* chunks(): Generator<Uint8Array> {
    yield header;
    let next = 0;
    for (const bytes of data()) {
      checkLength(tensors[next++], bytes.byteLength);
      yield bytes;
    }
  }
  const byteLength = tensors.reduce((sum, tensor) => sum + byteLengthOf(tensor), header.byteLength);
  return { byteLength, chunks };
}

/** Everything before the first tensor. */
function encodeHeader(
  tensors: readonly SafetensorsShape[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  const header = new Map<string, unknown>();
  if (metadata !== undefined) header.set('__metadata__', metadata);
  let end = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (header.has(name)) throw invalidTensor(name, 'a tensor name is given twice', 'each name once', 'two');
    const begin = end;
    end += byteLengthOf(tensor);
    header.set(name, { dtype, shape, data_offsets: [begin, end] });
  }
  const members = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(text.byteLength / 8) * 8;
  const out = new Uint8Array(8 + length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(text, 8);
  return out;
}

function byteLengthOf({ name, dtype, shape }: SafetensorsShape): number {
  const count = checkedElementCount(shape);
  if (count !== undefined) return count * ELEMENT_BYTES[dtype];
  throw invalidTensor(name, DIFFERENT_SIZE, 'a safe number of elements', `[${shape.join(', ')}]`);
}

function checkLength(tensor: SafetensorsShape, length: number): void {
  const expected = byteLengthOf(tensor);
  if (length !== expected) {
    throw invalidTensor(tensor.name, DIFFERENT_SIZE, `${expected} bytes`, `${length} bytes`);
  }
}

const DIFFERENT_SIZE = 'data and shape of a tensor differ in size';

function invalidTensor(name: string, message: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'safetensors-tensor-invalid',
    message,
    where: `tensor '${name}'`,
    expected,
    got,
  });
}
