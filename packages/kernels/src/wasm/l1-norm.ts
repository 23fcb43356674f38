/**
 * Emits L1 normalisation: `l1Norm` in float32, and `l1NormInt8` on bytes in 16-bit fixed point. Three walks over a row:
 * its sum; the sum and number of the bytes above the mean, from which the absolute deviations follow; the codes. The
 * last is emitted once for each choice of weight and bias, because a branch in so small a loop costs as much as its work.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
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
  type ValueType,
  v128,
} from '@bitloom/wasm';
import type { Features } from '../features.js';
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

type Procedure = FunctionReference<readonly ValueType[], undefined>;

const LOWEST_CODE = v128(new Uint8Array(16).fill(-127));

/** Σ of four int32 lanes. */
function sumLanes(f: FunctionBuilder, value: Local<'v128'>): I32 {
  f.set(value, op('i32x4.add', value, shuffle(value, value, lanes32(2, 3, 0, 1))));
  return add(lane('i32x4.extract_lane', 0, value), lane('i32x4.extract_lane', 1, value));
}

/** Four int32 sums of the signed bytes of a few vectors; eight pair sums of bytes stay in 16 bits. */
function sumBytes(vectors: readonly V128[]): V128 {
  const pairs = vectors.map((bytes) => op('i16x8.extadd_pairwise_i8x16_s', bytes));
  return op(
    'i32x4.extadd_pairwise_i16x8_s',
    pairs.reduce((a, b) => op('i16x8.add', a, b)),
  );
}

interface Walk {
  readonly at: Local<'i32'>;
  readonly count: Local<'i32'>;
  readonly byte: Local<'i32'>;
}

/** Visits a row of bytes at `at`: vectors at the given offsets, then the last bytes one at a time. */
function walkBytes(
  f: FunctionBuilder,
  { at, count, byte }: Walk,
  vectors: (offsets: readonly number[]) => void,
  one: () => void,
): void {
  for (const offsets of [[0, 16, 32, 48], [0]]) {
    const bytes = offsets.length * 16;
    f.while(atLeast(count, bytes), () => {
      vectors(offsets);
      advance(f, at, bytes);
      advance(f, count, -bytes);
    });
  }
  countDown(f, count, () => {
    f.set(byte, load('i32.load8_s', at));
    one();
    advance(f, at, 1);
  });
}

const walkParams = { at: 'i32', count: 'i32' } as const;

/** sumRow(at, count) = Σ x. */
function emitSum(module: ModuleBuilder): FunctionReference<readonly ValueType[], 'i32'> {
  return module.function(
    'l1Sum',
    walkParams,
    'i32',
    (f, p) => {
      const walk = { ...p, byte: f.local('i32', 'byte') };
      const sum = f.local('i32', 'sum', i32(0));
      const sums = f.local('v128', 'sums', i32x4(0));
      walkBytes(
        f,
        walk,
        (offsets) =>
          f.set(
            sums,
            op('i32x4.add', sums, sumBytes(offsets.map((offset) => load('v128.load', p.at, offset)))),
          ),
        () => f.set(sum, add(sum, walk.byte)),
      );
      return add(sum, sumLanes(f, sums));
    },
    { export: false },
  );
}

/** deviation(at, count, mean, sum) = Σ|128·x − mean| from the sum and the number of the bytes above floor(mean/128). */
function emitDeviation(module: ModuleBuilder): FunctionReference<readonly ValueType[], 'i32'> {
  const params = { ...walkParams, mean: 'i32', sum: 'i32' } as const;
  return module.function(
    'l1Deviation',
    params,
    'i32',
    (f, p) => {
      const walk = { at: p.at, count: p.count, byte: f.local('i32', 'byte') };
      const cols = f.local('i32', 'cols', p.count);
      const floor = f.local('i32', 'floor', op('i32.shr_s', p.mean, i32(7)));
      const threshold = f.local('v128', 'threshold', op('i8x16.splat', floor));
      const x = [0, 1, 2, 3].map((i) => f.local('v128', `x${i}`));
      const mask = f.local('v128', 'mask');
      const sums = f.local('v128', 'sums', i32x4(0));
      const above = f.local('i32', 'above', i32(0));
      const number = f.local('i32', 'number', i32(0));
      walkBytes(
        f,
        walk,
        (offsets) => {
          for (const [i, offset] of offsets.entries()) {
            f.set(x[i], load('v128.load', p.at, offset));
            f.set(mask, op('i8x16.gt_s', x[i], threshold));
            f.set(x[i], op('v128.and', x[i], mask));
            f.set(number, add(number, op('i32.popcnt', op('i8x16.bitmask', mask))));
          }
          f.set(sums, op('i32x4.add', sums, sumBytes(offsets.map((_, i) => x[i]))));
        },
        () =>
          f.if(op('i32.gt_s', walk.byte, floor), () => {
            f.set(above, add(above, walk.byte));
            advance(f, number, 1);
          }),
      );
      f.set(above, add(above, sumLanes(f, sums)));
      // Wraps on the way, but the result fits.
      const difference = sub(mul(above, 2), p.sum);
      const excess = sub(mul(number, 2), cols);
      return sub(mul(difference, 128), op('i32.mul', p.mean, excess));
    },
    { export: false },
  );
}

/** codes(at, count, mean, m, shift, weight, bias, dst) for one choice of weight and bias. */
function emitCodes(module: ModuleBuilder, features: Features, weighted: boolean, biased: boolean): Procedure {
  const params = {
    ...walkParams,
    mean: 'i32',
    m: 'i32',
    shift: 'i32',
    weight: 'i32',
    bias: 'i32',
    dst: 'i32',
  } as const;
  // They differ for −32768 · −32768 alone, and neither m nor a shifted code is ever −32768.
  const q15mulr = features.relaxedSimd ? 'i16x8.relaxed_q15mulr_s' : 'i16x8.q15mulr_sat_s';
  const name = `l1Codes${weighted ? 'Weight' : ''}${biased ? 'Bias' : ''}`;
  return module.procedure(
    name,
    params,
    (f, p) => {
      const walk = { at: p.at, count: p.count, byte: f.local('i32', 'byte') };
      const v = f.local('i32', 'v');
      const x = f.local('v128', 'x');
      const mean = f.local('v128', 'mean8', op('i16x8.splat', p.mean));
      const m = f.local('v128', 'm8', op('i16x8.splat', p.m));
      // A shift right with rounding is a rounding product with a power of two.
      const power = f.local('i32', 'power', op('i32.shl', i32(1), sub(i32(15), p.shift)));
      const power8 = f.local('v128', 'power8', op('i16x8.splat', power));
      const [low, high] = ['low', 'high'].map((half) => f.local('v128', half));
      const clamp = (least: number, most: number): void => {
        f.set(v, select(v, i32(least), op('i32.gt_s', v, i32(least))));
        f.set(v, select(v, i32(most), op('i32.lt_s', v, i32(most))));
      };
      const finish = (half: Local<'v128'>, offset: number): void => {
        f.set(half, op(q15mulr, op('i16x8.sub', op('i16x8.shl', half, i32(7)), mean), m));
        if (weighted) f.set(half, op(q15mulr, half, load('v128.load', p.weight, offset)));
        f.set(half, op(q15mulr, half, power8));
      };
      const move = (codes: number): void => {
        advance(f, p.dst, codes);
        if (weighted) advance(f, p.weight, 2 * codes);
        if (biased) advance(f, p.bias, codes);
      };
      walkBytes(
        f,
        walk,
        (offsets) => {
          for (const offset of offsets) {
            f.set(x, load('v128.load', p.at, offset));
            f.set(low, op('i16x8.extend_low_i8x16_s', x));
            f.set(high, op('i16x8.extend_high_i8x16_s', x));
            finish(low, offset * 2);
            finish(high, offset * 2 + 16);
            f.set(x, op('i8x16.narrow_i16x8_s', low, high));
            if (biased) f.set(x, op('i8x16.add_sat_s', x, load('v128.load', p.bias, offset)));
            f.store('v128.store', p.dst, op('i8x16.max_s', x, LOWEST_CODE), offset);
          }
          move(offsets.length * 16);
        },
        () => {
          const product = (value: I32, factor: I32): void =>
            f.set(v, op('i32.shr_s', add(op('i32.mul', value, factor), 1 << 14), i32(15)));
          product(sub(mul(walk.byte, 128), p.mean), p.m);
          if (weighted) product(v, load('i32.load16_s', p.weight));
          product(v, power);
          clamp(-128, 127);
          if (biased) f.set(v, add(v, load('i32.load8_s', p.bias)));
          clamp(-127, 127);
          f.store('i32.store8', p.dst, v);
          move(1);
        },
      );
    },
    { export: false },
  );
}

function emitL1NormInt8(module: ModuleBuilder, features: Features): void {
  const sumRow = emitSum(module);
  const deviationOf = emitDeviation(module);
  const [[plain, biased], [weighted, both]] = [false, true].map((withWeight) =>
    [false, true].map((withBias) => emitCodes(module, features, withWeight, withBias)),
  );
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
    const [sum, mean, deviation, k, m] = ['sum', 'mean', 'deviation', 'k', 'm'].map((name) =>
      f.local('i32', name),
    );
    const r = f.local('f32', 'r');
    const splat = f.local('v128', 'splat');
    const power = (bits: I32): F32 => op('f32.reinterpret_i32', op('i32.shl', add(bits, 127), i32(23)));
    const operands = [
      { ptr: p.src, batch: i32(0), row: p.srcR },
      { ptr: p.dst, batch: i32(0), row: p.dstR },
    ];
    f.if(op('i32.gt_s', p.cols, i32(0)), () => {
      forRows(f, f.local('i32', 'batch', i32(1)), p.rows, operands, ([src, dst]) => {
        f.set(sum, f.result(sumRow, src, p.cols));
        // floor((256·S + n) / (2·n)): division truncates, so a negative rest takes one off.
        const dividend = add(mul(sum, 256), p.cols);
        f.set(mean, op('i32.div_s', dividend, mul(p.cols, 2)));
        f.set(mean, sub(mean, op('i32.lt_s', op('i32.rem_s', dividend, mul(p.cols, 2)), i32(0))));
        f.set(deviation, f.result(deviationOf, src, p.cols, mean, sum));

        f.set(r, f32(0));
        f.if(deviation, () => {
          const scaled = op('f32.mul', op('f32.convert_i32_s', p.cols), p.gain);
          f.set(r, op('f32.div', scaled, op('f32.convert_i32_s', deviation)));
        });
        f.set(k, i32(8));
        const tooLarge = op('f32.ge', op('f32.mul', r, power(k)), f32(1));
        f.while(op('i32.and', op('i32.gt_s', k, i32(2)), tooLarge), () => advance(f, k, -1));
        f.set(splat, op('f32x4.splat', op('f32.nearest', op('f32.mul', r, power(add(k, 15))))));
        f.set(m, lane('i32x4.extract_lane', 0, op('i32x4.trunc_sat_f32x4_s', splat)));
        f.set(m, select(m, i32(32767), op('i32.lt_s', m, i32(32767))));

        const shift = select(sub(k, 1), k, p.weight);
        const args = [src, p.cols, mean, m, shift, p.weight, p.bias, dst];
        f.if(
          p.weight,
          () =>
            f.if(
              p.bias,
              () => f.call(both, ...args),
              () => f.call(weighted, ...args),
            ),
          () =>
            f.if(
              p.bias,
              () => f.call(biased, ...args),
              () => f.call(plain, ...args),
            ),
        );
      });
    });
  });
}

/** Adds both kernels to `module`. */
export function emitL1Norms(module: ModuleBuilder, features: Features): void {
  emitCentredNorm(module, 'l1Norm', {
    term: (centred) => op('f32x4.abs', centred),
    factor: (sum, cols, eps) => {
      const mean = op('f32.div', sum, op('f32.convert_i32_s', cols));
      return op('f32.div', f32(1), op('f32.add', mean, eps));
    },
  });
  emitL1NormInt8(module, features);
}
