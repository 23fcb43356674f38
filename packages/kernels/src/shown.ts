/** A value that a caller without types gave, as errors show it: a number alone, anything else with its type. */
export function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return `${text} (${typeof value})`;
}
