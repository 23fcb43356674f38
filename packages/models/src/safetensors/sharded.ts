/**
 * A safetensors checkpoint that may be split: `model.safetensors`, or `model.safetensors.index.json` naming the
 * file of each tensor. The index is not trusted: file names must stay in the folder, and each shard must hold
 * exactly the tensors the index gives it.
 */
import { BitloomError } from '@bitloom/ir';
import { type Folder, fileNotFound, readSmallFile, requirePlainFileName } from '../bytes/folder.js';
import { describe, isJsonObject, parseJsonObject } from '../json/strict-json.js';
import type { StoredTensor, TensorFile } from '../tensors/tensor-file.js';
import { readSafetensors, type SafetensorsFile } from './reader.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Bytes an index may have; a line per tensor, so tens of thousands of tensors need a few megabytes. */
const MAX_INDEX = 64 << 20;
const MAX_SHARDS = 4096;

/**
 * Opens the tensors of a folder. The shards stay open until `close`.
 * @throws BitloomError `file-not-found`, `file-name-unsafe`, `safetensors-index-invalid`,
 *   `safetensors-index-mismatch`, and what {@link readSafetensors} throws
 */
export async function openSafetensorsFolder(folder: Folder): Promise<TensorFile> {
  if (folder.has(INDEX)) return openSharded(folder);
  if (folder.has(SINGLE)) return readOwned(folder, SINGLE);
  throw fileNotFound(
    `${folder.name}/${SINGLE}`,
    `the folder must hold ${SINGLE} or ${INDEX}; other formats of weights (pytorch_model.bin) are not read`,
  );
}

async function readOwned(folder: Folder, file: string): Promise<SafetensorsFile> {
  const source = folder.open(file);
  try {
    return await readSafetensors(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

async function openSharded(folder: Folder): Promise<TensorFile> {
  const where = `${folder.name}/${INDEX}`;
  const byShard = await readIndex(folder, where);
  const shards: SafetensorsFile[] = [];
  const close = (): void => {
    for (const shard of shards) shard.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const [file, names] of byShard) {
      const shard = await readOwned(folder, file);
      shards.push(shard);
      checkShard(shard, file, names, where);
      for (const [name, tensor] of shard.tensors) tensors.set(name, tensor);
    }
    return { name: folder.name, tensors, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** File of each shard to the names of its tensors. */
async function readIndex(folder: Folder, where: string): Promise<Map<string, Set<string>>> {
  const index = parseJsonObject(await readSmallFile(folder, INDEX, MAX_INDEX), where);
  const weightMap = index.weight_map;
  if (!isJsonObject(weightMap)) throw invalidIndex(where, "an object 'weight_map'", describe(weightMap));
  const byShard = new Map<string, Set<string>>();
  for (const name of Object.keys(weightMap)) {
    const file = weightMap[name];
    if (typeof file !== 'string')
      throw invalidIndex(where, `a file name for tensor ${describe(name)}`, describe(file));
    requirePlainFileName(file, where);
    const names = byShard.get(file);
    if (names === undefined) byShard.set(file, new Set([name]));
    else names.add(name);
  }
  if (byShard.size > MAX_SHARDS)
    throw invalidIndex(where, `at most ${MAX_SHARDS} shards`, String(byShard.size));
  return byShard;
}

function invalidIndex(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'safetensors-index-invalid',
    message: 'the index of shards is not valid',
    where,
    expected,
    got,
    hint: 'fetch the index again, or remove it if the checkpoint is a single file',
  });
}

function checkShard(shard: SafetensorsFile, file: string, names: ReadonlySet<string>, where: string): void {
  const missing = [...names].find((name) => !shard.tensors.has(name));
  const extra = [...shard.tensors.keys()].find((name) => !names.has(name));
  if (missing === undefined && extra === undefined) return;
  throw new BitloomError({
    code: 'safetensors-index-mismatch',
    message: 'a shard does not hold the tensors its index says',
    where: `${where}, ${file}`,
    expected: missing === undefined ? `no tensor ${describe(extra)}` : `tensor ${describe(missing)}`,
    got: missing === undefined ? 'it is in the shard' : 'it is not in the shard',
    hint: 'index and shards come from different versions of the checkpoint; fetch all of them again',
  });
}
