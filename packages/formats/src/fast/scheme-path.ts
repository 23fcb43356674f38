/** The fast ways of `quantize` and `dequantize`, in the order in which they are tried. */
import type { TensorScheme } from '@bitloom/ir';
import type { Tensor } from '../tensor.js';
import { quantizeLevels } from './quantize-levels.js';
import { quantizeRows } from './quantize-rows.js';
import { type EncodeSource, sharedEncodeSource } from './simd-module.js';

export { dequantizeFast } from './dequantize-fast.js';

/**
 * The components of a tensor under a scheme of the layout `canonical`, or undefined: ask `quantizeScaled`.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `scheme-invalid`, `scheme-rule-unknown`, `scheme-rank`, `scheme-nesting` as `quantizeScaled`
 */
export function quantizeFast(
  tensor: Tensor,
  scheme: TensorScheme,
  source: EncodeSource = sharedEncodeSource,
): Readonly<Record<string, Uint8Array>> | undefined {
  return quantizeRows(tensor, scheme, source) ?? quantizeLevels(tensor, scheme, source);
}
