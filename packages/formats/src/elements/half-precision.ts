/**
 * The two 16-bit floats, fp16 (1 sign, 5 exponent, 10 mantissa) and bf16 (1, 8, 7): exact decoding, and encoding
 * rounded by name, one value or whole arrays. Overflow follows IEEE: to an infinity, or to the largest finite value
 * where the mode rounds towards it. Callers who want a typed error for overflow check the result.
 */
import { decodeHalves, encodeHalves } from '../fast/halves.js';
import { checkLength } from '../layouts/group-shape.js';
import { type DeterministicRounding, roundShift } from '../rounding/rounding.js';

/** Largest finite fp16. */
export const FP16_MAX = 65504;

/** One float32 and its bits, to look at one through the other; written and read within one call. */
const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Uint32Array(FLOAT.buffer);

function float32Bits(value: number): number {
  FLOAT[0] = value;
  return FLOAT_BITS[0];
}

/** The mode's answer to a magnitude past the largest finite value, whose code is `infinity - 1`. */
function overflow(infinity: number, mode: DeterministicRounding, negative: boolean): number {
  const finite =
    mode === 'toward-zero' ||
    mode === 'to-odd' ||
    (mode === 'toward-negative' && !negative) ||
    (mode === 'toward-positive' && negative);
  return finite ? infinity - 1 : infinity;
}

/**
 * The fp16 chosen by `mode` for a float32 given by its bits. Infinities stay; a NaN becomes a quiet NaN that keeps
 * its sign and top mantissa bits.
 */
export function fp16FromFloat32Bits(bits: number, mode: DeterministicRounding = 'nearest-even'): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude === 0x7f800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal fp16: rebias the exponent by 112 and drop 13 bits; a carry walks into the exponent by itself.
    const code = roundShift(magnitude - 0x38000000, 13, mode, sign !== 0);
    return sign | (code >= 0x7c00 ? overflow(0x7c00, mode, sign !== 0) : code);
  }
  // Subnormal fp16: the float32 mantissa with its hidden bit, counted in steps of 2^-24. Past a shift of 26 only
  // "not zero, far below one half" is left to know, and 26 says that.
  const exponent = magnitude >>> 23;
  const mantissa = exponent === 0 ? magnitude & 0x7fffff : (magnitude & 0x7fffff) | 0x800000;
  return sign | roundShift(mantissa, Math.min(26, 126 - Math.max(exponent, 1)), mode, sign !== 0);
}

/** The bf16 chosen by `mode` for a float32 given by its bits; specials as in {@link fp16FromFloat32Bits}. */
export function bf16FromFloat32Bits(bits: number, mode: DeterministicRounding = 'nearest-even'): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7fc0 | ((magnitude >>> 16) & 0x7f);
  if (magnitude === 0x7f800000) return sign | 0x7f80;
  const code = roundShift(magnitude, 16, mode, sign !== 0);
  return sign | (code >= 0x7f80 ? overflow(0x7f80, mode, sign !== 0) : code);
}

/** The fp16 chosen by `mode` for `value`, which is first taken as a float32. */
export function encodeFp16(value: number, mode: DeterministicRounding = 'nearest-even'): number {
  return fp16FromFloat32Bits(float32Bits(value), mode);
}

/** The bf16 chosen by `mode` for `value`, which is first taken as a float32. */
export function encodeBf16(value: number, mode: DeterministicRounding = 'nearest-even'): number {
  return bf16FromFloat32Bits(float32Bits(value), mode);
}

/** Weight of the last mantissa bit of a normal fp16, by exponent field. */
const FP16_STEPS = /* @__PURE__ */ Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (exponent - 25));

/** The exact value of an fp16 given as 16 bits. */
export function decodeFp16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * FP16_STEPS[exponent];
}

/** The exact value of a bf16 given as 16 bits. */
export function decodeBf16(bits: number): number {
  return new Float32Array(Uint32Array.of((bits & 0xffff) * 65536).buffer)[0];
}

/** Encodes every element as fp16; `out` must be as long as `values`. @throws BitloomError `format-length` */
export function encodeFp16Array(
  values: Float32Array,
  out: Uint16Array = new Uint16Array(values.length),
  mode: DeterministicRounding = 'nearest-even',
): Uint16Array {
  checkLength('places for codes', out.length, values.length);
  if (mode === 'nearest-even' && encodeHalves(values, out, 'encodeFp16')) return out;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i += 1) out[i] = fp16FromFloat32Bits(bits[i], mode);
  return out;
}

/** Encodes every element as bf16; `out` must be as long as `values`. @throws BitloomError `format-length` */
export function encodeBf16Array(
  values: Float32Array,
  out: Uint16Array = new Uint16Array(values.length),
  mode: DeterministicRounding = 'nearest-even',
): Uint16Array {
  checkLength('places for codes', out.length, values.length);
  if (mode === 'nearest-even' && encodeHalves(values, out, 'encodeBf16')) return out;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i += 1) out[i] = bf16FromFloat32Bits(bits[i], mode);
  return out;
}

/** Decodes every fp16; `out` must be as long as `bits`. NaNs keep their bits. @throws BitloomError `format-length` */
export function decodeFp16Array(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  checkLength('places for values', out.length, bits.length);
  if (decodeHalves(bits, out, 'decodeFp16')) return out;
  const target = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i += 1) target[i] = float32BitsOfFp16(bits[i]);
  return out;
}

/** Decodes every bf16; `out` must be as long as `bits`. @throws BitloomError `format-length` */
export function decodeBf16Array(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  checkLength('places for values', out.length, bits.length);
  if (decodeHalves(bits, out, 'decodeBf16')) return out;
  const target = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i += 1) target[i] = bits[i] * 65536;
  return out;
}

/** The float32 bits that stand for the same value as fp16 `bits`. */
function float32BitsOfFp16(bits: number): number {
  const sign = (bits & 0x8000) * 65536;
  const magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) return sign + 0x7f800000 + (magnitude & 0x3ff) * 8192;
  if (magnitude >= 0x400) return sign + magnitude * 8192 + 0x38000000;
  if (magnitude === 0) return sign;
  // Subnormal: the highest set bit becomes the hidden one.
  const top = 31 - Math.clz32(magnitude);
  return sign + (top + 103) * 0x800000 + (magnitude - (1 << top)) * 2 ** (23 - top);
}
