/**
 * The shape of a matrix of symmetric group integers, checked once at every border, and the exact sizes that follow
 * from it in the canonical layout (what artefacts store). Device layouts have files of their own.
 */
import { BitloomError } from '@bitloom/ir';

/** A weight matrix W [rows = N outputs, cols = K inputs], `groupSize` consecutive columns of a row per scale. */
export interface GroupShape {
  readonly rows: number;
  readonly cols: number;
  /** 2 to 8. */
  readonly bits: number;
  /** Columns per scale; the last group of a row may be short. */
  readonly groupSize: number;
}

/** Group integers in canonical layout. */
export interface CanonicalMatrix extends GroupShape {
  /**
   * Codes as a bit stream: row-major, two's complement of `bits` bits, least significant bit first, each row
   * starting on a byte ({@link canonicalRowBytes} bytes per row). For 4 bits even columns are low nibbles.
   */
  readonly codes: Uint8Array;
  /** fp16 bits [rows, ceil(cols / groupSize)]. */
  readonly scales: Uint16Array;
}

/** Number of groups in a row. */
export function groupsPerRow(shape: Pick<GroupShape, 'cols' | 'groupSize'>): number {
  return Math.ceil(shape.cols / shape.groupSize);
}

/** Largest code of a symmetric integer of `bits` bits: 7 for 4 bits, 127 for 8. */
export function symmetricMaxCode(bits: number): number {
  return 2 ** (bits - 1) - 1;
}

/** Bytes of one row of codes in canonical layout. */
export function canonicalRowBytes(shape: Pick<GroupShape, 'cols' | 'bits'>): number {
  return Math.ceil((shape.cols * shape.bits) / 8);
}

/** Bytes of the two buffers of the canonical layout. */
export function canonicalBytes(shape: GroupShape): { codes: number; scales: number; total: number } {
  const codes = shape.rows * canonicalRowBytes(shape);
  const scales = shape.rows * groupsPerRow(shape) * 2;
  return { codes, scales, total: codes + scales };
}

/**
 * Checks that a shape makes sense.
 *
 * @throws BitloomError `format-shape` with the offending field.
 */
export function checkGroupShape(shape: GroupShape): void {
  const fields = [
    ['rows', shape.rows, 0, Number.MAX_SAFE_INTEGER],
    ['cols', shape.cols, 0, Number.MAX_SAFE_INTEGER],
    ['bits', shape.bits, 2, 8],
    ['groupSize', shape.groupSize, 1, Number.MAX_SAFE_INTEGER],
  ] as const;
  for (const [name, value, low, high] of fields) {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new BitloomError({
        code: 'format-shape',
        message: `the ${name} of a group-quantised matrix is out of range`,
        where: name,
        expected: `an integer of at least ${low}${high === 8 ? ' and at most 8' : ''}`,
        got: String(value),
      });
    }
  }
}

/**
 * Checks that a buffer has the length its shape asks for.
 *
 * @throws BitloomError `format-length`.
 */
export function checkLength(what: string, got: number, expected: number): void {
  if (got !== expected) {
    throw new BitloomError({
      code: 'format-length',
      message: `the ${what} do not have the length that their shape asks for`,
      where: what,
      expected: String(expected),
      got: String(got),
    });
  }
}
