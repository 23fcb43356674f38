/** How a set of kernels is made: choose the backend, the arena and the number of threads. */
import { BitloomError } from '@bitloom/ir';
import type { NativeIsa } from '@bitloom/kernels-native';
import { Arena } from './arena.js';
import { type Features, probeFeatures } from './features.js';
import type { Backend, Kernels } from './kernels.js';
import { lazyTable } from './lazy-table.js';
import { FamilyLoader } from './loader.js';
import { NativeBackend } from './native/native-backend.js';
import { shown } from './shown.js';
import { WorkerPool } from './threads/worker-pool.js';
import { SCRATCH_BYTES } from './wasm/scratch.js';

const BACKENDS: readonly Backend[] = ['reference', 'wasm', 'native'];

/** More threads than this only take memory: a product is cut into fewer shares. */
export const MAX_THREADS = 16;

/** Options of {@link createKernels}. */
export interface KernelOptions {
  /**
   * `wasm` (the default) runs everywhere; `native` takes the kernels of `@bitloom/kernels-native` where it has them and
   * WebAssembly for the others; `reference` is the slow definition of every result.
   */
  readonly backend?: Backend;
  /** Memory to work on; a new one by default. Kernels take their scratch memory from it at once and for good. */
  readonly arena?: Arena;
  /**
   * Threads for the large products, this one included; default 1. More than one starts worker threads, which end
   * with {@link Kernels.close} and never keep the process alive. Results are the same bits for any number. A page that
   * is not cross-origin isolated cannot share memory: one thread does the work there. A worker that ends between calls is
   * replaced; one that dies inside a share is waited for a minute, then the call throws `kernel-worker-lost` and the
   * other workers end too: create the kernels again.
   */
  readonly threads?: number;
  /** The instruction set of the native backend: the fastest that the machine runs by default. */
  readonly isa?: NativeIsa;
  /** Features not to use although the engine has them, to compare or to avoid a fault of the engine. */
  readonly features?: Partial<Features>;
}

/**
 * Makes kernels over an arena. Families of kernels are emitted, compiled and checked against the reference when one of
 * their kernels is first asked for; a kernel that differs, or that the engine refuses, runs on the next slower backend
 * (native, WebAssembly, reference) and is listed in `fallbacks`.
 *
 * Create kernels before taking marks of the arena: scratch memory under a released mark would be handed out again.
 *
 * @throws BitloomError `kernel-backend` for a name that is none, `kernel-threads` when `threads` is not an integer from 1
 *   to {@link MAX_THREADS}, `arena-full`,
 *   `kernel-native-absent` when the native backend is asked for and there is none.
 */
export function createKernels(options: KernelOptions = {}): Kernels {
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new BitloomError({
      code: 'kernel-threads',
      message: 'the number of threads is wrong',
      expected: `an integer from 1 to ${MAX_THREADS}`,
      got: shown(threads),
    });
  }
  const arena = options.arena ?? new Arena();
  const backend = checkBackend(options.backend ?? 'wasm');
  const features = { ...probeFeatures(), ...options.features };
  // Where memory cannot be shared there are no other threads.
  const count = backend === 'reference' ? 0 : arena.isShared ? threads : 1;
  const [scratch = 0, ...workerScratch] = takeScratch(arena, count);
  const pool = workerScratch.length === 0 ? undefined : new WorkerPool(arena, scratch, workerScratch);
  const native =
    backend === 'native' ? new NativeBackend(arena, { threads: count, isa: options.isa }) : undefined;
  // Beside native threads, workers start when a family needs them.
  if (native === undefined) pool?.start();
  const loader = new FamilyLoader({ arena, backend, features, scratch, pool, native, threads: count });
  const state = {
    backend,
    arena,
    get threads() {
      return 1 + ((native ?? pool)?.ready ?? 0);
    },
    get fallbacks() {
      return loader.fallbacks;
    },
    willRead: (pointer: number, bytes: number) => native?.willRead(pointer, bytes),
    load: () => loader.loadAll(),
    close() {
      native?.close();
      pool?.close();
    },
  };
  return lazyTable(state, (name) => loader.kernel(name));
}

/** Scratch memory of each thread. @throws BitloomError `arena-full`; the arena is as it was then */
function takeScratch(arena: Arena, threads: number): readonly number[] {
  const mark = arena.mark();
  const free = arena.maxBytes - mark;
  try {
    return Array.from({ length: threads }, () => arena.alloc(SCRATCH_BYTES));
  } catch (cause) {
    arena.release(mark);
    // Otherwise the system has no more, which the arena has said.
    if (free > threads * (SCRATCH_BYTES + 128)) throw cause;
    throw new BitloomError({
      code: 'arena-full',
      message: 'the arena has no room for the scratch memory of kernels',
      expected: `more than ${threads * SCRATCH_BYTES} bytes: ${SCRATCH_BYTES} per thread, ${threads} in all`,
      got: `${free} bytes free of maxBytes = ${arena.maxBytes}`,
      hint: 'give the arena a larger maxBytes, with room for the operands too',
      cause,
    });
  }
}

/** @throws BitloomError `kernel-backend`; callers without types may give anything */
function checkBackend(backend: Backend): Backend {
  if (BACKENDS.includes(backend)) return backend;
  throw new BitloomError({
    code: 'kernel-backend',
    message: 'there is no backend of this name',
    expected: BACKENDS.join(', '),
    got: String(backend),
    hint: 'leave it out for WebAssembly',
  });
}
