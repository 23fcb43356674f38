/**
 * Emits `decode`: a stream of codes to a matrix of float32, each block multiplied by its own float32 scale:
 * value = fround(element · scale).
 *
 * Values are written 16 at a time; what falls beyond a block is overwritten by the next one. Codes are read 16 bytes at
 * a time, so their buffer needs 16 readable bytes past its end.
 */
import { i32, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { ELEMENT_KINDS } from '../parameters.js';
import { forBlocks, forTurns, PASS_PARAMETERS, parameter, TURN } from './loops.js';
import { packing, unpack } from './pack.js';
import { advance, lanes16, shiftLeft, splat32, sub, type V128 } from './steps.js';

/** Interleaves 16-bit lanes of two vectors: from their lower halves, from their upper halves. */
const LOW_HALVES = lanes16(0, 8, 1, 9, 2, 10, 3, 11);
const HIGH_HALVES = lanes16(4, 12, 5, 13, 6, 14, 7, 15);
/** The same for bytes. */
const LOW_BYTES = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
const HIGH_BYTES = LOW_BYTES.map((index) => index + 8);

/** Sixteen bytes to four vectors of 32-bit integers. */
function widen(bytes: V128, sign: 's' | 'u'): V128[] {
  const halves = [op(`i16x8.extend_low_i8x16_${sign}`, bytes), op(`i16x8.extend_high_i8x16_${sign}`, bytes)];
  return halves.flatMap((half) => [
    op(`i32x4.extend_low_i16x8_${sign}`, half),
    op(`i32x4.extend_high_i16x8_${sign}`, half),
  ]);
}

/** Adds `decode` to `module`. */
export function emitDecode(module: ModuleBuilder): void {
  module.procedure('decode', PASS_PARAMETERS, (f, p) => {
    const packed = packing(f, p.bits, parameter('index'));
    const low = f.local('v128', 'low', parameter('low'));
    const high = f.local('v128', 'high', parameter('high'));
    const scale = f.local('v128', 'scale');
    const bytes = f.local('v128', 'bytes');
    const tops = f.local('v128', 'tops');
    const turnBytes = f.local('i32', 'turnBytes', shiftLeft(p.bits, 1));
    const sign = f.local('v128', 'sign', op('i8x16.splat', shiftLeft(i32(1), sub(p.bits, 1))));
    const signs = f.local('v128', 'signs', op('i32x4.shl', splat32(1), sub(p.bits, 1)));
    const signShift = f.local('i32', 'signShift', sub(32, p.bits));
    // The first code of a normal number, and the power of two there.
    const normal = f.local('v128', 'normal', op('i32x4.shl', splat32(1), sub(23, p.drop)));
    const hidden = f.local('v128', 'hidden', op('i32x4.add', low, splat32(1 << 23)));
    const code = f.local('v128', 'code');
    const size = f.local('v128', 'size');
    const small = f.local('v128', 'small');

    forBlocks(f, p, p, false, (block) => {
      const store = (values: readonly V128[]): void => {
        values.forEach((value, i) => {
          f.store('v128.store', block.from, op('f32x4.mul', value, scale), TURN[i]);
        });
      };

      // Mantissa and exponent in place, the exponent corrected by the difference of the biases. Below the normal
      // numbers one power of two is added that the subtraction of its value takes away again, which leaves the
      // mantissa alone. Codes past the finite numbers have an exponent of ones.
      const floatValue = (codes: V128): V128 => {
        const magnitude = op('v128.andnot', f.tee(code, codes), signs);
        const isSmall = op('i32x4.lt_s', f.tee(size, magnitude), normal);
        const extra = op('v128.and', f.tee(small, isSmall), splat32(1 << 23));
        // `extra` first: it sets `size`.
        const biased = op('i32x4.add', extra, op('i32x4.add', op('i32x4.shl', size, p.drop), low));
        const finite = op('f32x4.sub', biased, op('v128.and', small, hidden));
        const special = op('v128.and', op('i32x4.gt_s', size, high), splat32(0x7f800000));
        const negative = op('i32x4.shl', op('v128.and', code, signs), signShift);
        return op('v128.or', op('v128.or', finite, special), negative);
      };

      f.set(scale, load('v128.load32_splat', p.scales));
      advance(f, p.scales, 4);
      forTurns(f, block, turnBytes, () => {
        f.if(
          op('i32.eq', p.bits, i32(4)),
          () => {
            f.set(bytes, load('v128.load64_zero', block.to));
            const upper = op('i16x8.shr_u', bytes, i32(4));
            f.set(bytes, op('v128.and', shuffle(bytes, upper, LOW_BYTES), packed.mask));
          },
          () => {
            f.set(bytes, load('v128.load', block.to));
            unpack(f, bytes, packed);
          },
        );
        f.if(
          op('i32.eq', p.elementKind, i32(ELEMENT_KINDS.int)),
          () => {
            f.set(bytes, op('i8x16.sub', op('v128.xor', bytes, sign), sign));
            store(widen(bytes, 's').map((integers) => op('f32x4.convert_i32x4_s', integers)));
          },
          () =>
            f.if(
              op('i32.eq', p.elementKind, i32(ELEMENT_KINDS.nibbles)),
              () => {
                f.set(tops, op('i8x16.swizzle', high, bytes));
                f.set(bytes, op('i8x16.swizzle', low, bytes));
                const halves = [shuffle(bytes, tops, LOW_BYTES), shuffle(bytes, tops, HIGH_BYTES)];
                store(
                  halves.flatMap((half) => [
                    shuffle(splat32(0), half, LOW_HALVES),
                    shuffle(splat32(0), half, HIGH_HALVES),
                  ]),
                );
              },
              () => store(widen(bytes, 'u').map(floatValue)),
            ),
        );
      });
    });
  });
}
