/** What a convolution of int8 does before and after its products: a look at the signs of the pixels, and the scale. */
import {
  type FunctionReference,
  f32x4,
  i32,
  i32x4,
  load,
  type ModuleBuilder,
  op,
  type ValueType,
} from '@bitloom/wasm';
import { ENTRY_BYTES, type Procedure } from './convolution-tile.js';
import { integers } from './convolution-walk.js';
import { add, advance, atLeast, countDown, loadTail, storeTail } from './emit.js';

/** scale(table, rows, lanes, column, scale): int32 results become float32, times the scale of their column. */
export function emitScale(module: ModuleBuilder): Procedure {
  const params = { table: 'i32', rows: 'i32', lanes: 'i32', column: 'i32', scale: 'i32' } as const;
  return module.procedure(
    'scale',
    params,
    (f, p) => {
      const value = f.local('v128', 'value');
      const factor = f.local('v128', 'factor', f32x4(0));
      const { at, from, left } = integers(f, 'at', 'from', 'left');
      const product = (): void => f.set(value, op('f32x4.mul', op('f32x4.convert_i32x4_s', value), factor));
      countDown(f, p.rows, () => {
        f.set(at, add(load('i32.load', p.table, 4), p.column));
        f.set(from, p.scale);
        f.set(left, p.lanes);
        f.while(atLeast(left, 4), () => {
          f.set(value, load('v128.load', at));
          f.set(factor, load('v128.load', from));
          product();
          f.store('v128.store', at, value);
          advance(f, at, 16);
          advance(f, from, 16);
          advance(f, left, -4);
        });
        f.if(left, () => {
          loadTail(f, value, at, left);
          loadTail(f, factor, from, left);
          product();
          storeTail(f, at, value, left);
        });
        advance(f, p.table, ENTRY_BYTES);
      });
    },
    { export: false },
  );
}

/**
 * nonNegative(src, images, srcImage, rows, rowBytes, rowStride): 1 when no byte of any row is negative, as what comes out
 * of a rectifier. Data with signs show one at once.
 */
export function emitNonNegative(module: ModuleBuilder): FunctionReference<readonly ValueType[], 'i32'> {
  const params = {
    src: 'i32',
    images: 'i32',
    srcImage: 'i32',
    rows: 'i32',
    rowBytes: 'i32',
    rowStride: 'i32',
  } as const;
  return module.function(
    'nonNegative',
    params,
    'i32',
    (f, p) => {
      const { row, from, left, at } = integers(f, 'row', 'from', 'left', 'at');
      const signs = f.local('v128', 'signs', i32x4(0));
      const rest = f.local('i32', 'rest', i32(0));
      countDown(f, p.images, () => {
        f.set(row, p.rows);
        f.set(from, p.src);
        countDown(f, row, () => {
          f.set(left, p.rowBytes);
          f.set(at, from);
          f.while(atLeast(left, 16), () => {
            f.set(signs, op('v128.or', signs, load('v128.load', at)));
            advance(f, at, 16);
            advance(f, left, -16);
          });
          countDown(f, left, () => {
            f.set(rest, op('i32.or', rest, load('i32.load8_u', at)));
            advance(f, at, 1);
          });
          f.if(op('i32.or', op('i8x16.bitmask', signs), op('i32.and', rest, i32(128))), () =>
            f.return(i32(0)),
          );
          advance(f, from, p.rowStride);
        });
        advance(f, p.src, p.srcImage);
      });
      return i32(1);
    },
    { export: false },
  );
}
