/**
 * Worker threads that call exported kernel functions on shared memory. Each worker has a slot in the arena: a few
 * words of state and up to 32 numeric arguments. A job is posted by raising the slot's sequence number; the worker
 * answers by storing the same number as done. Both sides spin a bounded number of times and then wait, because an
 * unbounded spin on a busy machine takes the time that the other side needs.
 *
 * The pool knows nothing of kernels; how work is divided is in `parallel.ts`. Node only.
 */
import { Worker } from 'node:worker_threads';
import { BitloomError } from '@bitloom/ir';
import type { WasmModule } from '@bitloom/wasm';
import type { Arena } from './arena.js';
import { KERNEL_NAMES, type KernelName } from './kernels.js';
import { MEMORY_IMPORT } from './wasm/module.js';

/** Words of the state of a slot. */
const WORD = {
  /** Number of the last job posted. */
  sequence: 0,
  /** Number of the last job finished. */
  done: 1,
  /** 1 while the worker waits and must be notified. */
  workerWaits: 2,
  /** 1 while the main thread waits for this slot. */
  mainWaits: 3,
  /** Index of the function of the job; {@link STOP} ends the worker. */
  kernel: 4,
  /** 1 when the last job trapped. */
  failed: 5,
  /** 1 once the worker has compiled the kernels and takes jobs. */
  ready: 6,
} as const;
const STOP = -1;
const STATE_BYTES = 64;
const MAX_ARGUMENTS = 32;
const SLOT_BYTES = STATE_BYTES + MAX_ARGUMENTS * 8;

/** Polls of a spinning worker: tens of microseconds, longer than the gap between two kernels of a layer. */
const WORKER_SPINS = 20_000;
/** Polls of the main thread, which only waits for the rest of an equal share. */
const MAIN_SPINS = 20_000;
/** A worker that does not answer for so long, in milliseconds, is taken for dead. */
const LOST_AFTER = 60_000;

/**
 * The worker, as plain JavaScript: it needs only the compiled module and the memory, and a string starts the same
 * from sources, from a bundle and inside a test runner. Missing arguments read as stale numbers, which a WebAssembly
 * function ignores past its arity.
 */
const WORKER_SOURCE = `
const { workerData } = require('node:worker_threads');
const { module, memory, imports, names, slot, word, stateBytes, maxArguments, spins } = workerData;
const { exports } = new WebAssembly.Instance(module, { [imports.module]: { [imports.name]: memory } });
const functions = names.map((name) => exports[name]);
const state = new Int32Array(memory.buffer, slot, stateBytes / 4);
const a = new Float64Array(memory.buffer, slot + stateBytes, maxArguments);
let seen = 0;
Atomics.store(state, word.ready, 1);
for (;;) {
  let left = spins;
  while (Atomics.load(state, word.sequence) === seen && left > 0) left -= 1;
  if (left === 0) {
    Atomics.store(state, word.workerWaits, 1);
    while (Atomics.load(state, word.sequence) === seen) Atomics.wait(state, word.sequence, seen);
    Atomics.store(state, word.workerWaits, 0);
  }
  seen = Atomics.load(state, word.sequence);
  if (state[word.kernel] < 0) break;
  let failed = 0;
  try {
    functions[state[word.kernel]](
      a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15],
      a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23], a[24], a[25], a[26], a[27], a[28], a[29], a[30], a[31],
    );
  } catch {
    failed = 1;
  }
  state[word.failed] = failed;
  Atomics.store(state, word.done, seen);
  if (Atomics.load(state, word.mainWaits) === 1) Atomics.notify(state, word.done);
}
`;

interface Slot {
  readonly worker: Worker;
  readonly state: Int32Array<ArrayBufferLike>;
  readonly args: Float64Array<ArrayBufferLike>;
  sequence: number;
}

/** A fixed number of workers over one arena. */
export class WorkerPool {
  readonly #slots: Slot[] = [];
  #closed = false;

  /** Starts `count` workers. They become usable a few milliseconds later; until then {@link ready} leaves them out. */
  constructor(arena: Arena, module: WasmModule, count: number) {
    for (let i = 0; i < count; i += 1) {
      const slot = arena.alloc(SLOT_BYTES);
      const buffer = arena.memory.buffer;
      const state = new Int32Array(buffer, slot, STATE_BYTES / 4);
      state.fill(0);
      const workerData = {
        module,
        memory: arena.memory,
        imports: MEMORY_IMPORT,
        names: KERNEL_NAMES,
        slot,
        word: WORD,
        stateBytes: STATE_BYTES,
        maxArguments: MAX_ARGUMENTS,
        spins: WORKER_SPINS,
      };
      // Options of the process, such as `--input-type=module`, must not change how the source is read.
      const options = { eval: true, workerData, execArgv: [], name: `bitloom-kernels-${i + 1}` };
      const worker = new Worker(WORKER_SOURCE, options);
      // A worker never keeps the process alive; one that fails to start is never ready, and its share stays here.
      worker.unref();
      worker.on('error', () => Atomics.store(state, WORD.ready, 0));
      this.#slots.push({
        worker,
        state,
        args: new Float64Array(buffer, slot + STATE_BYTES, MAX_ARGUMENTS),
        sequence: 0,
      });
    }
  }

  /** How many workers, counted from the first, take jobs at present. */
  get ready(): number {
    let count = 0;
    while (count < this.#slots.length && Atomics.load(this.#slots[count].state, WORD.ready) === 1) count += 1;
    return this.#closed ? 0 : count;
  }

  /** Gives worker `index` (below {@link ready}) a job; every job must be awaited by {@link join} before the next. */
  post(index: number, kernel: KernelName, args: readonly number[]): void {
    const slot = this.#slots[index];
    slot.args.set(args);
    slot.state[WORD.kernel] = KERNEL_NAMES.indexOf(kernel);
    this.#signal(slot);
  }

  #signal(slot: Slot): void {
    slot.sequence = (slot.sequence + 1) | 0;
    Atomics.store(slot.state, WORD.sequence, slot.sequence);
    if (Atomics.load(slot.state, WORD.workerWaits) === 1) Atomics.notify(slot.state, WORD.sequence);
  }

  /**
   * Waits until the first `count` workers have finished their jobs.
   *
   * @throws BitloomError `kernel-worker-failed` when one trapped, `kernel-worker-lost` when one does not answer.
   */
  join(count: number): void {
    let failed = 0;
    for (const slot of this.#slots.slice(0, count)) {
      this.#await(slot);
      failed += slot.state[WORD.failed];
    }
    if (failed > 0) {
      throw new BitloomError({
        code: 'kernel-worker-failed',
        message: 'a kernel trapped on a worker thread',
        expected: 'operands inside the arena',
        got: `${failed} of ${count} workers trapped`,
        hint: 'check the pointers and strides of the call; run with one thread to see the trap itself',
      });
    }
  }

  #await({ state, sequence }: Slot): void {
    for (let left = MAIN_SPINS; left > 0; left -= 1) {
      if (Atomics.load(state, WORD.done) === sequence) return;
    }
    Atomics.store(state, WORD.mainWaits, 1);
    for (;;) {
      const done = Atomics.load(state, WORD.done);
      if (done === sequence) break;
      if (Atomics.wait(state, WORD.done, done, LOST_AFTER) === 'timed-out') {
        this.close();
        throw new BitloomError({
          code: 'kernel-worker-lost',
          message: 'a worker thread does not answer',
          expected: `an answer within ${LOST_AFTER / 1000} s`,
          got: 'none',
          hint: 'the thread has died or the machine is stopped; create the kernels again',
        });
      }
    }
    Atomics.store(state, WORD.mainWaits, 0);
  }

  /** Ends the workers. Those that wait or spin leave at once; those that still start up leave when they look. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const slot of this.#slots) {
      slot.state[WORD.kernel] = STOP;
      this.#signal(slot);
    }
  }
}
