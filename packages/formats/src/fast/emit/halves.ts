/**
 * Emits the conversions between float32 and the two 16-bit floats, to nearest even, every bit pattern included: four
 * values at a time, of which up to three may lie past the end of both buffers.
 */
import { type FunctionBuilder, f32, i32, type Local, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { advance, float32Bits, splat32, type V128 } from './steps.js';

const INFINITY_BITS = 0x7f800000;

const params = { count: 'i32', from: 'i32', to: 'i32' } as const;

type Parameters = Readonly<Record<keyof typeof params, Local<'i32'>>>;

/** Walks float32 at `from` and 16-bit codes at `to`. */
function encoder(
  f: FunctionBuilder,
  { count, from, to }: Parameters,
  code: (size: Local<'v128'>) => V128,
  nan: (size: Local<'v128'>) => V128,
): void {
  const value = f.local('v128', 'value');
  const size = f.local('v128', 'size');
  const result = f.local('v128', 'result');
  f.while(op('i32.gt_s', count, i32(0)), () => {
    f.set(value, load('v128.load', from));
    f.set(size, op('v128.and', value, splat32(0x7fffffff)));
    const isNan = op('i32x4.gt_s', size, splat32(INFINITY_BITS));
    f.set(result, op('v128.bitselect', nan(size), code(size), isNan));
    const sign = op('v128.and', op('i32x4.shr_u', value, i32(16)), splat32(0x8000));
    f.set(result, op('v128.or', result, sign));
    f.storeLane('v128.store64_lane', 0, to, op('i16x8.narrow_i32x4_u', result, result));
    advance(f, from, 16);
    advance(f, to, 8);
    advance(f, count, -4);
  });
}

/** Walks 16-bit codes at `from`, zero-extended, and float32 at `to`. */
function decoder(
  f: FunctionBuilder,
  { count, from, to }: Parameters,
  value: (half: Local<'v128'>) => V128,
): void {
  const code = f.local('v128', 'code');
  f.while(op('i32.gt_s', count, i32(0)), () => {
    f.set(code, load('v128.load16x4_u', from));
    f.store('v128.store', to, value(code));
    advance(f, from, 8);
    advance(f, to, 16);
    advance(f, count, -4);
  });
}

/** A quiet NaN that keeps the top `mantissaBits` of the mantissa. */
function quietNan(size: V128, mantissaBits: number): V128 {
  const exponent = 0x7fff & ~(2 ** mantissaBits - 1);
  const top = op('v128.and', op('i32x4.shr_u', size, i32(23 - mantissaBits)), splat32(2 ** mantissaBits - 1));
  return op('v128.or', top, splat32(exponent + 2 ** (mantissaBits - 1)));
}

/** Adds `encodeFp16`, `decodeFp16`, `encodeBf16` and `decodeBf16`. */
export function emitHalves(module: ModuleBuilder): void {
  // What lies past 65504 is cut to 2^16, whose code, if it went on counting, is that of infinity. The power of two of
  // the rest, at least the smallest normal number, chooses where to round.
  module.procedure('encodeFp16', params, (f, p) => {
    const limited = f.local('v128', 'limited');
    const power = f.local('v128', 'power');
    const number = f.local('v128', 'number');
    const smallest = splat32(float32Bits(2 ** -14));
    const code = (size: V128): V128 => {
      const cut = op('i32x4.min_s', size, splat32(float32Bits(65536)));
      const exponent = op(
        'i32x4.max_s',
        op('v128.and', f.tee(limited, cut), splat32(INFINITY_BITS)),
        smallest,
      );
      const magic = f.tee(number, op('i32x4.add', f.tee(power, exponent), splat32((13 << 23) + 0x400000)));
      const steps = op('i32x4.sub', op('f32x4.add', magic, limited), number);
      return op('i32x4.add', steps, op('i32x4.shr_u', op('i32x4.sub', power, smallest), i32(13)));
    };
    encoder(f, p, code, (size) => quietNan(size, 10));
  });
  // Exponent and mantissa in place have a bias of 15 instead of 127, which the product with 2^112 corrects, for
  // subnormals as well. What is infinite or NaN gets an exponent of ones.
  module.procedure('decodeFp16', params, (f, p) => {
    const size = f.local('v128', 'size');
    decoder(f, p, (code) => {
      const placed = op('i32x4.shl', op('v128.and', code, splat32(0x7fff)), i32(13));
      const finite = op('f32x4.mul', f.tee(size, placed), op('f32x4.splat', f32(2 ** 112)));
      const special = op('v128.and', op('i32x4.gt_s', size, splat32(0x0f7fffff)), splat32(INFINITY_BITS));
      const sign = op('i32x4.shl', op('i32x4.shr_u', code, i32(15)), i32(31));
      return op('v128.or', op('v128.or', finite, special), sign);
    });
  });
  module.procedure('encodeBf16', params, (f, p) => {
    const code = (size: V128): V128 => {
      const odd = op('v128.and', op('i32x4.shr_u', size, i32(16)), splat32(1));
      return op('i32x4.shr_u', op('i32x4.add', size, op('i32x4.add', odd, splat32(0x7fff))), i32(16));
    };
    encoder(f, p, code, (size) => quietNan(size, 7));
  });
  module.procedure('decodeBf16', params, (f, p) => decoder(f, p, (code) => op('i32x4.shl', code, i32(16))));
}
