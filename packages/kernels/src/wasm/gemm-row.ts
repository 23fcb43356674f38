/**
 * Emits the product of one token with rows16 weight blocks: the case that reads every weight once and must run at
 * the speed of memory. Here are the loops over blocks and groups, the scales and the ragged last block; how the integer
 * sums of a group come about is the part of a {@link RowSums} (gemm-row-masked.ts, gemm-row-relaxed.ts,
 * gemm-row-widened.ts).
 *
 * Bodies stay small on purpose: V8 moves the loads of a basic block to its front, and a block with more loaded values
 * and sums than the 15 vector registers spills.
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
  type ValueType,
} from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet } from './emit.js';
import { halfToFloat } from './half.js';
import { ROW_VECTORS } from './rows16.js';

/** Bytes of scratch for the outputs of a ragged block. */
export const ROW_RAGGED_BYTES = 64;

export type Procedure = FunctionReference<readonly ValueType[], undefined>;

/** Locals of a product. */
export interface RowLocals {
  /** At the codes of the group; moved to their end. */
  readonly wAt: Local<'i32'>;
  /** At the prepared activations of the group; moved to their end. Never 0. */
  readonly xAt: Local<'i32'>;
  /** Units of the group; used up. */
  readonly units: Local<'i32'>;
  /** Int32 sums of the group, four rows each. */
  readonly totals: readonly Local<'v128'>[];
}

/** One way to sum a group. */
export interface RowSums {
  readonly name: string;
  /** Binary logarithm of a factor in the totals, which the scale takes back exactly. */
  readonly totalShift: number;
  /** Makes further locals once, and gives the writer of the sums of one group. */
  readonly emit: (f: FunctionBuilder, locals: RowLocals) => () => void;
}

/**
 * gemmRow<name>(w, blockStride, groups, groupUnits, lastUnits, prepared, N, out, xScale, flags, ragged).
 * `w` points to the first group of the first block, `blockStride` leads to the next block. A ragged last block
 * works in the 64 bytes at `ragged` and is copied.
 */
export function emitRowProduct(module: ModuleBuilder, sums: RowSums): Procedure {
  const params = {
    w: 'i32',
    blockStride: 'i32',
    groups: 'i32',
    groupUnits: 'i32',
    lastUnits: 'i32',
    prepared: 'i32',
    N: 'i32',
    out: 'i32',
    xScale: 'i32',
    flags: 'i32',
    ragged: 'i32',
  } as const;
  return module.procedure(
    `gemmRow${sums.name}`,
    params,
    (f, p) => {
      const wAt = f.local('i32', 'wAt');
      const xAt = f.local('i32', 'xAt');
      const group = f.local('i32', 'group');
      const units = f.local('i32', 'units');
      const target = f.local('i32', 'target');
      const totals = vectors(f, 'total');
      const accumulators = vectors(f, 'accumulator');
      const factor = f.local('v128', 'factor');
      const sumGroup = sums.emit(f, { wAt, xAt, units, totals });

      const copied = f.local('i32', 'copied');
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const copyColumns = (source: I32, dest: I32): void => {
        f.set(from, source);
        f.set(to, dest);
        f.set(copied, p.N);
        f.while(copied, () => {
          f.store('i32.store', to, load('i32.load', from));
          advance(f, from, 4);
          advance(f, to, 4);
          advance(f, copied, -1);
        });
      };

      f.while(op('i32.gt_s', p.N, i32(0)), () => {
        f.set(target, p.out);
        f.if(op('i32.eqz', atLeast(p.N, 16)), () => {
          f.set(target, p.ragged);
          f.if(isSet(p.flags, FLAG_CONTINUE), () => copyColumns(p.out, p.ragged));
        });
        f.if(
          isSet(p.flags, FLAG_CONTINUE),
          () => each((v) => f.set(accumulators[v], load('v128.load', target, v * 16))),
          () => each((v) => f.set(accumulators[v], f32x4(0))),
        );
        f.set(wAt, p.w);
        f.set(xAt, p.prepared);
        f.set(group, p.groups);
        f.while(op('i32.gt_s', group, i32(0)), () => {
          f.set(units, p.groupUnits);
          f.if(op('i32.eq', group, i32(1)), () => f.set(units, p.lastUnits));
          sumGroup();
          each((v) => {
            const scale = halfToFloat(load('v128.load16x4_s', wAt, v * 8), sums.totalShift);
            const product = op('f32x4.mul', op('f32x4.convert_i32x4_s', totals[v]), scale);
            f.set(accumulators[v], op('f32x4.add', accumulators[v], product));
          });
          advance(f, wAt, 32);
          advance(f, group, -1);
        });
        f.if(isSet(p.flags, FLAG_FINISH), () => {
          f.set(factor, load('v128.load32_splat', p.xScale));
          each((v) => f.set(accumulators[v], op('f32x4.mul', accumulators[v], factor)));
        });
        each((v) => f.store('v128.store', target, accumulators[v], v * 16));
        f.if(op('i32.eqz', atLeast(p.N, 16)), () => copyColumns(p.ragged, p.out));
        advance(f, p.w, p.blockStride);
        advance(f, p.out, 64);
        advance(f, p.N, -16);
      });
    },
    { export: false },
  );
}

/** One local for each vector of four rows. */
export function vectors(f: FunctionBuilder, name: string): Local<'v128'>[] {
  return Array.from({ length: ROW_VECTORS }, (_, v) => f.local('v128', `${name}${v}`));
}

/** Visits the vectors of four rows. */
export function each(visit: (v: number) => void): void {
  for (let v = 0; v < ROW_VECTORS; v += 1) visit(v);
}

/** while (left > 0) { count = min(left, most); left −= count; body }: cuts a count into pieces. */
export function forPieces(
  f: FunctionBuilder,
  left: Local<'i32'>,
  count: Local<'i32'>,
  most: number,
  body: () => void,
): void {
  f.while(op('i32.gt_s', left, i32(0)), () => {
    f.set(count, i32(most));
    f.if(op('i32.lt_s', left, i32(most)), () => f.set(count, left));
    f.set(left, op('i32.sub', left, count));
    body();
  });
}

/** Repeats `body` `counter` (at least 1) times. */
export function repeat(f: FunctionBuilder, counter: Local<'i32'>, body: () => void): void {
  f.loop((again) => {
    body();
    f.branchIf(again, f.tee(counter, add(counter, -1)));
  });
}
