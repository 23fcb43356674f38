/**
 * Emits the register tile of the integer products over packed int16 pairs: 4 rows of a by 8 rows of b, eight sums in
 * registers, fed by four broadcasts and two vectors per pair of channels. Sums wrap modulo 2^32.
 */
import { i32, i32x4, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { add, advance, atLeast } from './emit.js';
import { type Procedure, smaller } from './integer-products-pack.js';

/** Rows of a and of b in one tile. */
export const TILE_ROWS = 4;
export const TILE_COLUMNS = 8;
/** Bytes of the results of one tile, for those that are cut by an edge. */
export const TILE_BYTES = TILE_ROWS * TILE_COLUMNS * 4;

/** tile(a, b, pairs, out, outR, continue): 4 x 8 sums. */
function emitWholeTile(module: ModuleBuilder): Procedure {
  const params = { a: 'i32', b: 'i32', pairs: 'i32', out: 'i32', outR: 'i32', continue: 'i32' } as const;
  return module.procedure(
    'tileInt16',
    params,
    (f, p) => {
      const sums = Array.from({ length: TILE_ROWS }, (_, i) =>
        [0, 1].map((v) => f.local('v128', `sum${i}_${v}`)),
      );
      const columns = [0, 1].map((v) => f.local('v128', `b${v}`));
      const row = f.local('v128', 'row');
      const each = (visit: (i: number, v: number) => void): void => {
        for (let i = 0; i < TILE_ROWS; i += 1) for (let v = 0; v < 2; v += 1) visit(i, v);
      };
      each((i, v) => f.set(sums[i][v], i32x4(0)));
      f.while(p.pairs, () => {
        // One pair in a turn: a longer body needs more registers than there are, and loses a fifth.
        columns.forEach((column, v) => {
          f.set(column, load('v128.load', p.b, v * 16));
        });
        for (let i = 0; i < TILE_ROWS; i += 1) {
          f.set(row, load('v128.load32_splat', p.a, i * 4));
          for (let v = 0; v < 2; v += 1) {
            f.set(sums[i][v], op('i32x4.add', sums[i][v], op('i32x4.dot_i16x8_s', row, columns[v])));
          }
        }
        advance(f, p.a, TILE_ROWS * 4);
        advance(f, p.b, TILE_COLUMNS * 4);
        advance(f, p.pairs, -1);
      });
      const store = (continued: boolean): void => {
        for (let i = 0; i < TILE_ROWS; i += 1) {
          for (let v = 0; v < 2; v += 1) {
            const sum = continued
              ? op('i32x4.add', sums[i][v], load('v128.load', p.out, v * 16))
              : sums[i][v];
            f.store('v128.store', p.out, sum, v * 16);
          }
          advance(f, p.out, p.outR);
        }
      };
      f.if(
        p.continue,
        () => store(true),
        () => store(false),
      );
    },
    { export: false },
  );
}

/** Adds copyTile(from, rows, columns, out, outR, continue): the part of a tile that lies inside the result. */
export function emitCopyTile(module: ModuleBuilder): Procedure {
  const params = {
    from: 'i32',
    rows: 'i32',
    columns: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
  } as const;
  return module.procedure(
    'copyTile',
    params,
    (f, p) => {
      const at = f.local('i32', 'at');
      const left = f.local('i32', 'left');
      const sums = f.local('v128', 'sums');
      f.while(p.rows, () => {
        f.set(at, i32(0));
        f.set(left, p.columns);
        const copy = (count: 4 | 1): void => {
          const read = count === 4 ? 'v128.load' : 'v128.load32_zero';
          f.set(sums, load(read, add(p.from, at)));
          f.if(p.continue, () => f.set(sums, op('i32x4.add', sums, load(read, add(p.out, at)))));
          if (count === 4) f.store('v128.store', add(p.out, at), sums);
          else f.storeLane('v128.store32_lane', 0, add(p.out, at), sums);
          advance(f, at, count * 4);
          advance(f, left, -count);
        };
        f.while(atLeast(left, 4), () => copy(4));
        f.while(left, () => copy(1));
        advance(f, p.from, TILE_COLUMNS * 4);
        advance(f, p.out, p.outR);
        advance(f, p.rows, -1);
      });
    },
    { export: false },
  );
}

/**
 * Adds tile(a, b, pairs, rows, columns, out, outR, continue, temporary): a tile of which the first `rows` and
 * `columns` are written; there may be more of both than the tile has.
 */
export function emitTile(module: ModuleBuilder, copy: Procedure): Procedure {
  const whole = emitWholeTile(module);
  const params = {
    a: 'i32',
    b: 'i32',
    pairs: 'i32',
    rows: 'i32',
    columns: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
    temporary: 'i32',
  } as const;
  return module.procedure(
    'tile',
    params,
    (f, p) => {
      const isWhole = op(
        'i32.and',
        op('i32.ge_s', p.rows, i32(TILE_ROWS)),
        op('i32.ge_s', p.columns, i32(TILE_COLUMNS)),
      );
      f.if(
        isWhole,
        () => f.call(whole, p.a, p.b, p.pairs, p.out, p.outR, p.continue),
        () => {
          f.call(whole, p.a, p.b, p.pairs, p.temporary, i32(TILE_COLUMNS * 4), i32(0));
          const rows = smaller(p.rows, i32(TILE_ROWS));
          f.call(copy, p.temporary, rows, smaller(p.columns, i32(TILE_COLUMNS)), p.out, p.outR, p.continue);
        },
      );
    },
    { export: false },
  );
}
