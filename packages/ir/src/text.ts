/**
 * Text for dumps that people read and diff: aligned tables, numbers with units. No locale, no colour, no trailing
 * spaces, so that equal values give equal text everywhere.
 */

/** SI prefixes by power of 1000, from 10^-15 on. */
const PREFIXES = ['f', 'p', 'n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P'];
const UNIT_INDEX = 5;

/** A quantity in four significant digits with an SI prefix, e.g. `225 MHz`, `444.4 ns`, `0 J`. */
export function formatQuantity(value: number, unit: string): string {
  if (value === 0 || !Number.isFinite(value)) return `${value} ${unit}`;
  const rounded = Number(value.toPrecision(4));
  const power = Math.floor(Math.log10(Math.abs(rounded)) / 3 + 1e-9);
  const index = Math.min(PREFIXES.length - 1, Math.max(0, power + UNIT_INDEX));
  const scaled = rounded / 1000 ** (index - UNIT_INDEX);
  return `${Number(scaled.toPrecision(4))} ${PREFIXES[index]}${unit}`;
}

/** A share in percent with one decimal, e.g. `19.6%`. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}

/** The shortest decimal that rounds to the same float32. */
export function formatFloat32(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(value);
}

/**
 * Rows of cells in aligned columns, two spaces apart. Columns whose cells below the first row all start
 * with a digit (or are empty) are aligned to the right.
 */
export function formatTable(rows: readonly (readonly string[])[], indent = ''): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const isRight = widths.map(
    (_, i) => rows.length > 1 && rows.slice(1).every((row) => /^([-+]?\d|-?$)/.test(row[i] ?? '')),
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((width, i) => (isRight[i] ? (row[i] ?? '').padStart(width) : (row[i] ?? '').padEnd(width)))
      .join('  ');
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
}
