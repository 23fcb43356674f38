/**
 * Loads families: emits, compiles, checks against the reference on a memory of its own, divides over threads. What fails
 * the check, or the engine refuses, runs on the next slower backend: native, WebAssembly, reference.
 */
import { internalError } from '@bitloom/ir';
import { compileModule, type WasmModule } from '@bitloom/wasm';
import { Arena } from './arena.js';
import { withArgumentChecks } from './argument-checks.js';
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
  /** {@link FAMILIES} by default; others of the same order in tests of the fall-back. */
  readonly families?: readonly KernelFamily[];
}

/** A family as the engine took it, and what it computes wrongly. */
interface CompiledFamily {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: WasmModule;
  readonly failing: readonly KernelName[];
}

/** Room for operands and scratch memory of the self-test. */
const TEST_BYTES = 2 ** 20;

export class FamilyLoader {
  readonly #options: LoaderOptions;
  readonly #tables = new Map<KernelFamily, FamilyTable>();
  readonly #families: readonly KernelFamily[];
  readonly #fallbacks = new Set<KernelName>();

  constructor(options: LoaderOptions) {
    this.#options = options;
    this.#families = options.families ?? FAMILIES;
  }

  /** Kernels of the families loaded so far that failed a check and so run on a slower backend, each once. */
  get fallbacks(): readonly KernelName[] {
    return [...this.#fallbacks];
  }

  loadAll(): void {
    for (const family of this.#families) this.#load(family);
  }

  kernel(name: KernelName): NumericKernel {
    const family = this.#families.find(({ names }) => names.includes(name));
    const kernel = family === undefined ? undefined : this.#load(family)[name];
    if (kernel === undefined) throw internalError(`no family has the kernel ${name}`);
    return withArgumentChecks(name, kernel, this.#options.arena);
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
    return { ...this.#makeWasm(family, fast), ...fast };
  }

  /** The kernels of a family that the addon has, those that fail the check left out. */
  #makeNative(family: KernelFamily, native: NativeBackend): FamilyTable {
    const testArena = new Arena({ initialBytes: TEST_BYTES, maxBytes: 4 * TEST_BYTES });
    const tested = new NativeBackend(testArena, { threads: 1, isa: native.isa });
    const candidate = { ...family.reference(testArena), ...tested.table(family) };
    const failing = failingKernels(testArena, family, candidate);
    for (const name of failing) this.#fallbacks.add(name);
    const good = Object.entries(native.table(family)).filter(
      ([name]) => !failing.some((bad) => bad === name),
    );
    return parallelKernels(Object.fromEntries(good), family, native, this.#options.threads);
  }

  /** The kernels of a family in WebAssembly, those that fail the check on the reference; `faster` takes the place of some. */
  #makeWasm(family: KernelFamily, faster: FamilyTable): FamilyTable {
    const { arena, scratch, pool, threads } = this.#options;
    const reference = family.reference(arena);
    if (family.emit === undefined) return reference;
    const compiled = this.#compile(family);
    const failing = compiled?.failing ?? family.names;
    for (const name of failing) if (faster[name] === undefined) this.#fallbacks.add(name);
    if (compiled === undefined) return reference;
    const exports = instantiateFamily(family, compiled.module, arena);
    const serial = family.bind(exports, scratch);
    let table = serial;
    if (pool !== undefined) {
      pool.start();
      pool.add(this.#families.indexOf(family), compiled.bytes, exports);
      table = parallelKernels(serial, family, pool, threads);
    }
    return { ...table, ...Object.fromEntries(failing.map((name) => [name, reference[name]])) };
  }

  /**
   * Emits, compiles and checks a family on a memory of its own. Undefined when that does not come as far as the check: an
   * engine that refuses the module is at fault for all of its kernels.
   */
  #compile(family: KernelFamily): CompiledFamily | undefined {
    const { arena, features } = this.#options;
    const testArena = new Arena({
      initialBytes: TEST_BYTES,
      maxBytes: 4 * TEST_BYTES,
      shared: arena.isShared,
    });
    const testScratch = testArena.alloc(SCRATCH_BYTES);
    const made = attempt(() => {
      const bytes = familyModuleBytes(family, features, arena.isShared);
      const module = compileModule(bytes);
      return {
        bytes,
        module,
        candidate: family.bind(instantiateFamily(family, module, testArena), testScratch),
      };
    });
    return made && { ...made, failing: failingKernels(testArena, family, made.candidate) };
  }
}

/** What `make` gives, or undefined when it throws. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
