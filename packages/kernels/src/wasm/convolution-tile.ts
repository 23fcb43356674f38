/**
 * The register tile that all convolutions share: four rows of the left operand against eight columns of the right one,
 * eight sums in registers. A *step* is 4 bytes of a row, that is two int16 or one float32, and 32 bytes of the panel of
 * the right operand: [step][8 columns][4 bytes]. What a row and a column are (pixels and filters, filters and channels)
 * is the caller's affair; a table in memory says where each row of the left operand and of the result lies, so rows
 * need not be evenly spaced. In a ragged tile the result of the last row is named again for those that are not there.
 */
import {
  type Expression,
  type FunctionReference,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type Local,
  load,
  type ModuleBuilder,
  op,
  type ValueType,
} from '@bitloom/wasm';
import type { Features } from '../features.js';
import { advance, atLeast, loadTail, storeTail, sub, type V128 } from './emit.js';

export type Procedure = FunctionReference<readonly ValueType[], undefined>;

/** Rows of a tile. */
export const TILE_ROWS = 4;
/** Columns of a tile. */
export const TILE_COLUMNS = 8;
/** Bytes of a panel per step. */
export const PANEL_STEP = TILE_COLUMNS * 4;
/** Bytes of a table entry: pointer to the left operand, pointer to the result. */
export const ENTRY_BYTES = 8;

/** The arithmetic of one type of operands. */
export interface Arithmetic {
  readonly name: 'Int8' | 'Int7' | 'F32';
  /** Bytes of an operand in memory. */
  readonly size: 1 | 4;
  /** Operands of one step. */
  readonly perStep: 1 | 2 | 4;
  /** Four sums of 0. */
  readonly zero: V128;
  /** sum + products of one step. */
  readonly accumulate: (sum: V128, w: V128, x: V128) => V128;
}

export const INT8: Arithmetic = {
  name: 'Int8',
  size: 1,
  perStep: 2,
  zero: i32x4(0),
  accumulate: (sum, w, x) => op('i32x4.add', sum, op('i32x4.dot_i16x8_s', w, x)),
};

/**
 * Int8 where the left operand is not negative, for engines with relaxed SIMD: the pairs of a relaxed dot product fit int16
 * (2 · 127 · 128 is below 2^15), and its result is deterministic for 0..127.
 */
export const INT7: Arithmetic = {
  name: 'Int7',
  size: 1,
  perStep: 4,
  zero: i32x4(0),
  accumulate: (sum, w, x) => {
    const pairs = op('i16x8.relaxed_dot_i8x16_i7x16_s', w, x);
    return op('i32x4.add', sum, op('i32x4.dot_i16x8_s', pairs, i16x8(1)));
  },
};

/** Float32, fused where the engine offers it: then all float convolutions are, so results agree among themselves. */
export function float32({ relaxedSimd }: Features): Arithmetic {
  return {
    name: 'F32',
    size: 4,
    perStep: 1,
    zero: f32x4(0),
    accumulate: (sum, w, x) =>
      relaxedSimd ? op('f32x4.relaxed_madd', w, x, sum) : op('f32x4.add', sum, op('f32x4.mul', w, x)),
  };
}

/**
 * tile<Name>x<stepBytes>(table, panel, steps, lanes, column, continue): the steps of a row are `stepBytes` apart; where that is
 * 16, rows are 4 bytes apart. Writes `lanes` (1 to 8) columns at `column` bytes past the result of each row, starting from what is there or from 0.
 */
export function emitTile(module: ModuleBuilder, arithmetic: Arithmetic, stepBytes: 4 | 16): Procedure {
  const params = {
    table: 'i32',
    panel: 'i32',
    steps: 'i32',
    lanes: 'i32',
    column: 'i32',
    continue: 'i32',
  } as const;
  return module.procedure(
    `tile${arithmetic.name}x${stepBytes}`,
    params,
    (f, p) => {
      const rows = Array.from({ length: TILE_ROWS }, (_, r) => r);
      // Rows that lie side by side need one pointer.
      const from = (stepBytes === 4 ? rows : [0]).map((r) =>
        f.local('i32', `from${r}`, load('i32.load', p.table, r * ENTRY_BYTES)),
      );
      const to = rows.map((r) =>
        f.local('i32', `to${r}`, op('i32.add', load('i32.load', p.table, r * ENTRY_BYTES + 4), p.column)),
      );
      const sums = rows.map((r) => [0, 1].map((v) => f.local('v128', `sum${r}_${v}`)));
      const w = [0, 1].map((v) => f.local('v128', `w${v}`));
      const x = f.local('v128', 'x');
      const rest = f.local('i32', 'rest', sub(p.lanes, 4));

      /** Runs the part that suits the number of lanes. */
      const byLanes = (parts: {
        readonly full: (r: number, v: number) => void;
        readonly tail: (r: number, v: number, count: Local<'i32'>) => void;
      }): void => {
        // The last row first: one that repeats another writes before it.
        const each = (visit: (r: number) => void): void => [...rows].reverse().forEach(visit);
        f.if(
          atLeast(p.lanes, TILE_COLUMNS),
          () =>
            each((r) => {
              parts.full(r, 0);
              parts.full(r, 1);
            }),
          () =>
            f.if(
              atLeast(p.lanes, 4),
              () => {
                each((r) => parts.full(r, 0));
                f.if(rest, () => each((r) => parts.tail(r, 1, rest)));
              },
              () => each((r) => parts.tail(r, 0, p.lanes)),
            ),
        );
      };
      const address = (r: number, v: number): Expression<'i32'> =>
        v === 0 ? to[r] : op('i32.add', to[r], i32(16));

      for (const row of sums) for (const sum of row) f.set(sum, arithmetic.zero);
      f.if(p.continue, () =>
        byLanes({
          full: (r, v) => f.set(sums[r][v], load('v128.load', to[r], v * 16)),
          tail: (r, v, count) => loadTail(f, sums[r][v], address(r, v), count),
        }),
      );
      // One step a turn: the engine runs out of registers over two.
      f.while(p.steps, () => {
        w.forEach((weights, v) => {
          f.set(weights, load('v128.load', p.panel, v * 16));
        });
        for (const r of rows) {
          f.set(
            x,
            stepBytes === 4 ? load('v128.load32_splat', from[r]) : load('v128.load32_splat', from[0], r * 4),
          );
          w.forEach((weights, v) => {
            f.set(sums[r][v], arithmetic.accumulate(sums[r][v], weights, x));
          });
        }
        for (const pointer of from) advance(f, pointer, stepBytes);
        advance(f, p.panel, PANEL_STEP);
        advance(f, p.steps, -1);
      });
      byLanes({
        full: (r, v) => f.store('v128.store', to[r], sums[r][v], v * 16),
        tail: (r, v, count) => storeTail(f, address(r, v), sums[r][v], count),
      });
    },
    { export: false },
  );
}
