/** How a set of kernels is made: choose the backend, the arena and the number of threads. */
import { BitloomError } from '@bitloom/ir';
import { Arena } from './arena.js';
import type { Kernels } from './kernels.js';
import { referenceKernels } from './reference/backend.js';

/** Options of {@link createKernels}. */
export interface KernelOptions {
  readonly backend?: 'reference' | 'wasm';
  /** Memory to work on; a new one by default. */
  readonly arena?: Arena;
  /** Threads for the large products, this one included; default 1. */
  readonly threads?: number;
}

/**
 * Makes kernels over an arena.
 *
 * @throws BitloomError `kernel-threads` when `threads` is not a positive integer.
 */
export function createKernels(options: KernelOptions = {}): Kernels {
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new BitloomError({
      code: 'kernel-threads',
      message: 'the number of threads is wrong',
      expected: 'a positive integer',
      got: String(threads),
    });
  }
  const arena = options.arena ?? new Arena();
  return { backend: 'reference', arena, threads: 1, fallbacks: [], close() {}, ...referenceKernels(arena) };
}
