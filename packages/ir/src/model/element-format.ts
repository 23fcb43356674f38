/**
 * Element formats as data: what one code of a low-bit tensor can say. `ir` owns the record, because it
 * travels in artefacts; `formats` owns the arithmetic.
 */

/**
 * One number format.
 *
 * - `int`: two's complement when `signed`, value = code · 2^−bias (a bias of 6 makes int8 the element of MXINT8).
 * - `float`: sign where `signed`, then exponent and mantissa, with gradual underflow; `mantissaBits` 0 and no sign
 *   is a power of two (e8m0, which has no zero).
 * - `codebook`: value = `values[code]`; no other field but `bits` and `signed` (some value is negative) has a meaning.
 *
 * `specials` says which codes are not numbers: `ieee` (infinities and NaNs), `fn` (no infinity, one NaN
 * per sign), `fnuz` (no infinity, no negative zero, NaN at that code), `none`, `nan-only` (e8m0: 0xFF).
 */
export interface ElementFormat {
  readonly name: string;
  readonly kind: 'int' | 'float' | 'codebook';
  readonly bits: number;
  readonly signed: boolean;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly specials: 'ieee' | 'fn' | 'fnuz' | 'nan-only' | 'none';
  /** Code books only: value of each code, in order of codes; at most 2^bits. */
  readonly values?: readonly number[];
}

/** What a float format has beside its widths; the defaults are those of IEEE 754. */
export interface FloatOptions {
  readonly signed?: boolean;
  readonly bias?: number;
  readonly specials?: ElementFormat['specials'];
}

/** A float of any exponent and mantissa width. */
export function floatFormat(
  name: string,
  exponentBits: number,
  mantissaBits: number,
  options: FloatOptions = {},
): ElementFormat {
  const { signed = true, bias = 2 ** (exponentBits - 1) - 1, specials = 'ieee' } = options;
  return {
    name,
    kind: 'float',
    bits: (signed ? 1 : 0) + exponentBits + mantissaBits,
    signed,
    exponentBits,
    mantissaBits,
    bias,
    specials,
  };
}

function integer(name: string, bits: number, signed: boolean, bias: number): ElementFormat {
  return { name, kind: 'int', bits, signed, exponentBits: 0, mantissaBits: 0, bias, specials: 'none' };
}

/** Signed two's complement integer of 2 to 32 bits. */
export function intFormat(bits: number): ElementFormat {
  return integer(`int${bits}`, bits, true, 0);
}

/** Unsigned integer of 1 to 32 bits. */
export function uintFormat(bits: number): ElementFormat {
  return integer(`uint${bits}`, bits, false, 0);
}

/** Signed fixed-point number: two's complement with `fractionBits` bits behind the point. */
export function fixedFormat(name: string, bits: number, fractionBits: number): ElementFormat {
  return integer(name, bits, true, fractionBits);
}

/** Values of one's own, named by codes. */
export function codebookFormat(name: string, bits: number, values: readonly number[]): ElementFormat {
  return {
    name,
    kind: 'codebook',
    bits,
    signed: values.some((value) => value < 0),
    exponentBits: 0,
    mantissaBits: 0,
    bias: 0,
    specials: 'none',
    values,
  };
}

export const FP32: ElementFormat = floatFormat('fp32', 8, 23);
export const FP16: ElementFormat = floatFormat('fp16', 5, 10);
export const BF16: ElementFormat = floatFormat('bf16', 8, 7);
