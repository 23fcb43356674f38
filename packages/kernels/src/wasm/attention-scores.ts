/**
 * Emits the scores of attention: rows of q against rows of k, on int8 codes and on float32. All heads and all tokens
 * of a call run in one function.
 *
 * Four keys are taken at a time; the last N mod 4 keys repeat the last valid key and store fewer lanes, so that every
 * output is computed the same way wherever it stands.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
} from '@bitloom/wasm';
import {
  add,
  advance,
  atLeast,
  forRows,
  fourRows,
  type I32,
  loadTail,
  mul,
  sharedIndex,
  storeTail,
  sumFour,
  sumPartials,
  type V128,
  walkPartials,
} from './emit.js';

const SCORE_ROWS = 4;

/** int32 dots of `length` bytes at `q` with the bytes at four keys, into `sums`. All pointers are moved. */
function dotFour(
  f: FunctionBuilder,
  locals: {
    q: Local<'i32'>;
    keys: readonly Local<'i32'>[];
    count: Local<'i32'>;
    sums: readonly Local<'v128'>[];
  },
  length: I32,
): void {
  const { q, keys, count, sums } = locals;
  const query = f.local('v128', 'query');
  for (const sum of sums) f.set(sum, i32x4(0));
  f.set(count, length);
  const eight = (offset: number): void => {
    f.set(query, load('v128.load8x8_s', q, offset));
    keys.forEach((key, i) => {
      const dot = op('i32x4.dot_i16x8_s', query, load('v128.load8x8_s', key, offset));
      f.set(sums[i], op('i32x4.add', sums[i], dot));
    });
  };
  const move = (bytes: number): void => {
    for (const pointer of [q, ...keys]) advance(f, pointer, bytes);
    advance(f, count, -bytes);
  };
  f.while(atLeast(count, 16), () => {
    eight(0);
    eight(8);
    move(16);
  });
  f.if(atLeast(count, 8), () => {
    eight(0);
    move(8);
  });
  f.if(atLeast(count, 4), () => {
    const four = (pointer: I32): V128 => op('i16x8.extend_low_i8x16_s', load('v128.load32_zero', pointer));
    f.set(query, four(q));
    keys.forEach((key, i) => {
      f.set(sums[i], op('i32x4.add', sums[i], op('i32x4.dot_i16x8_s', query, four(key))));
    });
    move(4);
  });
  f.while(count, () => {
    const byte = (pointer: I32): I32 => load('i32.load8_s', pointer);
    keys.forEach((key, i) => {
      const sum = op('i32.add', lane('i32x4.extract_lane', 0, sums[i]), op('i32.mul', byte(q), byte(key)));
      f.set(sums[i], lane('i32x4.replace_lane', 0, sums[i], sum));
    });
    move(1);
  });
}

function emitScoresInt8(module: ModuleBuilder): void {
  const params = {
    batch: 'i32',
    M: 'i32',
    N: 'i32',
    K: 'i32',
    q: 'i32',
    qB: 'i32',
    qR: 'i32',
    qScale: 'i32',
    qScaleB: 'i32',
    qScaleR: 'i32',
    k: 'i32',
    kB: 'i32',
    kR: 'i32',
    kScale: 'i32',
    kScaleB: 'i32',
    bDiv: 'i32',
    out: 'i32',
    outB: 'i32',
    outR: 'i32',
  } as const;
  module.procedure('attentionScores', params, (f, p) => {
    const keys = [0, 1, 2, 3].map((i) => f.local('i32', `key${i}`));
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`));
    const q = f.local('i32', 'qAt');
    const count = f.local('i32', 'count');
    const left = f.local('i32', 'left');
    const key = f.local('i32', 'key');
    const scaleAt = f.local('i32', 'scaleAt');
    const value = f.local('v128', 'value');
    const scale = f.local('v128', 'keyScale');
    const queryScale = f.local('v128', 'queryScale');
    const sharedKeys = f.local('i32', 'sharedKeys');
    const sharedScales = f.local('i32', 'sharedScales');
    const operands = [
      { ptr: p.q, batch: p.qB, row: p.qR },
      { ptr: p.qScale, batch: p.qScaleB, row: p.qScaleR },
      { ptr: p.out, batch: p.outB, row: p.outR },
    ];
    forRows(
      f,
      p.batch,
      p.M,
      operands,
      ([query, queryScaleAt, out]) => {
        f.set(queryScale, load('v128.load32_splat', queryScaleAt));
        f.set(key, sharedKeys);
        f.set(scaleAt, sharedScales);
        f.set(left, p.N);
        f.while(op('i32.gt_s', left, i32(0)), () => {
          fourRows(f, keys, key, p.kR, left);
          f.set(q, query);
          dotFour(f, { q, keys, count, sums }, p.K);
          f.set(value, op('f32x4.convert_i32x4_s', sumFour('i32x4.add', sums)));
          const scaled = (): V128 => op('f32x4.mul', op('f32x4.mul', value, scale), queryScale);
          f.if(
            atLeast(left, SCORE_ROWS),
            () => {
              f.set(scale, load('v128.load', scaleAt));
              f.store('v128.store', out, scaled());
            },
            () => {
              loadTail(f, scale, scaleAt, left);
              f.set(value, scaled());
              storeTail(f, out, value, left);
            },
          );
          advance(f, key, mul(p.kR, SCORE_ROWS));
          advance(f, scaleAt, 16);
          advance(f, out, 16);
          advance(f, left, -SCORE_ROWS);
        });
      },
      (batchIndex) => {
        f.set(sharedKeys, add(p.k, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.kB)));
        f.set(sharedScales, add(p.kScale, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.kScaleB)));
      },
    );
  });
}

function emitScoresF32(module: ModuleBuilder): void {
  const params = {
    batch: 'i32',
    M: 'i32',
    N: 'i32',
    K: 'i32',
    q: 'i32',
    qB: 'i32',
    qR: 'i32',
    k: 'i32',
    kB: 'i32',
    kR: 'i32',
    bDiv: 'i32',
    out: 'i32',
    outB: 'i32',
    outR: 'i32',
  } as const;
  module.procedure('attentionScoresF32', params, (f, p) => {
    const q = f.local('i32', 'qAt');
    const key = f.local('i32', 'keyAt');
    const nextKey = f.local('i32', 'nextKey');
    const count = f.local('i32', 'count');
    const left = f.local('i32', 'left');
    const shared = f.local('i32', 'shared');
    const x = f.local('v128', 'x');
    const y = f.local('v128', 'y');
    const partials = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`));
    const operands = [
      { ptr: p.q, batch: p.qB, row: p.qR },
      { ptr: p.out, batch: p.outB, row: p.outR },
    ];
    forRows(
      f,
      p.batch,
      p.M,
      operands,
      ([query, out]) => {
        f.set(nextKey, shared);
        f.set(left, p.N);
        f.while(op('i32.gt_s', left, i32(0)), () => {
          f.set(q, query);
          f.set(key, nextKey);
          f.set(count, p.K);
          for (const partial of partials) f.set(partial, f32x4(0));
          const accumulate = (chunk: number, a: V128, b: V128): void =>
            f.set(partials[chunk], op('f32x4.add', partials[chunk], op('f32x4.mul', a, b)));
          walkPartials(f, {
            pointers: [q, key],
            count,
            full: (offset, chunk) =>
              accumulate(chunk, load('v128.load', q, offset), load('v128.load', key, offset)),
            tail(rest, chunk) {
              loadTail(f, x, q, rest);
              loadTail(f, y, key, rest);
              accumulate(chunk, x, y);
            },
          });
          f.store('f32.store', out, sumPartials(f, partials));
          advance(f, out, 4);
          advance(f, nextKey, p.kR);
          advance(f, left, -1);
        });
      },
      (batchIndex) => f.set(shared, add(p.k, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.kB))),
    );
  });
}

/** Adds both kernels of scores to `module`. */
export function emitScores(module: ModuleBuilder): void {
  emitScoresInt8(module);
  emitScoresF32(module);
}
