/**
 * Whole files that are small: descriptions, masks, lists of results. Files of weights are read by range instead
 * (`file-source.ts`). Nothing is opened that is no regular file, so that a device or a pipe never holds a program up.
 */
import { statSync } from 'node:fs';
import { BitloomError } from '../error.js';
import { openFile } from './file-source.js';

/**
 * The bytes of a regular file of up to `most` bytes; what is added to it while it is read is left out.
 *
 * @throws BitloomError `read-failed`
 */
export function readSmallFile(path: string, most: number): Uint8Array {
  const stat = statSync(path, { throwIfNoEntry: false });
  const fits = stat === undefined || (stat.isFile() && stat.size <= most);
  if (!fits) {
    throw new BitloomError({
      code: 'read-failed',
      message: 'a file cannot be read',
      where: path,
      expected: `a regular file of up to ${most} bytes`,
      got: stat.isFile() ? `${stat.size} bytes` : 'no regular file',
    });
  }
  const file = openFile(path);
  try {
    return file.read(0, Math.min(file.byteLength, most));
  } finally {
    file.close();
  }
}

/**
 * The document of a JSON file of up to `most` bytes.
 *
 * @throws BitloomError `read-failed`
 * @throws SyntaxError when it is no JSON
 */
export function readSmallJson(path: string, most: number): unknown {
  return JSON.parse(new TextDecoder().decode(readSmallFile(path, most)));
}
