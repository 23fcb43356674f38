/**
 * Element formats as data: what one code of a low-bit tensor can say. `ir` owns the record, because it
 * travels in artefacts; `formats` owns the arithmetic.
 */

/**
 * One number format. Integers use `bits` and `signed`; floats add exponent, mantissa and bias.
 * `specials` says which codes are not numbers: `ieee` (infinities and NaNs), `fn` (no infinity, one NaN
 * per sign), `fnuz` (no infinity, no negative zero, NaN at that code), `none`, `nan-only` (e8m0: 0xFF).
 */
export interface ElementFormat {
  readonly name: string;
  readonly kind: 'int' | 'float';
  readonly bits: number;
  readonly signed: boolean;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly specials: 'ieee' | 'fn' | 'fnuz' | 'nan-only' | 'none';
}

function float(name: string, exponentBits: number, mantissaBits: number): ElementFormat {
  return {
    name,
    kind: 'float',
    bits: 1 + exponentBits + mantissaBits,
    signed: true,
    exponentBits,
    mantissaBits,
    bias: 2 ** (exponentBits - 1) - 1,
    specials: 'ieee',
  };
}

/** Signed two's complement integer of 2 to 32 bits. */
export function intFormat(bits: number): ElementFormat {
  return {
    name: `int${bits}`,
    kind: 'int',
    bits,
    signed: true,
    exponentBits: 0,
    mantissaBits: 0,
    bias: 0,
    specials: 'none',
  };
}

export const FP32: ElementFormat = float('fp32', 8, 23);
export const FP16: ElementFormat = float('fp16', 5, 10);
export const BF16: ElementFormat = float('bf16', 8, 7);
