/**
 * The containers of the layout `rows16` as data: how codes of 2 to 8 bits lie in units of 64-byte steps. It describes
 * one unit; `rows16.ts` puts units, groups and blocks together.
 *
 * A quad is four neighbouring columns of a row, one byte each: 32 bits, column k + j in byte j. In each byte stands the
 * stored code, which is code + `offset` (the signed code itself in `s8`). A quad is cut into planes of 1, 2, 4 or 8 bits
 * of every byte. A step of a plane of p bits is 64 bytes for 16 rows: the 32 bits of row r are bytes 4r to 4r + 3, and
 * hold 8/p quads, in order from the lowest bits of each byte: quad i at bits i·p. Planes of one bit thus hold 32 columns
 * in a step, of two bits 16, of four bits 8, of eight bits 4. A unit is the fewest columns that fill whole steps of
 * every plane: first all steps of the first plane (the lowest bits), then those of the second.
 *
 * | container | codes | offset | unit | bytes of a unit |
 * |---|---|---|---|---|
 * | `u2` | −2..1 | 2 | 16 columns | one step of 2 bits |
 * | `u3` | −4..3 | 4 | 32 columns | two steps of the low 2 bits, one step of bit 2 |
 * | `u4` | −8..7 | 8 | 8 columns | one step of 4 bits |
 * | `u5` | −16..15 | 16 | 32 columns | four steps of the low 4 bits, one step of bit 4 |
 * | `u6` | −32..31 | 32 | 16 columns | two steps of the low 4 bits, one step of bits 4 and 5 |
 * | `s8` | −128..127 | | 4 columns | one step of signed bytes |
 *
 * Written out, with step s of a plane at byte 64·s of the plane: `u2` byte 4r + j holds the columns k + j, k + 4 + j,
 * k + 8 + j and k + 12 + j in its bit pairs from the lowest; `u4` byte 4r + j holds column k + j in its low and column
 * k + 4 + j in its high nibble; of the planes of one bit, bit b of byte 4r + j belongs to column k + 4b + j.
 */
import { BitloomError } from '@bitloom/ir';

/** Width of a container of `rows16`. */
export type Rows16ContainerBits = 2 | 3 | 4 | 5 | 6 | 8;

/** Name of a container of `rows16`, as layout ids spell it. */
export type Rows16ContainerName = 'u2' | 'u3' | 'u4' | 'u5' | 'u6' | 's8';

/** A run of bits of every stored code. */
export interface Rows16Plane {
  /** Bits of each code in this plane: 1, 2, 4 or 8. */
  readonly bits: 1 | 2 | 4 | 8;
  /** Lowest of these bits in the stored code. */
  readonly shift: number;
}

/** One container. */
export interface Rows16Container {
  readonly name: Rows16ContainerName;
  readonly bits: Rows16ContainerBits;
  /** The stored number of code 0; 0 for signed bytes. */
  readonly offset: number;
  readonly planes: readonly Rows16Plane[];
  /** Columns of one unit. Groups are padded to whole units with code 0. */
  readonly unitColumns: number;
  /** Bytes of one unit of 16 rows. */
  readonly unitBytes: number;
}

/** Bytes of one step: 4 for each of the 16 rows. */
export const ROWS16_STEP_BYTES = 64;

function container(
  name: Rows16ContainerName,
  bits: Rows16ContainerBits,
  planes: readonly Rows16Plane[],
): Rows16Container {
  const unitColumns = Math.max(...planes.map((plane) => 32 / plane.bits));
  // 16 rows of unitColumns codes without any gap.
  const unitBytes = unitColumns * bits * 2;
  return { name, bits, offset: name === 's8' ? 0 : 2 ** (bits - 1), planes, unitColumns, unitBytes };
}

/** Every container, narrowest first. */
export const ROWS16_CONTAINERS: readonly Rows16Container[] = /* @__PURE__ */ (() => [
  container('u2', 2, [{ bits: 2, shift: 0 }]),
  container('u3', 3, [
    { bits: 2, shift: 0 },
    { bits: 1, shift: 2 },
  ]),
  container('u4', 4, [{ bits: 4, shift: 0 }]),
  container('u5', 5, [
    { bits: 4, shift: 0 },
    { bits: 1, shift: 4 },
  ]),
  container('u6', 6, [
    { bits: 4, shift: 0 },
    { bits: 2, shift: 4 },
  ]),
  container('s8', 8, [{ bits: 8, shift: 0 }]),
])();

/**
 * The container of codes of `bits` bits: the one of that width, and 8 bits for codes of 7.
 *
 * @throws BitloomError `format-shape` unless bits is an integer from 2 to 8.
 */
export function rows16Container(bits: number): Rows16Container {
  const found = ROWS16_CONTAINERS.find((entry) => bits <= entry.bits);
  if (found === undefined || !Number.isInteger(bits) || bits < 2) {
    throw new BitloomError({
      code: 'format-shape',
      message: 'the layout rows16 has no container of this width',
      where: 'bits',
      expected: 'an integer from 2 to 8',
      got: String(bits),
    });
  }
  return found;
}
