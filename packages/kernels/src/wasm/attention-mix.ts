/**
 * Emits the mixes of attention: rows of p against columns of v, on int8 codes and on float32. Lanes are columns of
 * the head, sums stay in registers over all tokens. All heads and all tokens of a call run in one function.
 */
import { f32x4, i32, i32x4, lane, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import {
  add,
  advance,
  atLeast,
  forRows,
  type I32,
  isSet,
  lanes16,
  loadTail,
  mul,
  sharedIndex,
  storeTail,
  type V128,
} from './emit.js';

/** Interleaves int16 lanes of two tokens: (a0, b0, a1, b1, ...), low or high half. */
const INTERLEAVE_LOW = lanes16(0, 8, 1, 9, 2, 10, 3, 11);
const INTERLEAVE_HIGH = lanes16(4, 12, 5, 13, 6, 14, 7, 15);

function emitMixInt8(module: ModuleBuilder): void {
  const params = {
    batch: 'i32',
    M: 'i32',
    N: 'i32',
    K: 'i32',
    p: 'i32',
    pB: 'i32',
    pR: 'i32',
    pScale: 'i32',
    pScaleB: 'i32',
    pScaleR: 'i32',
    v: 'i32',
    vB: 'i32',
    vR: 'i32',
    bDiv: 'i32',
    acc: 'i32',
    accB: 'i32',
    accR: 'i32',
    out: 'i32',
    outB: 'i32',
    outR: 'i32',
    flags: 'i32',
  } as const;
  module.procedure('attentionMix', params, (f, p) => {
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`));
    const pAt = f.local('i32', 'pAt');
    const vAt = f.local('i32', 'vAt');
    const vNext = f.local('i32', 'vNext');
    const column = f.local('i32', 'column');
    const count = f.local('i32', 'count');
    const left = f.local('i32', 'left');
    const shared = f.local('i32', 'shared');
    const pair = f.local('v128', 'pair');
    const a = f.local('v128', 'a');
    const b = f.local('v128', 'b');
    const rowFactor = f.local('v128', 'rowFactor');
    const total = f.local('i32', 'total');
    const twoRows = f.local('i32', 'twoRows', mul(p.vR, 2));
    const operands = [
      { ptr: p.p, batch: p.pB, row: p.pR },
      { ptr: p.pScale, batch: p.pScaleB, row: p.pScaleR },
      { ptr: p.acc, batch: p.accB, row: p.accR },
      { ptr: p.out, batch: p.outB, row: p.outR },
    ];

    /**
     * Sums of `vectors`·4 columns from `column` over all tokens, two tokens at a time: int16 pairs of v against the
     * pair (p_t, p_t+1). An odd last token is paired with code 0.
     */
    const tokens = (weights: I32, vectors: number): void => {
      f.set(pAt, weights);
      f.set(vAt, column);
      f.set(count, p.K);
      const halves = (offset: number): { low: V128; high: V128 } => {
        f.set(a, load('v128.load8x8_s', vAt, offset));
        f.set(b, load('v128.load8x8_s', vNext, offset));
        return { low: shuffle(a, b, INTERLEAVE_LOW), high: shuffle(a, b, INTERLEAVE_HIGH) };
      };
      const step = (): void => {
        if (vectors === 1) {
          f.set(a, op('i16x8.extend_low_i8x16_s', load('v128.load32_zero', vAt)));
          f.set(b, op('i16x8.extend_low_i8x16_s', load('v128.load32_zero', vNext)));
          f.set(
            sums[0],
            op('i32x4.add', sums[0], op('i32x4.dot_i16x8_s', shuffle(a, b, INTERLEAVE_LOW), pair)),
          );
          return;
        }
        for (let i = 0; i < vectors; i += 2) {
          const { low, high } = halves(i * 4);
          f.set(sums[i], op('i32x4.add', sums[i], op('i32x4.dot_i16x8_s', low, pair)));
          f.set(sums[i + 1], op('i32x4.add', sums[i + 1], op('i32x4.dot_i16x8_s', high, pair)));
        }
      };
      f.set(vNext, add(vAt, p.vR));
      f.while(atLeast(count, 2), () => {
        f.set(pair, op('i16x8.extend_low_i8x16_s', load('v128.load16_splat', pAt)));
        step();
        advance(f, pAt, 2);
        advance(f, vAt, twoRows);
        advance(f, vNext, twoRows);
        advance(f, count, -2);
      });
      f.if(count, () => {
        f.set(pair, op('i32x4.splat', op('i32.and', load('i32.load8_s', pAt), i32(0xffff))));
        f.set(vNext, vAt);
        step();
      });
    };

    forRows(
      f,
      p.batch,
      p.M,
      operands,
      ([weights, scaleAt, acc, out]) => {
        f.if(isSet(p.flags, FLAG_FINISH), () => f.set(rowFactor, load('v128.load32_splat', scaleAt)));
        f.set(column, shared);
        f.set(left, p.N);
        const tile = (vectors: number): void => {
          f.if(
            isSet(p.flags, FLAG_CONTINUE),
            () => {
              for (let i = 0; i < vectors; i += 1) f.set(sums[i], load('v128.load', acc, i * 16));
            },
            () => {
              for (let i = 0; i < vectors; i += 1) f.set(sums[i], i32x4(0));
            },
          );
          tokens(weights, vectors);
          for (let i = 0; i < vectors; i += 1) f.store('v128.store', acc, sums[i], i * 16);
          f.if(isSet(p.flags, FLAG_FINISH), () => {
            for (let i = 0; i < vectors; i += 1) {
              const value = op('f32x4.mul', op('f32x4.convert_i32x4_s', sums[i]), rowFactor);
              f.store('v128.store', out, value, i * 16);
            }
          });
          advance(f, acc, vectors * 16);
          advance(f, out, vectors * 16);
          advance(f, column, vectors * 4);
          advance(f, left, -vectors * 4);
        };
        f.while(atLeast(left, 16), () => tile(4));
        f.if(atLeast(left, 8), () => tile(2));
        f.if(atLeast(left, 4), () => tile(1));
        f.while(left, () => {
          f.set(total, i32(0));
          f.if(isSet(p.flags, FLAG_CONTINUE), () => f.set(total, load('i32.load', acc)));
          f.set(pAt, weights);
          f.set(vAt, column);
          f.set(count, p.K);
          f.while(count, () => {
            const product = op('i32.mul', load('i32.load8_s', pAt), load('i32.load8_s', vAt));
            f.set(total, add(total, product));
            advance(f, pAt, 1);
            advance(f, vAt, p.vR);
            advance(f, count, -1);
          });
          f.store('i32.store', acc, total);
          f.if(isSet(p.flags, FLAG_FINISH), () => {
            const factor = lane('f32x4.extract_lane', 0, rowFactor);
            f.store('f32.store', out, op('f32.mul', op('f32.convert_i32_s', total), factor));
          });
          advance(f, acc, 4);
          advance(f, out, 4);
          advance(f, column, 1);
          advance(f, left, -1);
        });
      },
      (batchIndex) => f.set(shared, add(p.v, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.vB))),
    );
  });
}

function emitMixF32(module: ModuleBuilder): void {
  const params = {
    batch: 'i32',
    M: 'i32',
    N: 'i32',
    K: 'i32',
    p: 'i32',
    pB: 'i32',
    pR: 'i32',
    v: 'i32',
    vB: 'i32',
    vR: 'i32',
    bDiv: 'i32',
    out: 'i32',
    outB: 'i32',
    outR: 'i32',
  } as const;
  module.procedure('attentionMixF32', params, (f, p) => {
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`));
    const x = f.local('v128', 'x');
    const weight = f.local('v128', 'weight');
    const pAt = f.local('i32', 'pAt');
    const vAt = f.local('i32', 'vAt');
    const column = f.local('i32', 'column');
    const count = f.local('i32', 'count');
    const left = f.local('i32', 'left');
    const shared = f.local('i32', 'shared');
    const operands = [
      { ptr: p.p, batch: p.pB, row: p.pR },
      { ptr: p.out, batch: p.outB, row: p.outR },
    ];
    forRows(
      f,
      p.batch,
      p.M,
      operands,
      ([weights, out]) => {
        f.set(column, shared);
        f.set(left, p.N);
        const tokens = (
          vectors: number,
          value: (i: number) => V128,
          prepare: () => void = () => {},
        ): void => {
          for (let i = 0; i < vectors; i += 1) f.set(sums[i], f32x4(0));
          f.set(pAt, weights);
          f.set(vAt, column);
          f.set(count, p.K);
          f.while(count, () => {
            f.set(weight, load('v128.load32_splat', pAt));
            prepare();
            for (let i = 0; i < vectors; i += 1) {
              f.set(sums[i], op('f32x4.add', sums[i], op('f32x4.mul', weight, value(i))));
            }
            advance(f, pAt, 4);
            advance(f, vAt, p.vR);
            advance(f, count, -1);
          });
        };
        for (const vectors of [4, 1]) {
          f.while(atLeast(left, vectors * 4), () => {
            tokens(vectors, (i) => load('v128.load', vAt, i * 16));
            for (let i = 0; i < vectors; i += 1) f.store('v128.store', out, sums[i], i * 16);
            advance(f, out, vectors * 16);
            advance(f, column, vectors * 16);
            advance(f, left, -vectors * 4);
          });
        }
        f.if(left, () => {
          tokens(
            1,
            () => x,
            () => loadTail(f, x, vAt, left),
          );
          storeTail(f, out, sums[0], left);
        });
      },
      (batchIndex) => f.set(shared, add(p.v, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.vB))),
    );
  });
}

/** Adds both mixes to `module`. */
export function emitMixes(module: ModuleBuilder): void {
  emitMixInt8(module);
  emitMixF32(module);
}
