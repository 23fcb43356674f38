/**
 * Small vocabulary of the emitted functions: address arithmetic, loops, shuffles by lane. Nothing here knows a format.
 */
import { type Expression, type FunctionBuilder, i32, type Local, op } from '@bitloom/wasm';

export type I32 = Expression<'i32'>;
export type V128 = Expression<'v128'>;

const expression = (value: I32 | number): I32 => (typeof value === 'number' ? i32(value) : value);

export const add = (a: I32, b: I32 | number): I32 => op('i32.add', a, expression(b));
export const sub = (a: I32 | number, b: I32 | number): I32 => op('i32.sub', expression(a), expression(b));
export const mul = (a: I32, b: I32 | number): I32 => op('i32.mul', a, expression(b));
export const and = (a: I32, b: I32 | number): I32 => op('i32.and', a, expression(b));
export const shiftLeft = (a: I32, b: I32 | number): I32 => op('i32.shl', a, expression(b));
export const shiftRight = (a: I32, b: I32 | number): I32 => op('i32.shr_u', a, expression(b));

/** Four equal 32-bit lanes; shorter in the binary than a vector constant. */
export const splat32 = (value: number): V128 => op('i32x4.splat', i32(value));

/** The bits of a float32. */
export function float32Bits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0];
}

/** local += amount. */
export function advance(f: FunctionBuilder, local: Local<'i32'>, amount: I32 | number): void {
  f.set(local, add(local, amount));
}

/** Runs `body` once, and again while `condition` is not 0 after it. */
export function repeatWhile(f: FunctionBuilder, condition: I32, body: () => void): void {
  f.loop((again) => {
    body();
    f.branchIf(again, condition);
  });
}

/** Byte indices of a shuffle of 32-bit lanes (0 to 3 of the first operand, 4 to 7 of the second). */
export function lanes32(...lanes: readonly number[]): number[] {
  return lanes.flatMap((index) => [0, 1, 2, 3].map((byte) => index * 4 + byte));
}

/** Byte indices of a shuffle of 16-bit lanes (0 to 7, 8 to 15). */
export function lanes16(...lanes: readonly number[]): number[] {
  return lanes.flatMap((index) => [index * 2, index * 2 + 1]);
}
