/**
 * What a card needs: a program with its device, compiled here from a model or read from a file, and the model it came
 * from where there is one.
 */
import { compile, instructionBytes } from '@bitloom/compiler';
import {
  BitloomError,
  type Device,
  deviceHash,
  type InstructionBytes,
  type Model,
  type ModelBundle,
  modelHash,
  type Program,
  verifyProgram,
} from '@bitloom/ir';
import { nodeSha256 } from '@bitloom/ir/node';
import { createTokenizer, type Tokenizer } from '@bitloom/models';
import { openModel, readTokenizerFile } from '@bitloom/models/node';
import type { Terminal } from '../terminal/terminal.js';
import { applyScheme, longestContext } from './apply-scheme.js';
import { pathKind } from './artefact-kind.js';
import { withAttentionBlocks } from './attention-blocks.js';
import { loadDevice } from './load-device.js';
import { readProgramFile } from './program-file.js';
import { QUICK_CHECK } from './quick-check.js';

export interface SourceOptions {
  readonly device?: string;
  readonly scheme?: string;
  readonly context?: number;
  readonly tokenizer?: string;
  /** The model of a program file that has none. */
  readonly model?: string;
  /** False: features of the compiler are switched off, to see what they give. */
  readonly onchipDecode?: boolean;
  readonly sparseChains?: boolean;
  /** Rule or file of a mask of blocks of attention. */
  readonly attentionBlocks?: string;
}

export interface CompiledModel {
  readonly program: Program;
  readonly device: Device;
  /** Name of the model, for people. */
  readonly name: string;
  readonly bundle?: ModelBundle;
  readonly tokenizer?: Tokenizer;
  close(): void;
}

const DEFAULT_CONTEXT = 4096;
const DEFAULT_DEVICE = 'u280';

/** How a model is compiled. */
export interface CompileRequest {
  /** Tokens that will be asked for, so that the default context has room for them. */
  readonly tokens?: number;
  /** Entries to compile; default: what the compiler compiles. */
  readonly entries?: readonly string[];
  /** Whether the program records the identity of its model, which reads every weight. */
  readonly identified?: boolean;
}

/** Context of a program that nobody named: room for what will be asked, and as much as models usually have. */
export function defaultContext(model: Model, tokens: number): number {
  const longest = longestContext(model);
  return Math.min(longest, Math.max(tokens, Math.min(longest, DEFAULT_CONTEXT)));
}

/**
 * Quantises a model as asked and compiles it.
 * @throws BitloomError what quantising and compiling throw
 */
export async function compileFor(
  open: ModelBundle,
  device: Device,
  options: SourceOptions,
  terminal: Terminal,
  request: CompileRequest = {},
): Promise<{ program: Program; bundle: ModelBundle; notes: readonly string[] }> {
  const { bundle: plain, notes, announcement } = await applyScheme(open, options.scheme, 'W4A8');
  const bundle = await withAttentionBlocks(plain, options.attentionBlocks);
  if (announcement !== undefined) terminal.log(announcement);
  const { model } = bundle;
  terminal.status(`compiling ${model.name} in ${model.numerics.scheme} for ${device.name}`);
  const progress = await terminal.progress('compiling');
  try {
    const program = compile(model, device, {
      capacity: options.context ?? defaultContext(model, request.tokens ?? 0),
      modelHash: request.identified === true ? modelHash(model, bundle.sections, nodeSha256) : '',
      deviceHash: deviceHash(device),
      onchipDecode: options.onchipDecode ?? true,
      sparseChains: options.sparseChains ?? true,
      sections: bundle.sections,
      ...(request.entries === undefined ? {} : { entries: request.entries }),
      onProgress: (share) => progress.update(Math.floor(1000 * share), 1000),
    });
    return { program, bundle, notes };
  } finally {
    progress.stop();
  }
}

/**
 * Compiles a model for a card, or opens a program file.
 *
 * @throws BitloomError what reading, quantising and compiling throw, `program-device-mismatch`,
 *   `program-model-mismatch`, `program-option`
 */
export async function openCompiled(
  spec: string,
  options: SourceOptions,
  terminal: Terminal,
  request: CompileRequest = {},
): Promise<CompiledModel> {
  if (pathKind(spec) === 'program') return openProgram(spec, options);
  const device = await loadDevice(options.device ?? DEFAULT_DEVICE);
  const open = await openModel(spec, tokenizerOption(options));
  try {
    const { program, bundle } = await compileFor(open, device, options, terminal, request);
    const { tokenizer, close } = open;
    return {
      program,
      device,
      name: bundle.model.name,
      bundle,
      ...(tokenizer === undefined ? {} : { tokenizer }),
      close,
    };
  } catch (error) {
    open.close();
    throw error;
  }
}

function tokenizerOption({ tokenizer }: SourceOptions): { tokenizer?: string } {
  return tokenizer === undefined ? {} : { tokenizer };
}

async function openProgram(path: string, options: SourceOptions): Promise<CompiledModel> {
  const file = readProgramFile(path);
  try {
    const { program } = file;
    requireSame(path, '--scheme', program.numerics.scheme, options.scheme);
    requireSame(path, '--attention-blocks', 'as compiled', options.attentionBlocks);
    requireSame(path, '--context', String(program.capacity), options.context?.toString());
    requireSame(
      path,
      '--no-onchip-decode',
      'as compiled',
      options.onchipDecode === false ? 'off' : undefined,
    );
    requireSame(
      path,
      '--no-sparse-chains',
      'as compiled',
      options.sparseChains === false ? 'off' : undefined,
    );
    const device = await deviceOf(program, path, options.device);
    // A file may hold anything: nothing runs that could hang, leave its buffers or read other bytes than meant.
    verifyProgram(program, device, QUICK_CHECK);
    if (file.bundle !== undefined) requireModel(program, file.bundle, path, 'the model in the file');
    const model = await modelOf(file, path, options);
    return {
      program,
      device,
      name: program.name.replace(/ on [^ ]+$/, ''),
      ...model,
      close: () => {
        model.close();
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A program was made once and for all: an option may repeat what it was made with, but not change it. */
function requireSame(path: string, option: string, made: string, asked: string | undefined): void {
  if (asked === undefined || asked === made) return;
  throw new BitloomError({
    code: 'program-option',
    message: `the program was compiled with another ${option}`,
    where: path,
    expected: made,
    got: asked,
    hint: 'compile the model again with that option',
  });
}

async function deviceOf(program: Program, path: string, asked: string | undefined): Promise<Device> {
  const device = await loadDevice(asked ?? program.device);
  if (device.name === program.device && deviceHash(device) === program.deviceHash) return device;
  throw new BitloomError({
    code: 'program-device-mismatch',
    message: 'the program was compiled for another card',
    where: path,
    expected: `${program.device} (${program.deviceHash.slice(0, 12)})`,
    got: `${device.name} (${deviceHash(device).slice(0, 12)})`,
    hint: 'give the same device with --device, or compile the model again',
  });
}

async function modelOf(
  file: { readonly program: Program; readonly bundle?: ModelBundle },
  path: string,
  options: SourceOptions,
): Promise<{ bundle?: ModelBundle; tokenizer?: Tokenizer; close: () => void }> {
  if (options.model === undefined) {
    const record =
      options.tokenizer === undefined
        ? file.bundle?.model.text?.tokenizer
        : await readTokenizerFile(options.tokenizer);
    return {
      ...(file.bundle === undefined ? {} : { bundle: file.bundle }),
      ...(record === undefined ? {} : { tokenizer: createTokenizer(record) }),
      close: () => {},
    };
  }
  const open = await openModel(options.model, tokenizerOption(options));
  try {
    const { bundle } = await applyScheme(open, file.program.numerics.scheme, file.program.numerics.scheme);
    requireModel(file.program, bundle, path, options.model);
    return {
      bundle,
      ...(open.tokenizer === undefined ? {} : { tokenizer: open.tokenizer }),
      close: open.close,
    };
  } catch (error) {
    open.close();
    throw error;
  }
}

/** @throws BitloomError `program-model-mismatch` */
function requireModel(program: Program, bundle: ModelBundle, path: string, given: string): void {
  const hash = modelHash(bundle.model, bundle.sections, nodeSha256);
  if (hash === program.modelHash) return;
  throw new BitloomError({
    code: 'program-model-mismatch',
    message: 'the program was not compiled from this model',
    where: path,
    expected: `content ${program.modelHash.slice(0, 16)}`,
    got: `content ${hash.slice(0, 16)} of ${given}`,
    hint: 'give the model and the tokenizer it was compiled with, or compile again',
  });
}

/** Instruction storage of a program, counted with a progress bar. */
export async function countInstructionBytes(program: Program, terminal: Terminal): Promise<InstructionBytes> {
  const progress = await terminal.progress('counting instructions');
  try {
    return instructionBytes(program, (done, total) => progress.update(done, total));
  } finally {
    progress.stop();
  }
}
