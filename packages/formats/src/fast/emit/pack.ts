/**
 * Sixteen codes of 2 to 8 bits between one code per byte and a stream of 2 · bits bytes, least significant bit
 * first. Both ways take three rounds that join neighbours (8, 16 and 32 bits apart) or part them, and one swizzle
 * that moves whole bytes, so that one sequence serves every width.
 */
import { type FunctionBuilder, i32, type Local, op } from '@bitloom/wasm';
import { type I32, shiftLeft, splat32, sub, type V128 } from './steps.js';

/** One round: `lanes` of twice `half` bits; the upper half moves by `half` − 2^i · bits. */
const ROUNDS = [
  { half: 8, factor: 1, right: 'i16x8.shr_u', left: 'i16x8.shl' },
  { half: 16, factor: 2, right: 'i32x4.shr_u', left: 'i32x4.shl' },
  { half: 32, factor: 4, right: 'i64x2.shr_u', left: 'i64x2.shl' },
] as const;

/** What both directions keep in locals. */
export interface Packing {
  /** Bytes of a swizzle between 2 · bits dense bytes and two runs of 8 bytes. */
  readonly index: Local<'v128'>;
  /** Ones in the lower half of each lane, by round. */
  readonly lower: readonly Local<'v128'>[];
  /** How far the upper half moves, by round. */
  readonly shifts: readonly Local<'i32'>[];
  /** Ones in the low `bits` of each byte. */
  readonly mask: Local<'v128'>;
}

/** Locals of a function that packs or unpacks codes of `bits` bits with the swizzle `index`. */
export function packing(f: FunctionBuilder, bits: I32, index: V128): Packing {
  return {
    index: f.local('v128', 'index', index),
    lower: [
      f.local('v128', 'lower8', op('i16x8.splat', i32(0xff))),
      f.local('v128', 'lower16', splat32(0xffff)),
      f.local('v128', 'lower32', op('i64x2.shr_u', splat32(-1), i32(32))),
    ],
    shifts: ROUNDS.map(({ half, factor }) =>
      f.local('i32', `shift${half}`, sub(half, shiftLeft(bits, Math.log2(factor)))),
    ),
    mask: f.local('v128', 'mask', op('i8x16.splat', sub(shiftLeft(i32(1), bits), 1))),
  };
}

/** codes = the stream of the codes in its 16 bytes, of which the low `bits` count; zeros after it. */
export function pack(
  f: FunctionBuilder,
  codes: Local<'v128'>,
  { index, lower, shifts, mask }: Packing,
): void {
  f.set(codes, op('v128.and', codes, mask));
  ROUNDS.forEach(({ right }, i) => {
    const upper = op(right, op('v128.andnot', codes, lower[i]), shifts[i]);
    f.set(codes, op('v128.or', op('v128.and', codes, lower[i]), upper));
  });
  f.set(codes, op('i8x16.swizzle', codes, index));
}

/** codes = the sixteen codes at the start of the stream in `codes`, one per byte, not sign-extended. */
export function unpack(
  f: FunctionBuilder,
  codes: Local<'v128'>,
  { index, lower, shifts, mask }: Packing,
): void {
  f.set(codes, op('i8x16.swizzle', codes, index));
  for (const i of [2, 1, 0]) {
    // Bits of the other half stay above the codes that belong to a lane, until the last mask removes them.
    const upper = op('v128.andnot', op(ROUNDS[i].left, codes, shifts[i]), lower[i]);
    f.set(codes, op('v128.or', op('v128.and', codes, lower[i]), upper));
  }
  f.set(codes, op('v128.and', codes, mask));
}
