/** JSON files that users write by hand, read with the error of what they should have been. */
import { BitloomError } from '@bitloom/ir';

/** What a file should hold, for the error when it does not. */
export interface JsonPurpose {
  readonly code: string;
  readonly message: string;
  readonly expected?: string;
  readonly hint?: string;
}

/**
 * The document of a regular file of up to `most` bytes.
 *
 * @throws BitloomError of the code that `purpose` names
 */
export async function readJson(path: string, most: number, purpose: JsonPurpose): Promise<unknown> {
  const { readSmallJson } = await import('@bitloom/ir/node');
  try {
    return readSmallJson(path, most);
  } catch (cause) {
    throw new BitloomError({ ...purpose, where: path, got: whatWasFound(cause), cause });
  }
}

/** Of a file that is refused, what it is and what it may be. */
function whatWasFound(cause: unknown): string {
  if (cause instanceof BitloomError) return `${cause.got}; it must be ${cause.expected}`;
  return cause instanceof Error ? cause.message : String(cause);
}
