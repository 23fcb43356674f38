/**
 * Emits the packing of int8 matrices for the ShiftQuant product over bytes: rows become panels, [quad of places][rows][4
 * bytes], in the order of a plan (integer-products-bytes-places.ts). Rows that lie in memory channel by channel are
 * brought into their order 16 bytes at a time, unless it is theirs already, and transposed in registers; others are
 * gathered one by one.
 */
import { i32, i32x4, type Local, lane, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { add, advance, type I32, mul } from './emit.js';
import {
  MOVE_BYTES,
  MOVE_FROM,
  MOVE_TO,
  PLACE_BYTES,
  PLACES,
  PLAN,
} from './integer-products-bytes-places.js';
import { type Procedure, transpose4 } from './integer-products-pack.js';

/** Bytes of a row in its new order: vectors and moves run over its end. */
const ORDERED_ROW = PLACES + 32;

/** Bytes of the rows of one panel in their new order. */
export function orderedBytes(panelRows: number): number {
  return panelRows * ORDERED_ROW;
}

/**
 * packBytesA(src, outer, inner, rows, plan, ordered, dst, stride, corrections, offset, isVector): panels of 4 rows, and
 * offset times the weighted sum of each. packBytesB(...): panels of 8 rows plus the offset; it has no use for
 * corrections. `ordered` are {@link orderedBytes}; `isVector` asks for vectors, for which inner must be 1.
 */
export function emitBytePack(module: ModuleBuilder, name: 'A' | 'B', panelRows: number): Procedure {
  const params = {
    src: 'i32',
    outer: 'i32',
    inner: 'i32',
    rows: 'i32',
    plan: 'i32',
    ordered: 'i32',
    dst: 'i32',
    stride: 'i32',
    corrections: 'i32',
    offset: 'i32',
    isVector: 'i32',
  } as const;
  return module.procedure(
    `packBytes${name}`,
    params,
    (f, p) => {
      const rows = Array.from({ length: panelRows }, (_, r) => f.local('i32', `row${r}`));
      const sums = Array.from({ length: name === 'A' ? panelRows : 0 }, (_, r) => f.local('i32', `sum${r}`));
      const entry = f.local('i32', 'entry');
      const places = f.local('i32', 'places', load('i32.load', p.plan, PLAN.places));
      const table = add(p.plan, PLAN.table);
      const end = f.local('i32', 'end', add(table, mul(places, PLACE_BYTES)));
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const value = f.local('i32', 'value');
      const factor = f.local('i32', 'factor');
      const weight = f.local('i32', 'weight');
      const at = f.local('i32', 'at');
      const move = f.local('i32', 'move');
      const moves = f.local('i32', 'moves');
      const lanes = f.local('v128', 'lanes');
      const codes = [0, 1, 2, 3].map((i) => f.local('v128', `codes${i}`));
      const turned = [0, 1, 2, 3].map((i) => f.local('v128', `turned${i}`));
      const totals = sums.map((_, r) => f.local('v128', `total${r}`));
      const factors = f.local('v128', 'factors');
      const weights = ([0, 16] as const).map((offset) => f.local('v128', `weights${offset}`));
      const offsets = f.local('v128', 'offsets', op('i8x16.splat', p.offset));

      /** Brings the rows into the order of the places. What a move writes past its places, the next overwrites. */
      const reorder = (): void => {
        f.set(moves, load('i32.load', p.plan, PLAN.moveCount));
        f.if(moves, () => {
          f.set(move, add(p.plan, PLAN.moves));
          f.while(moves, () => {
            f.set(lanes, load('v128.load', move));
            f.set(from, load('i32.load', move, MOVE_FROM));
            f.set(to, add(p.ordered, load('i32.load', move, MOVE_TO)));
            rows.forEach((row, r) => {
              const bytes = load('v128.load', add(row, from));
              f.store('v128.store', to, op('i8x16.relaxed_swizzle', bytes, lanes), r * ORDERED_ROW);
            });
            advance(f, move, MOVE_BYTES);
            advance(f, moves, -1);
          });
          rows.forEach((row, r) => {
            f.set(row, add(p.ordered, r * ORDERED_ROW));
          });
        });
      };
      /** 16 places at a time. Factors are 0 where there is no channel, so what lies there does not matter. */
      const vectors = (): void => {
        f.set(to, p.dst);
        for (const total of totals) f.set(total, i32x4(0));
        f.set(at, i32(0));
        f.while(op('i32.lt_s', at, places), () => {
          if (name === 'A') {
            f.set(factors, load('v128.load', add(p.plan, at), PLAN.factors));
            weights.forEach((vector, i) => {
              f.set(vector, load('v128.load', add(p.plan, mul(at, 2)), PLAN.weights + i * 16));
            });
          }
          for (let half = 0; half < panelRows; half += 4) {
            codes.forEach((code, i) => {
              f.set(code, load('v128.load', add(rows[half + i], at)));
              if (name === 'B') {
                f.set(code, op('i8x16.add', code, offsets));
                return;
              }
              const low = op('i16x8.extmul_low_i8x16_s', code, factors);
              const high = op('i16x8.extmul_high_i8x16_s', code, factors);
              f.set(turned[0], low);
              f.set(turned[1], high);
              f.set(code, op('i8x16.narrow_i16x8_s', turned[0], turned[1]));
              weights.forEach((vector, part) => {
                const weighed = op('i32x4.dot_i16x8_s', turned[part], vector);
                f.set(totals[i], op('i32x4.add', totals[i], weighed));
              });
            });
            transpose4(f, codes, turned).forEach((quad, i) => {
              f.store('v128.store', to, quad, i * panelRows * 4 + half * 4);
            });
          }
          advance(f, at, 16);
          advance(f, to, panelRows * 16);
        });
        sums.forEach((sum, r) => {
          f.set(sum, sumLanes(totals[r]));
        });
      };
      const oneByOne = (): void => {
        f.set(entry, table);
        f.set(to, p.dst);
        f.while(op('i32.lt_u', entry, end), () => {
          for (let i = 0; i < 4; i += 1) {
            f.set(from, op('i32.mul', load('i32.load', entry), p.inner));
            if (name === 'A') {
              f.set(factor, load('i32.load', entry, 4));
              f.set(weight, load('i32.load', entry, 8));
            }
            rows.forEach((row, r) => {
              const code = load('i32.load8_s', add(row, from));
              if (name === 'B') {
                f.store('i32.store8', to, add(code, p.offset), r * 4 + i);
                return;
              }
              f.set(value, code);
              f.store('i32.store8', to, op('i32.mul', value, factor), r * 4 + i);
              f.set(sums[r], add(sums[r], op('i32.mul', value, weight)));
            });
            advance(f, entry, PLACE_BYTES);
          }
          advance(f, to, panelRows * 4);
        });
      };
      f.while(op('i32.gt_s', p.rows, i32(0)), () => {
        rows.forEach((row, r) => {
          const last = r === 0 ? p.src : rows[r - 1];
          f.set(row, r === 0 ? last : select(add(last, p.outer), last, op('i32.gt_s', p.rows, i32(r))));
        });
        for (const sum of sums) f.set(sum, i32(0));
        f.if(
          p.isVector,
          () => {
            reorder();
            vectors();
          },
          oneByOne,
        );
        sums.forEach((sum, r) => {
          f.store('i32.store', p.corrections, op('i32.mul', sum, p.offset), r * 4);
        });
        if (name === 'A') advance(f, p.corrections, panelRows * 4);
        advance(f, p.src, mul(p.outer, panelRows));
        advance(f, p.dst, p.stride);
        advance(f, p.rows, -panelRows);
      });
    },
    { export: false },
  );
}

function sumLanes(value: Local<'v128'>): I32 {
  const [a, b, c, d] = ([0, 1, 2, 3] as const).map((i) => lane('i32x4.extract_lane', i, value));
  return add(add(a, b), add(c, d));
}
