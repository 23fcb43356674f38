/**
 * What the block functions read from the start of their memory beside their arguments: vectors that say which format
 * they are to write or read. The emitted code and its callers agree on this file.
 */

/** Byte offsets of the vectors. Those of the two element kinds share their places. */
export const PARAMETERS = {
  /** Bytes of the swizzle between packed and spread codes. */
  index: 0,
  /** f32x4: what the largest magnitude is divided by to give the scale. */
  divisor: 16,
  /** f32x4: factor of a stored power-of-two scale to what elements are divided by (2^−6 for MXINT8, else 1). */
  step: 32,
  /** i32x4: what is added to the bits of the quotient before its exponent is taken (scale rules of MX). */
  addend: 48,
  /** i32x4: what is subtracted from the biased exponent (the top exponent of the element). */
  offset: 64,
  /** Integer elements, i8x16: lowest code. Float elements, i32x4: bits of the smallest normal number. */
  low: 80,
  /** Integer elements, i8x16: highest code. Float elements, i32x4: bits of the largest magnitude. */
  high: 96,
  /** i32x4: what, added to the bits of a power of two, gives 1.5 · 2^(23−m) times it. */
  magic: 112,
} as const;

/** Bytes before the first byte of data. */
export const PARAMETER_BYTES = 256;

/** How the scale of a block is made and stored. */
export const SCALE_KINDS = { fp16: 0, e8m0: 1 } as const;

/** How an element becomes a code: an integer, or a float with a mantissa of up to 7 bits. */
export const ELEMENT_KINDS = { int: 0, float: 1 } as const;
