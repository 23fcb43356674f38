/**
 * Loads families: emits, compiles, checks against the reference on a memory of its own, divides over threads. What fails
 * the check runs on the next slower backend: native, WebAssembly, reference.
 */
import { internalError } from '@bitloom/ir';
import { compileModule } from '@bitloom/wasm';
import { Arena } from './arena.js';
import { FAMILIES } from './families.js';
import type { FamilyTable, KernelFamily } from './family.js';
import type { Features } from './features.js';
import type { Backend, KernelName, NumericKernel } from './kernels.js';
import { NativeBackend } from './native/native-backend.js';
import { parallelKernels } from './parallel/parallel-kernels.js';
import { failingKernels } from './selftest/failing-kernels.js';
import type { WorkerPool } from './threads/worker-pool.js';
import { familyModuleBytes, instantiateFamily } from './wasm/module.js';
import { SCRATCH_BYTES } from './wasm/scratch.js';

/** What families are loaded for. */
export interface LoaderOptions {
  readonly arena: Arena;
  readonly backend: Backend;
  readonly features: Features;
  /** Scratch memory of this thread. */
  readonly scratch: number;
  readonly pool: WorkerPool | undefined;
  /** The addon over the same arena, where it is used. */
  readonly native: NativeBackend | undefined;
  /** Threads at most, this one included. */
  readonly threads: number;
}

/** Room for operands and scratch memory of the self-test. */
const TEST_BYTES = 2 ** 20;

export class FamilyLoader {
  readonly #options: LoaderOptions;
  readonly #tables = new Map<KernelFamily, FamilyTable>();
  readonly #fallbacks: KernelName[] = [];

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Kernels of the families loaded so far that failed their check. */
  get fallbacks(): readonly KernelName[] {
    return this.#fallbacks;
  }

  loadAll(): void {
    for (const family of FAMILIES) this.#load(family);
  }

  kernel(name: KernelName): NumericKernel {
    const family = FAMILIES.find(({ names }) => names.includes(name));
    const kernel = family === undefined ? undefined : this.#load(family)[name];
    if (kernel === undefined) throw internalError(`no family has the kernel ${name}`);
    return kernel;
  }

  #load(family: KernelFamily): FamilyTable {
    const known = this.#tables.get(family);
    if (known !== undefined) return known;
    const table = this.#make(family);
    this.#tables.set(family, table);
    return table;
  }

  #make(family: KernelFamily): FamilyTable {
    const { backend, native } = this.#options;
    if (backend === 'reference') return family.reference(this.#options.arena);
    const fast = native === undefined ? {} : this.#makeNative(family, native);
    // Nothing is emitted where the addon has every kernel.
    if (family.names.every((name) => fast[name] !== undefined)) return fast;
    return { ...this.#makeWasm(family), ...fast };
  }

  /** The kernels of a family that the addon has, those that fail the check left out. */
  #makeNative(family: KernelFamily, native: NativeBackend): FamilyTable {
    const testArena = new Arena({ initialBytes: TEST_BYTES, maxBytes: 4 * TEST_BYTES });
    const tested = new NativeBackend(testArena, { threads: 1, isa: native.isa });
    const candidate = { ...family.reference(testArena), ...tested.table(family) };
    const failing = failingKernels(testArena, family, candidate);
    this.#fallbacks.push(...failing);
    const good = Object.entries(native.table(family)).filter(
      ([name]) => !failing.some((bad) => bad === name),
    );
    return parallelKernels(Object.fromEntries(good), family, native, this.#options.threads);
  }

  #makeWasm(family: KernelFamily): FamilyTable {
    const { arena, features, scratch, pool, threads } = this.#options;
    const reference = family.reference(arena);
    if (family.emit === undefined) return reference;
    const bytes = familyModuleBytes(family, features, arena.isShared);
    const module = compileModule(bytes);
    const testArena = new Arena({
      initialBytes: TEST_BYTES,
      maxBytes: 4 * TEST_BYTES,
      shared: arena.isShared,
    });
    const testScratch = testArena.alloc(SCRATCH_BYTES);
    const candidate = family.bind(instantiateFamily(family, module, testArena), testScratch);
    const failing = failingKernels(testArena, family, candidate);
    this.#fallbacks.push(...failing);
    const exports = instantiateFamily(family, module, arena);
    const serial = family.bind(exports, scratch);
    let table = serial;
    if (pool !== undefined) {
      pool.start();
      pool.add(FAMILIES.indexOf(family), bytes, exports);
      table = parallelKernels(serial, family, pool, threads);
    }
    return { ...table, ...Object.fromEntries(failing.map((name) => [name, reference[name]])) };
  }
}
