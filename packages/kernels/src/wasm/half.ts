/** fp16 to float32 in vectors, for scales: finite and not negative. */
import { f32x4, i32, op } from '@bitloom/wasm';
import type { V128 } from './emit.js';

/**
 * Four fp16 patterns, zero-extended to 32 bits, to float32 times 2^−shift. Moving the bits up by 13 puts exponent and
 * mantissa in place with a bias of 15; the product with 2^112 corrects the bias and makes subnormals exact as well.
 */
export function halfToFloat(bits: V128, shift = 0): V128 {
  return op('f32x4.mul', op('i32x4.shl', bits, i32(13)), f32x4(2 ** (112 - shift)));
}
