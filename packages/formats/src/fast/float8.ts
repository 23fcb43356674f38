/**
 * FP8 by itself: `quantize` by the rule `amax/qmax` with an fp32 scale per row or group of the last axis, for a bundle
 * that wants nothing else. Where the SIMD functions do not serve, plain loops give the same bytes.
 */
import { FP32 } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { FP8_E4M3FN, FP8_E5M2 } from '../elements/format-records.js';
import { checkGroupShape, checkLength } from '../layouts/group-shape.js';
import { requireAllFinite } from '../scaled/finite-values.js';
import { PER_ROW, perGroup, scaleBy, tensorScheme } from '../schemes/named-schemes.js';
import { AMAX_QMAX } from '../schemes/rules/largest.js';
import { schemeType } from '../schemes/scheme-type.js';
import {
  checkShape,
  elementsOf,
  type QuantizedTensor,
  requireBlocks,
  rowsOf,
  type Tensor,
} from '../tensor.js';
import { encodeBlocks } from './block-codes.js';
import { fp32Coding } from './block-scales.js';
import { floatCoding } from './element-coding.js';
import { encodePlainly, largestPlainly } from './plain-blocks.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

/** What {@link quantizeFloat8} may be told. */
export interface QuantizeFloat8Options {
  /** Neighbours of a row that share a scale; all of a row by default. */
  readonly groupSize?: number;
}

/**
 * A tensor as FP8: per row what `quantize(tensor, preset('FP8').weights)` gives.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `quantize-not-finite`, `scheme-rank`, `format-shape`, `format-length`
 */
export function quantizeFloat8(
  { data, shape }: Tensor,
  name: 'fp8_e4m3fn' | 'fp8_e5m2' = 'fp8_e4m3fn',
  { groupSize }: QuantizeFloat8Options = {},
  source: EncodeSource = sharedEncodeSource,
): QuantizedTensor {
  const element = name === 'fp8_e5m2' ? FP8_E5M2 : FP8_E4M3FN;
  checkShape(shape);
  const { rows, cols } = rowsOf(shape);
  const { bits } = element;
  const group = groupSize ?? Math.max(1, cols);
  checkGroupShape({ rows, cols, bits, groupSize: group });
  checkLength('values', data.length, elementsOf(shape));
  const granularity = groupSize === undefined ? PER_ROW : perGroup(groupSize);
  const scheme = tensorScheme('FP8', { element, scales: [scaleBy(FP32, granularity, 'amax/qmax')] });
  const type = schemeType(scheme, shape);
  // A row is a block even where it is empty.
  const cells = rows * (groupSize === undefined ? 1 : Math.ceil(cols / group));
  requireBlocks(cells, data.length, shape);
  const components = { codes: new Uint8Array(data.length), scales: new Uint8Array(cells * 4) };
  const blocks = { rows, cols, group };
  const scaling = fp32Coding(formatRange(element).symmetricMax);
  if (!encodeBlocks(data, blocks, floatCoding(element), scaling, components, source)) {
    requireAllFinite(data, shape);
    const statistics = { amax: 0, min: 0, max: 0, mean: 0 };
    const scales = largestPlainly(data, blocks).map((amax) => {
      statistics.amax = amax;
      return AMAX_QMAX.scale(statistics, element);
    });
    components.scales.set(new Uint8Array(scales.buffer));
    components.codes.set(encodePlainly(data, scales, blocks, element));
  }
  return { type, components };
}
