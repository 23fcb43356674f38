/**
 * A file (or several) of named tensors, read lazily: the header is in memory, values are read by range when
 * asked for and decoded to float32.
 */
import { BitloomError } from '@bitloom/ir';
import { type ByteSource, requireSync } from '../bytes/byte-source.js';
import { type DecodeBlocks, F32_ENCODING, readableEncodings, type TensorEncoding } from './encoding.js';

/** One tensor: what it is and where its bytes lie. Row-major, the last axis contiguous. */
export interface StoredTensor {
  readonly name: string;
  /** Outermost axis first; an empty shape is a scalar. */
  readonly shape: readonly number[];
  readonly encoding: TensorEncoding;
  readonly source: ByteSource;
  /** Byte offset in `source`. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface TensorFile {
  /** What errors call it. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Closes the sources behind the tensors. */
  close(): void;
}

/** Most elements decoded by one read: 2 GiB of float32. */
const MAX_READ = 2 ** 29;

/** Elements of a shape. Dimensions are checked by the readers, so the product is a safe integer. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/**
 * Product of dimensions that came from a file, or undefined when it is not a safe integer.
 * A zero anywhere makes it 0, whatever the rest.
 */
export function checkedElementCount(shape: readonly number[]): number | undefined {
  if (shape.includes(0)) return 0;
  let product = 1;
  for (const dimension of shape) {
    product *= dimension;
    if (!Number.isSafeInteger(product)) return undefined;
  }
  return product;
}

/**
 * Reads `count` elements from flat index `start` as float32, without waiting.
 * @throws BitloomError `tensor-encoding-unsupported`, `tensor-range-outside`, `source-not-synchronous` and what
 *   the source throws
 */
export function readFloats(
  tensor: StoredTensor,
  start = 0,
  count = elementCount(tensor.shape) - start,
): Float32Array<ArrayBuffer> {
  const plan = planRead(tensor, start, count);
  const out = new Float32Array(count);
  const reader = requireSync(tensor.source);
  if (tensor.encoding === F32_ENCODING) {
    // The bytes are the values: no copy in between.
    reader.readInto(plan.offset, new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
    return out;
  }
  return finishRead(plan, reader.read(plan.offset, plan.length), out);
}

/**
 * Fills `target` with bytes of a tensor as they are stored, from byte `offset` of the tensor, without waiting.
 * @throws BitloomError `tensor-range-outside`, `source-not-synchronous` and what the source throws
 */
export function readBytes(tensor: StoredTensor, offset: number, target: Uint8Array): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + target.byteLength > tensor.byteLength) {
    throw rangeOutside(
      tensor.name,
      `bytes inside 0..${tensor.byteLength}`,
      `${target.byteLength} at ${offset}`,
    );
  }
  requireSync(tensor.source).readInto(tensor.offset + offset, target);
}

/**
 * Checks a range of elements that is to be decoded by one read.
 * @throws BitloomError `tensor-range-outside`
 */
export function checkElementRange(name: string, total: number, start: number, count: number): void {
  const fits = Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count >= 0;
  if (fits && start + count <= total && count <= MAX_READ) return;
  const expected = `a range inside 0..${total} of at most ${MAX_READ} elements`;
  throw rangeOutside(name, expected, `${count} elements at ${start}`);
}

function rangeOutside(tensor: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'tensor-range-outside',
    message: 'a read leaves the tensor or is larger than one read may be',
    where: `tensor '${tensor}'`,
    expected,
    got,
  });
}

/** As {@link readFloats}, for any source. */
export async function readFloatsAsync(
  tensor: StoredTensor,
  start = 0,
  count = elementCount(tensor.shape) - start,
): Promise<Float32Array<ArrayBuffer>> {
  const plan = planRead(tensor, start, count);
  const bytes = await tensor.source.read(plan.offset, plan.length);
  return finishRead(plan, bytes, new Float32Array(count));
}

interface ReadPlan {
  readonly decode: DecodeBlocks;
  readonly offset: number;
  readonly length: number;
  /** Elements of whole blocks that `length` bytes hold. */
  readonly elements: number;
  /** Elements to skip at the front of the first block. */
  readonly skip: number;
}

function planRead(tensor: StoredTensor, start: number, count: number): ReadPlan {
  const { encoding } = tensor;
  if (encoding.decode === undefined) {
    throw new BitloomError({
      code: 'tensor-encoding-unsupported',
      message: `no reader for values of type ${encoding.name}`,
      where: `${tensor.source.name}, tensor '${tensor.name}'`,
      expected: readableEncodings().join(', '),
      got: encoding.name,
      hint: 'convert the file to one of these types',
    });
  }
  const total = elementCount(tensor.shape);
  checkElementRange(tensor.name, total, start, count);
  const first = Math.floor(start / encoding.blockElements);
  const last = Math.ceil((start + count) / encoding.blockElements);
  return {
    decode: encoding.decode,
    offset: tensor.offset + first * encoding.blockBytes,
    length: (last - first) * encoding.blockBytes,
    elements: (last - first) * encoding.blockElements,
    skip: start - first * encoding.blockElements,
  };
}

function finishRead(
  plan: ReadPlan,
  bytes: Uint8Array,
  out: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  if (plan.elements === out.length) {
    plan.decode(bytes, out);
    return out;
  }
  const whole = new Float32Array(plan.elements);
  plan.decode(bytes, whole);
  out.set(whole.subarray(plan.skip, plan.skip + out.length));
  return out;
}
