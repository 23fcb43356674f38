/**
 * An engine for a model: the host interpreter, or a simulated card with the compiled program on it. The commands
 * that generate and evaluate text do not know which one they drive.
 */
import { BitloomError, encodedLength, type InstructionBytes, isShapeOnly, type Report } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { Tokenizer } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createCardEngine, createHostEngine, type Engine } from '@bitloom/runtime';
import { SimulatedCard } from '@bitloom/simulator';
import type { Terminal } from '../terminal/terminal.js';
import { applyScheme } from './apply-scheme.js';
import { pathKind } from './artefact-kind.js';
import { type KernelOptions, openKernels } from './command-kernels.js';
import {
  type CompiledModel,
  countInstructionBytes,
  openCompiled,
  type SourceOptions,
} from './compiled-model.js';

export interface EngineOptions extends SourceOptions, KernelOptions {
  /** Whether a card counts cycles and energy too. */
  readonly timed?: boolean;
  /** Entries to compile for a card. */
  readonly entries?: readonly string[];
  /** Tokens that will be asked for. */
  readonly tokens?: number;
}

export interface OpenEngine {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly name: string;
  readonly device: string;
  readonly scheme: string;
  readonly kernels: Pick<Kernels, 'backend' | 'threads'>;
  /** What the calls so far cost, in card time; absent on the host and where it was not asked for. */
  readonly report?: () => Report;
  close(): void;
}

/**
 * Opens a model on the host or on a card.
 * @throws BitloomError `tokenizer-missing`, `program-without-model`, and what opening, quantising, compiling and
 *   loading throw
 */
export async function openEngine(
  spec: string,
  options: EngineOptions,
  terminal: Terminal,
): Promise<OpenEngine> {
  const isProgram = pathKind(spec) === 'program';
  if (options.device === 'host' || (options.device === undefined && !isProgram)) {
    if (isProgram) throw programOnHost(spec);
    return openHost(spec, options, terminal);
  }
  const { tokens, entries } = options;
  const compiled = await openCompiled(spec, options, terminal, {
    ...(tokens === undefined ? {} : { tokens }),
    ...(entries === undefined ? {} : { entries }),
  });
  return openCard(spec, compiled, options, terminal);
}

async function openHost(spec: string, options: EngineOptions, terminal: Terminal): Promise<OpenEngine> {
  const open = await openModel(spec, options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer });
  return withClosers([open.close], async (closers) => {
    const { bundle, announcement } = await applyScheme(open, options.scheme, 'f32');
    const tokenizer = requireTokenizer(open.tokenizer, spec);
    if (announcement !== undefined) terminal.log(announcement);
    terminal.status(`loading ${bundle.model.name} in ${bundle.model.numerics.scheme}`);
    const kernels = openKernels(options, bundle.model);
    closers.push(() => kernels.close());
    const engine = createHostEngine(bundle, {
      kernels,
      ...(options.context === undefined ? {} : { capacity: options.context }),
    });
    closers.push(() => engine.close());
    return {
      engine,
      tokenizer,
      name: bundle.model.name,
      device: 'host',
      scheme: bundle.model.numerics.scheme,
      kernels,
    };
  });
}

async function openCard(
  spec: string,
  compiled: CompiledModel,
  options: EngineOptions,
  terminal: Terminal,
): Promise<OpenEngine> {
  const { program, device, bundle, name } = compiled;
  return withClosers([compiled.close], async (closers) => {
    if (bundle === undefined) throw programWithoutModel(spec);
    if (isShapeOnly(bundle.model)) throw shapesOnly(name);
    const tokenizer = requireTokenizer(compiled.tokenizer, spec);
    terminal.status(`loading ${name} onto ${device.name}`);
    const kernels = openKernels(options, bundle.model);
    closers.push(() => kernels.close());
    const card = new SimulatedCard({
      program,
      device,
      bundle,
      kernels,
      encodedLength,
      instructionBytes: options.timed === true ? await countInstructionBytes(program, terminal) : NOT_COUNTED,
      mode: options.timed === true ? 'both' : 'function',
    });
    const engine = createCardEngine(card, program, bundle.model);
    closers.push(() => engine.close());
    return {
      engine,
      tokenizer,
      name,
      device: device.name,
      scheme: program.numerics.scheme,
      kernels,
      ...(options.timed === true ? { report: () => card.report() } : {}),
    };
  });
}

/**
 * Opens something that has parts to close, last opened first: with its `close`, or at once when opening fails. Open
 * worker threads would keep the process from ending.
 */
async function withClosers<T>(
  closers: (() => void)[],
  open: (closers: (() => void)[]) => Promise<T>,
): Promise<T & { close(): void }> {
  const close = (): void => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) next();
  };
  try {
    return { ...(await open(closers)), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A card that counts no time makes no report, so nobody reads these. */
const NOT_COUNTED: InstructionBytes = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

/** @throws BitloomError `tokenizer-missing` */
export function requireTokenizer(tokenizer: Tokenizer | undefined, spec: string): Tokenizer {
  if (tokenizer !== undefined) return tokenizer;
  throw new BitloomError({
    code: 'tokenizer-missing',
    message: 'the model comes without a tokenizer, and text needs one',
    where: spec,
    expected: 'a tokenizer in the model, or --tokenizer',
    hint: 'give the tokenizer that belongs to it: --tokenizer FILE (tokenizer.json, tokenizer.model, GGUF, llama2.c .bin)',
  });
}

function programOnHost(spec: string): BitloomError {
  return new BitloomError({
    code: 'program-option',
    message: 'a program runs on the card it was compiled for, not on the host',
    where: spec,
    expected: 'the device of the program',
    got: '--device host',
    hint: 'leave --device out, or give the model instead of the program',
  });
}

function programWithoutModel(spec: string): BitloomError {
  return new BitloomError({
    code: 'program-without-model',
    message: 'this file holds the program, but not the weights it runs on',
    where: spec,
    expected: 'a program written with its weights, or --model',
    hint: 'give the model it was compiled from: --model PATH',
  });
}

function shapesOnly(name: string): BitloomError {
  return new BitloomError({
    code: 'model-shape-only',
    message: 'the model has shapes but no weights, so there is nothing to run',
    where: `model '${name}'`,
    expected: 'a checkpoint',
    got: 'a shape-only model',
    hint: '`bitloom simulate` times it; to generate text, give the path of its checkpoint',
  });
}
