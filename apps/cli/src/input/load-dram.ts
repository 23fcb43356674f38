/** DRAM parts by name, or from a JSON file: a part as device files have it, or several, of which FILE#NAME takes one. */
import { existsSync } from 'node:fs';
import { BitloomError, DRAM_STANDARDS, type DramStandard, findDramStandard } from '@bitloom/ir';
import { readJson } from './read-json.js';

/** What stands for every part in the box. */
const ALL = 'all';
/** Largest file that is read. */
const MAX_JSON = 1 << 20;

/** @throws BitloomError `dram-unknown`, `device-file-invalid`, `artefact-invalid` */
export async function loadDram(name: string): Promise<readonly DramStandard[]> {
  if (name === ALL) return DRAM_STANDARDS;
  const hash = name.lastIndexOf('#');
  const path = existsSync(name) || hash < 0 ? name : name.slice(0, hash);
  if (DRAM_STANDARDS.some((dram) => dram.name === name) || !existsSync(path)) return [findDramStandard(name)];
  const { parseDramParts } = await import('@bitloom/ir/schema');
  const parts = parseDramParts(await readParts(path), path);
  if (path === name) return parts;
  const only = name.slice(hash + 1);
  const found = parts.filter((dram) => dram.name === only);
  if (found.length > 0) return found;
  throw new BitloomError({
    code: 'dram-unknown',
    message: `no DRAM part of the file is named '${only}'`,
    where: path,
    expected: parts.map((dram) => dram.name).join(', '),
    got: only,
  });
}

const readParts = (path: string): Promise<unknown> =>
  readJson(path, MAX_JSON, {
    code: 'device-file-invalid',
    message: 'this is not a JSON file of DRAM parts',
    hint: 'take `memories[0].dram` of `bitloom devices NAME --json`, then change what you need',
  });
