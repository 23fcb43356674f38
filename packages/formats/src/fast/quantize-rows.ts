/**
 * `quantizeScaled` at the speed of memory for schemes of one level whose blocks lie within rows: integers of 2 to 8
 * bits and floats of up to 8 bits under a scale of fp16, fp32 or e8m0 per group or row, rounded to nearest even. Same
 * bytes. For everything else, and for whatever the definition refuses or decides by a policy, the answer is undefined.
 */
import type { TensorScheme } from '@bitloom/ir';
import { blockGrid, blockOf } from '../schemes/block-grid.js';
import { elementsOf, rowsOf, type Tensor } from '../tensor.js';
import { type BlockBuffers, encodeBlocks } from './block-codes.js';
import { elementCoding, isPlain, lowestValue, scaleCoding } from './scheme-coding.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/**
 * The components of a tensor under a scheme, or undefined.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 */
export function quantizeRows(
  { data, shape }: Tensor,
  scheme: TensorScheme,
  source: EncodeSource = sharedEncodeSource,
): Readonly<Record<keyof BlockBuffers, Uint8Array>> | undefined {
  // Scales of no elements are the definition's business, and so are wrong lengths.
  if (data.length === 0 || data.length !== elementsOf(shape)) return undefined;
  const { element, scales } = scheme;
  if (!isPlain(scheme) || scales.length !== 1) return undefined;
  const [level] = scales;
  const { granularity } = level;
  const { strategy } = granularity;
  if (strategy === 'block' || (strategy === 'group' && !(granularity.groupSize >= 1))) return undefined;
  const scale = scaleCoding(element, level);
  if (scale === undefined) return undefined;
  const codes = elementCoding(element, lowestValue(element, level.rule));
  const grid = blockGrid(shape, blockOf(granularity, shape.length));
  if (codes === undefined || grid.block.slice(0, -1).some((size) => size !== 1)) return undefined;
  const { rows, cols } = rowsOf(shape);
  const out = {
    codes: new Uint8Array(rows * Math.ceil((cols * codes.bits) / 8)),
    scales: new Uint8Array(grid.cells * scale.bytes),
  };
  const blocks = { rows, cols, group: grid.runLength };
  return encodeBlocks(data, blocks, codes, scale, out, source) ? out : undefined;
}
