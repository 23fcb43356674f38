/**
 * The weights of a packed module as float32, decoded block by block of rows when they are read. One block, of whatever
 * module was read in part last, is kept by all views of a checkpoint together, so that reading a matrix in small
 * pieces does not decode each of its blocks again for every piece.
 */
import { dequantizePacked } from '@bitloom/formats';
import type { Weights } from '../../decoder/weights.js';
import { checkElementRange } from '../../tensors/tensor-file.js';
import { inModule, type PackedModule } from './packed-module.js';

/** Elements that a block should have. */
const BLOCK_ELEMENTS = 1 << 20;

/** Keeps the block that was decoded last. */
export class BlockCache {
  #module: PackedModule | undefined;
  #start = -1;
  #values = new Float32Array(0);

  get(
    module: PackedModule,
    start: number,
    decode: () => Float32Array<ArrayBuffer>,
  ): Float32Array<ArrayBuffer> {
    if (this.#module !== module || this.#start !== start) {
      this.#values = decode();
      this.#module = module;
      this.#start = start;
    }
    return this.#values;
  }
}

/**
 * A view on rows [first, first + rows) of a module.
 * @param file what errors call the checkpoint
 */
export function quantizedWeights(
  module: PackedModule,
  first: number,
  rows: number,
  cache: BlockCache,
  file: string,
): Weights {
  const { cols, rowUnit } = module;
  const blockRows = Math.ceil(Math.max(1, Math.floor(BLOCK_ELEMENTS / cols)) / rowUnit) * rowUnit;
  const decode = (start: number, end: number, out?: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
    inModule(file, module.name, () => dequantizePacked(module.readRows(start, end), undefined, out));
  return {
    shape: [rows, cols],
    read(start, count) {
      checkElementRange(module.name, rows * cols, start, count);
      const out = new Float32Array(count);
      // Elements are counted from the module's first row from here on.
      const from = first * cols + start;
      const to = from + count;
      for (
        let row = Math.floor(Math.floor(from / cols) / blockRows) * blockRows;
        row * cols < to;
        row += blockRows
      ) {
        const end = Math.min(module.rows, row + blockRows);
        const [blockFrom, blockTo] = [row * cols, end * cols];
        if (blockFrom >= from && blockTo <= to) {
          decode(row, end, out.subarray(blockFrom - from, blockTo - from));
          continue;
        }
        const values = cache.get(module, row, () => decode(row, end));
        const [low, high] = [Math.max(from, blockFrom), Math.min(to, blockTo)];
        out.set(values.subarray(low - blockFrom, high - blockFrom), low - from);
      }
      return out;
    },
  };
}
