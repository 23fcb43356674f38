/**
 * Opens whatever a person may mean by MODEL: a llama2.c or GGUF file, a Hugging Face folder, a bitloom model artefact,
 * or a name of the zoo. The kind is decided by what the file holds, not by its name.
 */
import { statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BitloomError, type Model, verifyModel } from '@bitloom/ir';
import { hasContainerMagic } from '@bitloom/ir/container';
import { openContainer } from '@bitloom/ir/node';
import { bundleCheckpoint, type OpenModel, requireVocabulary, textInterface } from '../bundle.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { invalidConfig } from '../decoder/decoder-config.js';
import { ggufCheckpoint } from '../families/gguf.js';
import { hfCheckpoint } from '../families/hf-checkpoint.js';
import { llama2cCheckpoint } from '../families/llama2c.js';
import { readGguf } from '../gguf/reader.js';
import { readChatTemplate } from '../hf/chat-template.js';
import { looksLikeLlama2c, readLlama2c } from '../llama2c/checkpoint.js';
import { createTokenizer } from '../tokenizers/create-tokenizer.js';
import { readGgufTokenizer } from '../tokenizers/gguf-tokenizer.js';
import { readHfTokenizer } from '../tokenizers/hf-tokenizer-files.js';
import type { TokenizerRecord } from '../tokenizers/tokenizer.js';
import { ZOO, zooEntry, zooModel } from '../zoo/zoo.js';
import { openFile, openFolder } from './file-source.js';
import { readTokenizerFile } from './open-tokenizer.js';

export interface OpenOptions {
  /**
   * Path of a tokenizer file or folder. A llama2.c file has none inside; without this option one beside it is
   * taken: `tok<vocabulary>.bin`, or `tokenizer.bin` for a vocabulary of 32,000.
   */
  readonly tokenizer?: string | undefined;
  /** Longest sequence to make room for; default: what the model was made for. */
  readonly context?: number;
}

/**
 * Opens a model. Weights are read from the files as they are asked for; close it when done.
 * @param model path of a file or folder, or an id of the zoo
 * @throws BitloomError `model-not-found`, `model-format-unknown`, and what the readers throw
 */
export async function openModel(model: string, options: OpenOptions = {}): Promise<OpenModel> {
  const kind = pathKind(model);
  if (kind === 'folder') return openHfFolder(model, options);
  if (kind === 'file') return openModelFile(model, options);
  if (ZOO.has(model)) return openZoo(model, options);
  throw new BitloomError({
    code: 'model-not-found',
    message: 'there is no such file or folder, and no model of that name in the zoo',
    where: model,
    expected: `a path, or one of ${[...ZOO.keys()].join(', ')}`,
    got: JSON.stringify(model),
    hint: 'check the spelling',
  });
}

function pathKind(path: string): 'file' | 'folder' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

async function openZoo(id: string, options: OpenOptions): Promise<OpenModel> {
  const { config } = zooEntry(id);
  const record = await givenTokenizer(options, config.vocabSize);
  const tokenizer = record === undefined ? undefined : createTokenizer(record);
  if (tokenizer !== undefined) requireVocabulary(tokenizer, config.vocabSize, id);
  const text = textInterface(tokenizer, undefined);
  const model: Model = { ...zooModel(id, options.context), ...(text === undefined ? {} : { text }) };
  const none: OpenModel['sections'] = {
    has: () => false,
    byteLength: (section) => shapeOnly(id, section),
    read: (section) => shapeOnly(id, section),
  };
  return {
    model,
    sections: none,
    config,
    ...(tokenizer === undefined ? {} : { tokenizer }),
    close: () => {},
  };
}

function shapeOnly(id: string, section: string): never {
  throw new BitloomError({
    code: 'section-missing',
    message: `'${id}' is a model of the zoo: it has shapes, but no weights`,
    where: `section '${section}'`,
    hint: 'compile and simulate it for time; to run it, give the path of its checkpoint',
  });
}

async function givenTokenizer(options: OpenOptions, vocabSize: number): Promise<TokenizerRecord | undefined> {
  return options.tokenizer === undefined ? undefined : readTokenizerFile(options.tokenizer, vocabSize);
}

async function openHfFolder(path: string, options: OpenOptions): Promise<OpenModel> {
  const folder = openFolder(path);
  const checkpoint = await hfCheckpoint(folder);
  return closingOnError(checkpoint, async () => {
    const record =
      (await givenTokenizer(options, checkpoint.config.vocabSize)) ?? (await readHfTokenizer(folder));
    const chatTemplate = await readChatTemplate(folder);
    return bundleCheckpoint(checkpoint, {
      ...named(path, options),
      format: 'safetensors',
      ...(record === undefined ? {} : { tokenizer: record }),
      ...(chatTemplate === undefined ? {} : { chatTemplate }),
    });
  });
}

async function openModelFile(path: string, options: OpenOptions): Promise<OpenModel> {
  const source = openFile(path);
  return closingOnError(source, async () => {
    const head = await source.read(0, Math.min(16, source.size));
    if (hasContainerMagic(head)) {
      source.close();
      return openArtefact(path, options);
    }
    if (startsWith(head, 'GGUF')) return openGgufFile(source, options);
    requireNotForeign(head, path);
    const file = await readLlama2c(source).catch(async (error: unknown) => {
      throw (await looksLikeLlama2c(source)) ? error : unknownFile(source);
    });
    const tokenizer = options.tokenizer ?? neighbourTokenizer(path, file.config.vocabSize);
    const record = await givenTokenizer({ ...options, tokenizer }, file.config.vocabSize);
    return bundleCheckpoint(llama2cCheckpoint(file), {
      ...named(path, options),
      format: 'llama2.c',
      ...(record === undefined ? {} : { tokenizer: record }),
    });
  });
}

/** What is tried on a file, in this order. */
const LOOKED_FOR =
  'a bitloom model (its magic), a GGUF file (GGUF), a llama2.c .bin (seven sizes that the file has room for); ' +
  'safetensors are opened by their folder, which has a config.json';

/** Nothing that is read begins like this. */
function unknownFile({ name, size }: ByteSource): BitloomError {
  return new BitloomError({
    code: 'model-format-unknown',
    message: size === 0 ? 'this file is empty' : 'this file is no model of a format that is read',
    where: name,
    expected: LOOKED_FOR,
    got: size === 0 ? 'no bytes' : `${size} bytes that begin like none of them`,
    hint:
      size === 0
        ? 'fetch or write the file again'
        : 'check the path, or convert the model to GGUF or safetensors',
  });
}

/** Size of the vocabulary that llama2.c keeps in `tokenizer.bin`. */
const LLAMA2_VOCABULARY = 32000;

/**
 * The tokenizer beside a llama2.c checkpoint, by the names llama2.c gives it: `tok512.bin` for a vocabulary of 512
 * of one's own, `tokenizer.bin` for that of Llama 2.
 */
function neighbourTokenizer(checkpoint: string, vocabSize: number): string | undefined {
  const names = [`tok${vocabSize}.bin`, ...(vocabSize === LLAMA2_VOCABULARY ? ['tokenizer.bin'] : [])];
  return names.map((name) => join(dirname(checkpoint), name)).find((path) => pathKind(path) === 'file');
}

async function openGgufFile(source: ByteSource, options: OpenOptions): Promise<OpenModel> {
  const file = await readGguf(source);
  const checkpoint = await ggufCheckpoint(file);
  const given = await givenTokenizer(options, checkpoint.config.vocabSize);
  const record = given ?? readGgufTokenizer(file.metadata);
  const chatTemplate = file.metadata.optionalString('tokenizer.chat_template');
  return bundleCheckpoint(checkpoint, {
    ...named(source.name, options),
    format: 'GGUF',
    ...(record === undefined ? {} : { tokenizer: record }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  });
}

/** A model that bitloom wrote itself. Its schema is loaded only here, because it weighs. */
async function openArtefact(path: string, options: OpenOptions): Promise<OpenModel> {
  const { modelSchema, parseWith } = await import('@bitloom/ir/schema');
  const container = openContainer(path);
  return closingOnError(container, async () => {
    if (container.kind !== 'model') {
      throw new BitloomError({
        code: 'model-format-unknown',
        message: 'this bitloom artefact is not a model',
        where: path,
        expected: 'a model',
        got: `a ${container.kind}`,
        hint: 'inspect shows what it is; run and simulate take programs as they are',
      });
    }
    if (options.context !== undefined) {
      throw invalidConfig(path, 'context', 'none: an artefact was built with its own', options.context);
    }
    const model = parseWith(modelSchema, container.header, 'model', path);
    const record = (await givenTokenizer(options, vocabularyOf(model, path))) ?? model.text?.tokenizer;
    const tokenizer = record === undefined ? undefined : createTokenizer(record);
    return {
      model,
      sections: container.sections,
      ...(tokenizer === undefined ? {} : { tokenizer }),
      close: () => container.close(),
    };
  });
}

/** Columns of the logits; on the way the graph is verified, which no schema does. */
function vocabularyOf(model: Model, path: string): number {
  const types = verifyModel(model);
  for (const fn of model.functions) {
    const columns = types
      .get(fn.name)
      ?.get(fn.outputs[0] ?? '')
      ?.shape.at(-1);
    if (typeof columns === 'number') return columns;
  }
  throw new BitloomError({
    code: 'model-format-unknown',
    message: 'this model is not a language model: no entry gives logits of a fixed width',
    where: path,
    expected: 'an entry whose first output is [tokens, vocabulary]',
    got: model.functions.map((fn) => fn.name).join(', ') || 'no entries',
  });
}

async function closingOnError<T>(open: { close(): void }, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    open.close();
    throw error;
  }
}

function named(path: string, options: OpenOptions): { name: string; context?: number } {
  const name = basename(resolve(path)).replace(/\.(?:bin|gguf)$/, '') || 'model';
  return { name, ...(options.context === undefined ? {} : { context: options.context }) };
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

/**
 * First bytes of formats that people have and this package does not read, with what to do instead; undefined is any
 * byte. None of them can begin a llama2.c checkpoint, whose first number is below 2^24.
 */
const FOREIGN: readonly {
  readonly bytes: readonly (number | undefined)[];
  readonly name: string;
  readonly hint: string;
}[] = [
  {
    bytes: [0x50, 0x4b, 3, 4],
    name: 'a zip archive (a PyTorch checkpoint?)',
    hint: 'save the model as safetensors',
  },
  { bytes: [0x80, 2, 0x8a], name: 'a Python pickle', hint: 'save the model as safetensors' },
  { bytes: [0x6c, 0x6d, 0x67, 0x67], name: 'an old GGML file', hint: 'convert the model to GGUF' },
  { bytes: [0x74, 0x6a, 0x67, 0x67], name: 'an old GGML file', hint: 'convert the model to GGUF' },
  {
    bytes: [8, undefined, 0x12],
    name: 'an ONNX file',
    hint: 'language models are read from GGUF or safetensors',
  },
  {
    // A 64-bit header length, then an opening brace.
    bytes: [undefined, undefined, undefined, undefined, 0, 0, 0, 0, 0x7b],
    name: 'a safetensors file',
    hint: 'give the folder it is in, which has the config.json as well',
  },
];

function requireNotForeign(head: Uint8Array, path: string): void {
  const foreign = FOREIGN.find(({ bytes }) =>
    bytes.every((byte, i) => byte === undefined || head[i] === byte),
  );
  if (foreign === undefined) return;
  throw new BitloomError({
    code: 'model-format-unknown',
    message: 'no reader for this kind of file',
    where: path,
    expected: 'a llama2.c .bin, a GGUF file, a Hugging Face folder or a bitloom model',
    got: foreign.name,
    hint: foreign.hint,
  });
}
