/**
 * `quantizeScaled` and `dequantizeScaled` at the speed of memory, for the schemes that the block functions serve:
 * integers of 2 to 8 bits and floats of up to 8 bits under one scale of fp16, fp32 or e8m0 per group or row, rounded
 * to nearest even. Same bytes, same values. For everything else, and for whatever the definition refuses or decides by
 * a policy, the answer is that it was not done.
 */
import type { TensorScheme } from '@bitloom/ir';
import { elementsOf, type QuantizedTensor, type Tensor } from '../tensor.js';
import { decodeBlocks, encodeBlocks } from './block-codes.js';
import { type SchemeCoding, schemeCoding, typeCoding } from './scheme-coding.js';
import {
  type DecodeSource,
  type EncodeSource,
  sharedDecodeSource,
  sharedEncodeSource,
} from './simd-module.js';

/**
 * The components of a tensor under a scheme, or undefined: ask `quantizeScaled`.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 */
export function quantizeFast(
  { data, shape }: Tensor,
  scheme: TensorScheme,
  source: EncodeSource = sharedEncodeSource,
): Readonly<Record<'codes' | 'scales', Uint8Array>> | undefined {
  if (data.length !== elementsOf(shape)) return undefined;
  const coding = schemeCoding(scheme, shape);
  if (coding === undefined) return undefined;
  const size = sizes(coding);
  const out = { codes: new Uint8Array(size.codes), scales: new Uint8Array(size.scales) };
  return encodeBlocks(data, coding.shape, coding.element, coding.scale, out, source) ? out : undefined;
}

/**
 * Writes the values of a tensor to `out`, or returns false: ask `dequantizeScaled`.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 */
export function dequantizeFast(
  { type, components }: QuantizedTensor,
  out: Float32Array,
  source: DecodeSource = sharedDecodeSource,
): boolean {
  const coding = typeCoding(type);
  if (coding === undefined) return false;
  const { codes, scales } = components;
  const size = sizes(coding);
  if (codes?.length !== size.codes || scales?.length !== size.scales) return false;
  if (out.length !== elementsOf(type.shape)) return false;
  return decodeBlocks({ codes, scales }, coding.shape, coding.element, coding.scale, out, source);
}

function sizes({ element, scale, shape: { rows, cols, group } }: SchemeCoding): {
  codes: number;
  scales: number;
} {
  return {
    codes: rows * Math.ceil((cols * element.bits) / 8),
    scales: rows * Math.ceil(cols / group) * scale.bytes,
  };
}
