/** Looks at where a result will go before the work begins, so that a wrong path costs seconds and not minutes. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BitloomError } from '@bitloom/ir';
import { requireNotInput } from './require-not-input.js';

/** Paths that a command reads; names that are no paths do no harm. */
export type Inputs = readonly (string | undefined)[];

/**
 * A place for a file, new or to be replaced, that is none of `inputs`.
 * @throws BitloomError `output-is-input`, `output-read-only`, `write-failed`
 */
export function requireWritable(path: string | undefined, inputs: Inputs): void {
  if (path === undefined) return;
  requireNotInput(path, inputs);
  requireWritableParent(path, 'name a file');
  const present = statSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  if (present.isDirectory()) throw notWritable(path, 'a file', 'a folder', 'name a file');
  requireNotProtected(path, present.mode);
}

/**
 * A place for a folder: nothing is there, or an empty folder.
 * @throws BitloomError `output-is-input`, `write-failed`
 */
export function requireNewFolder(path: string, inputs: Inputs): void {
  requireNotInput(path, inputs);
  requireWritableParent(path === '' ? '' : resolve(path), 'name a folder');
  const present = statSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  const hint = 'name a folder that does not exist yet';
  if (!present.isDirectory()) throw notWritable(path, 'a new or empty folder', 'a file', hint);
  const entries = readdirSync(path).length;
  if (entries > 0) throw notWritable(path, 'a new or empty folder', `a folder with ${entries} entries`, hint);
}

function requireWritableParent(path: string, name: string): void {
  if (path === '') throw notWritable(path, 'a path', 'an empty one', name);
  const folder = dirname(path);
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw notWritable(path, 'a folder that exists', `no folder ${folder}`, 'make the folder first');
  }
  if (!stat.isDirectory()) throw notWritable(path, 'a folder', `${folder} is a file`, 'write elsewhere');
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw notWritable(
      path,
      'a folder you may write to',
      got,
      'change its permissions, or write elsewhere',
      cause,
    );
  }
}

const WRITE_BITS = 0o222;

/**
 * A file that somebody protected stays, though its folder would let another take its name. Its mode is looked at as
 * well, because the superuser may write to anything.
 */
function requireNotProtected(path: string, mode: number): void {
  let got = 'a file that nobody may write to';
  if ((mode & WRITE_BITS) !== 0) {
    try {
      accessSync(path, constants.W_OK);
      return;
    } catch (cause) {
      got = cause instanceof Error ? cause.message : String(cause);
    }
  }
  throw new BitloomError({
    code: 'output-read-only',
    message: 'the file to be replaced is protected against writing',
    where: path,
    expected: 'a file you may write to, or a new name',
    got,
    hint: 'name another file, or remove this one or its protection first (chmod u+w)',
  });
}

function notWritable(
  where: string,
  expected: string,
  got: string,
  hint: string,
  cause?: unknown,
): BitloomError {
  return new BitloomError({
    code: 'write-failed',
    message: 'the output cannot be written',
    where,
    expected,
    got,
    hint,
    cause,
  });
}
