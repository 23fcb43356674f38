/** Emits the kernels of rows of int4 codes: the row quantiser with another largest code, and the nibbles of 16 codes at once. */
import {
  type FunctionBuilder,
  i32,
  type Local,
  load,
  type ModuleBuilder,
  op,
  shuffle,
  v128,
} from '@bitloom/wasm';
import { LARGEST_INT4 } from '../reference/int4-rows.js';
import { add, advance, atLeast, forRows, type I32, type V128 } from './emit.js';
import { quantizeLocals, quantizeRow, rowMaximum } from './quantize.js';

const SOURCE = { batch: 'i32', rows: 'i32', cols: 'i32', src: 'i32', srcB: 'i32', srcR: 'i32' } as const;
const TARGET = { dst: 'i32', dstB: 'i32', dstR: 'i32' } as const;
const SCALE = { scale: 'i32', scaleB: 'i32', scaleR: 'i32' } as const;

const every = (byte: number): V128 => v128(new Uint8Array(16).fill(byte));
/** The even bytes: low halves of 16 bits. */
const LOW_BYTES = v128(new Uint8Array(16).map((_, i) => (i % 2 === 0 ? 0xff : 0)));
/** Bytes of the first vector and of the second in turn. */
const INTERLEAVED = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? i / 2 : 16 + (i - 1) / 2));

/** The nibble of the code at `address`. */
const nibble = (address: I32, offset = 0): I32 =>
  op('i32.and', add(load('i32.load8_u', address, offset), 8), i32(15));

/** Adds `quantizeRowsInt4`, `packRowsInt4` and `expandRowsInt4` to `module`. */
export function emitInt4Rows(module: ModuleBuilder): void {
  module.procedure('quantizeRowsInt4', { ...SOURCE, ...TARGET, ...SCALE }, (f, p) => {
    const locals = quantizeLocals(f);
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
      { ptr: p.scale, batch: p.scaleB, row: p.scaleR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst, scale]) => {
      rowMaximum(f, locals, src, p.cols);
      quantizeRow(f, locals, { src, dst, cols: p.cols, padTo: p.cols, scale }, LARGEST_INT4);
    });
  });
  emitRowCopy(module, 'packRowsInt4', packRow);
  emitRowCopy(module, 'expandRowsInt4', expandRow);
}

/** What becomes of `count` codes of a row; the locals may be used up. */
type RowCopy = (
  f: FunctionBuilder,
  x: Local<'v128'>,
  src: Local<'i32'>,
  dst: Local<'i32'>,
  count: Local<'i32'>,
) => void;

function emitRowCopy(module: ModuleBuilder, name: string, row: RowCopy): void {
  module.procedure(name, { ...SOURCE, ...TARGET }, (f, p) => {
    const [x, count] = [f.local('v128', 'x'), f.local('i32', 'count')];
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst]) => {
      f.set(count, p.cols);
      row(f, x, src, dst, count);
    });
  });
}

function packRow(...[f, x, src, dst, count]: Parameters<RowCopy>): void {
  f.while(atLeast(count, 16), () => {
    f.set(x, op('v128.and', op('i8x16.add', load('v128.load', src), every(8)), every(15)));
    // Of 16 bits the upper byte comes down by four: beside the lower one, whose own upper half is empty.
    f.set(x, op('v128.and', op('v128.or', x, op('i16x8.shr_u', x, i32(4))), LOW_BYTES));
    f.storeLane('v128.store64_lane', 0, dst, op('i8x16.narrow_i16x8_u', x, x));
    advance(f, src, 16);
    advance(f, dst, 8);
    advance(f, count, -16);
  });
  f.while(atLeast(count, 2), () => {
    f.store('i32.store8', dst, op('i32.or', nibble(src), op('i32.shl', nibble(src, 1), i32(4))));
    advance(f, src, 2);
    advance(f, dst, 1);
    advance(f, count, -2);
  });
  f.if(op('i32.gt_s', count, i32(0)), () => f.store('i32.store8', dst, op('i32.or', nibble(src), i32(0x80))));
}

function expandRow(...[f, x, src, dst, count]: Parameters<RowCopy>): void {
  f.while(atLeast(count, 16), () => {
    f.set(x, load('v128.load64_zero', src));
    f.set(x, shuffle(op('v128.and', x, every(15)), op('i8x16.shr_u', x, i32(4)), INTERLEAVED));
    f.store('v128.store', dst, op('i8x16.sub', x, every(8)));
    advance(f, src, 8);
    advance(f, dst, 16);
    advance(f, count, -16);
  });
  const byte = (): I32 => load('i32.load8_u', src);
  const low = (): I32 => add(op('i32.and', byte(), i32(15)), -8);
  f.while(atLeast(count, 2), () => {
    f.store('i32.store8', dst, low());
    f.store('i32.store8', dst, add(op('i32.shr_u', byte(), i32(4)), -8), 1);
    advance(f, src, 1);
    advance(f, dst, 2);
    advance(f, count, -2);
  });
  f.if(op('i32.gt_s', count, i32(0)), () => f.store('i32.store8', dst, low()));
}
