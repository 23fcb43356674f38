/**
 * What the two emitted products over rows16 blocks share: the two containers as data. The layout is defined in
 * `@bitloom/formats`; in both containers 32-bit lane r of a 64-byte step belongs to row r of the block, so
 * `i32x4.dot_i16x8_s` over the int16 halves of the lanes sums within rows and never across.
 */
import { i16x8, i32, op } from '@bitloom/wasm';
import type { V128 } from './emit.js';

/** What differs between the two containers. */
export interface Container {
  readonly name: 'U4' | 'S8';
  readonly bits: 4 | 8;
  /** Columns of K in one 64-byte step: 8 or 4. */
  readonly stepColumns: 8 | 4;
  /** Pairs of columns in one step; int16 lanes 2r and 2r + 1 hold the codes of row r. */
  readonly stepPairs: 4 | 2;
  /**
   * Columns (relative to the step) of each pair, in the order in which codes come out of a step and activations
   * are laid out.
   */
  readonly pairs: readonly (readonly [number, number])[];
  /** The int16 codes of four rows for each pair, from 16 bytes of a step. `w` is used several times. */
  readonly codes: (w: V128) => V128[];
}

export const U4: Container = {
  name: 'U4',
  bits: 4,
  stepColumns: 8,
  stepPairs: 4,
  // Nibbles of lane h from the lowest: columns 2h, 4 + 2h, 1 + 2h, 5 + 2h.
  pairs: [
    [0, 2],
    [4, 6],
    [1, 3],
    [5, 7],
  ],
  codes: (w) =>
    [
      op('v128.and', w, i16x8(15)),
      op('v128.and', op('i16x8.shr_u', w, i32(4)), i16x8(15)),
      op('v128.and', op('i16x8.shr_u', w, i32(8)), i16x8(15)),
      op('i16x8.shr_u', w, i32(12)),
    ].map((nibbles) => op('i16x8.sub', nibbles, i16x8(8))),
};

export const S8: Container = {
  name: 'S8',
  bits: 8,
  stepColumns: 4,
  stepPairs: 2,
  // Bytes of lane h from the lowest: columns 2h, 1 + 2h.
  pairs: [
    [0, 2],
    [1, 3],
  ],
  codes: (w) => [op('i16x8.shr_s', op('i16x8.shl', w, i32(8)), i32(8)), op('i16x8.shr_s', w, i32(8))],
};

export const CONTAINERS: readonly Container[] = [U4, S8];

/** Columns of eight activations, as int16 lanes, in the order of the pairs of one (u4) or two (s8) steps. */
export function pairOrder({ pairs, stepColumns }: Container): number[] {
  return [0, 4]
    .filter((start) => start % stepColumns === 0)
    .flatMap((start) => pairs.flatMap(([a, b]) => [start + a, start + b]));
}
