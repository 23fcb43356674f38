/**
 * Writes GGUF files, version 3, little-endian: metadata of every type, then tensors at multiples of 32 bytes. Tensor
 * bytes come in pieces, so that a model never sits in memory. Equal contents give equal bytes: pairs and tensors stand
 * in the order given.
 *
 * Not for: what a tensor is called or which type it gets (`families/gguf-export.ts`), or for files (`./node`).
 *
 * Source of the layout: the GGUF specification (ggml-org/ggml docs/gguf.md).
 */
import { BitloomError, internalError } from '@bitloom/ir';
import type { ContainerWrite } from '@bitloom/ir/container';
import type { TensorEncoding } from '../tensors/encoding.js';
import { checkedElementCount } from '../tensors/tensor-file.js';
import { ByteWriter } from './byte-writer.js';
import type { GgufValue } from './metadata.js';
import { GGUF_TENSOR_TYPES, GGUF_VALUE_TYPES, type GgufValueType } from './types.js';

/** A tensor to be written. */
export interface GgufTensorInput {
  readonly name: string;
  /** Outermost axis first, 1 to 4 axes; rows (the last axis) are whole blocks of the type. */
  readonly shape: readonly number[];
  /** Name of the type as GGML has it, e.g. `F32`, `Q4_K`. */
  readonly type: string;
  /** The bytes in order, in pieces of any size; asked for once. */
  readonly chunks: () => Iterable<Uint8Array>;
}

/** What a GGUF file is made of. */
export interface GgufContent {
  /** Key-value pairs in the order in which they are written. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensorInput[];
}

const ALIGNMENT = 32;
const MAX_AXES = 4;
/** ggml keeps names in 64 bytes with the terminating zero. */
const MAX_NAME_BYTES = 63;

interface Placed {
  readonly input: GgufTensorInput;
  readonly typeNumber: number;
  /** From the start of the data part. */
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * The writes of a GGUF file in order, front to back. Ends with the length of the file in bytes.
 *
 * @throws BitloomError `gguf-tensor-invalid` for a name, shape or number of bytes that no file may have,
 *   `gguf-tensor-type`, `gguf-value-type`, `gguf-alignment`, and whatever the chunks throw
 */
export function* ggufWrites(content: GgufContent): Generator<ContainerWrite, number, void> {
  const placed = placeTensors(content.tensors);
  const header = encodeHeader(content.metadata, placed);
  yield { offset: 0, bytes: header };
  let end = header.byteLength;
  for (const tensor of placed) {
    const start = header.byteLength + tensor.offset;
    let at = start;
    for (const bytes of tensor.input.chunks()) {
      if (at + bytes.byteLength > start + tensor.byteLength) throw wrongLength(tensor, 'more');
      yield { offset: at, bytes };
      at += bytes.byteLength;
    }
    if (at !== start + tensor.byteLength) throw wrongLength(tensor, `${at - start}`);
    const padding = aligned(tensor.byteLength) - tensor.byteLength;
    if (padding > 0) yield { offset: at, bytes: new Uint8Array(padding) };
    end = at + padding;
  }
  return end;
}

/** Bytes of the tensors together, without padding: what a progress bar counts to. */
export function ggufDataBytes(content: GgufContent): number {
  return placeTensors(content.tensors).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** A whole GGUF file in memory, for small ones. Throws as {@link ggufWrites}. */
export function encodeGguf(content: GgufContent): Uint8Array {
  const out = new ByteWriter();
  for (const { offset, bytes } of ggufWrites(content)) {
    if (offset !== out.length) throw internalError('a GGUF file is written front to back');
    out.raw(bytes);
  }
  return out.bytes.slice();
}

/** Number and encoding of a type. @throws BitloomError `gguf-tensor-type` */
export function ggufTensorType(name: string, where: string): { number: number; encoding: TensorEncoding } {
  for (const [number, encoding] of GGUF_TENSOR_TYPES) if (encoding.name === name) return { number, encoding };
  throw new BitloomError({
    code: 'gguf-tensor-type',
    message: 'GGUF has no tensors of this type',
    where,
    expected: [...GGUF_TENSOR_TYPES.values()].map((encoding) => encoding.name).join(', '),
    got: name,
  });
}

function placeTensors(tensors: readonly GgufTensorInput[]): readonly Placed[] {
  const names = new Set<string>();
  let end = 0;
  return tensors.map((input) => {
    const { name, shape } = input;
    const where = `tensor '${name}'`;
    const nameBytes = new TextEncoder().encode(name).byteLength;
    if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES) {
      throw invalidTensor(where, `a name of 1 to ${MAX_NAME_BYTES} bytes`, `${nameBytes} bytes`);
    }
    if (names.has(name)) throw invalidTensor(where, 'each name once', 'the name twice');
    names.add(name);
    const { number, encoding } = ggufTensorType(input.type, where);
    const elements = checkedElementCount(shape);
    const isShape =
      shape.length >= 1 &&
      shape.length <= MAX_AXES &&
      shape.every((size) => Number.isSafeInteger(size) && size > 0);
    if (!isShape || elements === undefined || shape[shape.length - 1] % encoding.blockElements !== 0) {
      const expected = `1 to ${MAX_AXES} axes of positive sizes, rows a multiple of ${encoding.blockElements}`;
      throw invalidTensor(where, expected, `${input.type}[${shape.join(', ')}]`);
    }
    const byteLength = (elements / encoding.blockElements) * encoding.blockBytes;
    const offset = end;
    end += aligned(byteLength);
    if (!Number.isSafeInteger(end)) throw invalidTensor(where, 'a file below 2^53 bytes', 'more');
    return { input, typeNumber: number, offset, byteLength };
  });
}

function encodeHeader(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly Placed[]): Uint8Array {
  const alignment = metadata.get('general.alignment');
  if (alignment !== undefined && alignment.data !== ALIGNMENT) {
    throw new BitloomError({
      code: 'gguf-alignment',
      message: 'tensors are written at multiples of 32 bytes only',
      where: 'general.alignment',
      expected: String(ALIGNMENT),
      got: String(alignment.data),
      hint: 'leave the key out',
    });
  }
  const out = new ByteWriter();
  out.raw(new TextEncoder().encode('GGUF'));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    out.u32(typeNumber(value.type, key));
    writeValue(out, value, key);
  }
  for (const { input, typeNumber: type, offset } of tensors) {
    out.string(input.name);
    out.u32(input.shape.length);
    // ggml lists the contiguous axis first.
    for (const size of [...input.shape].reverse()) out.u64(size);
    out.u32(type);
    out.u64(offset);
  }
  out.zeros(aligned(out.length) - out.length);
  return out.bytes;
}

const WRITE_NUMBER: Readonly<Record<string, (out: ByteWriter, value: number) => void>> = {
  uint8: (out, value) => out.u8(value),
  int8: (out, value) => out.i8(value),
  uint16: (out, value) => out.u16(value),
  int16: (out, value) => out.i16(value),
  uint32: (out, value) => out.u32(value),
  int32: (out, value) => out.i32(value),
  float32: (out, value) => out.f32(value),
  float64: (out, value) => out.f64(value),
};

function writeValue(out: ByteWriter, value: GgufValue, key: string): void {
  const { type, elementType, data } = value;
  if (type !== 'array') {
    writeScalar(out, type, data, key);
    return;
  }
  if (elementType === undefined || typeof data !== 'object') throw wrongValue(key, 'an array', type);
  out.u32(typeNumber(elementType, key));
  out.u64(data.length);
  for (const item of data) {
    if (elementType !== 'array') writeScalar(out, elementType, item, key);
    else if (typeof item === 'object') writeValue(out, item, key);
    else throw wrongValue(key, 'an array of arrays', typeof item);
  }
}

function writeScalar(out: ByteWriter, type: GgufValueType, data: unknown, key: string): void {
  if (type === 'string' && typeof data === 'string') out.string(data);
  else if (type === 'bool' && typeof data === 'boolean') out.u8(data ? 1 : 0);
  else if (type === 'uint64' && typeof data === 'bigint' && inRange(type, data)) out.u64(data);
  else if (type === 'int64' && typeof data === 'bigint' && inRange(type, data)) out.i64(data);
  else if (typeof data === 'number' && Object.hasOwn(WRITE_NUMBER, type) && inRange(type, data)) {
    WRITE_NUMBER[type](out, data);
  } else {
    throw wrongValue(key, type, typeof data === 'object' ? 'an object' : `${typeof data} ${String(data)}`);
  }
}

/** Bits of the integer types; unsigned ones begin with a `u`. Floats take any number. */
function inRange(type: GgufValueType, value: number | bigint): boolean {
  if (type === 'float32' || type === 'float64') return true;
  if (typeof value === 'number' && !Number.isInteger(value)) return false;
  const unsigned = type.startsWith('u');
  const bits = Number(type.slice(unsigned ? 4 : 3));
  const span = 2n ** BigInt(bits);
  const integer = BigInt(value);
  return unsigned ? integer >= 0n && integer < span : integer >= -span / 2n && integer < span / 2n;
}

function typeNumber(type: GgufValueType, key: string): number {
  const number = GGUF_VALUE_TYPES.indexOf(type);
  if (number === -1) throw internalError(`unknown type of the value of '${key}'`);
  return number;
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function wrongLength({ input, byteLength }: Placed, got: string): BitloomError {
  return invalidTensor(`tensor '${input.name}'`, `${byteLength} bytes`, `${got} bytes`);
}

function invalidTensor(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'gguf-tensor-invalid',
    message: 'a tensor cannot be written to a GGUF file',
    where,
    expected,
    got,
  });
}

function wrongValue(key: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'gguf-value-type',
    message: 'a metadata value does not fit its type',
    where: `key '${key}'`,
    expected,
    got,
  });
}
