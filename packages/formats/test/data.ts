/** Shared test data of the house, when it is there: BITLOOM_DATA, or `../shared/data` beside the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.env.BITLOOM_DATA ?? join(import.meta.dirname, '../../../../shared/data');

/** A JSON file of `format-vectors`, or undefined when the data are absent. */
export function readFormatVectors<T>(name: string): T | undefined {
  const path = join(root, 'format-vectors', name);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}
