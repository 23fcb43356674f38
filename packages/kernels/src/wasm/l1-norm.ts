/** Emits L1 normalisation: `l1Norm` in float32, and `l1NormInt8` on bytes in 16-bit fixed point. */
import {
  type FunctionBuilder,
  f32,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  select,
  shuffle,
  v128,
} from '@bitloom/wasm';
import {
  add,
  advance,
  atLeast,
  countDown,
  type F32,
  forRows,
  type I32,
  lanes32,
  mul,
  sub,
  type V128,
} from './emit.js';
import { emitCentredNorm } from './norms.js';

const LOWEST_CODE = v128(new Uint8Array(16).fill(-127));

/** Σ of four int32 lanes. */
function sumLanes(f: FunctionBuilder, value: Local<'v128'>): I32 {
  f.set(value, op('i32x4.add', value, shuffle(value, value, lanes32(2, 3, 0, 1))));
  return add(lane('i32x4.extract_lane', 0, value), lane('i32x4.extract_lane', 1, value));
}

/** Four int32 sums of sixteen signed bytes. */
const sumBytes = (bytes: V128): V128 =>
  op('i32x4.extadd_pairwise_i16x8_s', op('i16x8.extadd_pairwise_i8x16_s', bytes));

interface Locals {
  readonly at: Local<'i32'>;
  readonly count: Local<'i32'>;
  readonly byte: Local<'i32'>;
  readonly x: Local<'v128'>;
  readonly sums: Local<'v128'>;
}

/** Visits a row of bytes: sixteen at a time in `x`, then one at a time in `byte`. */
function walkBytes(
  f: FunctionBuilder,
  { at, count, byte, x }: Locals,
  src: I32,
  cols: I32,
  full: () => void,
  one: () => void,
): void {
  f.set(at, src);
  f.set(count, cols);
  f.while(atLeast(count, 16), () => {
    f.set(x, load('v128.load', at));
    full();
    advance(f, at, 16);
    advance(f, count, -16);
  });
  countDown(f, count, () => {
    f.set(byte, load('i32.load8_s', at));
    one();
    advance(f, at, 1);
  });
}

function emitL1NormInt8(module: ModuleBuilder): void {
  const params = {
    rows: 'i32',
    cols: 'i32',
    src: 'i32',
    srcR: 'i32',
    weight: 'i32',
    bias: 'i32',
    gain: 'f32',
    dst: 'i32',
    dstR: 'i32',
  } as const;
  module.procedure('l1NormInt8', params, (f, p) => {
    const int = (name: string): Local<'i32'> => f.local('i32', name);
    const vector = (name: string): Local<'v128'> => f.local('v128', name);
    const locals = {
      at: int('at'),
      count: int('count'),
      byte: int('byte'),
      x: vector('x'),
      sums: vector('sums'),
    };
    const { byte, x, sums } = locals;
    const [sum, above, number, mean, k, m, shift, round] = [
      'sum',
      'above',
      'number',
      'mean',
      'k',
      'm',
      'shift',
      'round',
    ].map(int);
    const [w, b, to, v] = ['w', 'b', 'to', 'v'].map(int);
    const [mean8, m8, round8, threshold, mask, low, high] = [
      'mean8',
      'm8',
      'round8',
      'threshold',
      'mask',
      'low',
      'high',
    ].map(vector);
    const r = f.local('f32', 'r');
    const clamp = (value: Local<'i32'>, least: number, most: number): void => {
      f.set(value, select(value, i32(least), op('i32.gt_s', value, i32(least))));
      f.set(value, select(value, i32(most), op('i32.lt_s', value, i32(most))));
    };
    const operands = [
      { ptr: p.src, batch: i32(0), row: p.srcR },
      { ptr: p.dst, batch: i32(0), row: p.dstR },
    ];
    f.if(op('i32.gt_s', p.cols, i32(0)), () => {
      forRows(f, f.local('i32', 'batch', i32(1)), p.rows, operands, ([src, dst]) => {
        f.set(sum, i32(0));
        f.set(sums, i32x4(0));
        walkBytes(
          f,
          locals,
          src,
          p.cols,
          () => f.set(sums, op('i32x4.add', sums, sumBytes(x))),
          () => f.set(sum, add(sum, byte)),
        );
        f.set(sum, add(sum, sumLanes(f, sums)));

        // floor((256·S + n) / (2·n)): division truncates, so a negative rest takes one off.
        const dividend = add(mul(sum, 256), p.cols);
        f.set(mean, op('i32.div_s', dividend, mul(p.cols, 2)));
        f.set(mean, sub(mean, op('i32.lt_s', op('i32.rem_s', dividend, mul(p.cols, 2)), i32(0))));

        // A = Σ|128·x − μ| from the sum and the number of the bytes above floor(μ/128).
        f.set(threshold, op('i8x16.splat', op('i32.shr_s', mean, i32(7))));
        f.set(above, i32(0));
        f.set(number, i32(0));
        f.set(sums, i32x4(0));
        walkBytes(
          f,
          locals,
          src,
          p.cols,
          () => {
            f.set(mask, op('i8x16.gt_s', x, threshold));
            f.set(sums, op('i32x4.add', sums, sumBytes(op('v128.and', x, mask))));
            f.set(number, add(number, op('i32.popcnt', op('i8x16.bitmask', mask))));
          },
          () => {
            f.if(op('i32.gt_s', byte, op('i32.shr_s', mean, i32(7))), () => {
              f.set(above, add(above, byte));
              f.set(number, add(number, i32(1)));
            });
          },
        );
        f.set(above, add(above, sumLanes(f, sums)));
        const difference = sub(mul(above, 2), sum);
        const excess = sub(mul(number, 2), p.cols);
        f.set(v, sub(mul(difference, 128), op('i32.mul', mean, excess)));

        f.set(r, f32(0));
        f.if(v, () => {
          const scaled = op('f32.mul', op('f32.convert_i32_s', p.cols), p.gain);
          f.set(r, op('f32.div', scaled, op('f32.convert_i32_s', v)));
        });
        f.set(k, i32(8));
        const power = (bits: I32): F32 => op('f32.reinterpret_i32', op('i32.shl', add(bits, 127), i32(23)));
        f.while(
          op('i32.and', op('i32.gt_s', k, i32(1)), op('f32.ge', op('f32.mul', r, power(k)), f32(1))),
          () => advance(f, k, -1),
        );
        f.set(low, op('f32x4.splat', op('f32.nearest', op('f32.mul', r, power(add(k, 15))))));
        f.set(m, lane('i32x4.extract_lane', 0, op('i32x4.trunc_sat_f32x4_s', low)));
        f.set(m, select(m, i32(32767), op('i32.lt_s', m, i32(32767))));
        f.set(shift, select(sub(k, 1), k, p.weight));
        f.set(round, op('i32.shr_u', op('i32.shl', i32(1), shift), i32(1)));

        f.set(mean8, op('i16x8.splat', mean));
        f.set(m8, op('i16x8.splat', m));
        f.set(round8, op('i16x8.splat', round));
        f.set(w, p.weight);
        f.set(b, p.bias);
        f.set(to, dst);
        const finish = (half: Local<'v128'>, offset: number): void => {
          f.set(half, op('i16x8.q15mulr_sat_s', op('i16x8.sub', op('i16x8.shl', half, i32(7)), mean8), m8));
          f.if(p.weight, () => f.set(half, op('i16x8.q15mulr_sat_s', half, load('v128.load', w, offset))));
          f.set(half, op('i16x8.shr_s', op('i16x8.add_sat_s', half, round8), shift));
        };
        walkBytes(
          f,
          locals,
          src,
          p.cols,
          () => {
            f.set(low, op('i16x8.extend_low_i8x16_s', x));
            f.set(high, op('i16x8.extend_high_i8x16_s', x));
            finish(low, 0);
            finish(high, 16);
            f.set(x, op('i8x16.narrow_i16x8_s', low, high));
            f.if(p.bias, () => f.set(x, op('i8x16.add_sat_s', x, load('v128.load', b))));
            f.store('v128.store', to, op('i8x16.max_s', x, LOWEST_CODE));
            advance(f, to, 16);
            advance(f, w, 32);
            advance(f, b, 16);
          },
          () => {
            const q15 = (value: I32, factor: I32): I32 =>
              op('i32.shr_s', add(op('i32.mul', value, factor), 1 << 14), i32(15));
            f.set(v, q15(sub(mul(byte, 128), mean), m));
            f.if(p.weight, () => {
              f.set(v, q15(v, load('i32.load16_s', w)));
              clamp(v, -32768, 32767);
            });
            f.set(v, add(v, round));
            clamp(v, -32768, 32767);
            f.set(v, op('i32.shr_s', v, shift));
            clamp(v, -128, 127);
            f.if(p.bias, () => f.set(v, add(v, load('i32.load8_s', b))));
            clamp(v, -127, 127);
            f.store('i32.store8', to, v);
            advance(f, to, 1);
            advance(f, w, 2);
            advance(f, b, 1);
          },
        );
      });
    });
  });
}

/** Adds both kernels to `module`. */
export function emitL1Norms(module: ModuleBuilder): void {
  emitCentredNorm(module, 'l1Norm', {
    term: (centred) => op('f32x4.abs', centred),
    factor: (sum, cols, eps) =>
      op('f32.div', f32(1), op('f32.add', op('f32.div', sum, op('f32.convert_i32_s', cols)), eps)),
  });
  emitL1NormInt8(module);
}
