/** fp16 to float32 in vectors, for finite numbers of either sign: scales. */
import { f32x4, i32, i32x4, op } from '@bitloom/wasm';
import type { V128 } from './emit.js';

/**
 * Four fp16 patterns, sign-extended to 32 bits, to float32 times 2^−shift. Moving the bits up by 13 puts exponent and
 * mantissa in place with a bias of 15, under copies of the sign of which the mask leaves one; the product with 2^112
 * corrects the bias and makes subnormals exact as well.
 */
export function halfToFloat(bits: V128, shift = 0): V128 {
  const moved = op('v128.and', op('i32x4.shl', bits, i32(13)), i32x4(0x8fffffff));
  return op('f32x4.mul', moved, f32x4(2 ** (112 - shift)));
}
