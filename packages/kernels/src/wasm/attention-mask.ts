/** Emits `maskScores`: stretches of a row set to −inf, for a window of tokens and for hidden blocks. */
import { f32x4, i32, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { add, advance, forRows, mul, storeTail, sub, walkColumns } from './emit.js';

const HIDDEN = f32x4(Number.NEGATIVE_INFINITY);

/** Adds `maskScores` to `module`. */
export function emitMask(module: ModuleBuilder): void {
  const hide = module.procedure(
    'hideScores',
    { at: 'i32', count: 'i32' },
    (f, { at, count }) =>
      walkColumns(f, {
        pointers: [at],
        count,
        full: (offset) => f.store('v128.store', at, HIDDEN, offset),
        tail: (left) => storeTail(f, at, HIDDEN, left),
      }),
    { export: false },
  );
  const params = {
    batch: 'i32',
    rows: 'i32',
    cols: 'i32',
    dst: 'i32',
    dstB: 'i32',
    dstR: 'i32',
    position0: 'i32',
    window: 'i32',
    mask: 'i32',
    maskB: 'i32',
    maskR: 'i32',
    blockRows: 'i32',
    blockCols: 'i32',
  } as const;
  module.procedure('maskScores', params, (f, p) => {
    const position = f.local('i32', 'position');
    const seen = f.local('i32', 'seen');
    const block = f.local('i32', 'block');
    const column = f.local('i32', 'column');
    const width = f.local('i32', 'width');
    const masks = f.local('i32', 'masks');
    const operands = [{ ptr: p.dst, batch: p.dstB, row: p.dstR }];
    forRows(
      f,
      p.batch,
      p.rows,
      operands,
      ([dst], row) => {
        f.set(position, add(p.position0, row));
        f.if(op('i32.gt_s', p.window, i32(0)), () => {
          f.set(seen, add(sub(position, p.window), 1));
          f.set(seen, select(seen, p.cols, op('i32.lt_s', seen, p.cols)));
          f.if(op('i32.gt_s', seen, i32(0)), () => f.call(hide, dst, seen));
        });
        f.if(p.mask, () => {
          f.set(block, add(masks, op('i32.mul', op('i32.div_s', position, p.blockRows), p.maskR)));
          f.set(column, i32(0));
          f.while(op('i32.lt_s', column, p.cols), () => {
            f.if(op('i32.eqz', load('i32.load8_u', block)), () => {
              f.set(width, sub(p.cols, column));
              f.set(width, select(width, p.blockCols, op('i32.lt_s', width, p.blockCols)));
              f.call(hide, add(dst, mul(column, 4)), width);
            });
            advance(f, block, 1);
            f.set(column, add(column, p.blockCols));
          });
        });
      },
      (batchIndex) => f.set(masks, add(p.mask, op('i32.mul', batchIndex, p.maskB))),
    );
  });
}
