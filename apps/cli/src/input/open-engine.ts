/** What an open engine is to a command, and what opening one on the host and on a card have in common. */
import { BitloomError, type Report } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { Tokenizer } from '@bitloom/models';
import type { Engine } from '@bitloom/runtime';
import type { KernelOptions } from './command-kernels.js';
import type { SourceOptions } from './compiled-model.js';

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
  readonly kernels: Pick<Kernels, 'backend' | 'threads' | 'fallbacks'>;
  /** What the calls so far cost, in card time; absent on the host and where it was not asked for. */
  readonly report?: () => Report;
  close(): void;
}

/**
 * Opens something that has parts to close, last opened first: with its `close`, or at once when opening fails. Open
 * worker threads would keep the process from ending.
 */
export async function withClosers<T>(
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
