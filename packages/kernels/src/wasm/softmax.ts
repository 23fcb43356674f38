/** Emits `softmaxF32` and `softmaxQuantize`: the two passes over a row, then its destination. */
import {
  type FunctionBuilder,
  f32,
  f32x4,
  i32,
  type Local,
  load,
  type ModuleBuilder,
  op,
  select,
} from '@bitloom/wasm';
import {
  add,
  forRows,
  type I32,
  loadTail,
  maxLane,
  mul,
  partialSums,
  sharedIndex,
  storeTail,
  sub,
  sumPartials,
  tailMask,
  type V128,
  walkColumns,
  walkPartials,
} from './emit.js';
import { type ExpLocals, exp4, expLocals } from './float.js';
import { quantizeLocals, quantizeRow } from './quantize.js';

interface SoftmaxLocals {
  readonly exp: ExpLocals;
  readonly x: Local<'v128'>;
  readonly max: Local<'v128'>;
  readonly factor: Local<'v128'>;
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
  readonly count: Local<'i32'>;
}

function softmaxLocals(f: FunctionBuilder): SoftmaxLocals {
  return {
    exp: expLocals(f),
    x: f.local('v128', 'value'),
    max: f.local('v128', 'max'),
    factor: f.local('v128', 'factor'),
    from: f.local('i32', 'from'),
    to: f.local('i32', 'to'),
    count: f.local('i32', 'left'),
  };
}

const LOWEST = f32x4(Number.NEGATIVE_INFINITY);

/**
 * Writes e = exp(z − max z), z = src·smScale, over `length` columns of dst (which may be src), and leaves 1/Σe in
 * `locals.factor`.
 */
function exponentials(
  f: FunctionBuilder,
  locals: SoftmaxLocals,
  row: { src: I32; dst: I32; length: I32; smScale: V128 },
): void {
  const { x, max, factor, from, to, count } = locals;
  const restart = (source: I32): void => {
    f.set(from, source);
    f.set(to, row.dst);
    f.set(count, row.length);
  };
  restart(row.src);
  f.set(max, LOWEST);
  walkColumns(f, {
    pointers: [from, to],
    count,
    full(offset) {
      f.set(x, op('f32x4.mul', load('v128.load', from, offset), row.smScale));
      f.store('v128.store', to, x, offset);
      f.set(max, op('f32x4.pmax', max, x));
    },
    tail(left) {
      loadTail(f, x, from, left);
      f.set(x, op('f32x4.mul', x, row.smScale));
      storeTail(f, to, x, left);
      f.set(x, op('v128.bitselect', x, LOWEST, tailMask(left)));
      f.set(max, op('f32x4.pmax', max, x));
    },
  });
  f.set(max, op('f32x4.splat', maxLane(f, max)));
  restart(row.dst);
  const exponential = (): void => f.set(x, exp4(f, locals.exp, op('f32x4.sub', x, max)));
  walkColumns(
    f,
    {
      pointers: [to],
      count,
      full(offset) {
        f.set(x, load('v128.load', to, offset));
        exponential();
        f.store('v128.store', to, x, offset);
      },
      tail(left) {
        loadTail(f, x, to, left);
        exponential();
        storeTail(f, to, x, left);
      },
    },
    1,
  );
  restart(row.dst);
  const partials = partialSums(f);
  walkPartials(f, {
    pointers: [to],
    count,
    full: (offset, chunk) =>
      f.set(partials[chunk], op('f32x4.add', partials[chunk], load('v128.load', to, offset))),
    tail(left, chunk) {
      loadTail(f, x, to, left);
      f.set(partials[chunk], op('f32x4.add', partials[chunk], x));
    },
  });
  f.set(factor, op('f32x4.splat', op('f32.div', f32(1), sumPartials(f, partials))));
}

/** clamp(valid0 + row·validStep, 0, cols). */
function validColumns(f: FunctionBuilder, length: Local<'i32'>, valid: I32, cols: I32): void {
  f.set(length, valid);
  f.set(length, select(length, cols, op('i32.lt_s', length, cols)));
  f.set(length, select(length, i32(0), op('i32.gt_s', length, i32(0))));
}

/** Adds both kernels to `module`. */
export function emitSoftmax(module: ModuleBuilder): void {
  const source = { batch: 'i32', rows: 'i32', cols: 'i32', src: 'i32', srcB: 'i32', srcR: 'i32' } as const;
  const valid = { valid0: 'i32', validStep: 'i32', smScale: 'f32' } as const;
  const target = { dst: 'i32', dstB: 'i32', dstR: 'i32' } as const;

  module.procedure('softmaxF32', { ...source, ...valid, ...target }, (f, p) => {
    const locals = softmaxLocals(f);
    const { x, factor, to, count } = locals;
    const length = f.local('i32', 'length');
    const smScale = f.local('v128', 'smScale4', op('f32x4.splat', p.smScale));
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst], row) => {
      validColumns(f, length, add(p.valid0, op('i32.mul', row, p.validStep)), p.cols);
      exponentials(f, locals, { src, dst, length, smScale });
      f.set(to, dst);
      f.set(count, length);
      walkColumns(f, {
        pointers: [to],
        count,
        full: (offset) =>
          f.store('v128.store', to, op('f32x4.mul', load('v128.load', to, offset), factor), offset),
        tail(left) {
          loadTail(f, x, to, left);
          f.set(x, op('f32x4.mul', x, factor));
          storeTail(f, to, x, left);
        },
      });
      f.set(to, add(dst, mul(length, 4)));
      f.set(count, sub(p.cols, length));
      walkColumns(f, {
        pointers: [to],
        count,
        full: (offset) => f.store('v128.store', to, f32x4(0), offset),
        tail: (left) => storeTail(f, to, f32x4(0), left),
      });
    });
  });

  const params = {
    ...source,
    vScale: 'i32',
    vScaleB: 'i32',
    bDiv: 'i32',
    ...valid,
    ...target,
    padTo: 'i32',
    scale: 'i32',
    scaleB: 'i32',
    scaleR: 'i32',
  } as const;
  module.procedure('softmaxQuantize', params, (f, p) => {
    const locals = softmaxLocals(f);
    const quantize = quantizeLocals(f);
    const { x, factor, from, to, count } = locals;
    const length = f.local('i32', 'length');
    const values = f.local('i32', 'values');
    const value = f.local('v128', 'valueScale');
    const end = f.local('i32', 'end', select(p.padTo, p.cols, op('i32.gt_s', p.padTo, p.cols)));
    const smScale = f.local('v128', 'smScale4', op('f32x4.splat', p.smScale));
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
      { ptr: p.scale, batch: p.scaleB, row: p.scaleR },
    ];
    forRows(
      f,
      p.batch,
      p.rows,
      operands,
      ([src, dst, scale], row) => {
        validColumns(f, length, add(p.valid0, op('i32.mul', row, p.validStep)), p.cols);
        exponentials(f, locals, { src, dst: src, length, smScale });
        f.set(to, src);
        f.set(from, values);
        f.set(count, length);
        f.set(quantize.amax, f32x4(0));
        const finish = (): void => f.set(quantize.amax, op('f32x4.pmax', quantize.amax, op('f32x4.abs', x)));
        walkColumns(f, {
          pointers: [to, from],
          count,
          full(offset) {
            const p4 = op('f32x4.mul', load('v128.load', to, offset), factor);
            f.set(x, op('f32x4.mul', p4, load('v128.load', from, offset)));
            f.store('v128.store', to, x, offset);
            finish();
          },
          tail(left) {
            loadTail(f, x, to, left);
            loadTail(f, value, from, left);
            f.set(x, op('f32x4.mul', op('f32x4.mul', x, factor), value));
            storeTail(f, to, x, left);
            // The empty lanes are 0·factor·0: 0, or NaN when the factor is not finite, which no maximum takes.
            finish();
          },
        });
        quantizeRow(f, quantize, { src, dst, cols: length, padTo: end, scale });
      },
      (batchIndex) => f.set(values, add(p.vScale, op('i32.mul', sharedIndex(batchIndex, p.bDiv), p.vScaleB))),
    );
  });
}
