/**
 * The codes and scales a stored matrix already has, where its blocks are symmetric group integers: components in the
 * layout `canonical`, any byte range of them, straight from the bytes of the file. No value is decoded on the way.
 */
import type { TensorScheme } from '@bitloom/ir';
import type { ReadBuffer } from '../bytes/read-buffer.js';
import { elementCount, readBytes, type StoredTensor } from './tensor-file.js';

/** Bytes that are computed when they are read. */
export interface StoredComponent {
  readonly byteLength: number;
  /** Bytes [offset, offset + length), which lie inside of 0..byteLength. */
  read(offset: number, length: number): Uint8Array;
  /** The same into `target`; absent where that is no better. */
  readInto?(offset: number, target: Uint8Array): void;
}

/** A matrix as group integers. */
export interface StoredCodes {
  /** What the codes are, called as the file calls them. */
  readonly scheme: TensorScheme;
  /** `codes` and `scales`. */
  readonly components: Readonly<Record<string, StoredComponent>>;
}

/** Blocks read from a file at a time: enough to make the call cheap, few enough to stay in a cache. */
const STRIP_BLOCKS = 8192;

/**
 * The codes of a matrix of `shape` that begins at element `offset` of a tensor; undefined where the tensor has none,
 * or where a row of the matrix is no whole number of its blocks.
 */
export function storedCodes(
  tensor: StoredTensor,
  shape: readonly number[],
  offset: number,
  buffer: ReadBuffer,
): StoredCodes | undefined {
  const { codes, blockElements, blockBytes } = tensor.encoding;
  if (codes === undefined || shape.length !== 2) return undefined;
  if (shape[1] % blockElements !== 0 || offset % blockElements !== 0) return undefined;
  const firstBlock = offset / blockElements;
  const blocks = elementCount(shape) / blockElements;
  /** Fills `out` with whole blocks from `first` on. */
  const move = ({ bytes, move: moveBlocks }: BlockComponent, first: number, out: Uint8Array): void => {
    const end = first + out.length / bytes;
    for (let block = first; block < end; block += STRIP_BLOCKS) {
      const count = Math.min(STRIP_BLOCKS, end - block);
      const strip = buffer.take(count * blockBytes);
      readBytes(tensor, (firstBlock + block) * blockBytes, strip);
      const at = (block - first) * bytes;
      moveBlocks(strip, out.subarray(at, at + count * bytes));
    }
  };
  const component = (kind: BlockComponent): StoredComponent => {
    const { bytes } = kind;
    const read = (start: number, length: number): Uint8Array => {
      const first = Math.floor(start / bytes);
      const out = new Uint8Array((Math.ceil((start + length) / bytes) - first) * bytes);
      move(kind, first, out);
      const skip = start - first * bytes;
      return out.subarray(skip, skip + length);
    };
    return {
      byteLength: blocks * bytes,
      read,
      readInto(start, target) {
        if (start % bytes === 0 && target.length % bytes === 0) move(kind, start / bytes, target);
        else target.set(read(start, target.length));
      },
    };
  };
  return {
    scheme: codes.scheme,
    components: { codes: component(codes.codes), scales: component(codes.scales) },
  };
}

/** A component of blocks: its bytes in one block, and how those of whole blocks are written to `out`. */
export interface BlockComponent {
  readonly bytes: number;
  readonly move: (blocks: Uint8Array, out: Uint8Array) => void;
}

/** How the blocks of an encoding come apart into codes and scales. */
export interface BlockCodes {
  readonly scheme: TensorScheme;
  readonly codes: BlockComponent;
  readonly scales: BlockComponent;
}
