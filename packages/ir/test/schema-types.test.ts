/**
 * The schemas against the interfaces, both ways. This file fails to type-check when one of them changes alone.
 */
import { expect, test } from 'vitest';
import type * as z from 'zod';
import type { Device, Expression, Model, Program, Report, Trace } from '../src/index.js';
import type { deviceForm } from '../src/schema/device-schema.js';
import type { expressionForms } from '../src/schema/expression-schema.js';
import type { modelForm } from '../src/schema/model-schema.js';
import type { programForm } from '../src/schema/program-schema.js';
import type { reportForm } from '../src/schema/report-schema.js';
import type { traceForm } from '../src/schema/trace-schema.js';

/** Exactly the same type, not just assignable. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

type Leaf = number | string | boolean | undefined | null | Uint8Array | Uint32Array | Float64Array;

/** The interfaces are readonly, zod's results are not. Expressions are compared on their own. */
type Mutable<T> = [T] extends [Expression]
  ? [Expression] extends [T]
    ? Expression
    : MutableParts<T>
  : MutableParts<T>;
type MutableParts<T> = T extends Leaf
  ? T
  : unknown extends T
    ? T
    : { -readonly [K in keyof T]: Mutable<T[K]> };

/** One level of an expression; its operands stay whole. */
type Level<T> = T extends number ? number : { -readonly [K in keyof T]: Operands<T[K]> };
type Operands<T> = T extends readonly [number, infer E]
  ? [number, E]
  : T extends readonly [infer E, number]
    ? [E, number]
    : T extends readonly [infer E, readonly number[]]
      ? [E, number[]]
      : T extends readonly (infer E)[]
        ? E[]
        : T;

test('every schema gives exactly its interface', () => {
  const same: [
    Equal<Level<z.output<typeof expressionForms>>, Level<Expression>>,
    Equal<Mutable<z.output<typeof modelForm>>, Mutable<Model>>,
    Equal<Mutable<z.output<typeof programForm>>, Mutable<Program>>,
    Equal<Mutable<z.output<typeof deviceForm>>, Mutable<Device>>,
    Equal<Mutable<z.output<typeof reportForm>>, Mutable<Report>>,
    Equal<Mutable<z.output<typeof traceForm>>, Mutable<Trace>>,
  ] = [true, true, true, true, true, true];
  expect(same).not.toContain(false);
});

test('the comparison sees a difference', () => {
  interface Drifted extends Omit<Report, 'notes'> {
    readonly notes: readonly string[] | undefined;
  }
  const same: [
    Equal<Mutable<Report>, Mutable<Drifted>>,
    Equal<Mutable<{ readonly a: number }>, { a?: number }>,
    Equal<Mutable<{ readonly a: 'x' | 'y' }>, { a: 'x' }>,
    Equal<Level<Expression>, Level<Exclude<Expression, { readonly sym: string }>>>,
  ] = [false, false, false, false];
  expect(same).not.toContain(true);
});
