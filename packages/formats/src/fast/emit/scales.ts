/**
 * Emits what leads to the scales of blocks: `largest` gives the largest magnitude of each block, `fp16Scales` and
 * `e8m0Scales` make scales of them by the common rules, four at a time. Other scales are made by the callers.
 */
import { f32x4, i32, lane, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { forBlocks, forTurns, parameter, TURN } from './loops.js';
import { advance, float32Bits, lanes32, splat32 } from './steps.js';

const EXPONENT = 0x7f800000;

/**
 * Adds `largest`: a float32 per block at `amax`, and the bits of the largest of all as the result. Infinity and NaN
 * count as larger than any number.
 */
export function emitLargest(module: ModuleBuilder): void {
  const params = { rows: 'i32', cols: 'i32', group: 'i32', values: 'i32', amax: 'i32' } as const;
  module.function('largest', params, 'i32', (f, p) => {
    const magnitude = f.local('v128', 'magnitude', splat32(0x7fffffff));
    const seen = f.local('v128', 'seen', splat32(0));
    const most = f.local('v128', 'most');
    // Magnitudes compare as their bits do.
    forBlocks(f, p, undefined, true, (block) => {
      f.set(most, splat32(0));
      forTurns(f, block, undefined, () => {
        for (const offset of TURN) {
          const values = op('v128.and', load('v128.load', block.from, offset), magnitude);
          f.set(most, op('i32x4.max_s', most, values));
        }
      });
      f.set(most, op('i32x4.max_s', most, shuffle(most, most, lanes32(2, 3, 0, 1))));
      f.set(most, op('i32x4.max_s', most, shuffle(most, most, lanes32(1, 0, 3, 2))));
      f.storeLane('v128.store32_lane', 0, p.amax, most);
      advance(f, p.amax, 4);
      f.set(seen, op('i32x4.max_s', seen, most));
    });
    return lane('i32x4.extract_lane', 0, seen);
  });
}

/**
 * Adds `fp16Scales`: each float32 at `values` becomes the float32 of the fp16 next to it over `divisor`, whose bits go
 * to `codes`. What is too large for fp16 gives other bits; callers look at the largest value first.
 *
 * The sum with 1.5 · 2^13 times its own power of two (of the smallest normal fp16 below that) rounds a quotient to the
 * 10 bits of fp16; the product with 2^−112 puts them where a shift finds exponent and mantissa.
 */
export function emitFp16Scales(module: ModuleBuilder): void {
  const params = { count: 'i32', values: 'i32', codes: 'i32' } as const;
  module.procedure('fp16Scales', params, (f, { count, values, codes }) => {
    const scale = f.local('v128', 'scale');
    const magic = f.local('v128', 'magic');
    f.while(op('i32.gt_s', count, i32(0)), () => {
      f.set(scale, op('f32x4.div', load('v128.load', values), parameter('divisor')));
      const smallest = splat32(float32Bits(2 ** -14));
      const power = op('i32x4.max_s', op('v128.and', scale, splat32(EXPONENT)), smallest);
      f.set(magic, op('i32x4.add', power, splat32((13 << 23) + 0x400000)));
      f.set(scale, op('f32x4.sub', op('f32x4.add', scale, magic), magic));
      f.store('v128.store', values, scale);
      f.set(scale, op('i32x4.shr_u', op('f32x4.mul', scale, f32x4(2 ** -112)), i32(13)));
      f.storeLane('v128.store64_lane', 0, codes, op('i16x8.narrow_i32x4_u', scale, scale));
      advance(f, values, 16);
      advance(f, codes, 8);
      advance(f, count, -4);
    });
  });
}

/**
 * Adds `e8m0Scales`: each float32 at `values` becomes the power of two that the rule chooses, times `step`; its code
 * goes to `codes`. Quotients up to 2^−127, zero among them, have code 0, whatever the rule rounds.
 */
export function emitE8m0Scales(module: ModuleBuilder): void {
  const params = { count: 'i32', values: 'i32', codes: 'i32' } as const;
  module.procedure('e8m0Scales', params, (f, { count, values, codes }) => {
    const scale = f.local('v128', 'scale');
    f.while(op('i32.gt_s', count, i32(0)), () => {
      f.set(scale, op('f32x4.div', load('v128.load', values), parameter('divisor')));
      const counts = op('i32x4.gt_s', scale, splat32(0x400000));
      const exponent = op('i32x4.shr_u', op('i32x4.add', scale, parameter('addend')), i32(23));
      const code = op('i32x4.min_s', op('i32x4.sub', exponent, parameter('offset')), splat32(254));
      f.set(scale, op('v128.and', op('i32x4.max_s', code, splat32(0)), counts));
      const power = op('i32x4.max_s', op('i32x4.shl', scale, i32(23)), splat32(0x400000));
      f.store('v128.store', values, op('f32x4.mul', power, parameter('step')));
      f.set(scale, op('i16x8.narrow_i32x4_u', scale, scale));
      f.storeLane('v128.store32_lane', 0, codes, op('i8x16.narrow_i16x8_u', scale, scale));
      advance(f, values, 16);
      advance(f, codes, 4);
      advance(f, count, -4);
    });
  });
}
