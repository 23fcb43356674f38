/** Reads a text file. */
import { readFileSync } from 'node:fs';
import { BitloomError } from '@bitloom/ir';

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'check the path',
  EISDIR: 'give a file, not a folder',
  EACCES: 'check its permissions',
};

/** @throws BitloomError `file-unreadable`, `text-not-utf8` */
export function readText(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    throw new BitloomError({
      code: 'file-unreadable',
      message: 'the text cannot be read',
      where: path,
      expected: 'a readable file',
      got: cause instanceof Error ? cause.message : String(cause),
      ...(Object.hasOwn(HINTS, code) ? { hint: HINTS[code] } : {}),
      cause,
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BitloomError({
      code: 'text-not-utf8',
      message: 'the text is not UTF-8',
      where: path,
      hint: 'convert it, for example with iconv -t UTF-8',
      cause,
    });
  }
}
