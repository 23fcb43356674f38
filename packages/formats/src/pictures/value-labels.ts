/** Numbers and text as they stand in a picture. */

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/**
 * A value in few characters: powers of two outside of 2^−4..2^10 as a power, everything else with at most five
 * significant digits. Minus is U+2212.
 */
export function numberLabel(value: number): string {
  if (value < 0) return `−${numberLabel(-value)}`;
  const power = Math.log2(value);
  if (Number.isInteger(power) && (power > 10 || power < -4)) {
    const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
    return `2${power < 0 ? '⁻' : ''}${digits}`;
  }
  return String(Number(value.toPrecision(5))).replace('e-', 'e−');
}

/** Text as XML content or attribute value. Characters that XML does not know become U+FFFD. */
export function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  // With the flag u, \p{Surrogate} is a surrogate without its other half.
  return text
    .replace(/[&<>"']/g, (char) => entities[char])
    .replace(/[\p{Surrogate}\p{Control}\ufffe\uffff]/gu, '\ufffd');
}
