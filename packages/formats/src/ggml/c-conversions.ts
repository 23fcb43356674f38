/**
 * How GGML's C code turns float32 into integers, on the machines its files come from. The exact conversion decides
 * bytes, so each way that GGML uses has its own function here; what C leaves undefined (a float beyond the integer)
 * has one answer, that of x86-64.
 */

const f = Math.fround;

/** One float32 and its bits, to look at one through the other; written and read within one call. */
const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Int32Array(FLOAT.buffer);

/** The bits of a float32 as a signed integer. */
export function float32Bits(value: number): number {
  FLOAT[0] = value;
  return FLOAT_BITS[0];
}

/** The float32 of these bits. */
export function float32FromBits(bits: number): number {
  FLOAT_BITS[0] = bits;
  return FLOAT[0];
}

/**
 * Nearest integer, ties to even, by adding 1.5 · 2^23 in float32 and reading the mantissa: correct below 2^22, and
 * beyond it the mantissa bits of what the addition left, which are no meaningful integer but are what GGML goes on
 * with (a search may divide by a number close to zero; the code is clamped afterwards).
 */
export function nearestInt(value: number): number {
  const shifted = f(value + 12582912);
  if (shifted >= 8388608 && shifted < 16777216) return shifted - 12582912;
  return (float32Bits(shifted) & 0x7fffff) - 0x400000;
}

/** Nearest integer as a float, halves away from zero (C `roundf`). Infinities and NaN stay. */
export function roundHalfAway(value: number): number {
  // The sum is exact in float64, where the float32 sum could round up.
  const magnitude = Math.floor(Math.abs(value) + 0.5);
  return value < 0 ? -magnitude : magnitude;
}
