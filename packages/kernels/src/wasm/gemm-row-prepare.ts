/**
 * Emits how activations are laid out for the product of one token: per group 16 bytes with the start of the sums (in all
 * lanes), then the columns, and zeros up to a whole unit of the container. Reads whole steps of 8 columns; what lies
 * past the last column meets code 0 in the weights, and the start takes back its share.
 */
import {
  type FunctionBuilder,
  i16x8,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  select,
  shuffle,
  v128,
} from '@bitloom/wasm';
import { add, advance, type I32, lanes16, lanes32, sub, type V128 } from './emit.js';
import type { Procedure } from './gemm-row.js';
import { PAIR_ORDER } from './rows16.js';

/** Bytes in front of the columns of each group. */
export const ROW_HEADER_BYTES = 16;

/** How eight columns are written. */
export type RowForm = 'bytes' | 'pairs' | 'scaledPairs';

/** Bytes that `columns` columns in `groups` groups take at most: int16, and up to 24 columns of padding per group. */
export function preparedRowBytes(columns: number, groups: number): number {
  return columns * 2 + groups * (ROW_HEADER_BYTES + 24 * 2) + 16;
}

/** Per int16 lane of a step of pairs: what the masks of u4 leave to reach 256. */
const FACTORS: readonly number[] = [256, 256, 1, 1, 16, 16, 256, 256];

/**
 * The start of the sums of a group as a 32-bit lane: Σx·start, or, where `inHalves` is not 0, two int16 for sums that stay
 * in int16: that of the columns 0 and 1 of all quads, and above it that of the columns 2 and 3. `sum` holds the sums of
 * neighbours among eight columns, and is used up.
 */
export function startOfSums(f: FunctionBuilder, sum: Local<'v128'>, start: I32, inHalves: I32): I32 {
  f.set(sum, op('i32x4.add', sum, shuffle(sum, sum, lanes32(2, 3, 0, 1))));
  const [low, high] = [0, 1].map((i) => op('i32.mul', lane('i32x4.extract_lane', i, sum), start));
  const halves = op('i32.or', op('i32.and', low, i32(0xffff)), op('i32.shl', high, i32(16)));
  return select(halves, add(low, high), inHalves);
}

/**
 * prepareRow<Form>(x, length, group, unitColumns, dst, start, inHalves): lays out `length` columns at x, with
 * {@link startOfSums} of each group.
 */
export function emitRowPrepare(module: ModuleBuilder, form: RowForm): Procedure {
  const params = {
    x: 'i32',
    length: 'i32',
    group: 'i32',
    unitColumns: 'i32',
    dst: 'i32',
    start: 'i32',
    inHalves: 'i32',
  } as const;
  const stepBytes = form === 'bytes' ? 8 : 16;
  return module.procedure(
    `prepareRow_${form}`,
    params,
    (f, p) => {
      const left = f.local('i32', 'left');
      const header = f.local('i32', 'header');
      const padding = f.local('i32', 'padding');
      const x = f.local('v128', 'x');
      const sum = f.local('v128', 'sum');
      const store = (value: V128): void => {
        if (form === 'bytes') f.storeLane('v128.store64_lane', 0, p.dst, value);
        else f.store('v128.store', p.dst, value);
        advance(f, p.dst, stepBytes);
      };
      f.while(op('i32.gt_s', p.length, i32(0)), () => {
        f.set(left, p.group);
        f.if(op('i32.lt_s', p.length, p.group), () => f.set(left, p.length));
        f.set(p.length, sub(p.length, left));
        // Columns of padding past the steps of eight; negative for s8 after a last step of four.
        const units = op('i32.and', add(left, sub(p.unitColumns, 1)), sub(i32(0), p.unitColumns));
        f.set(padding, sub(units, op('i32.and', add(left, 7), i32(-8))));
        f.set(header, p.dst);
        f.set(sum, i32x4(0));
        advance(f, p.dst, ROW_HEADER_BYTES);
        f.while(op('i32.gt_s', left, i32(0)), () => {
          f.set(x, load('v128.load8x8_s', p.x));
          f.set(sum, op('i32x4.add', sum, op('i32x4.dot_i16x8_s', x, i16x8(1))));
          const pairs = shuffle(x, x, lanes16(...PAIR_ORDER));
          if (form === 'bytes') store(load('v128.load64_zero', p.x));
          else if (form === 'pairs') store(pairs);
          else store(op('i16x8.mul', pairs, v128(new Uint8Array(Int16Array.from(FACTORS).buffer))));
          advance(f, p.x, 8);
          advance(f, left, -8);
        });
        f.while(op('i32.gt_s', padding, i32(0)), () => {
          store(i32x4(0));
          advance(f, padding, -8);
        });
        f.store('v128.store', header, op('i32x4.splat', startOfSums(f, sum, p.start, p.inHalves)));
      });
    },
    { export: false },
  );
}
