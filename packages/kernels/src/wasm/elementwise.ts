/** Emits the element-wise kernels: a table of one-vector formulas, and the strided loops around them. */
import { type FunctionBuilder, f32x4, type Local, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { forRows, loadTail, storeTail, type V128, walkColumns } from './emit.js';
import { type ExpLocals, expLocals, gelu4, silu4 } from './float.js';

/** Formulas with an exponential are long; the loops around the others are unrolled. */
const LONG: ReadonlySet<string> = new Set(['silu', 'gelu', 'siluMul']);

type Unary = (f: FunctionBuilder, locals: ExpLocals, x: Local<'v128'>) => V128;
type Binary = (f: FunctionBuilder, locals: ExpLocals, a: Local<'v128'>, b: Local<'v128'>) => V128;

const UNARY: Readonly<Record<'silu' | 'gelu' | 'relu' | 'copy', Unary>> = {
  silu: silu4,
  gelu: gelu4,
  // pmax(a, b) = a < b ? b : a: +0 unless x > 0.
  relu: (_f, _locals, x) => op('f32x4.pmax', f32x4(0), x),
  copy: (_f, _locals, x) => x,
};

const BINARY: Readonly<Record<'add' | 'mul' | 'siluMul', Binary>> = {
  add: (_f, _locals, a, b) => op('f32x4.add', a, b),
  mul: (_f, _locals, a, b) => op('f32x4.mul', a, b),
  siluMul: (f, locals, a, b) => op('f32x4.mul', silu4(f, locals, a), b),
};

const SHAPE = { batch: 'i32', rows: 'i32', cols: 'i32' } as const;

/** Adds every element-wise kernel to `module`, exported under its name in `Kernels`. */
export function emitElementwise(module: ModuleBuilder): void {
  for (const [name, formula] of Object.entries(UNARY)) {
    const params = {
      ...SHAPE,
      src: 'i32',
      srcB: 'i32',
      srcR: 'i32',
      dst: 'i32',
      dstB: 'i32',
      dstR: 'i32',
    } as const;
    module.procedure(name, params, (f, p) => {
      const locals = expLocals(f);
      const x = f.local('v128', 'x');
      const count = f.local('i32', 'count');
      const operands = [
        { ptr: p.src, batch: p.srcB, row: p.srcR },
        { ptr: p.dst, batch: p.dstB, row: p.dstR },
      ];
      forRows(f, p.batch, p.rows, operands, ([src, dst]) => {
        f.set(count, p.cols);
        walkColumns(
          f,
          {
            pointers: [src, dst],
            count,
            full(offset) {
              f.set(x, load('v128.load', src, offset));
              f.store('v128.store', dst, formula(f, locals, x), offset);
            },
            tail(left) {
              loadTail(f, x, src, left);
              f.set(x, formula(f, locals, x));
              storeTail(f, dst, x, left);
            },
          },
          LONG.has(name) ? 1 : 4,
        );
      });
    });
  }
  for (const [name, formula] of Object.entries(BINARY)) {
    const params = {
      ...SHAPE,
      a: 'i32',
      aB: 'i32',
      aR: 'i32',
      b: 'i32',
      bB: 'i32',
      bR: 'i32',
      dst: 'i32',
      dstB: 'i32',
      dstR: 'i32',
    } as const;
    module.procedure(name, params, (f, p) => {
      const locals = expLocals(f);
      const x = f.local('v128', 'x');
      const y = f.local('v128', 'y');
      const count = f.local('i32', 'count');
      const operands = [
        { ptr: p.a, batch: p.aB, row: p.aR },
        { ptr: p.b, batch: p.bB, row: p.bR },
        { ptr: p.dst, batch: p.dstB, row: p.dstR },
      ];
      forRows(f, p.batch, p.rows, operands, ([a, b, dst]) => {
        f.set(count, p.cols);
        walkColumns(
          f,
          {
            pointers: [a, b, dst],
            count,
            full(offset) {
              f.set(x, load('v128.load', a, offset));
              f.set(y, load('v128.load', b, offset));
              f.store('v128.store', dst, formula(f, locals, x, y), offset);
            },
            tail(left) {
              loadTail(f, x, a, left);
              loadTail(f, y, b, left);
              f.set(x, formula(f, locals, x, y));
              storeTail(f, dst, x, left);
            },
          },
          LONG.has(name) ? 1 : 4,
        );
      });
    });
  }
}
