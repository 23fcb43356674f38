/** How a set of kernels is made: choose the backend, the arena and the number of threads. */
import { BitloomError } from '@bitloom/ir';
import { Arena } from './arena.js';
import type { KernelName, Kernels, KernelTable } from './kernels.js';
import { parallelKernels } from './parallel.js';
import { referenceKernels } from './reference/backend.js';
import { windowKernels } from './reference/window.js';
import { failingKernels } from './selftest.js';
import { instantiateKernels, wasmKernels } from './wasm/backend.js';
import { SCRATCH_BYTES } from './wasm/gemm-groups.js';
import { compileKernels } from './wasm/module.js';
import { WorkerPool } from './worker-pool.js';

/** More threads than this only take memory: a product is cut into fewer shares. */
export const MAX_THREADS = 16;

/** Options of {@link createKernels}. */
export interface KernelOptions {
  /** `wasm` (the default) runs at machine speed; `reference` is the slow definition of every result. */
  readonly backend?: 'reference' | 'wasm';
  /** Memory to work on; a new one by default. Kernels take their scratch memory from it at once and for good. */
  readonly arena?: Arena;
  /**
   * Threads for the large products, this one included; default 1. More than one starts worker threads, which end
   * with {@link Kernels.close} and never keep the process alive. Results are the same bits for any number.
   */
  readonly threads?: number;
}

/**
 * Makes kernels over an arena. Each kernel of the WebAssembly backend is checked against the reference on a small
 * case; one that differs runs on the reference and is listed in `fallbacks`.
 *
 * Create kernels before taking marks of the arena: scratch memory under a released mark would be handed out again.
 *
 * @throws BitloomError `kernel-threads` when `threads` is not an integer from 1 to {@link MAX_THREADS}, `arena-full`.
 */
export function createKernels(options: KernelOptions = {}): Kernels {
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new BitloomError({
      code: 'kernel-threads',
      message: 'the number of threads is wrong',
      expected: `an integer from 1 to ${MAX_THREADS}`,
      got: String(threads),
    });
  }
  const arena = options.arena ?? new Arena();
  const reference = referenceKernels(arena);
  const windows = windowKernels(arena);
  const backend = options.backend ?? 'wasm';
  if (backend === 'reference') {
    return { backend, arena, threads: 1, fallbacks: [], close() {}, ...reference, ...windows };
  }
  const module = compileKernels();
  const exports = instantiateKernels(arena, module);
  const [scratch, ...workerScratch] = Array.from({ length: threads }, () => arena.alloc(SCRATCH_BYTES));
  const wasm = wasmKernels(exports, scratch);
  const fallbacks = failingKernels(arena, wasm, reference);
  if (threads === 1) {
    return {
      backend,
      arena,
      threads: 1,
      fallbacks,
      close() {},
      ...replace(wasm, reference, fallbacks),
      ...windows,
    };
  }
  const pool = new WorkerPool(arena, module, exports, workerScratch);
  const table = replace(parallelKernels(wasm, exports, pool, scratch, threads), reference, fallbacks);
  return {
    backend,
    arena,
    get threads() {
      return 1 + pool.ready;
    },
    fallbacks,
    close: () => pool.close(),
    ...table,
    ...windows,
  };
}

/** `table` with the kernels in `names` taken from `other`. */
function replace(table: KernelTable, other: KernelTable, names: readonly KernelName[]): KernelTable {
  return { ...table, ...Object.fromEntries(names.map((name) => [name, other[name]])) };
}
