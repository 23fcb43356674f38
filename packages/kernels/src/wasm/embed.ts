/** Emits the look-ups of embedding rows: bytes vectorised, other widths code by code. */
import { i32, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { add, advance, atLeast, countDown, loadTail, storeTail, walkColumns } from './emit.js';
import { halfToFloat } from './half.js';

/** Adds `embedGroups` and `embedF32` to `module`. */
export function emitEmbed(module: ModuleBuilder): void {
  const params = {
    bits: 'i32',
    group: 'i32',
    rows: 'i32',
    cols: 'i32',
    ids: 'i32',
    codes: 'i32',
    codesRowBytes: 'i32',
    scales: 'i32',
    scalesRowBytes: 'i32',
    dst: 'i32',
    dstR: 'i32',
  } as const;
  module.procedure('embedGroups', params, (f, p) => {
    const to = f.local('i32', 'to');
    const row = f.local('i32', 'codeRow');
    const scaleAt = f.local('i32', 'scaleAt');
    const bit = f.local('i32', 'bit');
    const left = f.local('i32', 'left');
    const count = f.local('i32', 'count');
    const scale = f.local('v128', 'scale');
    const codes = f.local('v128', 'codes16');
    const x = f.local('v128', 'x');
    const shift = f.local('i32', 'shift', op('i32.sub', i32(32), p.bits));
    countDown(f, p.rows, () => {
      f.set(to, p.dst);
      f.set(row, add(p.codes, op('i32.mul', load('i32.load', p.ids), p.codesRowBytes)));
      f.set(scaleAt, add(p.scales, op('i32.mul', load('i32.load', p.ids), p.scalesRowBytes)));
      f.set(bit, i32(0));
      f.set(left, p.cols);
      f.while(op('i32.gt_s', left, i32(0)), () => {
        f.set(scale, halfToFloat(op('i32x4.splat', load('i32.load16_s', scaleAt))));
        f.set(count, select(p.group, left, op('i32.lt_s', p.group, left)));
        f.set(left, op('i32.sub', left, count));
        f.if(op('i32.eq', p.bits, i32(8)), () => {
          f.while(atLeast(count, 8), () => {
            f.set(codes, load('v128.load8x8_s', row));
            for (const [i, half] of (
              ['i32x4.extend_low_i16x8_s', 'i32x4.extend_high_i16x8_s'] as const
            ).entries()) {
              const value = op('f32x4.mul', op('f32x4.convert_i32x4_s', op(half, codes)), scale);
              f.store('v128.store', to, value, i * 16);
            }
            advance(f, row, 8);
            advance(f, to, 32);
            advance(f, count, -8);
          });
        });
        // One code: the 16 bits that hold it, shifted up to drop the codes above and down with its sign.
        f.while(count, () => {
          const pair = load('i32.load16_u', add(row, op('i32.shr_u', bit, i32(3))));
          const aligned = op('i32.shr_u', pair, op('i32.and', bit, i32(7)));
          const code = op('i32.shr_s', op('i32.shl', aligned, shift), shift);
          f.set(x, op('f32x4.mul', op('f32x4.convert_i32x4_s', op('i32x4.splat', code)), scale));
          f.storeLane('v128.store32_lane', 0, to, x);
          advance(f, bit, p.bits);
          advance(f, to, 4);
          advance(f, count, -1);
        });
        // Whole bytes move to the row pointer, so that the next group may start with vectors again.
        advance(f, row, op('i32.shr_u', bit, i32(3)));
        f.set(bit, op('i32.and', bit, i32(7)));
        advance(f, scaleAt, 2);
      });
      advance(f, p.ids, 4);
      advance(f, p.dst, p.dstR);
    });
  });

  const table = {
    rows: 'i32',
    cols: 'i32',
    ids: 'i32',
    table: 'i32',
    tableRowBytes: 'i32',
    dst: 'i32',
    dstR: 'i32',
  } as const;
  module.procedure('embedF32', table, (f, p) => {
    const from = f.local('i32', 'from');
    const to = f.local('i32', 'to');
    const count = f.local('i32', 'count');
    const x = f.local('v128', 'x');
    countDown(f, p.rows, () => {
      f.set(from, add(p.table, op('i32.mul', load('i32.load', p.ids), p.tableRowBytes)));
      f.set(to, p.dst);
      f.set(count, p.cols);
      walkColumns(f, {
        pointers: [from, to],
        count,
        full: (offset) => f.store('v128.store', to, load('v128.load', from, offset), offset),
        tail(left) {
          loadTail(f, x, from, left);
          storeTail(f, to, x, left);
        },
      });
      advance(f, p.ids, 4);
      advance(f, p.dst, p.dstR);
    });
  });
}
