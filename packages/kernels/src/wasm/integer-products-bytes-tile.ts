/**
 * Emits the register tile of the ShiftQuant product over bytes: 4 by 8 sums of the panels of
 * integer-products-bytes-pack.ts. Products are added in int16 for as many quads as their widths allow, then in int32;
 * between classes of shifts the sums are doubled.
 */
import { i16x8, i32x4, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { advance, sub } from './emit.js';
import { RUN_BYTES } from './integer-products-bytes-places.js';
import { type Procedure, smaller } from './integer-products-pack.js';
import { TILE_COLUMNS, TILE_ROWS } from './integer-products-tile.js';

/** tileBytes(a, b, runs, count, steps, corrections, out): 4 x 8 int32 sums at `out`, one row after the other. */
export function emitByteTile(module: ModuleBuilder): Procedure {
  const params = {
    a: 'i32',
    b: 'i32',
    runs: 'i32',
    count: 'i32',
    steps: 'i32',
    corrections: 'i32',
    out: 'i32',
  } as const;
  return module.procedure(
    'tileBytes',
    params,
    (f, p) => {
      const sums = Array.from({ length: TILE_ROWS }, (_, i) =>
        [0, 1].map((v) => f.local('v128', `sum${i}_${v}`)),
      );
      const columns = [0, 1].map((v) => f.local('v128', `b${v}`));
      const row = f.local('v128', 'row');
      const quads = f.local('i32', 'quads');
      const chunk = f.local('i32', 'chunk');
      const doublings = f.local('i32', 'doublings');
      const each = (visit: (i: number, v: number) => void): void => {
        for (let i = 0; i < TILE_ROWS; i += 1) for (let v = 0; v < 2; v += 1) visit(i, v);
      };
      const at = (i: number, v: number): number => i * TILE_COLUMNS * 4 + v * 16;
      each((i, v) => f.store('v128.store', p.out, i32x4(0), at(i, v)));
      f.while(p.count, () => {
        f.set(quads, load('i32.load', p.runs));
        f.while(quads, () => {
          f.set(chunk, smaller(quads, p.steps));
          f.set(quads, sub(quads, chunk));
          each((i, v) => f.set(sums[i][v], i16x8(0)));
          f.loop((again) => {
            columns.forEach((column, v) => {
              f.set(column, load('v128.load', p.b, v * 16));
            });
            for (let i = 0; i < TILE_ROWS; i += 1) {
              f.set(row, load('v128.load32_splat', p.a, i * 4));
              for (let v = 0; v < 2; v += 1) {
                const dot = op('i16x8.relaxed_dot_i8x16_i7x16_s', row, columns[v]);
                f.set(sums[i][v], op('i16x8.add', sums[i][v], dot));
              }
            }
            advance(f, p.a, TILE_ROWS * 4);
            advance(f, p.b, TILE_COLUMNS * 4);
            f.branchIf(again, f.tee(chunk, sub(chunk, 1)));
          });
          each((i, v) => {
            const wide = op('i32x4.dot_i16x8_s', sums[i][v], i16x8(1));
            f.store('v128.store', p.out, op('i32x4.add', load('v128.load', p.out, at(i, v)), wide), at(i, v));
          });
        });
        f.set(doublings, load('i32.load', p.runs, 4));
        f.if(doublings, () =>
          each((i, v) =>
            f.store(
              'v128.store',
              p.out,
              op('i32x4.shl', load('v128.load', p.out, at(i, v)), doublings),
              at(i, v),
            ),
          ),
        );
        advance(f, p.runs, RUN_BYTES);
        advance(f, p.count, -1);
      });
      each((i, v) => {
        const correction = load('v128.load32_splat', p.corrections, i * 4);
        const sum = op('i32x4.sub', load('v128.load', p.out, at(i, v)), correction);
        f.store('v128.store', p.out, sum, at(i, v));
      });
    },
    { export: false },
  );
}
