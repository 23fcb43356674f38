/** Tensors of a safetensors file as the arrays that packings are made of, whole or in part, with their types checked. */

import type { StoredFloats, StoredFormat } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import { tensorError } from '../../decoder/weights.js';
import { readBytes, type StoredTensor, type TensorFile } from '../../tensors/tensor-file.js';

/** Types of scales in a file, by what they are called there. U8 holds powers of two in MXFP4. */
const SCALE_FORMATS: Readonly<Record<string, StoredFormat>> = {
  F32: 'fp32',
  F16: 'fp16',
  BF16: 'bf16',
  F8_E4M3: 'fp8_e4m3fn',
  F8_E8M0: 'e8m0',
  U8: 'e8m0',
};

/** Types of scales in most packings. */
export const SCALE_TYPES: readonly string[] = ['F16', 'BF16', 'F32'];

/**
 * The tensor of that name, of that shape and of one of those types.
 * @param shapes shapes it may have
 * @throws BitloomError `model-tensor-missing`, `model-tensor-shape`, `model-tensor-type`
 */
export function requireTensor(
  file: TensorFile,
  name: string,
  types: readonly string[],
  ...shapes: readonly (readonly number[])[]
): StoredTensor {
  const tensor = file.tensors.get(name);
  const expected = shapes.map((shape) => `[${shape.join(', ')}]`).join(' or ');
  if (tensor === undefined)
    throw tensorError('model-tensor-missing', file.name, name, expected, 'no such tensor');
  if (!types.includes(tensor.encoding.name)) {
    throw new BitloomError({
      code: 'model-tensor-type',
      message: `the tensor '${name}' has another type than the configuration of its quantisation says`,
      where: file.name,
      expected: types.join(' or '),
      got: tensor.encoding.name,
      hint: 'configuration and weights do not belong together; fetch both again',
    });
  }
  const fits = (shape: readonly number[]): boolean =>
    shape.length === tensor.shape.length && shape.every((size, axis) => size === tensor.shape[axis]);
  if (shapes.some(fits)) return tensor;
  throw tensorError('model-tensor-shape', file.name, name, expected, `[${tensor.shape.join(', ')}]`);
}

/** `count` elements from element `start`, as fresh bytes. */
export function readElements(tensor: StoredTensor, start: number, count: number): Uint8Array<ArrayBuffer> {
  const { blockBytes } = tensor.encoding;
  const out = new Uint8Array(count * blockBytes);
  readBytes(tensor, start * blockBytes, out);
  return out;
}

/** Columns `first` to `end` of a matrix [height, width], row-major [height, end − first], as fresh bytes. */
export function readColumns(tensor: StoredTensor, first: number, end: number): Uint8Array<ArrayBuffer> {
  const [height, width] = tensor.shape;
  if (first === 0 && end === width) return readElements(tensor, 0, height * width);
  const { blockBytes } = tensor.encoding;
  const rowBytes = (end - first) * blockBytes;
  const out = new Uint8Array(height * rowBytes);
  for (let row = 0; row < height; row++) {
    readBytes(tensor, (row * width + first) * blockBytes, out.subarray(row * rowBytes, (row + 1) * rowBytes));
  }
  return out;
}

/** Bytes of a tensor whose type was required to be one of {@link SCALE_TYPES}, or U8, as stored floats. */
export function storedFloats(tensor: StoredTensor, bytes: Uint8Array<ArrayBuffer>): StoredFloats {
  const format = SCALE_FORMATS[tensor.encoding.name];
  switch (format) {
    case 'fp32':
      return { format, data: new Float32Array(bytes.buffer) };
    case 'fp16':
    case 'bf16':
      return { format, data: new Uint16Array(bytes.buffer) };
    default:
      return { format, data: bytes };
  }
}

/** All of a small tensor, for what is checked when a checkpoint is opened. */
export async function readWhole(tensor: StoredTensor): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await tensor.source.read(tensor.offset, tensor.byteLength));
}
