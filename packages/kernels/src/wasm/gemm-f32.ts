/**
 * Emits `gemmF32` passes of one or two rows of x: tiles of rows x 4 outputs, lanes along K. Each output is four
 * partial sums (column k goes to partial k mod 4) added as (s0 + s2) + (s1 + s3), whatever the tile, so results do
 * not depend on M, N or the threads. They differ from the reference, which uses 16 partial sums.
 */
import {
  type FunctionReference,
  f32x4,
  i32,
  load,
  type ModuleBuilder,
  op,
  type ValueType,
} from '@bitloom/wasm';
import { advance, atLeast, fourRows, loadTail, mul, storeTail, sumFour } from './emit.js';

const PARAMS = {
  N: 'i32',
  K: 'i32',
  x: 'i32',
  xR: 'i32',
  w: 'i32',
  wR: 'i32',
  out: 'i32',
  outR: 'i32',
} as const;

/** Adds `gemmF32` and its passes to `module`. */
export function emitGemmF32(module: ModuleBuilder): void {
  const [one, two] = [1, 2].map((xRows) => emitPass(module, xRows));
  module.procedure('gemmF32', { M: 'i32', ...PARAMS }, (f, { M, ...p }) => {
    const move = (rows: number): void => {
      advance(f, p.x, mul(p.xR, rows));
      advance(f, p.out, mul(p.outR, rows));
      advance(f, M, -rows);
    };
    const args = [p.N, p.K, p.x, p.xR, p.w, p.wR, p.out, p.outR];
    f.while(atLeast(M, 2), () => {
      f.call(two, ...args);
      move(2);
    });
    f.if(op('i32.gt_s', M, i32(0)), () => f.call(one, ...args));
  });
}

/** gemmF32x<xRows>: every output of `xRows` rows of x. */
function emitPass(module: ModuleBuilder, xRows: number): FunctionReference<readonly ValueType[], undefined> {
  return module.procedure(
    `gemmF32x${xRows}`,
    PARAMS,
    (f, p) => {
      const indices = Array.from({ length: xRows }, (_, i) => i);
      const xs = indices.map((i) => f.local('i32', `x${i}`));
      const outs = indices.map((i) => f.local('i32', `out${i}`));
      const ws = [0, 1, 2, 3].map((i) => f.local('i32', `w${i}`));
      const sums = indices.map((i) => [0, 1, 2, 3].map((j) => f.local('v128', `sum${i}${j}`)));
      const weights = f.local('v128', 'weights');
      const values = indices.map((i) => f.local('v128', `value${i}`));
      const count = f.local('i32', 'count');
      outs.forEach((out, i) => {
        f.set(out, i === 0 ? p.out : op('i32.add', outs[i - 1], p.outR));
      });
      const accumulate = (loadWeights: (j: number) => void): void => {
        for (let j = 0; j < 4; j += 1) {
          loadWeights(j);
          for (const i of indices) {
            f.set(sums[i][j], op('f32x4.add', sums[i][j], op('f32x4.mul', values[i], weights)));
          }
        }
      };
      f.while(op('i32.gt_s', p.N, i32(0)), () => {
        fourRows(f, ws, p.w, p.wR, p.N);
        xs.forEach((x, i) => {
          f.set(x, i === 0 ? p.x : op('i32.add', p.x, mul(p.xR, i)));
        });
        for (const row of sums) for (const sum of row) f.set(sum, f32x4(0));
        f.set(count, p.K);
        f.while(atLeast(count, 4), () => {
          for (const i of indices) f.set(values[i], load('v128.load', xs[i]));
          accumulate((j) => f.set(weights, load('v128.load', ws[j])));
          for (const pointer of [...xs, ...ws]) advance(f, pointer, 16);
          advance(f, count, -4);
        });
        f.if(count, () => {
          for (const i of indices) loadTail(f, values[i], xs[i], count);
          accumulate((j) => loadTail(f, weights, ws[j], count));
        });
        for (const i of indices) {
          f.set(values[i], sumFour('f32x4.add', sums[i]));
          f.if(
            atLeast(p.N, 4),
            () => f.store('v128.store', outs[i], values[i]),
            () => storeTail(f, outs[i], values[i], p.N),
          );
          advance(f, outs[i], 16);
        }
        advance(f, p.w, mul(p.wR, 4));
        advance(f, p.N, -4);
      });
    },
    { export: false },
  );
}
