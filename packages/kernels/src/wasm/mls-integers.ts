/**
 * Emits `mlsIntegers`: codes of MLS elements to the integers that the product takes. The scales of groups stay what they
 * are (see integer-products-mls.ts).
 */
import { i32, load, type ModuleBuilder, op, v128 } from '@bitloom/wasm';
import { add, advance, atLeast, sub, type V128 } from './emit.js';

/** Adds mlsIntegers(exponentBits, mantissaBits, rows, cols, src, srcR, dst, dstR), 16 codes at a time. */
export function emitMlsIntegers(module: ModuleBuilder): void {
  const params = {
    exponentBits: 'i32',
    mantissaBits: 'i32',
    rows: 'i32',
    cols: 'i32',
    src: 'i32',
    srcR: 'i32',
    dst: 'i32',
    dstR: 'i32',
  } as const;
  module.procedure('mlsIntegers', params, (f, p) => {
    const hidden = f.local('i32', 'hidden', op('i32.shl', i32(1), p.mantissaBits));
    const width = add(p.exponentBits, p.mantissaBits);
    const signBit = f.local('v128', 'signBit', op('i8x16.splat', op('i32.shl', i32(1), width)));
    const mantissaMask = f.local('v128', 'mantissaMask', op('i8x16.splat', sub(hidden, 1)));
    const hiddenBit = f.local('v128', 'hiddenBit', op('i8x16.splat', hidden));
    const exponentMask = f.local(
      'v128',
      'exponentMask',
      op('i8x16.splat', sub(op('i32.shl', i32(1), p.exponentBits), 1)),
    );
    const code = f.local('v128', 'code');
    const exponent = f.local('v128', 'exponent');
    const value = f.local('v128', 'value');
    const at = f.local('i32', 'at');
    const left = f.local('i32', 'left');
    const bytes = (n: number): V128 => v128(new Uint8Array(16).fill(n));
    const convert = (): V128 => {
      f.set(exponent, op('v128.and', op('i8x16.shr_u', code, p.mantissaBits), exponentMask));
      const normal = op('v128.and', hiddenBit, op('i8x16.gt_u', exponent, bytes(0)));
      f.set(value, op('v128.or', op('v128.and', code, mantissaMask), normal));
      // W ≤ 7 leaves exponents up to 7; each above 1 doubles.
      for (let e = 1; e < 7; e += 1) {
        const doubled = op('v128.and', value, op('i8x16.gt_u', exponent, bytes(e)));
        f.set(value, op('i8x16.add', value, doubled));
      }
      const negative = op('i8x16.eq', op('v128.and', code, signBit), signBit);
      f.set(exponent, negative);
      return op('i8x16.sub', op('v128.xor', value, exponent), exponent);
    };
    f.while(op('i32.gt_s', p.rows, i32(0)), () => {
      f.set(at, i32(0));
      f.set(left, p.cols);
      f.while(atLeast(left, 16), () => {
        f.set(code, load('v128.load', add(p.src, at)));
        f.set(value, convert());
        f.store('v128.store', add(p.dst, at), value);
        advance(f, at, 16);
        advance(f, left, -16);
      });
      f.while(op('i32.gt_s', left, i32(0)), () => {
        f.set(code, load('v128.load8_splat', add(p.src, at)));
        f.set(value, convert());
        f.storeLane('v128.store8_lane', 0, add(p.dst, at), value);
        advance(f, at, 1);
        advance(f, left, -1);
      });
      advance(f, p.src, p.srcR);
      advance(f, p.dst, p.dstR);
      advance(f, p.rows, -1);
    });
  });
}
