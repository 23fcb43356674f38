/** Emits `fitLevels`: the search of `iq4_xs` for four groups of 32 at once, one to a lane. */
import { f32, i32, i32x4, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { IQ4_LEVELS } from '../../iq4-levels.js';
import { SEARCH_MEMORY } from '../memory.js';
import { beats, emitExtreme } from './fit-symmetric.js';
import { add, and, choose, constant, div, eachVector, mul, replace, splat, type V128 } from './vectors.js';

const { values, scales } = SEARCH_MEMORY;
const CANDIDATES = 7;

/** Adds `fitLevels()`, with 32 values of each group in memory. Leaves the scales. */
export function emitFitLevels(module: ModuleBuilder): void {
  module.procedure('fitLevels', {}, (f) => {
    const vector = (name: string, initial?: V128) => f.local('v128', name, initial);
    const at = f.local('i32', 'at');
    const extreme = vector('extreme');
    const counts = vector('counts');
    emitExtreme(f, at, 32 * 16, extreme, counts);

    const x = vector('x');
    const twice = vector('twice');
    const level = vector('level');
    const weighted = vector('weighted');
    const inverse = vector('inverse');
    const sumLX = vector('sumLX');
    const sumL2 = vector('sumL2');
    const scale = vector('scale');
    const best = vector('best');
    const better = vector('better');
    const offset = f.local('i32', 'offset', i32(-CANDIDATES - 1));
    f.loop((again) => {
      // The first turn takes the extreme to level 127, which is none; the others take it to −127 and beside that.
      const range = op('f32.add', op('f32.convert_i32_s', offset), f32(IQ4_LEVELS[0]));
      f.set(inverse, div(splat(range), extreme));
      f.if(op('i32.eq', offset, i32(-CANDIDATES - 1)), () => {
        const first = div(op('f32x4.neg', extreme), constant(IQ4_LEVELS[0]));
        f.set(inverse, div(constant(1), first));
      });
      f.set(sumLX, constant(0));
      f.set(sumL2, constant(0));
      eachVector(f, at, 0, i32(32 * 16), () => {
        f.set(x, load('v128.load', at, values));
        f.set(twice, mul(inverse, x));
        f.set(twice, add(twice, twice));
        f.set(level, i32x4(IQ4_LEVELS[0]));
        for (let code = 1; code < IQ4_LEVELS.length; code += 1) {
          const [below, above] = [IQ4_LEVELS[code - 1], IQ4_LEVELS[code]];
          const reached = op('f32x4.ge', twice, constant(below + above));
          f.set(level, op('i32x4.add', level, and(reached, i32x4(above - below))));
        }
        f.set(level, op('f32x4.convert_i32x4_s', level));
        f.set(weighted, mul(mul(x, x), level));
        f.set(sumLX, add(sumLX, mul(weighted, x)));
        f.set(sumL2, add(sumL2, mul(weighted, level)));
      });
      f.set(better, beats(sumLX, sumL2, best));
      f.if(op('i32.eq', offset, i32(-CANDIDATES - 1)), () => {
        f.set(better, op('f32x4.eq', constant(0), constant(0)));
      });
      replace(f, scale, better, and(div(sumLX, sumL2), op('f32x4.gt', sumL2, constant(0))));
      replace(f, best, better, mul(scale, sumLX));
      f.set(offset, op('i32.add', offset, i32(1)));
      f.branchIf(again, op('i32.le_s', offset, i32(CANDIDATES)));
    });
    f.store('v128.store', i32(0), choose(counts, scale, constant(0)), scales);
  });
}
