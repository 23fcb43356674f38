/**
 * Reads a tokenizer from whatever file holds one: `tokenizer.json`, SentencePiece's `tokenizer.model`, a GGUF file,
 * llama2.c's `.bin`, or a folder with any of Hugging Face's forms.
 */
import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { readSmallFile } from '../bytes/folder.js';
import { readGguf } from '../gguf/reader.js';
import { readGgufTokenizer } from '../tokenizers/gguf-tokenizer.js';
import { readHfTokenizer } from '../tokenizers/hf-tokenizer-files.js';
import { readLlama2cTokenizer } from '../tokenizers/llama2c-tokenizer.js';
import { readSentencePieceModel } from '../tokenizers/sentencepiece-model.js';
import type { TokenizerRecord } from '../tokenizers/tokenizer.js';
import { openFile, openFolder } from './file-source.js';

const MAX_SENTENCEPIECE = 64 << 20;

/**
 * The tokenizer record of a file or folder.
 * @param vocabSize number of tokens of the model, where it is known: llama2.c files must match it
 * @throws BitloomError `file-not-found`, `tokenizer-not-found`, and what the readers throw
 */
export async function readTokenizerFile(path: string, vocabSize?: number): Promise<TokenizerRecord> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const record = isFolder ? await readHfTokenizer(openFolder(path)) : await readFile(path, vocabSize);
  if (record !== undefined) return record;
  throw new BitloomError({
    code: 'tokenizer-not-found',
    message: 'there is no tokenizer here',
    where: path,
    expected: 'tokenizer.json, tokenizer.model, a GGUF file with a vocabulary, or a llama2.c tokenizer .bin',
    hint: 'give the tokenizer file that came with the model',
  });
}

async function readFile(path: string, vocabSize: number | undefined): Promise<TokenizerRecord | undefined> {
  const source = openFile(path);
  try {
    const head = await source.read(0, Math.min(4, source.size));
    const text = String.fromCharCode(...head);
    if (text === 'GGUF') return readGgufTokenizer((await readGguf(source)).metadata);
    if (text.trimStart().startsWith('{')) return await readJson(path);
    // A SentencePiece model begins with its first piece: field 1 of a message.
    if (head[0] === 0x0a && path.endsWith('.model')) return await readModel(source, path);
    return await readLlama2cTokenizer(source, vocabSize);
  } finally {
    source.close();
  }
}

/** Reads `tokenizer.json` with its `tokenizer_config.json` beside it, where there is one. */
async function readJson(path: string): Promise<TokenizerRecord | undefined> {
  const folder = openFolder(dirname(path));
  const file = basename(path);
  return readHfTokenizer({
    name: folder.name,
    has: (name) => name === 'tokenizer.json' || folder.has(name),
    open: (name) => folder.open(name === 'tokenizer.json' ? file : name),
  });
}

async function readModel(source: ByteSource, path: string): Promise<TokenizerRecord> {
  const folder = openFolder(dirname(path));
  return readSentencePieceModel(await readSmallFile(folder, basename(path), MAX_SENTENCEPIECE), source.name);
}
