/**
 * `dequantizeScaled` with its pass over the elements in SIMD: integers of 2 to 8 bits and floats of up to 8 bits, under
 * any levels of scales without zero points and minima. Same values; false where the definition has to do it.
 */
import { canonicalComponents, effectiveScales } from '../scaled/dequantize-scaled.js';
import { blockGrid } from '../schemes/block-grid.js';
import { elementsOf, type QuantizedTensor } from '../tensor.js';
import { decodeUnder } from './block-codes.js';
import { elementReading } from './scheme-coding.js';
import { segmentsOf, spreadToSegments } from './segments.js';
import { type DecodeSource, sharedDecodeSource } from './simd-module.js';

/**
 * Writes the values of a tensor to `out`, or returns false.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `format-shape`, `scheme-nesting` as `dequantizeScaled`
 */
export function dequantizeFast(
  tensor: QuantizedTensor,
  out: Float32Array,
  source: DecodeSource = sharedDecodeSource,
): boolean {
  const { type, components } = tensor;
  const { element, shape, scales: levels, layout, indexMap, sparsity } = type;
  if (layout !== 'canonical' || indexMap !== undefined || sparsity !== undefined) return false;
  if (out.length === 0 || out.length !== elementsOf(shape)) return false;
  const coding = elementReading(element);
  if (coding === undefined || levels.some(({ zero }) => zero !== undefined)) return false;
  const isWhole = Object.entries(canonicalComponents(type)).every(
    ([name, bytes]) => components[name]?.length === bytes,
  );
  if (!isWhole) return false;
  const grid = blockGrid(shape, levels[0].block);
  const scales = effectiveScales(tensor, grid);
  // Codes of fixed-point elements count steps of 2^−bias.
  const step = element.kind === 'int' ? 2 ** -element.bias : 1;
  if (step !== 1 && !scaleExactly(scales, step)) return false;
  const segments = segmentsOf(shape, grid);
  const spread = spreadToSegments(segments, grid, scales);
  return decodeUnder(spread, components.codes, segments, coding, out, source);
}

/** Multiplies all scales by a power of two in place; false when one of them has no room for that. */
function scaleExactly(scales: Float32Array, step: number): boolean {
  for (let i = 0; i < scales.length; i += 1) {
    const scaled = Math.fround(scales[i] * step);
    if (scaled / step !== scales[i] && !Number.isNaN(scaled)) return false;
    scales[i] = scaled;
  }
  return true;
}
