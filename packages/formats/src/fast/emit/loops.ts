/** Walks over matrices in blocks, as the emitted functions share them, and their access to parameters. */
import { type FunctionBuilder, i32, type Local, load, op, select } from '@bitloom/wasm';
import { PARAMETERS } from '../parameters.js';
import {
  add,
  advance,
  and,
  type I32,
  mul,
  repeatWhile,
  shiftLeft,
  shiftRight,
  splat32,
  sub,
  type V128,
} from './steps.js';

/** A parameter, read where the expression is used. */
export function parameter(name: keyof typeof PARAMETERS): V128 {
  return load('v128.load', i32(0), PARAMETERS[name]);
}

/** What a pass over whole matrices is told, in either direction. */
export const PASS_PARAMETERS = {
  rows: 'i32',
  cols: 'i32',
  group: 'i32',
  values: 'i32',
  /** A float32 per block. */
  scales: 'i32',
  codes: 'i32',
  bits: 'i32',
  elementKind: 'i32',
  /** Floats: 23 − mantissa bits. */
  drop: 'i32',
} as const;

/** Byte offsets of the four vectors of a turn: 16 columns. */
export const TURN = [0, 16, 32, 48] as const;
const TURN_BYTES = 64;

/** The matrix that a function walks: what its callers give. */
export interface Matrix {
  readonly rows: Local<'i32'>;
  readonly cols: Local<'i32'>;
  /** Columns of a block; the last one of a row may be short. At least 1. */
  readonly group: Local<'i32'>;
  /** Its float32 values, moved along. 64 bytes past their end are readable and writable. */
  readonly values: Local<'i32'>;
}

/** A stream of codes beside the values: rows and blocks begin on bytes. */
export interface Stream {
  /** Its first byte, moved along. */
  readonly codes: Local<'i32'>;
  readonly bits: Local<'i32'>;
}

/** What a block sees. */
export interface Block {
  /** Its first value; and, in {@link forTurns}, that of each turn. */
  readonly from: Local<'i32'>;
  /** Past its last value. */
  readonly end: Local<'i32'>;
  /** Its first code. */
  readonly to: Local<'i32'>;
}

/**
 * Runs `body` for every block of every row.
 *
 * @param clear whether columns between the end of a block and the end of its last turn read as zero meanwhile; they
 *   are put back afterwards
 */
export function forBlocks(
  f: FunctionBuilder,
  { rows, cols, group, values }: Matrix,
  stream: Stream | undefined,
  clear: boolean,
  body: (block: Block) => void,
): void {
  const left = f.local('i32', 'left');
  const count = f.local('i32', 'count');
  const from = f.local('i32', 'from');
  const end = f.local('i32', 'end');
  const at = f.local('i32', 'at');
  const to = f.local('i32', 'to');
  const kept = clear ? TURN.map((offset) => f.local('v128', `kept${offset}`)) : [];
  f.while(op('i32.gt_s', rows, i32(0)), () => {
    f.set(left, cols);
    if (stream !== undefined) f.set(at, stream.codes);
    f.while(left, () => {
      f.set(count, select(group, left, op('i32.lt_s', group, left)));
      f.set(from, values);
      f.set(end, add(values, shiftLeft(count, 2)));
      if (clear) {
        f.if(and(count, 15), () => {
          TURN.forEach((offset, i) => {
            f.set(kept[i], load('v128.load', end, offset));
            f.store('v128.store', end, splat32(0), offset);
          });
        });
      }
      if (stream !== undefined) f.set(to, at);
      body({ from, end, to });
      if (clear) {
        f.if(and(count, 15), () => {
          TURN.forEach((offset, i) => {
            f.store('v128.store', end, kept[i], offset);
          });
        });
      }
      f.set(values, end);
      if (stream !== undefined) advance(f, at, shiftRight(mul(count, stream.bits), 3));
      f.set(left, sub(left, count));
    });
    if (stream !== undefined) {
      advance(f, stream.codes, shiftRight(add(mul(cols, stream.bits), 7), 3));
    }
    advance(f, rows, -1);
  });
}

/** Runs `body` for every turn of a block; `from` moves along, and `to` by `turnBytes` where that is given. */
export function forTurns(
  f: FunctionBuilder,
  { from, end, to }: Block,
  turnBytes: I32 | undefined,
  body: () => void,
): void {
  repeatWhile(f, op('i32.lt_u', from, end), () => {
    body();
    advance(f, from, TURN_BYTES);
    if (turnBytes !== undefined) advance(f, to, turnBytes);
  });
}
