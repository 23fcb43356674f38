/**
 * Checks of whole artefacts, with the errors of bitloom instead of zod's.
 */
import type * as z from 'zod';
import { BitloomError } from '../error.js';

/** How many complaints one error lists. */
const SHOWN_ISSUES = 4;

/**
 * The value as the schema sees it: keys in schema order, unknown fields dropped.
 *
 * @param where file or object, for the message
 * @throws BitloomError `artefact-invalid`
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, what: string, where = what): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issues = result.error.issues.map(describe);
  const rest = issues.length - SHOWN_ISSUES;
  throw new BitloomError({
    code: 'artefact-invalid',
    message: `this is not a valid ${what}`,
    where,
    expected: `a ${what} as the schema at @bitloom/ir/schema/${what}.json says`,
    got: [...issues.slice(0, SHOWN_ISSUES), ...(rest > 0 ? [`${rest} more`] : [])].join('; '),
    cause: result.error,
  });
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.length === 0 ? 'top level' : issue.path.slice(0, 24).join('.');
  if (issue.code !== 'invalid_union' || issue.errors.length === 0)
    return `${path}: ${lowerFirst(issue.message)}${found(issue)}`;
  // Of the forms a value could have had, the one that fits furthest is the one that was meant.
  const deepest = (form: readonly z.core.$ZodIssue[]): number =>
    Math.max(...form.map((one) => one.path.length));
  const [meant] = [...issue.errors].sort((a, b) => deepest(b) - deepest(a));
  const [first] = meant;
  if (first === undefined || first.path.length === 0) return `${path}: fits none of the forms it can have`;
  return describe({ ...first, path: [...issue.path, ...first.path] });
}

/** What was found, where a message of a range says only what was expected. */
function found({ code, input }: z.core.$ZodIssue): string {
  const isRange = code === 'too_big' || code === 'too_small' || code === 'not_multiple_of';
  return isRange && typeof input === 'number' ? `, got ${input}` : '';
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}
