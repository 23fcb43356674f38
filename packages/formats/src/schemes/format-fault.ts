/**
 * Whether the record of an element format agrees with itself. Records come from artefacts and from callers; the
 * arithmetic trusts their fields, so the borders of schemes and quantised types ask here first.
 */
import type { ElementFormat } from '@bitloom/ir';

/** What a format lacks to be one of 1 to 32 bits, as a phrase for "expected"; undefined where nothing is amiss. */
export function formatFault(format: ElementFormat): string | undefined {
  const { kind, bits, signed, exponentBits, mantissaBits, bias, specials, values } = format;
  if (!isWhole(bits, 1, 32)) return 'codes of 1 to 32 bits';
  if (!Number.isSafeInteger(bias)) return 'a whole number for a bias';
  switch (kind) {
    case 'int':
      return signed && bits < 2 ? 'at least 2 bits for a signed integer' : undefined;
    case 'float':
      if (!isWhole(exponentBits, 0, 31) || !isWhole(mantissaBits, 0, 31)) return 'whole widths of the fields';
      if ((signed ? 1 : 0) + exponentBits + mantissaBits !== bits) return 'fields that add up to the bits';
      if (specials === 'ieee' && !(exponentBits > 0 && mantissaBits > 0))
        return 'an exponent and a mantissa beside infinities';
      return specials === 'fnuz' && !signed ? 'a sign bit for fnuz' : undefined;
    case 'codebook':
      if (bits > 16) return 'a code book of at most 16 bits';
      if (values === undefined || values.length === 0 || values.length > 2 ** bits)
        return 'one value per code, at least one and at most 2^bits';
      return values.every(Number.isFinite) ? undefined : 'finite values';
    default:
      return 'the kind int, float or codebook';
  }
}

function isWhole(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}
