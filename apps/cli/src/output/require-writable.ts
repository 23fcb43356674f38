/** Looks at where a result will go before the work begins, so that a wrong path costs seconds and not minutes. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BitloomError } from '@bitloom/ir';

/** @throws BitloomError `write-failed` */
export function requireWritable(path: string | undefined): void {
  if (path === undefined) return;
  const fail = (expected: string, got: string, hint: string, cause?: unknown): never => {
    throw new BitloomError({
      code: 'write-failed',
      message: 'the output cannot be written',
      where: path,
      expected,
      got,
      hint,
      cause,
    });
  };
  if (path === '') fail('a path', 'an empty one', 'name a file');
  const folder = dirname(path);
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) fail('a folder that exists', `no folder ${folder}`, 'make the folder first');
  if (stat?.isDirectory() !== true) fail('a folder', `${folder} is a file`, 'write elsewhere');
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    fail('a folder you may write to', got, 'change its permissions, or write elsewhere', cause);
  }
  const present = statSync(path, { throwIfNoEntry: false });
  if (present?.isDirectory() === true) fail('a file', 'a folder', 'name a file');
}
