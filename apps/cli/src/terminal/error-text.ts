/**
 * Any thrown value as something to print: its code, one sentence, and the facts below it. Errors of bitloom carry
 * all of it; anything else is a bug of ours and shows where it happened. Recognises errors by their shape, so that
 * the start of the command does not load `@bitloom/ir`.
 */
import { EXIT } from '../exit-codes.js';
import { nearestName } from './nearest-name.js';

/** What an error says beside its headline; the names that `BitloomError.toJSON` uses. */
export type FactName = 'where' | 'expected' | 'got' | 'hint';

export interface ErrorText {
  readonly code: string;
  readonly headline: string;
  readonly facts: readonly (readonly [name: FactName, value: string])[];
  readonly exitCode: number;
}

/** What a BitloomError has. */
interface TypedError extends Error {
  readonly code: string;
  readonly where?: string;
  readonly expected?: string;
  readonly got?: string;
  readonly hint?: string;
}

/** How a fact is called in text. */
export function factLabel(name: FactName): string {
  return name === 'hint' ? 'mend' : name;
}

function isTypedError(error: unknown): error is TypedError {
  return error instanceof Error && error.name === 'BitloomError' && 'code' in error;
}

/** Codes that do not mean bad input. */
const EXIT_OF: Readonly<Record<string, number>> = {
  internal: EXIT.internal,
  'exploration-interrupted': EXIT.interrupted,
  'write-cancelled': EXIT.interrupted,
};

/** Errors whose `got` is a name, and whose `expected` lists the names there are. */
const NAME_ERRORS: ReadonlySet<string> = new Set([
  'device-unknown',
  'export-type-unknown',
  'format-unknown',
  'model-not-found',
  'preset-unknown',
  'scheme-unknown',
]);

function suggestion({ code, expected, got }: TypedError): string | undefined {
  if (!NAME_ERRORS.has(code) || expected === undefined || got === undefined) return undefined;
  const names = expected.replace(/^a path, or one of /, '').split(/[,;] /);
  const meant = nearestName(got.replace(/^"(.*)"$/, '$1'), names);
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}

export function describeError(error: unknown): ErrorText {
  if (isTypedError(error)) {
    const facts = (['where', 'expected', 'got', 'hint'] as const).flatMap((name) => {
      const value = error[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    const tail = facts.map(([name, value]) => `; ${factLabel(name)}: ${value}`).join('');
    const headline = error.message.endsWith(tail)
      ? error.message.slice(0, error.message.length - tail.length)
      : error.message;
    const meant = suggestion(error);
    if (meant !== undefined) {
      const said = facts.findIndex(([name]) => name === 'hint');
      const mend = said < 0 ? meant : `${meant} ${facts[said][1]}`;
      facts.splice(said < 0 ? facts.length : said, 1, ['hint', mend]);
    }
    return { code: error.code, headline, facts, exitCode: EXIT_OF[error.code] ?? EXIT.badInput };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack =
    error instanceof Error
      ? (error.stack ?? '')
          .split('\n')
          .slice(1, 7)
          .map((l) => l.trim())
      : [];
  return {
    code: 'internal',
    headline: `internal: ${message}`,
    facts: [
      ...(stack.length === 0 ? [] : [['where', stack.join(' ')] as const]),
      ['hint', 'this is a bug in bitloom; please report it with the command that led here'],
    ],
    exitCode: EXIT.internal,
  };
}
