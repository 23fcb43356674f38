/**
 * NVFP4 by itself: `quantize(tensor, nvfp4Scheme(tensorScale))` for a bundle that wants nothing else. Blocks of 16 along
 * the last axis under one e4m3fn, which is in units of a float32 per tensor. Where the SIMD functions do not serve,
 * plain loops give the same bytes.
 */
import { decodeTable } from '../elements/decode-table.js';
import { FP4_E2M1, FP8_E4M3FN } from '../elements/format-records.js';
import { nearestCode } from '../elements/nearest-code.js';
import { rowBytes } from '../layouts/codes.js';
import { checkLength } from '../layouts/group-shape.js';
import { requireAllFinite } from '../scaled/finite-values.js';
import { combineScales } from '../scaled/quantize-scaled.js';
import { nvfp4Scheme } from '../schemes/named-schemes.js';
import {
  NVFP4_BLOCK,
  NVFP4_BLOCK_DIVIDED,
  NVFP4_TENSOR,
  NVFP4_TENSOR_DIVIDED,
} from '../schemes/rules/nvfp4.js';
import type { OuterScale } from '../schemes/rules/rule.js';
import { schemeType } from '../schemes/scheme-type.js';
import { checkShape, elementsOf, type QuantizedTensor, rowsOf, type Tensor } from '../tensor.js';
import { encodeUnder, largestOfBlocks } from './block-codes.js';
import { floatCoding } from './element-coding.js';
import { encodePlainly, largestPlainly } from './plain-blocks.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/** What {@link quantizeNvfp4} may be told. */
export interface QuantizeNvfp4Options {
  /** `multiply` (default) stores the tensor's multiplier, `divide` its reciprocal, `none` leaves it out. */
  readonly tensorScale?: 'multiply' | 'divide' | 'none';
}

/**
 * A tensor as NVFP4, values divided by their scales.
 *
 * @param tensor the last block of a row may be short
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `quantize-not-finite`, `scheme-rank`, `format-shape`, `format-length`
 */
export function quantizeNvfp4(
  { data, shape }: Tensor,
  { tensorScale = 'multiply' }: QuantizeNvfp4Options = {},
  source: EncodeSource = sharedEncodeSource,
): QuantizedTensor {
  checkShape(shape);
  checkLength('values', data.length, elementsOf(shape));
  const type = schemeType(nvfp4Scheme(tensorScale), shape);
  const { rows, cols } = rowsOf(shape);
  const blocks = { rows, cols, group: 16 };
  const coding = floatCoding(FP4_E2M1);
  let largest = largestOfBlocks(data, blocks, coding.bits, source);
  if (largest === undefined) {
    requireAllFinite(data, shape);
    largest = largestPlainly(data, blocks);
  }
  const statistics = { amax: 0, min: 0, max: 0, mean: 0 };
  let outer: OuterScale | undefined;
  let outerBytes: Uint8Array | undefined;
  if (tensorScale !== 'none') {
    for (const amax of largest) statistics.amax = Math.max(statistics.amax, amax);
    const isDivisor = tensorScale === 'divide';
    const rule = isDivisor ? NVFP4_TENSOR_DIVIDED : NVFP4_TENSOR;
    const stored = Float32Array.of(rule.scale(statistics, FP4_E2M1));
    outer = { value: stored[0], direction: isDivisor ? 'divide' : 'multiply' };
    outerBytes = new Uint8Array(stored.buffer);
  }
  const rule = tensorScale === 'divide' ? NVFP4_BLOCK_DIVIDED : NVFP4_BLOCK;
  const codeOf = nearestCode(FP8_E4M3FN);
  const values = decodeTable(FP8_E4M3FN);
  const scales = new Uint8Array(largest.length);
  const effective = new Float32Array(largest.length);
  for (let block = 0; block < largest.length; block += 1) {
    statistics.amax = largest[block];
    scales[block] = codeOf(Math.fround(rule.scale(statistics, FP4_E2M1, outer)));
    const scale = values[scales[block]];
    effective[block] = outer === undefined ? scale : combineScales(scale, outer);
  }
  const codes = new Uint8Array(rows * rowBytes(cols, coding.bits));
  if (!encodeUnder(effective, data, blocks, coding, codes, source)) {
    codes.set(encodePlainly(data, effective, blocks, FP4_E2M1));
  }
  return {
    type,
    components: { codes, scales, ...(outerBytes === undefined ? {} : { scales1: outerBytes }) },
  };
}
