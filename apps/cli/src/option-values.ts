/** Reads option values. What is wrong here is a usage error, found before any work starts. */
import { InvalidArgumentError } from 'commander';

/** An integer of at least `min`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[-+]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected an integer ${range}.`);
  };
}

/** A finite number of at least `min`, or above it. */
export function number(min: number, max = Number.POSITIVE_INFINITY, open = false): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const inside = Number.isFinite(value) && (open ? value > min : value >= min) && value <= max;
    if (inside) return value;
    const range = max === Number.POSITIVE_INFINITY ? '' : `, at most ${max}`;
    throw new InvalidArgumentError(`Expected a number ${open ? 'above' : 'of at least'} ${min}${range}.`);
  };
}

/** Some of a set of names, divided by commas, each once. */
export function namesOf<T extends string>(names: readonly T[]): (text: string) => readonly T[] {
  return (text) => {
    const found = text.split(',').map((part) => names.find((name) => name === part.trim()));
    const chosen = found.flatMap((name) => (name === undefined ? [] : [name]));
    if (chosen.length === found.length) return [...new Set(chosen)];
    throw new InvalidArgumentError(`Expected names of ${names.join(', ')}, divided by commas.`);
  };
}

/** A step of a run: `prefill`, `last`, or a decode step from 0. */
export function stepOfRun(text: string): 'prefill' | 'last' | number {
  const name = (['prefill', 'last'] as const).find((one) => one === text.trim());
  if (name !== undefined) return name;
  if (/^\d+$/.test(text.trim())) return integer(0)(text);
  throw new InvalidArgumentError('Expected prefill, last, or the number of a decode step, from 0.');
}

/** Values of an option that may be given several times: `--stop a --stop b` or `--stop a b`. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/**
 * `--schemes a,b,c`, also given several times. Commas inside MLS<2,4> belong to the name; blanks around one do not.
 * @param log is told of empty names, which are left out
 */
export function splitSchemes(
  value: string,
  previous: readonly string[] = [],
  log: (line: string) => void = () => {},
): string[] {
  // A comma before which a bracket stands open is followed by its end before any other begins.
  const parts = value.split(/,(?![^<]*>)/).map((part) => part.trim());
  const names = parts.filter((part) => part !== '');
  if (names.length === 0) throw new InvalidArgumentError('Expected names divided by commas.');
  if (names.length < parts.length) log(`note: '${value}' has an empty name, which is left out`);
  return [...previous, ...names];
}
