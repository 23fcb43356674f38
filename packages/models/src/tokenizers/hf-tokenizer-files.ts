/**
 * Finds the tokenizer of a Hugging Face folder and reads it: `tokenizer.json` first, then SentencePiece's
 * `tokenizer.model`, then GPT-2's pair of files. Which tokens begin and end a text comes from
 * `tokenizer_config.json`, `generation_config.json` and `config.json`.
 */
import { BitloomError } from '@bitloom/ir';
import { type Folder, readSmallFile } from '../bytes/folder.js';
import {
  decodeUtf8,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
} from '../json/strict-json.js';
import { readGpt2Tokenizer } from './gpt2-files.js';
import { HfJsonTokenizer } from './hf-json.js';
import { parseTokenizerRecord } from './records.js';
import { readSentencePieceModel } from './sentencepiece-model.js';
import type { HfJsonRecord, TokenizerRecord } from './tokenizer.js';

/** Most bytes of a tokenizer file; the largest published ones have about 35 MB. */
const MAX_TOKENIZER = 256 << 20;
const MAX_CONFIG = 16 << 20;
const PAIRS = [
  ['vocab.json', 'merges.txt'],
  ['encoder.json', 'vocab.bpe'],
] as const;

/**
 * The tokenizer record of a folder, or undefined when it has no tokenizer files.
 * @throws BitloomError `tokenizer-json-invalid` and what the readers throw
 */
export async function readHfTokenizer(folder: Folder): Promise<TokenizerRecord | undefined> {
  const config = await readOptional(folder, 'tokenizer_config.json');
  const ids = {
    ...specialIds(await readOptional(folder, 'config.json')),
    ...specialIds(await readOptional(folder, 'generation_config.json')),
  };
  if (folder.has('tokenizer.json')) {
    const bytes = await readSmallFile(folder, 'tokenizer.json', MAX_TOKENIZER);
    return hfJsonRecord(bytes, config, ids);
  }
  if (folder.has('tokenizer.model')) {
    const bytes = await readSmallFile(folder, 'tokenizer.model', MAX_TOKENIZER);
    return parseTokenizerRecord({
      ...readSentencePieceModel(bytes, `${folder.name}/tokenizer.model`),
      ...ids,
    });
  }
  for (const [vocabulary, merges] of PAIRS) {
    if (!folder.has(vocabulary) || !folder.has(merges)) continue;
    const record = readGpt2Tokenizer({
      vocabulary: await readSmallFile(folder, vocabulary, MAX_TOKENIZER),
      merges: await readSmallFile(folder, merges, MAX_TOKENIZER),
      ...namedTokens(config),
    });
    return parseTokenizerRecord({ ...record, ...ids });
  }
  return undefined;
}

/**
 * The record of a `tokenizer.json`.
 * @param bytes the file
 * @param config `tokenizer_config.json`, or an empty object
 * @param ids begin and end tokens where they are known from elsewhere
 * @throws BitloomError `tokenizer-json-invalid`, `tokenizer-record-invalid`
 */
export function hfJsonRecord(
  bytes: Uint8Array,
  config: JsonObject = {},
  ids: { bosId?: number; eosIds?: readonly number[] } = {},
): HfJsonRecord {
  // Plain JSON.parse: the document may be tens of megabytes, and nothing merges its keys into other objects.
  let document: unknown;
  try {
    document = JSON.parse(decodeUtf8(bytes, 'tokenizer.json'));
  } catch (cause) {
    if (cause instanceof BitloomError) throw cause;
    throw new BitloomError({
      code: 'tokenizer-json-invalid',
      message: 'the tokenizer.json is not JSON',
      where: 'tokenizer.json',
      hint: 'fetch the file again',
      cause,
    });
  }
  const draft = parseTokenizerRecord({
    kind: 'hf-json',
    tokenizer: document,
    config,
    eosIds: [],
    addBos: false,
  });
  if (draft.kind !== 'hf-json')
    throw new BitloomError({ code: 'internal', message: 'internal: record kind' });
  const names = namedTokens(config);
  const probe = new HfJsonTokenizer(draft);
  const idOf = (name: string | undefined): number | undefined =>
    name === undefined ? undefined : probe.idOf(name);
  const bosId = idOf(names.bos) ?? ids.bosId;
  const eosId = idOf(names.eos);
  const eosIds = [...new Set([...(eosId === undefined ? [] : [eosId]), ...(ids.eosIds ?? [])])];
  const record = parseTokenizerRecord({
    ...draft,
    ...(bosId === undefined ? {} : { bosId }),
    eosIds,
    addBos: bosId !== undefined && probe.beginsWith(bosId),
  });
  if (record.kind !== 'hf-json')
    throw new BitloomError({ code: 'internal', message: 'internal: record kind' });
  return record;
}

async function readOptional(folder: Folder, file: string): Promise<JsonObject> {
  if (!folder.has(file)) return {};
  return parseJsonObject(await readSmallFile(folder, file, MAX_CONFIG), `${folder.name}/${file}`);
}

function specialIds(config: JsonObject): { bosId?: number; eosIds?: number[] } {
  const bos = config.bos_token_id;
  const eos = config.eos_token_id;
  const list = Array.isArray(eos) ? eos : [eos];
  const eosIds = list.filter((id) => typeof id === 'number');
  return { ...(typeof bos === 'number' ? { bosId: bos } : {}), ...(eosIds.length === 0 ? {} : { eosIds }) };
}

/** Names of the special tokens in a tokenizer_config: a string, or an object with the string as content. */
function namedTokens(config: JsonObject): { bos?: string; eos?: string; unknown?: string; addBos?: boolean } {
  const name = (value: JsonValue | undefined): string | undefined => {
    const content = isJsonObject(value) ? value.content : value;
    return typeof content === 'string' ? content : undefined;
  };
  const [bos, eos, unknown] = [name(config.bos_token), name(config.eos_token), name(config.unk_token)];
  return {
    ...(bos === undefined ? {} : { bos }),
    ...(eos === undefined ? {} : { eos }),
    ...(unknown === undefined ? {} : { unknown }),
    ...(typeof config.add_bos_token === 'boolean' ? { addBos: config.add_bos_token } : {}),
  };
}
