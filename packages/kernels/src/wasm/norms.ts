/** Emits `rmsNorm`, `layerNorm` and what else centres rows: float reductions by 16 partial sums, then one element-wise pass. */
import { type FunctionBuilder, f32, type Local, load, type ModuleBuilder, op } from '@bitloom/wasm';
import {
  type F32,
  forRows,
  type I32,
  loadTail,
  partialSums,
  storeTail,
  sumPartials,
  tailMask,
  type V128,
  walkColumns,
  walkPartials,
} from './emit.js';

/**
 * sum16 of `term(x)` over a row; `at` and `count` are used up. Terms of the empty lanes of the tail are masked, as
 * they need not be zero.
 */
function sumRow(
  f: FunctionBuilder,
  locals: { at: Local<'i32'>; count: Local<'i32'>; x: Local<'v128'> },
  term: (x: Local<'v128'>) => V128,
): F32 {
  const { at, count, x } = locals;
  const partials = partialSums(f);
  walkPartials(f, {
    pointers: [at],
    count,
    full(offset, chunk) {
      f.set(x, load('v128.load', at, offset));
      f.set(partials[chunk], op('f32x4.add', partials[chunk], term(x)));
    },
    tail(left, chunk) {
      loadTail(f, x, at, left);
      f.set(partials[chunk], op('f32x4.add', partials[chunk], op('v128.and', term(x), tailMask(left))));
    },
  });
  return sumPartials(f, partials);
}

/** 1 / sqrt(sum / cols + eps). */
function reciprocalRoot(sum: F32, cols: I32, eps: F32): F32 {
  const mean = op('f32.div', sum, op('f32.convert_i32_s', cols));
  return op('f32.div', f32(1), op('f32.sqrt', op('f32.add', mean, eps)));
}

const square = (x: V128): V128 => op('f32x4.mul', x, x);

const source = { batch: 'i32', rows: 'i32', cols: 'i32', src: 'i32', srcB: 'i32', srcR: 'i32' } as const;
const target = { dst: 'i32', dstB: 'i32', dstR: 'i32', eps: 'f32' } as const;

/** Adds `rmsNorm` and `layerNorm` to `module`. */
export function emitNorms(module: ModuleBuilder): void {
  emitRmsNorm(module);
  emitCentredNorm(module, 'layerNorm', { term: square, factor: reciprocalRoot });
}

function emitRmsNorm(module: ModuleBuilder): void {
  module.procedure('rmsNorm', { ...source, weight: 'i32', ...target }, (f, p) => {
    const x = f.local('v128', 'x');
    const factor = f.local('v128', 'factor');
    const at = f.local('i32', 'at');
    const w = f.local('i32', 'w');
    const count = f.local('i32', 'count');
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst]) => {
      f.set(at, src);
      f.set(count, p.cols);
      f.set(factor, op('f32x4.splat', reciprocalRoot(sumRow(f, { at, count, x }, square), p.cols, p.eps)));
      f.set(w, p.weight);
      f.set(count, p.cols);
      const scaled = (value: V128, weight: V128): V128 =>
        op('f32x4.mul', op('f32x4.mul', value, factor), weight);
      walkColumns(f, {
        pointers: [src, dst, w],
        count,
        full(offset) {
          const value = scaled(load('v128.load', src, offset), load('v128.load', w, offset));
          f.store('v128.store', dst, value, offset);
        },
        tail(left) {
          loadTail(f, x, src, left);
          const weight = f.local('v128', 'weight');
          loadTail(f, weight, w, left);
          f.set(x, scaled(x, weight));
          storeTail(f, dst, x, left);
        },
      });
    });
  });
}

/** What tells one norm of centred values from another. */
export interface CentredNorm {
  /** What is summed of a centred value. */
  readonly term: (centred: Local<'v128'>) => V128;
  /** The factor of the centred values, from the sum of the terms. */
  readonly factor: (sum: F32, cols: I32, eps: F32) => F32;
}

/** Adds a norm of x minus its mean, with a weight and perhaps a bias, to `module`. */
export function emitCentredNorm(module: ModuleBuilder, name: string, norm: CentredNorm): void {
  module.procedure(name, { ...source, weight: 'i32', bias: 'i32', ...target }, (f, p) => {
    const x = f.local('v128', 'x');
    const y = f.local('v128', 'y');
    const mean = f.local('v128', 'mean');
    const factor = f.local('v128', 'factor');
    const at = f.local('i32', 'at');
    const w = f.local('i32', 'w');
    const b = f.local('i32', 'b');
    const count = f.local('i32', 'count');
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    const restart = (src: I32): void => {
      f.set(at, src);
      f.set(count, p.cols);
    };
    const centred = (value: V128): V128 => op('f32x4.sub', value, mean);
    forRows(f, p.batch, p.rows, operands, ([src, dst]) => {
      restart(src);
      const sum = sumRow(f, { at, count, x }, (value) => value);
      f.set(mean, op('f32x4.splat', op('f32.div', sum, op('f32.convert_i32_s', p.cols))));
      restart(src);
      const total = sumRow(f, { at, count, x }, (value) => {
        f.set(y, centred(value));
        return norm.term(y);
      });
      f.set(factor, op('f32x4.splat', norm.factor(total, p.cols, p.eps)));
      f.set(w, p.weight);
      f.set(b, p.bias);
      restart(src);
      const scaled = (value: V128, weight: V128): V128 =>
        op('f32x4.mul', op('f32x4.mul', centred(value), factor), weight);
      walkColumns(f, {
        pointers: [src, dst, w, b],
        count,
        full(offset) {
          f.set(x, scaled(load('v128.load', src, offset), load('v128.load', w, offset)));
          f.if(p.bias, () => f.set(x, op('f32x4.add', x, load('v128.load', b, offset))));
          f.store('v128.store', dst, x, offset);
        },
        tail(left) {
          loadTail(f, x, src, left);
          loadTail(f, y, w, left);
          f.set(x, scaled(x, y));
          f.if(p.bias, () => {
            loadTail(f, y, b, left);
            f.set(x, op('f32x4.add', x, y));
          });
          storeTail(f, dst, x, left);
        },
      });
    });
  });
}
