/**
 * Emits `encode`: a matrix of float32 to a stream of codes, each block divided by its own float32 scale. The steps are
 * those of the definition in the same float32 operations, so the bits are the same: code = encode(fround(x / scale)),
 * to nearest even, saturating; codes of 0 under a scale of 0. Scales are not NaN and not negative, values finite.
 *
 * Codes are written 16 bytes at a time; what falls beyond a block is overwritten by the next one, so their buffer needs
 * 32 spare bytes.
 */
import { f32x4, i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { ELEMENT_KINDS } from '../parameters.js';
import { forBlocks, forTurns, PASS_PARAMETERS, parameter } from './loops.js';
import { pack, packing } from './pack.js';
import { advance, shiftLeft, splat32, sub, type V128 } from './steps.js';

/** 1.5 · 2^23: added to a float32 that is not too large, it leaves the nearest integer in the low bits. */
const INTEGER = 12582912;
const INFINITY_BITS = 0x7f800000;

/** Adds `encode` to `module`. */
export function emitEncode(module: ModuleBuilder): void {
  module.procedure('encode', PASS_PARAMETERS, (f, p) => {
    const packed = packing(f, p.bits, parameter('index'));
    const low = f.local('v128', 'low', parameter('low'));
    const high = f.local('v128', 'high', parameter('high'));
    const magic = f.local('v128', 'magic', parameter('magic'));
    const magnitude = f.local('v128', 'magnitude', splat32(0x7fffffff));
    const exponents = f.local('v128', 'exponents', splat32(INFINITY_BITS));
    const integer = f.local('v128', 'integer', f32x4(INTEGER));
    const scale = f.local('v128', 'scale');
    const signs = f.local('v128', 'signs');
    const value = f.local('v128', 'value');
    const size = f.local('v128', 'size');
    const power = f.local('v128', 'power');
    const number = f.local('v128', 'number');
    const bytes = f.local('v128', 'bytes');
    const signShift = f.local('i32', 'signShift', sub(32, p.bits));
    const turnBytes = f.local('i32', 'turnBytes', shiftLeft(p.bits, 1));

    forBlocks(f, p, p, true, (block) => {
      const quotient = (offset: number): V128 =>
        op('f32x4.div', load('v128.load', block.from, offset), scale);

      const integerCode = (offset: number): V128 =>
        op('i32x4.sub', op('f32x4.add', quotient(offset), integer), integer);

      // The power of two of a magnitude, at least that of the smallest normal number, chooses where to round. What
      // comes out counts steps from there; powers above the smallest add 2^mantissa codes each.
      const floatCode = (offset: number): V128 => {
        const limited = op('i32x4.min_s', op('v128.and', f.tee(value, quotient(offset)), magnitude), high);
        const exponent = op('i32x4.max_s', op('v128.and', f.tee(size, limited), exponents), low);
        const sum = op('f32x4.add', f.tee(number, op('i32x4.add', f.tee(power, exponent), magic)), size);
        const steps = op('i32x4.sub', sum, number);
        const unsigned = op('i32x4.add', steps, op('i32x4.shr_u', op('i32x4.sub', power, low), p.drop));
        return op('v128.or', unsigned, op('i32x4.shr_u', op('v128.and', value, signs), signShift));
      };

      const half = (code: (offset: number) => V128, first: number, second: number): V128 =>
        op('i16x8.narrow_i32x4_s', code(first), code(second));

      f.set(scale, load('v128.load32_splat', p.scales));
      advance(f, p.scales, 4);
      // A scale of 0 divides as infinity, and signs are forgotten.
      f.set(signs, op('f32x4.ne', scale, splat32(0)));
      f.set(scale, op('v128.or', scale, op('v128.andnot', exponents, signs)));
      f.set(signs, op('v128.andnot', signs, magnitude));
      forTurns(f, block, turnBytes, () => {
        f.if(
          op('i32.eq', p.elementKind, i32(ELEMENT_KINDS.int)),
          () => {
            const codes = op('i8x16.narrow_i16x8_s', half(integerCode, 0, 16), half(integerCode, 32, 48));
            f.set(bytes, op('i8x16.min_s', op('i8x16.max_s', codes, low), high));
          },
          () => f.set(bytes, op('i8x16.narrow_i16x8_u', half(floatCode, 0, 16), half(floatCode, 32, 48))),
        );
        f.if(
          op('i32.eq', p.bits, i32(4)),
          () => {
            f.set(bytes, op('v128.and', bytes, packed.mask));
            f.set(bytes, op('v128.or', bytes, op('i16x8.shr_u', bytes, i32(4))));
            f.set(bytes, op('v128.and', bytes, packed.lower[0]));
            f.set(bytes, op('i8x16.narrow_i16x8_u', bytes, bytes));
          },
          () => pack(f, bytes, packed),
        );
        f.store('v128.store', block.to, bytes);
      });
    });
  });
}
