/** Emits `rope`, for neighbouring pairs and for pairs half a head apart. */
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
import { add, advance, atLeast, forRows, type I32, lanes32, mul, type V128 } from './emit.js';

/** −0 in even lanes: flips the sign of the first of each pair. */
const FLIP_EVEN = v128(new Uint8Array(Float32Array.of(-0, 0, -0, 0).buffer));

/** Two pairs (a, b, a', b') turned by (c, s, c', s'): (a·c − b·s, b·c + a·s, ...). */
function turnPairs(x: V128, table: V128): V128 {
  const cos = shuffle(table, table, lanes32(0, 0, 2, 2));
  const sin = shuffle(table, table, lanes32(1, 1, 3, 3));
  const swapped = shuffle(x, x, lanes32(1, 0, 3, 2));
  const crossed = op('v128.xor', op('f32x4.mul', swapped, sin), FLIP_EVEN);
  return op('f32x4.add', op('f32x4.mul', x, cos), crossed);
}

interface RopeRow {
  readonly src: Local<'i32'>;
  readonly dst: Local<'i32'>;
  readonly table: Local<'i32'>;
  readonly cols: I32;
}

function interleavedRow(
  f: FunctionBuilder,
  row: RopeRow,
  count: Local<'i32'>,
  x: Local<'v128'>,
  t: Local<'v128'>,
): void {
  const { src, dst, table, cols } = row;
  f.set(count, cols);
  f.while(atLeast(count, 4), () => {
    f.set(x, load('v128.load', src));
    f.set(t, load('v128.load', table));
    f.store('v128.store', dst, turnPairs(x, t));
    for (const pointer of [src, dst, table]) advance(f, pointer, 16);
    advance(f, count, -4);
  });
  f.if(count, () => {
    f.set(x, load('v128.load64_zero', src));
    f.set(t, load('v128.load64_zero', table));
    f.storeLane('v128.store64_lane', 0, dst, turnPairs(x, t));
  });
}

function halfRow(
  f: FunctionBuilder,
  row: RopeRow,
  count: Local<'i32'>,
  x: Local<'v128'>,
  y: Local<'v128'>,
): void {
  const { src, dst, table, cols } = row;
  const src2 = f.local('i32', 'src2');
  const dst2 = f.local('i32', 'dst2');
  const cos = f.local('v128', 'cos');
  const sin = f.local('v128', 'sin');
  f.set(count, op('i32.shr_u', cols, i32(1)));
  f.set(src2, add(src, mul(count, 4)));
  f.set(dst2, add(dst, mul(count, 4)));
  const move = (columns: number): void => {
    for (const pointer of [src, src2, dst, dst2]) advance(f, pointer, 4 * columns);
    advance(f, table, 8 * columns);
    advance(f, count, -columns);
  };
  f.while(atLeast(count, 4), () => {
    f.set(x, load('v128.load', src));
    f.set(y, load('v128.load', src2));
    f.set(cos, shuffle(load('v128.load', table), load('v128.load', table, 16), lanes32(0, 2, 4, 6)));
    f.set(sin, shuffle(load('v128.load', table), load('v128.load', table, 16), lanes32(1, 3, 5, 7)));
    f.store('v128.store', dst, op('f32x4.sub', op('f32x4.mul', x, cos), op('f32x4.mul', y, sin)));
    f.store('v128.store', dst2, op('f32x4.add', op('f32x4.mul', x, sin), op('f32x4.mul', y, cos)));
    move(4);
  });
  const a = f.local('f32', 'a');
  const b = f.local('f32', 'b');
  const c = f.local('f32', 'c');
  const s = f.local('f32', 's');
  f.while(count, () => {
    f.set(a, load('f32.load', src));
    f.set(b, load('f32.load', src2));
    f.set(c, load('f32.load', table));
    f.set(s, load('f32.load', table, 4));
    f.store('f32.store', dst, op('f32.sub', op('f32.mul', a, c), op('f32.mul', b, s)));
    f.store('f32.store', dst2, op('f32.add', op('f32.mul', a, s), op('f32.mul', b, c)));
    move(1);
  });
}

/** Adds `rope` to `module`. */
export function emitRope(module: ModuleBuilder): void {
  const params = {
    batch: 'i32',
    rows: 'i32',
    cols: 'i32',
    src: 'i32',
    srcB: 'i32',
    srcR: 'i32',
    table: 'i32',
    tableR: 'i32',
    dst: 'i32',
    dstB: 'i32',
    dstR: 'i32',
    layout: 'i32',
  } as const;
  module.procedure('rope', params, (f, p) => {
    const x = f.local('v128', 'x');
    const y = f.local('v128', 'y');
    const count = f.local('i32', 'count');
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.table, batch: i32(0), row: p.tableR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, table, dst]) => {
      const row = { src, dst, table, cols: p.cols };
      f.if(
        p.layout,
        () => halfRow(f, row, count, x, y),
        () => interleavedRow(f, row, count, x, y),
      );
    });
  });
}
