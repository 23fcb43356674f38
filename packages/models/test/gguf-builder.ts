/** Writes small GGUF files for the tests, sound ones and, on request, unsound ones. */

type Scalar =
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'float32'
  | 'bool'
  | 'uint64'
  | 'int64'
  | 'float64';

export type Value =
  | { readonly type: Scalar; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: string | Uint8Array }
  | { readonly type: 'array'; readonly of: string; readonly value: readonly Value[] };

export interface TensorSpec {
  readonly name: string;
  /** ggml order: contiguous axis first. */
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

export interface GgufSpec {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly pairCount?: bigint;
  readonly pairs?: readonly (readonly [string, Value])[];
  readonly tensors?: readonly TensorSpec[];
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

const TYPES = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
];

export class Bytes {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.byteLength;
    return this;
  }

  scalar(type: Scalar, value: number | bigint): this {
    const view = new DataView(new ArrayBuffer(8));
    const n = Number(value);
    const width: Record<Scalar, [number, () => void]> = {
      uint8: [1, () => view.setUint8(0, n)],
      int8: [1, () => view.setInt8(0, n)],
      uint16: [2, () => view.setUint16(0, n, true)],
      int16: [2, () => view.setInt16(0, n, true)],
      uint32: [4, () => view.setUint32(0, n, true)],
      int32: [4, () => view.setInt32(0, n, true)],
      float32: [4, () => view.setFloat32(0, n, true)],
      bool: [1, () => view.setUint8(0, n)],
      uint64: [8, () => view.setBigUint64(0, BigInt(value), true)],
      int64: [8, () => view.setBigInt64(0, BigInt(value), true)],
      float64: [8, () => view.setFloat64(0, n, true)],
    };
    const [size, set] = width[type];
    set();
    return this.raw(new Uint8Array(view.buffer, 0, size));
  }

  string(text: string | Uint8Array): this {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    return this.scalar('uint64', bytes.byteLength).raw(bytes);
  }

  value(value: Value): this {
    if (value.type === 'string') return this.string(value.value);
    if (value.type !== 'array') return this.scalar(value.type, value.value);
    this.scalar('uint32', TYPES.indexOf(value.of)).scalar('uint64', value.value.length);
    for (const item of value.value) this.value(item);
    return this;
  }

  join(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.byteLength;
    }
    return out;
  }
}

export function buildGguf(spec: GgufSpec): Uint8Array {
  const { pairs = [], tensors = [], alignment = 32 } = spec;
  const out = new Bytes();
  out.raw(new TextEncoder().encode(spec.magic ?? 'GGUF')).scalar('uint32', spec.version ?? 3);
  out
    .scalar('uint64', spec.tensorCount ?? BigInt(tensors.length))
    .scalar('uint64', spec.pairCount ?? BigInt(pairs.length));
  for (const [key, value] of pairs) out.string(key).scalar('uint32', TYPES.indexOf(value.type)).value(value);
  for (const tensor of tensors) {
    out.string(tensor.name).scalar('uint32', tensor.dims.length);
    for (const dim of tensor.dims) out.scalar('uint64', dim);
    out.scalar('uint32', tensor.type).scalar('uint64', tensor.offset);
  }
  if (spec.data !== undefined) {
    out.raw(new Uint8Array((alignment - (out.length % alignment)) % alignment)).raw(spec.data);
  }
  return out.join();
}
