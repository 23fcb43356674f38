/**
 * The one error type of bitloom. Every border throws it, so that a caller can show what went wrong,
 * where, what was expected against what was found, and how to mend it, without parsing a message.
 */

/** What a {@link BitloomError} is made of. Values are shown as they are, so keep them short. */
export interface ErrorDetails {
  /** Stable kebab-case identifier; each public code has a page under docs/errors. */
  readonly code: string;
  /** One sentence that says what went wrong. */
  readonly message: string;
  /** File, tensor, node or instruction concerned. */
  readonly where?: string;
  readonly expected?: string;
  readonly got?: string;
  /** What the user can do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A typed error. `code` is `internal` for bugs of ours; everything else is about the input. */
export class BitloomError extends Error {
  readonly code: string;
  readonly where: string | undefined;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  readonly hint: string | undefined;

  constructor(details: ErrorDetails) {
    super(formatDetails(details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BitloomError';
    this.code = details.code;
    this.where = details.where;
    this.expected = details.expected;
    this.got = details.got;
    this.hint = details.hint;
  }

  /** The error as plain data, for `--json` output and for crossing a process border. */
  toJSON(): Record<string, string> {
    const out: Record<string, string> = { code: this.code, message: this.message };
    if (this.where !== undefined) out.where = this.where;
    if (this.expected !== undefined) out.expected = this.expected;
    if (this.got !== undefined) out.got = this.got;
    if (this.hint !== undefined) out.hint = this.hint;
    return out;
  }
}

function formatDetails(details: ErrorDetails): string {
  const parts = [details.message];
  if (details.where !== undefined) parts.push(`where: ${details.where}`);
  if (details.expected !== undefined) parts.push(`expected: ${details.expected}`);
  if (details.got !== undefined) parts.push(`got: ${details.got}`);
  if (details.hint !== undefined) parts.push(`mend: ${details.hint}`);
  return parts.join('; ');
}

/** A broken promise inside bitloom itself. */
export function internalError(message: string, where?: string): BitloomError {
  return new BitloomError({
    code: 'internal',
    message: `internal: ${message}`,
    ...(where === undefined ? {} : { where }),
    hint: 'this is a bug in bitloom; please report it with the command that led here',
  });
}
