/** Emits `fitSymmetric` of `scale-search.ts` for four groups of 16 at once, one to a lane. */
import { type FunctionBuilder, i32, type Local, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { GROUP_EPSILON } from '../../scale-search.js';
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
  tenths,
  type V128,
} from './vectors.js';

const { values, trial, codes, scales } = SEARCH_MEMORY;

/** Leaves in `extreme` the first value of largest magnitude of each lane, and in `counts` where that is not zero. */
export function emitExtreme(
  f: FunctionBuilder,
  at: Local<'i32'>,
  end: number,
  extreme: Local<'v128'>,
  counts: Local<'v128'>,
): void {
  const amax = f.local('v128', 'amax');
  const size = f.local('v128', 'size');
  eachVector(f, at, 0, i32(end), () => {
    f.set(size, op('f32x4.abs', load('v128.load', at, values)));
    replace(f, extreme, greater(size, amax), load('v128.load', at, values));
    f.set(amax, op('f32x4.pmax', amax, size));
  });
  f.set(counts, op('f32x4.ge', amax, constant(GROUP_EPSILON)));
}

/** Lanes where a fit with these sums beats `best`: Σ² > best · Σlevel². */
export function beats(sumLX: V128, sumL2: V128, best: V128): V128 {
  return and(greater(sumL2, constant(0)), greater(mul(sumLX, sumLX), mul(best, sumL2)));
}

/** Adds `fitSymmetric(half)`, with 16 values of each group in memory. */
export function emitFitSymmetric(module: ModuleBuilder): void {
  module.procedure('fitSymmetric', { half: 'i32' }, (f, { half }) => {
    const vector = (name: string, initial?: V128) => f.local('v128', name, initial);
    const at = f.local('i32', 'at');
    const end = i32(16 * 16);
    const lowest = vector('lowest', op('i32x4.splat', op('i32.sub', i32(0), half)));
    const highest = vector('highest', op('i32x4.splat', op('i32.sub', half, i32(1))));
    const middle = vector('middle', op('f32x4.convert_i32x4_s', op('i32x4.splat', half)));
    const extreme = vector('extreme');
    const counts = vector('counts');
    emitExtreme(f, at, 16 * 16, extreme, counts);

    const x = vector('x');
    const w = vector('w');
    const level = vector('level');
    const inverse = vector('inverse');
    const sumLX = vector('sumLX');
    const sumL2 = vector('sumL2');
    const scale = vector('scale');
    const best = vector('best');
    const better = vector('better', constant(0));
    const offset = f.local('i32', 'offset');
    const turn = f.local('i32', 'turn');
    f.loop((again) => {
      // Turn 0 takes the extreme to −half; the others are −9 .. 9 tenths beside that, without 0.
      f.set(offset, op('i32.sub', turn, op('i32.add', i32(9), op('i32.le_s', turn, i32(9)))));
      f.set(offset, op('i32.mul', offset, op('i32.ne', turn, i32(0))));
      const range = op('f32.neg', op('f32.add', op('f32.convert_i32_s', half), tenths(offset)));
      f.set(inverse, div(splat(range), extreme));
      f.set(sumLX, constant(0));
      f.set(sumL2, constant(0));
      eachVector(f, at, 0, end, () => {
        f.set(x, load('v128.load', at, values));
        f.set(level, clampToFloat(nearestIntegers(mul(inverse, x)), lowest, highest));
        f.store('v128.store', at, add(middle, level), trial);
        f.set(w, mul(x, x));
        f.set(sumLX, add(sumLX, mul(mul(w, x), level)));
        f.set(sumL2, add(sumL2, mul(mul(w, level), level)));
      });
      f.set(better, beats(sumLX, sumL2, best));
      f.if(op('i32.eqz', turn), () => f.set(better, op('f32x4.eq', constant(0), constant(0))));
      f.if(op('v128.any_true', better), () => {
        copyLanes(f, at, better, trial, codes, end);
        replace(f, scale, better, and(div(sumLX, sumL2), op('f32x4.ne', sumL2, constant(0))));
        replace(f, best, better, mul(scale, sumLX));
      });
      f.set(turn, op('i32.add', turn, i32(1)));
      f.branchIf(again, op('i32.le_s', turn, i32(18)));
    });

    eachVector(f, at, 0, end, () => {
      f.store('v128.store', at, and(load('v128.load', at, codes), counts), codes);
    });
    f.store('v128.store', i32(0), choose(counts, scale, constant(0)), scales);
  });
}
