/**
 * What the block functions read from the start of their memory beside their arguments: vectors that say which format
 * they are to write or read. The emitted code and its callers agree on this file.
 */

/** Byte offsets of the vectors. Functions that need different ones share places. */
export const PARAMETERS = {
  /** Packing, unpacking, i8x16: the swizzle between 2 · bits dense bytes and two runs of 8. */
  index: 0,
  /**
   * Codes of integers, i8x16: the lowest. Codes of floats, i32x4: bits of the smallest normal number. Values of floats,
   * i32x4: what is added to the bits of a normal number for its bias.
   */
  low: 16,
  /**
   * Codes of integers, i8x16: the highest. Codes of floats, i32x4: bits of the largest number. Values of floats, i32x4:
   * the largest code without sign that is a finite number.
   */
  high: 32,
  /** Codes of floats, i32x4: what, added to the bits of a power of two, gives 1.5 · 2^(23 − mantissa bits) times it. */
  magic: 48,
  /** Values of 4-bit floats, i8x16: byte 2 and byte 3 of the float32 of every code. */
  byte2: 16,
  byte3: 32,
  /** Scales, f32x4: what the largest magnitude of a block is divided by. */
  divisor: 64,
  /** Scales in e8m0, i32x4: what is added to the bits of the quotient before its exponent is taken. */
  addend: 80,
  /** Scales in e8m0, i32x4: what is subtracted from that exponent. */
  offset: 96,
  /** Scales in e8m0, f32x4: what the power of two is multiplied by to divide elements (2^−6 for MXINT8, else 1). */
  step: 112,
} as const;

/** Bytes before the first byte of data. */
export const PARAMETER_BYTES = 128;

/** How a code becomes an element and an element a code. `nibbles` is the quick way from floats of 4 bits. */
export const ELEMENT_KINDS = { int: 0, float: 1, nibbles: 2 } as const;
