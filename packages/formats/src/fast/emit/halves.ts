/** Emits `decodeHalves`: fp16 to float32, all of them exactly, infinities and NaNs (quietness and top bits) included. */
import { f32x4, i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { advance, splat32 } from './steps.js';

/**
 * Adds `decodeHalves`: `count` fp16 at `codes` to float32 at `values`, four at a time; up to three more are written.
 * Exponent and mantissa in place have a bias of 15 instead of 127, which the product with 2^112 corrects, for
 * subnormals as well. What is infinite or NaN gets an exponent of ones.
 */
export function emitDecodeHalves(module: ModuleBuilder): void {
  const params = { count: 'i32', codes: 'i32', values: 'i32' } as const;
  module.procedure('decodeHalves', params, (f, { count, codes, values }) => {
    const code = f.local('v128', 'code');
    const size = f.local('v128', 'size');
    f.while(op('i32.gt_s', count, i32(0)), () => {
      f.set(code, load('v128.load16x4_u', codes));
      f.set(size, op('i32x4.shl', op('v128.and', code, splat32(0x7fff)), i32(13)));
      const special = op('v128.and', op('i32x4.gt_s', size, splat32(0x0f7fffff)), splat32(0x7f800000));
      const sign = op('i32x4.shl', op('i32x4.shr_u', code, i32(15)), i32(31));
      const finite = op('f32x4.mul', size, f32x4(2 ** 112));
      f.store('v128.store', values, op('v128.or', op('v128.or', finite, special), sign));
      advance(f, codes, 8);
      advance(f, values, 16);
      advance(f, count, -4);
    });
  });
}
