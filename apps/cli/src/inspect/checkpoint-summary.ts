/** What a checkpoint holds: tensors with name, shape, encoding and size, as the file has them. */
import { BitloomError } from '@bitloom/ir';
import {
  type DecoderConfig,
  type GgufMetadata,
  type GgufValue,
  ggufCheckpoint,
  openSafetensorsFolder,
  parameterCount,
  readFloats,
  readGguf,
  readLlama2c,
  type TensorFile,
} from '@bitloom/models';
import { openFile, openFolder, openModel } from '@bitloom/models/node';
import { firstBytes } from '../input/artefact-kind.js';
import { isUnknownFormat, unknownFile } from './unknown-file.js';

export interface TensorRow {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly type: string;
  readonly bytes: number;
}

export interface CheckpointSummary {
  readonly kind: 'checkpoint';
  readonly format: 'llama2.c' | 'GGUF' | 'safetensors';
  readonly file: string;
  /** Learned values, of a model that is understood. */
  readonly parameters?: number;
  readonly config?: DecoderConfig;
  /** Why the tensors do not make a model here. */
  readonly problem?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorRow[];
}

/** An open checkpoint and what is in it. */
export interface OpenCheckpoint {
  readonly summary: CheckpointSummary;
  readonly file: TensorFile;
}

/** @throws BitloomError `inspect-format-unknown`, and what the readers throw for a damaged file */
export async function openCheckpoint(path: string, kind: 'file' | 'folder'): Promise<OpenCheckpoint> {
  if (kind === 'folder') return openHfFolder(path);
  const magic = String.fromCharCode(...firstBytes(path, 4));
  return magic === 'GGUF' ? openGguf(path) : openLlama2c(path);
}

async function openHfFolder(path: string): Promise<OpenCheckpoint> {
  const file = await openSafetensorsFolder(openFolder(path));
  const found = await configOf(async () => {
    const open = await openModel(path);
    open.close();
    return open.config;
  });
  return { file, summary: { ...base('safetensors', path, found), tensors: tensorRows(file) } };
}

async function openGguf(path: string): Promise<OpenCheckpoint> {
  const file = await readGguf(openFile(path));
  const found = await configOf(async () => (await ggufCheckpoint(file)).config);
  const summary = {
    ...base('GGUF', path, found),
    metadata: { version: file.version, ...plainMetadata(file.metadata) },
    tensors: tensorRows(file),
  };
  return { file, summary };
}

async function openLlama2c(path: string): Promise<OpenCheckpoint> {
  // First as anybody opens it: that knows what else such a file might be, and says so.
  try {
    const open = await openModel(path);
    open.close();
  } catch (error) {
    throw isUnknownFormat(error) ? unknownFile(path, firstBytes(path, 16), error) : error;
  }
  const file = await readLlama2c(openFile(path));
  return { file, summary: { ...base('llama2.c', path, { config: file.config }), tensors: tensorRows(file) } };
}

type Found = { readonly config?: DecoderConfig; readonly problem?: string };

/** A model that is not understood has tensors all the same. */
async function configOf(read: () => Promise<DecoderConfig | undefined>): Promise<Found> {
  try {
    const config = await read();
    return config === undefined ? {} : { config };
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return { problem: error.message };
    throw error;
  }
}

function base(
  format: CheckpointSummary['format'],
  file: string,
  found: Found,
): Omit<CheckpointSummary, 'tensors'> {
  const parameters = found.config === undefined ? {} : { parameters: parameterCount(found.config) };
  return { kind: 'checkpoint', format, file, ...parameters, ...found };
}

function tensorRows(file: TensorFile): TensorRow[] {
  return [...file.tensors.values()].map(({ name, shape, encoding, byteLength }) => ({
    name,
    shape,
    type: encoding.name,
    bytes: byteLength,
  }));
}

/** Longest array that is shown whole. */
const SHORT = 16;

function plainMetadata(metadata: GgufMetadata): Record<string, unknown> {
  // A float32 is shown as the shortest decimal that names it.
  const plain = (key: string, value: GgufValue): unknown =>
    value.type === 'float32' ? metadata.optionalFloat(key) : plainValue(value);
  return Object.fromEntries([...metadata.values].map(([key, value]) => [key, plain(key, value)]));
}

function plainValue({ data, type, elementType }: GgufValue): unknown {
  if (typeof data === 'bigint') return plainInteger(data);
  if (typeof data !== 'object') return data;
  if (data.length > SHORT) return { type: `${type} of ${elementType ?? 'values'}`, length: data.length };
  return Array.from<unknown>(data).map((item) => (typeof item === 'bigint' ? plainInteger(item) : item));
}

function plainInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Elements read at a time. */
const STEP = 1 << 20;

/**
 * Reads every value.
 * @throws BitloomError `checkpoint-not-finite`, and what the reader throws
 */
export function checkValues(file: TensorFile, onProgress: (done: number, total: number) => void): void {
  const tensors = [...file.tensors.values()].filter(({ encoding }) => encoding.decode !== undefined);
  const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  for (const tensor of tensors) {
    const elements = tensor.shape.reduce((product, size) => product * size, 1);
    for (let start = 0; start < elements; start += STEP) {
      const values = readFloats(tensor, start, Math.min(STEP, elements - start));
      const at = values.findIndex((value) => !Number.isFinite(value));
      if (at >= 0) {
        throw new BitloomError({
          code: 'checkpoint-not-finite',
          message: 'a tensor holds a value that is no number',
          where: `${file.name}, tensor '${tensor.name}', element ${start + at}`,
          expected: 'finite values',
          got: String(values[at]),
          hint: 'the file is damaged, or the training diverged',
        });
      }
    }
    done += tensor.byteLength;
    onProgress(done, total);
  }
}
