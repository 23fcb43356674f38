/**
 * Worker threads that call exported kernel functions on shared memory. A job is a list of shares; every thread, the
 * calling one included, takes shares until none is left. So a worker that the machine does not run takes nothing and
 * delays nobody, which equal shares fixed in advance would. Both sides spin a bounded number of times and then wait,
 * because an unbounded spin on a busy machine takes the time that the other side needs.
 *
 * Protocol, in a block of the arena: `tickets` holds (generation << 8 | shares left). Taking a share is one
 * compare-exchange that lowers the count; what it returns is the index of the share, whose arguments nobody else
 * touches until the job is finished. Arguments are written only while the count is 0, and published by the store of
 * the new tickets. `finished` counts shares done; the calling thread returns when it equals the number of shares.
 *
 * The pool knows nothing of kernels; how work is divided is in `parallel.ts`. Node only.
 */
import { Worker } from 'node:worker_threads';
import { BitloomError, internalError } from '@bitloom/ir';
import type { WasmFunction } from '@bitloom/wasm';
import type { Arena } from './arena.js';
import { FAMILIES } from './families.js';
import { KERNEL_NAMES } from './kernels.js';
import { type Job, MAX_SHARES, type ShareRunner } from './parallel/parallel-kernels.js';
import { MEMORY_IMPORT } from './wasm/module.js';

/** Words of the state block. Those that are waited on lie in cache lines of their own. */
const WORD = {
  tickets: 0,
  finished: 16,
  /** 1 while the calling thread waits for `finished`. */
  callerWaits: 17,
  /** Shares that trapped in this job. */
  failed: 18,
  /** Workers that wait for tickets and must be notified. */
  sleepers: 32,
  /** Workers that have started. */
  ready: 33,
  /** 1 to end the workers. */
  stop: 34,
  /** Index of the function of the job. */
  kernel: 48,
  /** Which argument is a pointer to scratch memory, to be replaced by the thread's own; −1 for none. */
  scratchArgument: 49,
} as const;
const STATE_WORDS = 64;
const MAX_ARGUMENTS = 32;
const COUNT_MASK = 255;
/** Bytes for the binaries of all families; pages that are never written are never committed. */
const BINARY_BYTES = 4 * 2 ** 20;

/** Polls of an idle worker before it waits: tens of microseconds, longer than the gap between two kernels. */
const WORKER_SPINS = 10_000;
/** Polls of the calling thread, which only waits for shares that others have begun. */
const CALLER_SPINS = 10_000;
/** A share that takes so long, in milliseconds, means a dead worker. */
const LOST_AFTER = 60_000;

/**
 * The worker, as plain JavaScript: it needs only the memories, and a string starts the same from sources, from a bundle
 * and inside a test runner. It compiles a family when a job first names one of its kernels, from the bytes that the
 * calling thread has left: a worker that waits on an atomic reads no messages. Missing arguments read as stale numbers,
 * which a WebAssembly function ignores past its arity.
 */
const WORKER_SOURCE = `
const { workerData } = require('node:worker_threads');
const { memory, binaries, imports, kernels, block, scratch, word, stateWords, maxArguments, countMask, spins } = workerData;
const state = new Int32Array(memory.buffer, block, stateWords);
const a = new Float64Array(memory.buffer, block + stateWords * 4);
const directory = new Int32Array(binaries);
const functions = kernels.map(() => undefined);
const load = (index) => {
  const { family } = kernels[index];
  const bytes = new Uint8Array(binaries).slice(directory[2 * family], directory[2 * family] + directory[2 * family + 1]);
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  const module = new WebAssembly.Module(copy);
  const { exports } = new WebAssembly.Instance(module, { [imports.module]: { [imports.name]: memory } });
  kernels.forEach((kernel, i) => {
    if (kernel.family === family) functions[i] = exports[kernel.name];
  });
  return functions[index];
};
Atomics.add(state, word.ready, 1);
let idle = 0;
while (Atomics.load(state, word.stop) === 0) {
  const tickets = Atomics.load(state, word.tickets);
  const left = tickets & countMask;
  if (left === 0) {
    idle += 1;
    if (idle < spins) continue;
    idle = 0;
    Atomics.add(state, word.sleepers, 1);
    if (Atomics.load(state, word.stop) === 0) Atomics.wait(state, word.tickets, tickets);
    Atomics.sub(state, word.sleepers, 1);
    continue;
  }
  if (Atomics.compareExchange(state, word.tickets, tickets, tickets - 1) !== tickets) continue;
  idle = 0;
  const i = (left - 1) * maxArguments;
  if (state[word.scratchArgument] >= 0) a[i + state[word.scratchArgument]] = scratch;
  try {
    const index = state[word.kernel];
    (functions[index] ?? load(index))(
      a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7],
      a[i + 8], a[i + 9], a[i + 10], a[i + 11], a[i + 12], a[i + 13], a[i + 14], a[i + 15],
      a[i + 16], a[i + 17], a[i + 18], a[i + 19], a[i + 20], a[i + 21], a[i + 22], a[i + 23],
      a[i + 24], a[i + 25], a[i + 26], a[i + 27], a[i + 28], a[i + 29], a[i + 30], a[i + 31],
    );
  } catch {
    Atomics.add(state, word.failed, 1);
  }
  Atomics.add(state, word.finished, 1);
  if (Atomics.load(state, word.callerWaits) === 1) Atomics.notify(state, word.finished);
}
`;

/** A fixed number of workers over one arena. */
export class WorkerPool implements ShareRunner {
  readonly #functions: (WasmFunction | undefined)[] = KERNEL_NAMES.map(() => undefined);
  readonly #binaries = new SharedArrayBuffer(BINARY_BYTES);
  readonly #scratch: number;
  readonly #state: Int32Array<ArrayBufferLike>;
  readonly #args: Float64Array<ArrayBufferLike>;
  #binariesEnd = FAMILIES.length * 8;
  #generation = 0;
  #closed = false;

  /**
   * Starts one worker per entry of `workerScratch`, each with its own scratch memory. They begin to take shares some
   * milliseconds later; until then the calling thread does the work.
   *
   * @param scratch scratch memory of the calling thread
   */
  constructor(arena: Arena, scratch: number, workerScratch: readonly number[]) {
    this.#scratch = scratch;
    const block = arena.alloc(STATE_WORDS * 4 + MAX_SHARES * MAX_ARGUMENTS * 8);
    const buffer = arena.memory.buffer;
    this.#state = new Int32Array(buffer, block, STATE_WORDS);
    this.#args = new Float64Array(buffer, block + STATE_WORDS * 4, MAX_SHARES * MAX_ARGUMENTS);
    this.#state.fill(0);
    const kernels = KERNEL_NAMES.map((name) => ({
      name,
      family: FAMILIES.findIndex(({ names }) => names.includes(name)),
    }));
    workerScratch.forEach((pointer, i) => {
      const workerData = {
        memory: arena.memory,
        binaries: this.#binaries,
        imports: MEMORY_IMPORT,
        kernels,
        block,
        scratch: pointer,
        word: WORD,
        stateWords: STATE_WORDS,
        maxArguments: MAX_ARGUMENTS,
        countMask: COUNT_MASK,
        spins: WORKER_SPINS,
      };
      // Options of the process, such as `--input-type=module`, must not change how the source is read.
      const options = { eval: true, workerData, execArgv: [], name: `bitloom-kernels-${i + 1}` };
      const worker = new Worker(WORKER_SOURCE, options);
      // A worker never keeps the process alive. One that cannot start takes no shares and is not counted as ready.
      worker.unref();
      worker.on('error', () => {});
    });
  }

  /** Makes the kernels of a family known: its binary to the workers, its functions to this thread. */
  add(family: number, binary: Uint8Array, exports: Readonly<Record<string, WasmFunction>>): void {
    const at = this.#binariesEnd;
    if (at + binary.length > BINARY_BYTES)
      throw internalError('the kernels outgrow the memory of their binaries');
    new Uint8Array(this.#binaries).set(binary, at);
    new Int32Array(this.#binaries).set([at, binary.length], family * 2);
    this.#binariesEnd = at + binary.length;
    for (const name of FAMILIES[family].names) this.#functions[KERNEL_NAMES.indexOf(name)] = exports[name];
  }

  /** How many workers have started. */
  get ready(): number {
    return this.#closed ? 0 : Atomics.load(this.#state, WORD.ready);
  }

  /**
   * Runs every share of a job, here and on the workers, and returns when all are finished. Shares are at most
   * {@link MAX_SHARES}; no two may write the same memory.
   *
   * @throws BitloomError `kernel-worker-failed` when one trapped on a worker, `kernel-worker-lost` when one does not
   *   finish. A trap on this thread passes through, after the others have finished.
   */
  run({ kernel, shares, scratchArgument = -1 }: Job): void {
    const state = this.#state;
    const index = KERNEL_NAMES.indexOf(kernel);
    const own = this.#functions[index];
    if (own === undefined) throw internalError(`the pool does not know ${kernel}`);
    shares.forEach((share, i) => {
      this.#args.set(share, i * MAX_ARGUMENTS);
    });
    state[WORD.kernel] = index;
    state[WORD.scratchArgument] = scratchArgument;
    state[WORD.failed] = 0;
    state[WORD.finished] = 0;
    this.#publish(shares.length);
    let trap: unknown;
    for (let share = this.#take(); share >= 0; share = this.#take()) {
      try {
        if (scratchArgument < 0) own(...shares[share]);
        else own(...shares[share], this.#scratch);
      } catch (error) {
        trap ??= error;
      }
      Atomics.add(state, WORD.finished, 1);
    }
    this.#await(shares.length);
    if (trap !== undefined) throw trap;
    const failed = Atomics.load(state, WORD.failed);
    if (failed > 0) {
      throw new BitloomError({
        code: 'kernel-worker-failed',
        message: `${kernel} trapped on a worker thread`,
        expected: 'operands inside the arena',
        got: `${failed} of ${shares.length} shares trapped`,
        hint: 'check the pointers and strides of the call; run with one thread to see the trap itself',
      });
    }
  }

  #publish(count: number): void {
    this.#generation = (this.#generation + 1) & 0x7fffff;
    Atomics.store(this.#state, WORD.tickets, (this.#generation << 8) | count);
    if (Atomics.load(this.#state, WORD.sleepers) > 0) Atomics.notify(this.#state, WORD.tickets);
  }

  /** Index of a share that is now this thread's, or −1. */
  #take(): number {
    for (;;) {
      const tickets = Atomics.load(this.#state, WORD.tickets);
      const left = tickets & COUNT_MASK;
      if (left === 0) return -1;
      if (Atomics.compareExchange(this.#state, WORD.tickets, tickets, tickets - 1) === tickets)
        return left - 1;
    }
  }

  #await(count: number): void {
    const state = this.#state;
    for (let left = CALLER_SPINS; left > 0; left -= 1) {
      if (Atomics.load(state, WORD.finished) === count) return;
    }
    Atomics.store(state, WORD.callerWaits, 1);
    for (;;) {
      const finished = Atomics.load(state, WORD.finished);
      if (finished === count) break;
      if (Atomics.wait(state, WORD.finished, finished, LOST_AFTER) === 'timed-out') {
        this.close();
        throw new BitloomError({
          code: 'kernel-worker-lost',
          message: 'a worker thread does not finish its share',
          expected: `an answer within ${LOST_AFTER / 1000} s`,
          got: `${finished} of ${count} shares`,
          hint: 'the thread has died or the machine is stopped; create the kernels again',
        });
      }
    }
    Atomics.store(state, WORD.callerWaits, 0);
  }

  /** Ends the workers. Those that wait or spin leave at once; those that still start up leave when they look. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    Atomics.store(this.#state, WORD.stop, 1);
    // New tickets, none to take: a wait that is about to begin sees another value and returns.
    this.#publish(0);
  }
}
