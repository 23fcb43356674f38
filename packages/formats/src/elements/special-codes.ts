/**
 * Where a float format keeps what is not a finite number: its largest magnitude, its infinity, its NaN. All are
 * magnitudes, codes without the sign bit, except the one NaN of `fnuz`, which sits on the code of negative zero.
 */
import type { ElementFormat } from '@bitloom/ir';

/** Whether every code is a power of two: no sign, no mantissa, and so no zero (e8m0). */
export function isPowerOfTwoFormat(format: ElementFormat): boolean {
  return format.kind === 'float' && !format.signed && format.mantissaBits === 0;
}

/** Magnitude of the largest finite value of a float format. */
export function maxMagnitudeCode({ exponentBits, mantissaBits, specials }: ElementFormat): number {
  const all = 2 ** (exponentBits + mantissaBits) - 1;
  if (specials === 'ieee') return all - 2 ** mantissaBits;
  return specials === 'fn' || specials === 'nan-only' ? all - 1 : all;
}

/** Magnitude of infinity, or undefined where the format has none. */
export function infinityCode(format: ElementFormat): number | undefined {
  return format.kind === 'float' && format.specials === 'ieee' ? maxMagnitudeCode(format) + 1 : undefined;
}

/**
 * The code of the quiet NaN: the top mantissa bit beside an exponent of ones (`ieee`), the last magnitude (`fn`,
 * `nan-only`), negative zero (`fnuz`); undefined where the format has none.
 */
export function nanCode(format: ElementFormat, negative: boolean): number | undefined {
  const { kind, bits, signed, mantissaBits, specials } = format;
  if (kind !== 'float' || specials === 'none') return undefined;
  const signBit = 2 ** (bits - 1);
  if (specials === 'fnuz') return signBit;
  const max = maxMagnitudeCode(format);
  const magnitude = specials === 'ieee' ? max + 1 + 2 ** (mantissaBits - 1) : max + 1;
  return signed && negative ? signBit + magnitude : magnitude;
}
