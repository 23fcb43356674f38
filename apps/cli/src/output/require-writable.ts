/** Looks at where a result will go before the work begins, so that a wrong path costs seconds and not minutes. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BitloomError } from '@bitloom/ir';

/** A place for a file, new or to be replaced. @throws BitloomError `write-failed` */
export function requireWritable(path: string | undefined): void {
  if (path === undefined) return;
  requireWritableParent(path, 'name a file');
  const present = statSync(path, { throwIfNoEntry: false });
  if (present?.isDirectory() === true) throw notWritable(path, 'a file', 'a folder', 'name a file');
}

/** A place for a folder: nothing is there, or an empty folder. @throws BitloomError `write-failed` */
export function requireNewFolder(path: string): void {
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
