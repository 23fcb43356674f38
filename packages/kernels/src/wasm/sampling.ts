/** Emits the reductions over logits. */
import {
  f32x4,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  select,
  v128,
} from '@bitloom/wasm';
import {
  forRows,
  type I32,
  loadTail,
  maxLane,
  partialSums,
  sumPartials,
  tailMask,
  walkColumns,
  walkPartials,
} from './emit.js';
import { exp4, expLocals } from './float.js';

const LOWEST = f32x4(Number.NEGATIVE_INFINITY);
const LANES = v128(new Uint8Array(Int32Array.of(0, 1, 2, 3).buffer));

/** Adds `argMax`: per lane the first largest value and its index, then the best of the four lanes. */
function emitArgMax(module: ModuleBuilder): void {
  const params = { rows: 'i32', cols: 'i32', src: 'i32', srcR: 'i32', dst: 'i32' } as const;
  module.procedure('argMax', params, (f, p) => {
    const x = f.local('v128', 'x');
    const max = f.local('v128', 'max');
    const index = f.local('v128', 'index');
    const best = f.local('v128', 'best');
    const above = f.local('v128', 'above');
    const at = f.local('i32', 'at');
    const count = f.local('i32', 'count');
    const top = f.local('f32', 'top');
    const first = f.local('i32', 'first');
    const value = f.local('f32', 'value');
    const place = f.local('i32', 'place');
    const visit = (): void => {
      f.set(above, op('f32x4.gt', x, max));
      f.set(max, op('v128.bitselect', x, max, above));
      f.set(best, op('v128.bitselect', index, best, above));
      f.set(index, op('i32x4.add', index, i32x4(4)));
    };
    const operands = [
      { ptr: p.src, batch: i32(0), row: p.srcR },
      { ptr: p.dst, batch: i32(0), row: i32(4) },
    ];
    forRows(f, f.local('i32', 'batch', i32(1)), p.rows, operands, ([src, dst]) => {
      f.set(at, src);
      f.set(count, p.cols);
      f.set(max, LOWEST);
      f.set(index, LANES);
      f.set(best, i32x4(0));
      walkColumns(
        f,
        {
          pointers: [at],
          count,
          full(offset) {
            f.set(x, load('v128.load', at, offset));
            visit();
          },
          tail(left) {
            loadTail(f, x, at, left);
            f.set(x, op('v128.bitselect', x, LOWEST, tailMask(left)));
            visit();
          },
        },
        1,
      );
      f.set(top, lane('f32x4.extract_lane', 0, max));
      f.set(first, lane('i32x4.extract_lane', 0, best));
      for (const i of [1, 2, 3]) {
        f.set(value, lane('f32x4.extract_lane', i, max));
        f.set(place, lane('i32x4.extract_lane', i, best));
        const isBetter = op('f32.gt', value, top);
        const isEarlier = op('i32.and', op('f32.eq', value, top), op('i32.lt_s', place, first));
        f.if(op('i32.or', isBetter, isEarlier), () => {
          f.set(top, value);
          f.set(first, place);
        });
      }
      // A lane that saw nothing above −inf still says index 0, and so does the row then.
      f.set(first, select(first, i32(0), op('f32.gt', top, lane('f32x4.extract_lane', 0, LOWEST))));
      f.store('i32.store', dst, first);
    });
  });
}

/** Adds `softmaxStatistics`: a maximum, then the sum of exponentials in 16 partial sums. */
function emitStatistics(module: ModuleBuilder): void {
  const params = { rows: 'i32', cols: 'i32', src: 'i32', srcR: 'i32', scale: 'f32', dst: 'i32' } as const;
  module.procedure('softmaxStatistics', params, (f, p) => {
    const x = f.local('v128', 'x');
    const max = f.local('v128', 'max');
    const scale = f.local('v128', 'scale4', op('f32x4.splat', p.scale));
    const at = f.local('i32', 'at');
    const count = f.local('i32', 'count');
    const exp = expLocals(f);
    const restart = (src: Local<'i32'>): void => {
      f.set(at, src);
      f.set(count, p.cols);
    };
    const scaled = (address: I32, offset: number): void =>
      f.set(x, op('f32x4.mul', load('v128.load', address, offset), scale));
    const operands = [
      { ptr: p.src, batch: i32(0), row: p.srcR },
      { ptr: p.dst, batch: i32(0), row: i32(8) },
    ];
    forRows(f, f.local('i32', 'batch', i32(1)), p.rows, operands, ([src, dst]) => {
      restart(src);
      f.set(max, LOWEST);
      walkColumns(f, {
        pointers: [at],
        count,
        full(offset) {
          scaled(at, offset);
          f.set(max, op('f32x4.pmax', max, x));
        },
        tail(left) {
          loadTail(f, x, at, left);
          f.set(x, op('v128.bitselect', op('f32x4.mul', x, scale), LOWEST, tailMask(left)));
          f.set(max, op('f32x4.pmax', max, x));
        },
      });
      f.set(max, op('f32x4.splat', maxLane(f, max)));
      f.storeLane('v128.store32_lane', 0, dst, max);
      restart(src);
      const partials = partialSums(f);
      const term = () => exp4(f, exp, op('f32x4.sub', x, max));
      walkPartials(f, {
        pointers: [at],
        count,
        full(offset, chunk) {
          scaled(at, offset);
          f.set(partials[chunk], op('f32x4.add', partials[chunk], term()));
        },
        tail(left, chunk) {
          loadTail(f, x, at, left);
          f.set(x, op('f32x4.mul', x, scale));
          f.set(partials[chunk], op('f32x4.add', partials[chunk], op('v128.and', term(), tailMask(left))));
        },
      });
      f.store('f32.store', dst, sumPartials(f, partials), 4);
    });
  });
}

/** Adds both reductions to `module`. */
export function emitSampling(module: ModuleBuilder): void {
  emitArgMax(module);
  emitStatistics(module);
}
