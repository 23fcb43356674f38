/**
 * IEEE half precision (fp16): exact decoding and nearest-even encoding, one value or whole arrays.
 * A half holds 1 sign, 5 exponent (bias 15) and 10 mantissa bits. This file makes no decision about overflow:
 * a value past 65504 + half a step becomes an infinity, as IEEE says; callers who want a typed error check.
 */

/** Largest finite half. */
export const FP16_MAX = 65504;

/**
 * The half nearest to `value`, ties to even mantissa, as 16 bits. `value` is first taken as a float32.
 * Infinities stay, overflow becomes an infinity, a NaN becomes a quiet NaN that keeps its top mantissa bits.
 */
export function encodeFp16(value: number): number {
  return fp16FromFloat32Bits(new Uint32Array(Float32Array.of(value).buffer)[0]);
}

/** As {@link encodeFp16}, from the bit pattern of a float32. */
export function fp16FromFloat32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 0x477ff000 is 65520, the tie between 65504 and the next power of two: it and all above overflow.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal half: rebias the exponent by 112, then round the 13 lost bits to nearest even.
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  // Subnormal half: the float32 mantissa with its hidden bit, shifted to a step of 2^-24.
  if (magnitude < 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const quotient = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (quotient & 1) === 1) ? 1 : 0;
  return sign | (quotient + up);
}

/** The exact value of a half given as 16 bits. */
export function decodeFp16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** Encodes every element; `out` must be as long as `values`. */
export function encodeFp16Array(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i += 1) out[i] = fp16FromFloat32Bits(bits[i]);
  return out;
}

/** Decodes every element; `out` must be as long as `bits`. */
export function decodeFp16Array(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  for (let i = 0; i < bits.length; i += 1) out[i] = decodeFp16(bits[i]);
  return out;
}
