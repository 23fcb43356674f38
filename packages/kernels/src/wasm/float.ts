/** The float functions of the reference, four lanes at a time: the same steps in the same order, so the same bits. */
import { type FunctionBuilder, f32x4, i32, type Local, op } from '@bitloom/wasm';
import { EXP, GELU } from '../reference/float.js';
import type { V128 } from './emit.js';

const fadd = (a: V128, b: V128): V128 => op('f32x4.add', a, b);
const fsub = (a: V128, b: V128): V128 => op('f32x4.sub', a, b);
const fmul = (a: V128, b: V128): V128 => op('f32x4.mul', a, b);

/** Locals that {@link exp4} works in; made once per function, so that several uses share them. */
export interface ExpLocals {
  readonly x: Local<'v128'>;
  readonly n: Local<'v128'>;
  readonly r: Local<'v128'>;
}

export function expLocals(f: FunctionBuilder): ExpLocals {
  return { x: f.local('v128', 'expX'), n: f.local('v128', 'expN'), r: f.local('v128', 'expR') };
}

/** e^x of each lane, see `exp32` of the reference. */
export function exp4(f: FunctionBuilder, { x, n, r }: ExpLocals, value: V128): V128 {
  f.set(x, value);
  // pmin(a, b) = b < a ? b : a, so a NaN in x stays.
  f.set(r, op('f32x4.pmin', x, f32x4(EXP.high)));
  f.set(n, op('f32x4.nearest', fmul(r, f32x4(EXP.log2e))));
  f.set(r, fsub(fsub(r, fmul(n, f32x4(EXP.ln2High))), fmul(n, f32x4(EXP.ln2Low))));
  const [first, ...rest] = [...EXP.coefficients].reverse();
  let p: V128 = f32x4(first);
  for (const coefficient of [...rest, 1, 1]) p = fadd(fmul(p, r), f32x4(coefficient));
  // p · 2^n by adding n to the exponent field: the result is always a normal number.
  const scaled = op('i32x4.add', p, op('i32x4.shl', op('i32x4.trunc_sat_f32x4_s', n), i32(23)));
  return op('v128.andnot', scaled, op('f32x4.lt', x, f32x4(EXP.low)));
}

/** x / (1 + exp(−x)). `x` is used twice, so pass a local. */
export function silu4(f: FunctionBuilder, locals: ExpLocals, x: Local<'v128'>): V128 {
  return op('f32x4.div', x, fadd(f32x4(1), exp4(f, locals, op('f32x4.neg', x))));
}

/** x / (1 + exp(−u)) with u = x·(c0 + c1·x²). */
export function gelu4(f: FunctionBuilder, locals: ExpLocals, x: Local<'v128'>): V128 {
  const u = fmul(x, fadd(fmul(fmul(x, x), f32x4(GELU.c1)), f32x4(GELU.c0)));
  return op('f32x4.div', x, fadd(f32x4(1), exp4(f, locals, op('f32x4.neg', u))));
}
