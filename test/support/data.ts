/**
 * Where the shared test data lives: `BITLOOM_DATA`, or `../shared/data` beside the repository. Tests that need it
 * use `skipIf(!hasData)`; the reporter beside this file then says in one line how many cases that cost. Not for
 * fixtures that are committed: those stand beside their test.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Absolute path of the repository. */
export const repositoryRoot = resolve(import.meta.dirname, '..', '..');

/** Absolute path of the data folder, whether or not it exists. A relative `BITLOOM_DATA` counts from the root. */
export const dataRoot = resolve(repositoryRoot, process.env.BITLOOM_DATA || join('..', 'shared', 'data'));

/** True when the data folder is there. */
export const hasData = existsSync(dataRoot);

/** Absolute path of something in the data folder: `dataPath('stories260K', 'stories260K.bin')`. */
export function dataPath(...parts: readonly string[]): string {
  return join(dataRoot, ...parts);
}
