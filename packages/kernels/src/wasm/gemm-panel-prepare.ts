/**
 * Emits how activations are laid out for the product of several tokens: tiles of 4 tokens (the last may have fewer), in
 * each the quads of columns one after the other, in each quad the tokens. Groups are padded with zeros to whole units of
 * the container.
 *
 * As bytes (for the relaxed product) a quad is 4 bytes per token, and the start of each group's sums, −offset·Σx, goes to
 * a table [group][token] of 32 bits beside it. As pairs it is two times 4 bytes per token: int16 columns (0, 2), then
 * (1, 3).
 */
import { i16x8, i32, i32x4, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { add, advance, lanes16, mul, sub, type V128 } from './emit.js';
import type { Procedure } from './gemm-row.js';
import { startOfSums } from './gemm-row-prepare.js';
import { PAIR_ORDER } from './rows16.js';

/** Tokens of one tile. */
export const TILE_TOKENS = 4;

/** How a quad is written. */
export type PanelForm = 'bytes' | 'pairs';

/** Bytes of a quad of one token. */
export function quadBytes(form: PanelForm): 4 | 8 {
  return form === 'bytes' ? 4 : 8;
}

/**
 * preparePanel<Form>(x, xR, tokens, length, group, unitColumns, dst, tileBytes, start, inHalves, starts, startBytes): lays out
 * `length` columns of each token; tile i is at dst + i·tileBytes, its starts at starts + i·startBytes. A start is
 * {@link startOfSums}. Reads whole steps of 8 columns.
 */
export function emitPanelPrepare(module: ModuleBuilder, form: PanelForm): Procedure {
  const params = {
    x: 'i32',
    xR: 'i32',
    tokens: 'i32',
    length: 'i32',
    group: 'i32',
    unitColumns: 'i32',
    dst: 'i32',
    tileBytes: 'i32',
    start: 'i32',
    inHalves: 'i32',
    starts: 'i32',
    startBytes: 'i32',
  } as const;
  return module.procedure(
    `preparePanel_${form}`,
    params,
    (f, p) => {
      const order = lanes16(...PAIR_ORDER);
      const value = f.local('v128', 'value');
      const sum = f.local('v128', 'sum');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const startTo = f.local('i32', 'startTo');
      const rest = f.local('i32', 'rest');
      const left = f.local('i32', 'left');
      const padding = f.local('i32', 'padding');
      const width = f.local('i32', 'width');
      const token = f.local('i32', 'token');
      /** Stores the first lanes of 32 bits, one for each token apart. */
      const store = (source: V128, lanes: number): void => {
        f.set(value, source);
        for (let i = 0; i < lanes; i += 1) {
          f.storeLane('v128.store32_lane', i, to, value);
          advance(f, to, mul(width, 4));
        }
      };
      const lanesOfStep = form === 'bytes' ? 2 : 4;
      f.while(op('i32.gt_s', p.tokens, i32(0)), () => {
        f.set(width, i32(TILE_TOKENS));
        f.if(op('i32.lt_s', p.tokens, i32(TILE_TOKENS)), () => f.set(width, p.tokens));
        f.set(token, i32(0));
        f.while(op('i32.lt_s', token, width), () => {
          f.set(from, p.x);
          f.set(to, add(p.dst, mul(token, 4)));
          f.set(startTo, add(p.starts, mul(token, 4)));
          f.set(rest, p.length);
          f.while(op('i32.gt_s', rest, i32(0)), () => {
            f.set(left, p.group);
            f.if(op('i32.lt_s', rest, p.group), () => f.set(left, rest));
            f.set(rest, sub(rest, left));
            const units = op('i32.and', add(left, sub(p.unitColumns, 1)), sub(i32(0), p.unitColumns));
            f.set(padding, sub(units, op('i32.and', add(left, 7), i32(-8))));
            f.set(sum, i32x4(0));
            f.while(op('i32.gt_s', left, i32(0)), () => {
              if (form === 'bytes') {
                const wide = load('v128.load8x8_s', from);
                f.set(sum, op('i32x4.add', sum, op('i32x4.dot_i16x8_s', wide, i16x8(1))));
                store(load('v128.load64_zero', from), lanesOfStep);
              } else {
                f.set(value, load('v128.load8x8_s', from));
                store(shuffle(value, value, order), lanesOfStep);
              }
              advance(f, from, 8);
              advance(f, left, -8);
            });
            f.while(op('i32.gt_s', padding, i32(0)), () => {
              store(i32x4(0), lanesOfStep);
              advance(f, padding, -8);
            });
            if (form === 'bytes') {
              f.store('i32.store', startTo, startOfSums(f, sum, p.start, p.inHalves));
              advance(f, startTo, mul(width, 4));
            }
          });
          advance(f, p.x, p.xR);
          advance(f, token, 1);
        });
        advance(f, p.dst, p.tileBytes);
        advance(f, p.starts, p.startBytes);
        advance(f, p.tokens, -TILE_TOKENS);
      });
    },
    { export: false },
  );
}
