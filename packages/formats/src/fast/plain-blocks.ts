/**
 * Blocks along the rows of a matrix in plain loops, with the results of the SIMD functions: for engines without them,
 * blocks that are no whole bytes, and values that are not finite.
 */
import type { ElementFormat } from '@bitloom/ir';
import { nearestCode } from '../elements/nearest-code.js';
import { packCodes } from '../layouts/codes.js';
import type { BlockShape } from './blocks.js';

/** Visits every block: its number, and the range of its elements. Empty rows have none. */
function forBlocks(
  { rows, cols, group }: BlockShape,
  visit: (block: number, start: number, end: number) => void,
): void {
  if (cols === 0) return;
  let block = 0;
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += group, block += 1) {
      const start = row * cols + col;
      visit(block, start, start + Math.min(group, cols - col));
    }
  }
}

/** The largest magnitude of every block; NaN where a value is. */
export function largestPlainly(values: Float32Array, shape: BlockShape): Float32Array<ArrayBuffer> {
  const out = new Float32Array(shape.rows * Math.ceil(shape.cols / shape.group));
  forBlocks(shape, (block, start, end) => {
    let largest = 0;
    for (let i = start; i < end; i += 1) largest = Math.max(largest, Math.abs(values[i]));
    out[block] = largest;
  });
  return out;
}

/** Packed codes of `values` under given scales, one per block. Under 0 and NaN all codes are 0. */
export function encodePlainly(
  values: Float32Array,
  scales: Float32Array,
  shape: BlockShape,
  element: ElementFormat,
): Uint8Array<ArrayBuffer> {
  const codeOf = nearestCode(element);
  const codes = new Uint8Array(values.length);
  forBlocks(shape, (block, start, end) => {
    const scale = scales[block];
    if (scale === 0 || Number.isNaN(scale)) return;
    for (let i = start; i < end; i += 1) codes[i] = codeOf(Math.fround(values[i] / scale));
  });
  return packCodes(codes, shape.rows, shape.cols, element.bits);
}
