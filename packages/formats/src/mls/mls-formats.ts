/**
 * The two number formats of an MLS tensor (arXiv 2006.02804) beside its float32 scale: the element <Ex, Mx> and the
 * group scale <8, Mg>, as records. docs/design/0006-mls.md derives bias, range and widths.
 */
import { BitloomError, type ElementFormat, floatFormat } from '@bitloom/ir';

/** An option of MLS that is out of range. */
export function mlsOptionError(where: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'mls-option',
    message: 'an MLS tensor cannot have this option',
    where,
    expected,
    got: String(got),
  });
}

/** @throws BitloomError `mls-option` */
function checkElementBits(exponentBits: number, mantissaBits: number): void {
  const isFormat =
    Number.isInteger(exponentBits) &&
    Number.isInteger(mantissaBits) &&
    exponentBits >= 0 &&
    exponentBits <= 6 &&
    mantissaBits >= (exponentBits === 0 ? 1 : 0) &&
    exponentBits + mantissaBits <= 15;
  if (isFormat) return;
  throw mlsOptionError(
    'element',
    '<E,M> with E from 0 to 6, M from 0 (from 1 where E is 0) and E + M at most 15',
    `<${exponentBits},${mantissaBits}>`,
  );
}

/**
 * The element <Ex, Mx>: sign, exponent, mantissa, gradual underflow, every code a number. The bias is 2^Ex, so every
 * element is a proper fraction n / 2^W with W = Mx + 2^Ex − 1 and |n| < 2^W: the top exponent is −1 and the largest
 * element 1 − 2^−(Mx+1). With Ex = 0 there is no exponent and the element is m / 2^Mx.
 *
 * @throws BitloomError `mls-option` unless 0 ≤ Ex ≤ 6 and the code has at most 16 bits.
 */
export function mlsElementFormat(exponentBits: number, mantissaBits: number): ElementFormat {
  checkElementBits(exponentBits, mantissaBits);
  return floatFormat(`mls_e${exponentBits}m${mantissaBits}`, exponentBits, mantissaBits, {
    bias: 2 ** exponentBits,
    specials: 'none',
  });
}

/**
 * Format of the group scale: <8, 0>, the powers of two 2^(code − 127), or <8, 1>, which has 1.5 times them in
 * between, and zero. Group scales are at most 1; the bias of 127 makes every one of them a float32.
 *
 * @throws BitloomError `mls-option`
 */
export function mlsGroupScaleFormat(mantissaBits: number): ElementFormat {
  if (mantissaBits !== 0 && mantissaBits !== 1) {
    throw mlsOptionError('mantissa bits of the group scale', '0 or 1', mantissaBits);
  }
  return floatFormat(`mls_e8m${mantissaBits}`, 8, mantissaBits, { signed: false, specials: 'none' });
}

/** W of an element: the bits of its fraction n / 2^W. @throws BitloomError `mls-option` */
export function mlsFractionBits(exponentBits: number, mantissaBits: number): number {
  checkElementBits(exponentBits, mantissaBits);
  return mantissaBits + 2 ** exponentBits - 1;
}

/**
 * Bits of the product of two elements without its sign, 2W = 2·Mx + 2^(Ex+1) − 2: 8 for <2,1>, 14 for <2,4>.
 *
 * @throws BitloomError `mls-option`
 */
export function mlsProductBits(exponentBits: number, mantissaBits: number): number {
  return 2 * mlsFractionBits(exponentBits, mantissaBits);
}
