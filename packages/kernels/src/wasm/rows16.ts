/**
 * The containers of rows16 as the emitted products see them: where the codes of a quad (four columns of a row, one byte
 * each) lie in the vectors of a unit, and how many products fit 16 bits. The layout is defined in `@bitloom/formats`; in
 * every container 32-bit lane r of a 64-byte step belongs to row r of the block, so products sum within rows and never
 * across.
 */
import { ROWS16_CONTAINERS, type Rows16Container } from '@bitloom/formats';
import { type FunctionBuilder, i32, type Local, load, op, v128 } from '@bitloom/wasm';
import type { I32, V128 } from './emit.js';

export const CONTAINERS: readonly Rows16Container[] = ROWS16_CONTAINERS;

/** Vectors of four rows in a block. */
export const ROW_VECTORS = 4;

/** A vector of 16 equal bytes. */
export function everyByte(value: number): V128 {
  return v128(new Uint8Array(16).fill(value));
}

/** Quads of one unit. */
export function unitQuads({ unitColumns }: Rows16Container): number {
  return unitColumns / 4;
}

/** Whether stored codes stay below 128, which the relaxed dot product asks of its second operand. */
export function fitsSevenBits({ bits }: Rows16Container): boolean {
  return bits < 8;
}

/**
 * Sums of two products of a stored code and an int8 that int16 holds: 32, 16, 8, 4, 2 for 2 to 6 bits. One such sum is at
 * most 2·(2^bits − 1)·128, and the largest power of two of them stays below 2^15.
 */
export function pairSums({ bits }: Rows16Container): number {
  return 2 ** (7 - bits);
}

/**
 * Loads what `count` quads from quad `first` of a unit need (16 bytes per plane and step, from byte `offset` of the step)
 * and gives each quad's stored codes: one byte per column, lane r the row r of four.
 */
export function visitQuads(
  f: FunctionBuilder,
  { planes, unitColumns }: Rows16Container,
  { first, count, at, offset }: { first: number; count: number; at: I32; offset: number },
  visit: (codes: V128, index: number) => void,
): void {
  const loaded = new Map<number, Local<'v128'>>();
  const stepAt = (step: number): V128 => {
    const known = loaded.get(step);
    if (known !== undefined) return known;
    const local = f.local('v128', `step${step}`, load('v128.load', at, step * 64 + offset));
    loaded.set(step, local);
    return local;
  };
  for (let i = 0; i < count; i += 1) {
    let firstStep = 0;
    let codes: V128 | undefined;
    for (const { bits, shift } of planes) {
      const position = (first + i) * bits;
      const step = stepAt(firstStep + Math.floor(position / 8));
      const part = movedBits(step, bits, position % 8, shift);
      codes = codes === undefined ? part : op('v128.or', codes, part);
      firstStep += (unitColumns * bits) / 32;
    }
    if (codes !== undefined) visit(codes, i);
  }
}

/** `bits` bits of every byte, from bit `from` to bit `to`. */
function movedBits(bytes: V128, bits: number, from: number, to: number): V128 {
  if (bits === 8) return bytes;
  const mask = everyByte((2 ** bits - 1) << to);
  if (from === to) return op('v128.and', bytes, mask);
  // What crosses the bytes of a 16-bit lane is masked away.
  const moved = from > to ? op('i16x8.shr_u', bytes, i32(from - to)) : op('i16x8.shl', bytes, i32(to - from));
  return op('v128.and', moved, mask);
}

/** The int16 codes of the columns (0, 2) and (1, 3) of a quad, minus `offset`; `codes` is used twice. */
export function widenQuad({ bits }: Rows16Container, codes: V128): [even: V128, odd: V128] {
  if (bits === 8) {
    return [op('i16x8.shr_s', op('i16x8.shl', codes, i32(8)), i32(8)), op('i16x8.shr_s', codes, i32(8))];
  }
  return [op('v128.and', codes, v128(EVEN_BYTES)), op('i16x8.shr_u', codes, i32(8))];
}

const EVEN_BYTES = /* @__PURE__ */ Uint8Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 255 : 0));

/** Order of eight int16 activations as pairs: (0, 2), (1, 3) of each quad. */
export const PAIR_ORDER: readonly number[] = [0, 2, 1, 3, 4, 6, 5, 7];
