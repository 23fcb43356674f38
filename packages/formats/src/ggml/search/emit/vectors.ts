/** Vocabulary of the emitted searches: float32 lanes, constants, the two loops they are made of. */
import {
  type Expression,
  type FunctionBuilder,
  f32,
  f32x4,
  i32,
  i32x4,
  type Local,
  load,
  op,
} from '@bitloom/wasm';

export type V128 = Expression<'v128'>;

export const add = (a: V128, b: V128): V128 => op('f32x4.add', a, b);
export const sub = (a: V128, b: V128): V128 => op('f32x4.sub', a, b);
export const mul = (a: V128, b: V128): V128 => op('f32x4.mul', a, b);
export const div = (a: V128, b: V128): V128 => op('f32x4.div', a, b);
export const greater = (a: V128, b: V128): V128 => op('f32x4.gt', a, b);
export const and = (a: V128, b: V128): V128 => op('v128.and', a, b);
/** Lanes of `yes` where the mask is set, of `no` elsewhere. */
export const choose = (mask: V128, yes: V128, no: V128): V128 => op('v128.bitselect', yes, no, mask);
export const splat = (value: Expression<'f32'>): V128 => op('f32x4.splat', value);
export const constant = f32x4;

/** The integer, as i32 lanes, that GGML's `nearest_int` makes of a float32: see `nearestInt`. */
export function nearestIntegers(value: V128): V128 {
  const mantissa = and(add(value, f32x4(12582912)), i32x4(0x7fffff));
  return op('i32x4.sub', mantissa, i32x4(0x400000));
}

/** i32 lanes held between two others, as float32. */
export function clampToFloat(value: V128, low: V128, high: V128): V128 {
  return op('f32x4.convert_i32x4_s', op('i32x4.min_s', op('i32x4.max_s', value, low), high));
}

/** Runs `body` for byte offsets `start`, `start` + 16, ... below `end`. */
export function eachVector(
  f: FunctionBuilder,
  at: Local<'i32'>,
  start: number,
  end: Expression<'i32'>,
  body: (at: Local<'i32'>) => void,
): void {
  f.set(at, i32(start));
  f.loop((again) => {
    body(at);
    f.set(at, op('i32.add', at, i32(16)));
    f.branchIf(again, op('i32.lt_u', at, end));
  });
}

/** offset · 0.1 in float32, offset a signed integer. */
export function tenths(offset: Expression<'i32'>): Expression<'f32'> {
  return op('f32.mul', f32(0.1), op('f32.convert_i32_s', offset));
}

/** local = local, with the lanes of `value` where the mask is set. */
export function replace(f: FunctionBuilder, local: Local<'v128'>, mask: V128, value: V128): void {
  f.set(local, choose(mask, value, local));
}

/** Copies `count` bytes' worth of vectors at `from` over those at `to`, in the lanes of the mask. */
export function copyLanes(
  f: FunctionBuilder,
  at: Local<'i32'>,
  mask: V128,
  from: number,
  to: number,
  end: Expression<'i32'>,
): void {
  eachVector(f, at, 0, end, () => {
    f.store('v128.store', at, choose(mask, load('v128.load', at, from), load('v128.load', at, to)), to);
  });
}
