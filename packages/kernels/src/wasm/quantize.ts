/** Emits `quantizeRows`, its halves for rows in parts, and the row quantiser that `softmaxQuantize` shares with them. */
import {
  type FunctionBuilder,
  f32,
  f32x4,
  i32,
  type Local,
  load,
  type ModuleBuilder,
  op,
  v128,
} from '@bitloom/wasm';
import {
  advance,
  atLeast,
  forRows,
  type I32,
  loadTail,
  maxLane,
  sub,
  type V128,
  walkColumns,
} from './emit.js';

/** Locals of {@link quantizeRow}, made once per function. */
export interface QuantizeLocals {
  readonly amax: Local<'v128'>;
  readonly inverse: Local<'v128'>;
  readonly x: Local<'v128'>;
  readonly scalarInverse: Local<'f32'>;
  readonly scalarMax: Local<'f32'>;
  readonly at: Local<'i32'>;
  readonly count: Local<'i32'>;
}

export function quantizeLocals(f: FunctionBuilder): QuantizeLocals {
  return {
    amax: f.local('v128', 'amax'),
    inverse: f.local('v128', 'inverse'),
    x: f.local('v128', 'x'),
    scalarInverse: f.local('f32', 'scalarInverse'),
    scalarMax: f.local('f32', 'scalarMax'),
    at: f.local('i32', 'at'),
    count: f.local('i32', 'count'),
  };
}

/** Four values to int32 codes before clamping; NaN gives 0. */
function codes(value: V128, inverse: V128): V128 {
  return op('i32x4.trunc_sat_f32x4_s', op('f32x4.nearest', op('f32x4.mul', value, inverse)));
}

/** Sixteen int32 codes to bytes, clamped to ±largest. */
function narrow([a, b, c, d]: readonly V128[], largest: number): V128 {
  const low = op('i16x8.narrow_i32x4_s', a, b);
  const high = op('i16x8.narrow_i32x4_s', c, d);
  const limit = (code: number): V128 => v128(new Uint8Array(16).fill(code));
  const bytes = op('i8x16.max_s', op('i8x16.narrow_i16x8_s', low, high), limit(-largest));
  return largest === 127 ? bytes : op('i8x16.min_s', bytes, limit(largest));
}

/** amax = max(0, |x|) over `cols` floats at `src`. */
export function rowMaximum(f: FunctionBuilder, locals: QuantizeLocals, src: I32, cols: I32): void {
  const { amax, x, at, count } = locals;
  f.set(amax, f32x4(0));
  f.set(at, src);
  f.set(count, cols);
  walkColumns(f, {
    pointers: [at],
    count,
    full: (offset) => f.set(amax, op('f32x4.pmax', amax, op('f32x4.abs', load('v128.load', at, offset)))),
    tail(left) {
      loadTail(f, x, at, left);
      f.set(amax, op('f32x4.pmax', amax, op('f32x4.abs', x)));
    },
  });
}

/**
 * Quantises `cols` floats at `src` to bytes at `dst` with the maximum in `locals.amax`, stores the scale, and sets
 * the bytes from `cols` to `padTo` to 0. `largest` is the code of the maximum.
 */
export function quantizeRow(
  f: FunctionBuilder,
  locals: QuantizeLocals,
  row: { src: I32; dst: Local<'i32'>; cols: I32; padTo: I32; scale: I32 },
  largest = 127,
): void {
  const { amax, inverse, x, scalarInverse, scalarMax, at, count } = locals;
  const { dst } = row;
  f.set(scalarMax, maxLane(f, amax));
  f.set(scalarInverse, op('f32.div', f32(largest), scalarMax));
  f.if(
    op('f32.lt', scalarInverse, f32(Number.POSITIVE_INFINITY)),
    () => f.store('f32.store', row.scale, op('f32.div', scalarMax, f32(largest))),
    () => {
      f.set(scalarInverse, f32(0));
      f.store('f32.store', row.scale, f32(0));
    },
  );
  f.set(inverse, op('f32x4.splat', scalarInverse));
  f.set(at, row.src);
  f.set(count, row.cols);
  f.while(atLeast(count, 16), () => {
    const four = [0, 16, 32, 48].map((offset) => codes(load('v128.load', at, offset), inverse));
    f.store('v128.store', dst, narrow(four, largest));
    advance(f, at, 64);
    advance(f, dst, 16);
    advance(f, count, -16);
  });
  f.while(atLeast(count, 4), () => {
    f.set(x, codes(load('v128.load', at), inverse));
    f.storeLane('v128.store32_lane', 0, dst, narrow([x, x, x, x], largest));
    advance(f, at, 16);
    advance(f, dst, 4);
    advance(f, count, -4);
  });
  f.if(count, () => {
    loadTail(f, x, at, count);
    f.set(x, codes(x, inverse));
    f.set(x, narrow([x, x, x, x], largest));
    f.if(
      op('i32.and', count, i32(2)),
      () => {
        f.storeLane('v128.store16_lane', 0, dst, x);
        f.if(op('i32.and', count, i32(1)), () => f.storeLane('v128.store8_lane', 2, dst, x, 2));
      },
      () => f.storeLane('v128.store8_lane', 0, dst, x),
    );
    advance(f, dst, count);
  });
  // What is left to pad; the end of the row is where dst would be after padTo columns.
  f.set(count, sub(row.padTo, row.cols));
  f.while(op('i32.gt_s', count, i32(0)), () => {
    f.store('i32.store8', dst, i32(0));
    advance(f, dst, 1);
    advance(f, count, -1);
  });
}

const SOURCE = { batch: 'i32', rows: 'i32', cols: 'i32', src: 'i32', srcB: 'i32', srcR: 'i32' } as const;
const TARGET = { dst: 'i32', dstB: 'i32', dstR: 'i32' } as const;
const CODES = { ...TARGET, padTo: 'i32', scale: 'i32', scaleB: 'i32', scaleR: 'i32' } as const;

/** Adds `quantizeRows` to `module`. */
export function emitQuantize(module: ModuleBuilder): void {
  module.procedure('quantizeRows', { ...SOURCE, ...CODES }, (f, p) => {
    const locals = quantizeLocals(f);
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
      { ptr: p.scale, batch: p.scaleB, row: p.scaleR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst, scale]) => {
      rowMaximum(f, locals, src, p.cols);
      quantizeRow(f, locals, { src, dst, cols: p.cols, padTo: p.padTo, scale });
    });
  });
}

/** Adds `rowMaxima` and `quantizeRowsBy` to `module`. */
export function emitRowParts(module: ModuleBuilder): void {
  module.procedure('rowMaxima', { ...SOURCE, ...TARGET }, (f, p) => {
    const locals = quantizeLocals(f);
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, dst]) => {
      rowMaximum(f, locals, src, p.cols);
      f.set(locals.scalarMax, maxLane(f, locals.amax));
      f.store('f32.store', dst, locals.scalarMax);
    });
  });

  const maxima = { maxima: 'i32', maximaB: 'i32', maximaR: 'i32', parts: 'i32' } as const;
  module.procedure('quantizeRowsBy', { ...SOURCE, ...maxima, ...CODES }, (f, p) => {
    const locals = quantizeLocals(f);
    const operands = [
      { ptr: p.src, batch: p.srcB, row: p.srcR },
      { ptr: p.maxima, batch: p.maximaB, row: p.maximaR },
      { ptr: p.dst, batch: p.dstB, row: p.dstR },
      { ptr: p.scale, batch: p.scaleB, row: p.scaleR },
    ];
    forRows(f, p.batch, p.rows, operands, ([src, largest, dst, scale]) => {
      rowMaximum(f, locals, largest, p.parts);
      quantizeRow(f, locals, { src, dst, cols: p.cols, padTo: p.padTo, scale });
    });
  });
}
