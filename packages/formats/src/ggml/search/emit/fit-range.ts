/** Emits `fitRange`: `fitScaleAndMinimum` of `scale-search.ts` for four groups at once, one to a lane. */
import { i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { SEARCH_MEMORY } from '../memory.js';
import {
  add,
  and,
  choose,
  clampToFloat,
  constant,
  copyLanes,
  div,
  eachVector,
  greater,
  mul,
  nearestIntegers,
  replace,
  splat,
  sub,
  tenths,
  type V128,
} from './vectors.js';

const { values, weights, trial, codes, scales, minimums } = SEARCH_MEMORY;

/**
 * Adds `fitRange(size, maxCode, first, steps, absolute)`, with `size` values of each group in memory. With `absolute`
 * 1 the errors are magnitudes, weighted by the values' magnitudes; with 0 they are squares, weighted by magnitude plus
 * root mean square of a group of 32.
 */
export function emitFitRange(module: ModuleBuilder): void {
  const params = { size: 'i32', maxCode: 'i32', first: 'f32', steps: 'i32', absolute: 'i32' } as const;
  module.procedure('fitRange', params, (f, { size, maxCode, first, steps, absolute }) => {
    const vector = (name: string, initial?: V128) => f.local('v128', name, initial);
    const at = f.local('i32', 'at');
    const end = f.local('i32', 'end', op('i32.shl', size, i32(4)));
    const top = vector('top', op('i32x4.splat', maxCode));
    const range = op('f32.convert_i32_s', maxCode);
    const magnitudes = vector('magnitudes', op('i32x4.splat', op('i32.sub', i32(0), absolute)));
    const zero = vector('zero');
    const x = vector('x');
    const w = vector('w');
    const code = vector('code');
    const miss = vector('miss');
    const codeOf = (inverse: V128, low: V128): V128 =>
      clampToFloat(nearestIntegers(mul(inverse, sub(x, low))), zero, top);
    // The weighted error of `code`, to be added to a sum.
    const errorOf = (scale: V128, low: V128): V128 => {
      f.set(miss, sub(add(mul(scale, code), low), x));
      return mul(w, choose(magnitudes, op('f32x4.abs', miss), mul(miss, miss)));
    };

    const mean = vector('mean');
    f.if(op('i32.eqz', absolute), () => {
      eachVector(f, at, 0, end, () => {
        f.set(x, load('v128.load', at, values));
        f.set(mean, add(mean, mul(x, x)));
      });
      f.set(mean, op('f32x4.sqrt', div(mean, constant(32))));
    });
    eachVector(f, at, 0, end, () => {
      const weight = add(mean, op('f32x4.abs', load('v128.load', at, values)));
      f.store('v128.store', at, weight, weights);
    });

    const low = vector('low', load('v128.load', i32(0), values));
    const high = vector('high', low);
    const sumW = vector('sumW', load('v128.load', i32(0), weights));
    const sumX = vector('sumX', mul(sumW, low));
    eachVector(f, at, 16, end, () => {
      f.set(x, load('v128.load', at, values));
      f.set(w, load('v128.load', at, weights));
      f.set(low, op('f32x4.pmin', low, x));
      f.set(high, op('f32x4.pmax', high, x));
      f.set(sumW, add(sumW, w));
      f.set(sumX, add(sumX, mul(w, x)));
    });
    f.set(low, choose(greater(low, zero), zero, low));
    // Groups of one value: what their lanes compute is never taken.
    const varied = vector('varied', op('f32x4.ne', high, low));

    const inverse = vector('inverse', div(splat(range), sub(high, low)));
    const scale = vector('scale', div(constant(1), inverse));
    const best = vector('best');
    eachVector(f, at, 0, end, () => {
      f.set(x, load('v128.load', at, values));
      f.set(w, load('v128.load', at, weights));
      f.set(code, codeOf(inverse, low));
      f.store('v128.store', at, code, codes);
      f.set(best, add(best, errorOf(scale, low)));
    });

    const step = f.local('i32', 'step');
    const sumL = vector('sumL');
    const sumL2 = vector('sumL2');
    const sumXL = vector('sumXL');
    const determinant = vector('determinant');
    const fitScale = vector('fitScale');
    const fitLow = vector('fitLow');
    const error = vector('error');
    const better = vector('better');
    f.loop((again) => {
      const widened = op('f32.add', op('f32.add', first, tenths(step)), range);
      f.set(inverse, div(splat(widened), sub(high, low)));
      for (const sum of [sumL, sumL2, sumXL, error]) f.set(sum, zero);
      eachVector(f, at, 0, end, () => {
        f.set(x, load('v128.load', at, values));
        f.set(code, codeOf(inverse, low));
        f.store('v128.store', at, code, trial);
        f.set(w, mul(load('v128.load', at, weights), code));
        f.set(sumL, add(sumL, w));
        f.set(sumL2, add(sumL2, mul(w, code)));
        f.set(sumXL, add(sumXL, mul(w, x)));
      });
      f.set(determinant, sub(mul(sumW, sumL2), mul(sumL, sumL)));
      f.set(fitScale, div(sub(mul(sumW, sumXL), mul(sumX, sumL)), determinant));
      f.set(fitLow, div(sub(mul(sumL2, sumX), mul(sumL, sumXL)), determinant));
      f.set(better, greater(fitLow, zero));
      replace(f, fitScale, better, div(sumXL, sumL2));
      replace(f, fitLow, better, zero);
      eachVector(f, at, 0, end, () => {
        f.set(x, load('v128.load', at, values));
        f.set(w, load('v128.load', at, weights));
        f.set(code, load('v128.load', at, trial));
        f.set(error, add(error, errorOf(fitScale, fitLow)));
      });
      f.set(better, and(and(greater(determinant, zero), greater(best, error)), varied));
      f.if(op('v128.any_true', better), () => {
        copyLanes(f, at, better, trial, codes, end);
        replace(f, best, better, error);
        replace(f, scale, better, fitScale);
        replace(f, low, better, fitLow);
      });
      f.set(step, op('i32.add', step, i32(1)));
      f.branchIf(again, op('i32.le_s', step, steps));
    });

    eachVector(f, at, 0, end, () => {
      f.store('v128.store', at, and(load('v128.load', at, codes), varied), codes);
    });
    f.store('v128.store', i32(0), and(scale, varied), scales);
    f.store('v128.store', i32(0), op('f32x4.neg', low), minimums);
  });
}
