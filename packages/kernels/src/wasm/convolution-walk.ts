/** Small vocabulary of the emitted convolutions: integer arithmetic on locals, and walks over pixels. */
import { type FunctionBuilder, i32, type Local, op, select, type ValueType } from '@bitloom/wasm';
import { add, advance, type I32, sub } from './emit.js';

/** Parameters of a function: integers by name, and scratch memory at the end. */
export function integerParams<N extends string>(names: readonly N[]): Record<N | 'scratch', 'i32'> {
  const entries: [string, ValueType][] = [...names, 'scratch'].map((name) => [name, 'i32']);
  return Object.fromEntries(entries) as Record<N | 'scratch', 'i32'>;
}

/** Integer locals by name. */
export function integers<N extends string>(
  f: FunctionBuilder,
  ...names: readonly N[]
): Record<N, Local<'i32'>> {
  return Object.fromEntries(names.map((name) => [name, f.local('i32', name)])) as Record<N, Local<'i32'>>;
}

export const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));
export const larger = (a: I32, b: I32): I32 => select(a, b, op('i32.gt_s', a, b));
export const times = (a: I32, b: I32): I32 => op('i32.mul', a, b);

/** A counter that walks the pixels of all images: column, row, image. */
export interface PixelWalk {
  readonly x: Local<'i32'>;
  readonly y: Local<'i32'>;
  readonly image: Local<'i32'>;
}

export function pixelWalk(f: FunctionBuilder): PixelWalk {
  return integers(f, 'x', 'y', 'image');
}

/** Goes back to the first pixel. */
export function restart(f: FunctionBuilder, { x, y, image }: PixelWalk): void {
  for (const local of [x, y, image]) f.set(local, i32(0));
}

/** Goes to the next pixel. */
export function nextPixel(f: FunctionBuilder, { x, y, image }: PixelWalk, rows: I32, cols: I32): void {
  advance(f, x, 1);
  f.if(op('i32.eq', x, cols), () => {
    f.set(x, i32(0));
    advance(f, y, 1);
    f.if(op('i32.eq', y, rows), () => {
      f.set(y, i32(0));
      advance(f, image, 1);
    });
  });
}

/**
 * Sets `begin` and `end` to the range of 0..count whose places offset + i · step lie in 0..size; step is at least 1.
 */
export function setInside(
  f: FunctionBuilder,
  range: { readonly begin: Local<'i32'>; readonly end: Local<'i32'> },
  place: { readonly offset: I32; readonly step: I32; readonly size: I32; readonly count: I32 },
): void {
  const { offset, step, size, count } = place;
  f.set(range.begin, larger(op('i32.div_s', sub(sub(step, 1), offset), step), i32(0)));
  const room = sub(sub(size, 1), offset);
  f.set(range.end, smaller(count, add(op('i32.div_s', room, step), 1)));
  f.if(op('i32.lt_s', room, i32(0)), () => f.set(range.end, i32(0)));
}
