/**
 * Small vocabulary shared by the emitted kernels: address arithmetic, loops over batch and rows, walks along
 * columns with exact tails, and the float reduction. Nothing here knows a particular kernel.
 *
 * Tails: a row of n columns is walked 4 float32 lanes at a time; the last n mod 4 columns go through
 * {@link loadTail}, which fills the other lanes with zeros, and {@link storeTail}, which writes none of them.
 */
import {
  type Expression,
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  lane,
  load,
  loadLane,
  op,
  select,
  shuffle,
  v128,
} from '@bitloom/wasm';

export type I32 = Expression<'i32'>;
export type F32 = Expression<'f32'>;
export type V128 = Expression<'v128'>;

export const add = (a: I32, b: I32 | number): I32 => op('i32.add', a, typeof b === 'number' ? i32(b) : b);
export const sub = (a: I32, b: I32 | number): I32 => op('i32.sub', a, typeof b === 'number' ? i32(b) : b);
export const mul = (a: I32, b: I32 | number): I32 => op('i32.mul', a, typeof b === 'number' ? i32(b) : b);
export const atLeast = (a: I32, b: I32 | number): I32 =>
  op('i32.ge_s', a, typeof b === 'number' ? i32(b) : b);
export const isSet = (flags: I32, bit: number): I32 => op('i32.and', flags, i32(bit));

/** local += amount. */
export function advance(f: FunctionBuilder, local: Local<'i32'>, amount: I32 | number): void {
  f.set(local, add(local, amount));
}

/** Runs `body` while `counter` > 0, decrementing it after each turn. The counter ends at 0 or what it was below. */
export function countDown(f: FunctionBuilder, counter: Local<'i32'>, body: () => void): void {
  f.while(op('i32.gt_s', counter, i32(0)), () => {
    body();
    advance(f, counter, -1);
  });
}

/** One strided operand: pointer and strides in bytes. The pointer local is moved by {@link forRows}. */
export interface Operand {
  readonly ptr: Local<'i32'>;
  readonly batch: I32;
  readonly row: I32;
}

/**
 * Runs `body` for every row of every batch, with one local per operand that points to the current row. The body
 * may move these locals; they are set again for the next row. `batchIndex` counts batches from 0.
 */
export function forRows(
  f: FunctionBuilder,
  batch: Local<'i32'>,
  rows: I32,
  operands: readonly Operand[],
  body: (pointers: Local<'i32'>[], row: Local<'i32'>, batchIndex: Local<'i32'>) => void,
  beforeBatch: (batchIndex: Local<'i32'>) => void = () => {},
): void {
  const starts = operands.map((_, i) => f.local('i32', `row${i}`));
  const pointers = operands.map((_, i) => f.local('i32', `at${i}`));
  const row = f.local('i32', 'row');
  const batchIndex = f.local('i32', 'batchIndex', i32(0));
  f.while(op('i32.lt_s', batchIndex, batch), () => {
    operands.forEach(({ ptr }, i) => {
      f.set(starts[i], ptr);
    });
    beforeBatch(batchIndex);
    f.set(row, i32(0));
    f.while(op('i32.lt_s', row, rows), () => {
      starts.forEach((start, i) => {
        f.set(pointers[i], start);
      });
      body(pointers, row, batchIndex);
      operands.forEach((operand, i) => {
        advance(f, starts[i], operand.row);
      });
      advance(f, row, 1);
    });
    operands.forEach((operand) => {
      advance(f, operand.ptr, operand.batch);
    });
    advance(f, batchIndex, 1);
  });
}

/** value = the `count` (1 to 3) float32 at `address`, zeros in the other lanes. */
export function loadTail(f: FunctionBuilder, value: Local<'v128'>, address: I32, count: I32): void {
  f.if(
    op('i32.and', count, i32(2)),
    () => {
      f.set(value, load('v128.load64_zero', address));
      f.if(op('i32.and', count, i32(1)), () =>
        f.set(value, loadLane('v128.load32_lane', 2, address, value, 8)),
      );
    },
    () => f.set(value, load('v128.load32_zero', address)),
  );
}

/** Stores the first `count` (1 to 3) lanes of float32 or int32. */
export function storeTail(f: FunctionBuilder, address: I32, value: V128, count: I32): void {
  f.if(
    op('i32.and', count, i32(2)),
    () => {
      f.storeLane('v128.store64_lane', 0, address, value);
      f.if(op('i32.and', count, i32(1)), () => f.storeLane('v128.store32_lane', 2, address, value, 8));
    },
    () => f.storeLane('v128.store32_lane', 0, address, value),
  );
}

/** All ones in the first `count` lanes of 32 bits. */
export function tailMask(count: I32): V128 {
  const lanes = v128(new Uint8Array(Int32Array.of(0, 1, 2, 3).buffer));
  return op('i32x4.lt_s', lanes, op('i32x4.splat', count));
}

/** How the columns of a row are visited. */
export interface Walk {
  /** Pointers moved along the row, 4 bytes per column. */
  readonly pointers: readonly Local<'i32'>[];
  /** Number of columns; the local is used up. */
  readonly count: Local<'i32'>;
  /**
   * Full vectors: `offset` bytes past the pointers. `chunk` is the index of the vector in its run of 16 columns
   * (for the 16 partial sums), or 0 for {@link walkColumns}.
   */
  readonly full: (offset: number, chunk: number) => void;
  /** The last `count` (1 to 3) columns, at the pointers. */
  readonly tail: (count: Local<'i32'>, chunk: number) => void;
}

/**
 * Visits columns where the order does not matter: `unroll` vectors at a time, then single vectors, then the tail.
 * Unrolling pays for a formula of a few instructions; a long one only gets longer code.
 */
export function walkColumns(
  f: FunctionBuilder,
  { pointers, count, full, tail }: Walk,
  unroll: 1 | 4 = 4,
): void {
  for (const width of unroll === 1 ? [4] : [unroll * 4, 4]) {
    f.while(atLeast(count, width), () => {
      for (let offset = 0; offset < width; offset += 4) full(offset * 4, 0);
      for (const pointer of pointers) advance(f, pointer, width * 4);
      advance(f, count, -width);
    });
  }
  f.if(count, () => tail(count, 0));
}

/** Visits columns for a reduction into 16 partial sums: column i belongs to chunk floor(i mod 16 / 4), lane i mod 4. */
export function walkPartials(f: FunctionBuilder, { pointers, count, full, tail }: Walk): void {
  f.while(atLeast(count, 16), () => {
    for (let chunk = 0; chunk < 4; chunk += 1) full(chunk * 16, chunk);
    for (const pointer of pointers) advance(f, pointer, 64);
    advance(f, count, -16);
  });
  const rest = (chunk: number): void => {
    f.if(
      atLeast(count, 4),
      () => {
        full(0, chunk);
        for (const pointer of pointers) advance(f, pointer, 16);
        advance(f, count, -4);
        // Fewer than 16 columns were left, so the fourth chunk is never full.
        if (chunk < 2) rest(chunk + 1);
        else f.if(count, () => tail(count, 3));
      },
      () => f.if(count, () => tail(count, chunk)),
    );
  };
  f.if(count, () => rest(0));
}

/** Four vectors of partial sums, set to +0 at this point. */
export function partialSums(f: FunctionBuilder): Local<'v128'>[] {
  return [0, 1, 2, 3].map((i) => f.local('v128', `partial${i}`, f32x4(0)));
}

/** The tree over 16 partial sums: halves of 8, 4, 2, 1. */
export function sumPartials(f: FunctionBuilder, [s0, s1, s2, s3]: readonly Local<'v128'>[]): F32 {
  f.set(s0, op('f32x4.add', op('f32x4.add', s0, s2), op('f32x4.add', s1, s3)));
  f.set(s0, op('f32x4.add', s0, shuffle(s0, s0, lanes32(2, 3, 0, 1))));
  return op('f32.add', lane('f32x4.extract_lane', 0, s0), lane('f32x4.extract_lane', 1, s0));
}

/** Byte indices of a shuffle of 32-bit lanes (0 to 3 of the first operand, 4 to 7 of the second). */
export function lanes32(...lanes: readonly number[]): number[] {
  return lanes.flatMap((index) => [0, 1, 2, 3].map((byte) => index * 4 + byte));
}

/** Byte indices of a shuffle of 16-bit lanes (0 to 7, 8 to 15). */
export function lanes16(...lanes: readonly number[]): number[] {
  return lanes.flatMap((index) => [index * 2, index * 2 + 1]);
}

/** (Σ a, Σ b, Σ c, Σ d) over the lanes of four vectors, as (x0 + x2) + (x1 + x3) of each. */
export function sumFour(name: 'i32x4.add' | 'f32x4.add', [a, b, c, d]: readonly V128[]): V128 {
  const pair = (x: V128, y: V128): V128 =>
    op(name, shuffle(x, y, lanes32(0, 4, 1, 5)), shuffle(x, y, lanes32(2, 6, 3, 7)));
  const ab = pair(a, b);
  const cd = pair(c, d);
  return op(name, shuffle(ab, cd, lanes32(0, 1, 4, 5)), shuffle(ab, cd, lanes32(2, 3, 6, 7)));
}

/** Largest lane of a vector without NaN. */
export function maxLane(f: FunctionBuilder, value: Local<'v128'>): F32 {
  f.set(value, op('f32x4.pmax', value, shuffle(value, value, lanes32(2, 3, 0, 1))));
  f.set(value, op('f32x4.pmax', value, shuffle(value, value, lanes32(1, 0, 3, 2))));
  return lane('f32x4.extract_lane', 0, value);
}

/** floor(index / divisor), for broadcasting one operand over a group of batches. */
export function sharedIndex(index: I32, divisor: I32): I32 {
  return op('i32.div_u', index, divisor);
}

/** Pointers to four rows of `rowBytes`, the later ones repeating the last of `count` valid rows. */
export function fourRows(
  f: FunctionBuilder,
  rows: readonly Local<'i32'>[],
  first: I32,
  rowBytes: I32,
  count: I32,
): void {
  f.set(rows[0], first);
  for (let i = 1; i < rows.length; i += 1) {
    f.set(rows[i], select(add(rows[i - 1], rowBytes), rows[i - 1], op('i32.gt_s', count, i32(i))));
  }
}
