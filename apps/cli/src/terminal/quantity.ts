/** Numbers for people: SI prefixes, shares, counts. */

const PREFIXES = ['f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P'];
const UNIT = 5;

/** A quantity with an SI prefix, e.g. `17.5 ms`, `460 GB/s`. @param digits significant digits */
export function quantity(value: number, unit: string, digits = 4): string {
  if (value === 0 || !Number.isFinite(value)) return `${value} ${unit}`.trimEnd();
  const rounded = Number(value.toPrecision(digits));
  const power = Math.floor(Math.log10(Math.abs(rounded)) / 3 + 1e-9);
  const index = Math.min(PREFIXES.length - 1, Math.max(0, power + UNIT));
  const scaled = rounded / 1000 ** (index - UNIT);
  return `${Number(scaled.toPrecision(digits))} ${PREFIXES[index]}${unit}`.trimEnd();
}

/** A share in percent with one decimal; `-` of nothing. */
export function share(part: number, whole = 1): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}

/** Bytes in decimal units. */
export function bytes(value: number): string {
  return quantity(value, 'B', 3);
}

/** An integer with thin groups of three digits, e.g. `6 738 415 616`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}
