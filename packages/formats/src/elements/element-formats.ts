/**
 * The named element formats of bitloom and what follows from a record: range, step, special codes. A format is
 * data (`ElementFormat` of `@bitloom/ir`); a new one is a new row here, not a new class.
 */
import { BF16, BitloomError, type ElementFormat, FP16, FP32, intFormat } from '@bitloom/ir';

/** Every format known by name. Integers are two's complement; used symmetrically they leave out the lowest code. */
export const ELEMENT_FORMATS: Readonly<Record<string, ElementFormat>> = Object.fromEntries(
  [FP32, FP16, BF16, ...[2, 3, 4, 5, 6, 7, 8].map(intFormat)].map((format) => [format.name, format]),
);

/**
 * The format called `name`.
 *
 * @throws BitloomError `format-unknown`.
 */
export function elementFormat(name: string): ElementFormat {
  if (!Object.hasOwn(ELEMENT_FORMATS, name)) {
    throw new BitloomError({
      code: 'format-unknown',
      message: 'there is no element format of this name',
      expected: Object.keys(ELEMENT_FORMATS).join(', '),
      got: name,
    });
  }
  return ELEMENT_FORMATS[name];
}

/** What a format can say. */
export interface FormatRange {
  /** Lowest and highest finite value. */
  readonly min: number;
  readonly max: number;
  /** Smallest positive value. */
  readonly smallest: number;
  /** Smallest positive normal value (floats), or 1. */
  readonly smallestNormal: number;
  /** Largest code used in symmetric quantisation, 2^(bits−1) − 1, or `max` for floats. */
  readonly symmetricMax: number;
}

/** Range of `format`, from its record alone. */
export function formatRange(format: ElementFormat): FormatRange {
  const { bits, signed, exponentBits, mantissaBits, bias, specials } = format;
  if (format.kind === 'int') {
    const max = 2 ** (signed ? bits - 1 : bits) - 1;
    return { min: signed ? -max - 1 : 0, max, smallest: 1, smallestNormal: 1, symmetricMax: max };
  }
  // The highest code that is a number: `ieee` gives the whole top exponent to specials, `fn` only its last code.
  const topExponent = 2 ** exponentBits - (specials === 'ieee' ? 2 : 1);
  const topMantissa = 2 ** mantissaBits - (specials === 'fn' ? 2 : 1);
  const max = (1 + topMantissa / 2 ** mantissaBits) * 2 ** (topExponent - bias);
  const smallestNormal = 2 ** (1 - bias);
  return {
    min: signed ? -max : 0,
    max,
    smallest: smallestNormal / 2 ** mantissaBits,
    smallestNormal,
    symmetricMax: max,
  };
}
