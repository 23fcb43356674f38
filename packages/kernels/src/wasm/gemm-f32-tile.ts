/**
 * The inner products of a float32 product: tiles of one or two rows of x and four outputs, lanes along K. Within a
 * block of {@link COLUMNS} columns every output is four chains (column k belongs to chain k mod 4, in increasing k, from
 * +0; columns past the end are zeros in both operands), added as (s0 + s2) + (s1 + s3) and then to what the output held.
 * {@link emitPackedTile} reads panels, {@link emitDirectTile} the operands where they lie; both follow the same chains.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  i32,
  type Local,
  load,
  type ModuleBuilder,
  op,
  select,
  type ValueType,
} from '@bitloom/wasm';
import type { Features } from '../features.js';
import {
  add,
  advance,
  atLeast,
  fourRows,
  type I32,
  loadTail,
  mul,
  storeTail,
  sub,
  sumFour,
  type V128,
} from './emit.js';
import { COLUMNS, TILE_OUTPUTS, TILE_ROWS } from './gemm-f32-blocks.js';

type Procedure = FunctionReference<readonly ValueType[], undefined>;

const INTERNAL = { export: false } as const;
const OUTPUTS = Array.from({ length: TILE_OUTPUTS }, (_, j) => j);

/** a·b + sum: rounded once where the engine multiplies and adds in one, else twice. */
export function multiplyAdd({ relaxedSimd }: Features): (a: V128, b: V128, sum: V128) => V128 {
  return relaxedSimd
    ? (a, b, sum) => op('f32x4.relaxed_madd', a, b, sum)
    : (a, b, sum) => op('f32x4.add', sum, op('f32x4.mul', a, b));
}

/** Four chains for each output of a tile of `rows` rows. */
class Chains {
  readonly #f: FunctionBuilder;
  readonly #sums: Local<'v128'>[][];
  readonly #values: Local<'v128'>[];
  readonly #weights: Local<'v128'>[];
  readonly #multiplyAdd: (a: V128, b: V128, sum: V128) => V128;
  readonly #total: Local<'v128'>;

  constructor(f: FunctionBuilder, rows: number, features: Features) {
    this.#f = f;
    this.#multiplyAdd = multiplyAdd(features);
    this.#values = Array.from({ length: rows }, (_, i) => f.local('v128', `value${i}`));
    this.#weights = OUTPUTS.map((j) => f.local('v128', `weight${j}`));
    this.#sums = this.#values.map((_, i) => OUTPUTS.map((j) => f.local('v128', `sum${i}${j}`)));
    this.#total = f.local('v128', 'total');
  }

  reset(): void {
    for (const row of this.#sums) for (const sum of row) this.#f.set(sum, f32x4(0));
  }

  /** One step: `value` and `weight` load four columns of a row of either operand. */
  step(
    value: (into: Local<'v128'>, i: number) => void,
    weight: (into: Local<'v128'>, j: number) => void,
  ): void {
    this.#values.forEach(value);
    this.#weights.forEach(weight);
    for (const [i, row] of this.#sums.entries()) {
      for (const [j, sum] of row.entries()) {
        this.#f.set(sum, this.#multiplyAdd(this.#values[i], this.#weights[j], sum));
      }
    }
  }

  /**
   * Sends the sums through memory (at `spare`, 16 bytes each). Where a product needs a register of its own before it is
   * added, the engine would otherwise choose an order of the loop that runs out of registers.
   */
  settle(spare: I32): void {
    const sums = this.#sums.flat();
    for (const [i, sum] of sums.entries()) this.#f.store('v128.store', spare, sum, i * 16);
    for (const [i, sum] of sums.entries()) this.#f.set(sum, load('v128.load', spare, i * 16));
  }

  /**
   * Adds the chains of every row to `count` outputs (4 or more: four) from `out` on, or to +0 when `first` is 1. What
   * the output held is masked away rather than chosen: a constant zero that lives across the loop would cost a register.
   */
  finish(out: readonly I32[], count: Local<'i32'>, first: I32): void {
    const f = this.#f;
    const held = op('i32x4.splat', sub(first, 1));
    for (const [i, address] of out.entries()) {
      const [product] = this.#sums[i];
      f.set(product, sumFour('f32x4.add', this.#sums[i]));
      const sum = (): V128 => op('f32x4.add', op('v128.and', this.#total, held), product);
      f.if(
        atLeast(count, TILE_OUTPUTS),
        () => {
          f.set(this.#total, load('v128.load', address));
          f.store('v128.store', address, sum());
        },
        () => {
          loadTail(f, this.#total, address, count);
          f.set(this.#total, sum());
          storeTail(f, address, this.#total, count);
        },
      );
    }
  }
}

/** Addresses of the outputs of `rows` rows. */
function outputRows(f: FunctionBuilder, rows: number, out: I32, outR: I32): Local<'i32'>[] {
  const addresses: Local<'i32'>[] = [];
  for (let i = 0; i < rows; i += 1) {
    addresses.push(f.local('i32', `out${i}`, i === 0 ? out : add(addresses[i - 1], outR)));
  }
  return addresses;
}

/**
 * One block of K for `rows` rows of a panel of the left operand and the four of one of the right: `steps` steps of four
 * columns, at least one. `spare` is room for the chains.
 */
export function emitPackedTile(module: ModuleBuilder, features: Features, rows: 1 | 2): Procedure {
  const parameters = {
    steps: 'i32',
    left: 'i32',
    right: 'i32',
    out: 'i32',
    outR: 'i32',
    count: 'i32',
    first: 'i32',
    spare: 'i32',
  } as const;
  return module.procedure(
    `floatTile${rows}`,
    parameters,
    (f, { steps, left, right, out, outR, count, first, spare }) => {
      const chains = new Chains(f, rows, features);
      chains.reset();
      f.loop((again) => {
        chains.step(
          (into, i) => f.set(into, load('v128.load', left, i * 16)),
          (into, j) => f.set(into, load('v128.load', right, j * 16)),
        );
        advance(f, left, TILE_ROWS * 16);
        advance(f, right, TILE_OUTPUTS * 16);
        advance(f, steps, -1);
        f.branchIf(again, steps);
      });
      if (!features.relaxedSimd) chains.settle(spare);
      chains.finish(outputRows(f, rows, out, outR), count, first);
    },
    INTERNAL,
  );
}

/** All of K for `rows` rows and `count` outputs (4 or more: four), read where they lie, with columns side by side. */
export function emitDirectTile(module: ModuleBuilder, features: Features, rows: 1 | 2): Procedure {
  const parameters = {
    K: 'i32',
    x: 'i32',
    xR: 'i32',
    w: 'i32',
    wR: 'i32',
    out: 'i32',
    outR: 'i32',
    count: 'i32',
    first: 'i32',
  } as const;
  return module.procedure(
    `floatDirect${rows}`,
    parameters,
    (f, { K, x, xR, w, wR, out, outR, count, first }) => {
      const chains = new Chains(f, rows, features);
      const outs = outputRows(f, rows, out, outR);
      const xs = outs.map((_, i) => f.local('i32', `x${i}`, i === 0 ? x : add(x, mul(xR, i))));
      const ws = OUTPUTS.map((j) => f.local('i32', `w${j}`));
      const left = f.local('i32', 'left');
      fourRows(f, ws, w, wR, count);
      f.loop((nextBlock) => {
        chains.reset();
        f.set(left, select(K, i32(COLUMNS), op('i32.lt_s', K, i32(COLUMNS))));
        f.set(K, sub(K, left));
        f.while(atLeast(left, 4), () => {
          chains.step(
            (into, i) => f.set(into, load('v128.load', xs[i])),
            (into, j) => f.set(into, load('v128.load', ws[j])),
          );
          for (const pointer of [...xs, ...ws]) advance(f, pointer, 16);
          advance(f, left, -4);
        });
        f.if(left, () =>
          chains.step(
            (into, i) => loadTail(f, into, xs[i], left),
            (into, j) => loadTail(f, into, ws[j], left),
          ),
        );
        chains.finish(outs, count, first);
        f.set(first, i32(0));
        f.branchIf(nextBlock, K);
      });
    },
    INTERNAL,
  );
}
