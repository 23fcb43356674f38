/**
 * Worker threads that call exported kernel functions on shared memory. A job is a list of shares; every thread, the
 * calling one included, takes shares until none is left. So a worker that the machine does not run takes nothing and
 * delays nobody, which equal shares fixed in advance would. A worker that ends without being asked to is replaced.
 *
 * The pool knows nothing of kernels; how work is divided is in `parallel/`. The protocol is in `protocol.ts`.
 */
import { BitloomError, internalError } from '@bitloom/ir';
import type { WasmFunction } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import { FAMILIES } from '../families.js';
import { KERNEL_NAMES } from '../kernels.js';
import { type Job, MAX_SHARES, type ShareRunner } from '../parallel/parallel-kernels.js';
import { MEMORY_IMPORT } from '../wasm/module.js';
import { COUNT_MASK, MAX_ARGUMENTS, STATE_WORDS, WORD } from './protocol.js';
import { type PoolWorker, spawnWorker } from './spawn-worker.js';

/** Bytes for the binaries of all families; pages that are never written are never committed. */
const BINARY_BYTES = 4 * 2 ** 20;
/** How long the calling thread looks for the end of shares that others have begun before it waits. */
const CALLER_SPIN_MS = 0.1;
/** Polls between two looks at the clock. */
const POLLS = 1024;
/** A share that takes so long, in milliseconds, means a dead worker. */
const LOST_AFTER = 60_000;
/** How often a worker is started again in place of one that ended; one that cannot live must not be tried for ever. */
const REPLACEMENTS = 3;

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

  #workers: (PoolWorker | undefined)[] | undefined;
  readonly #count: number;
  readonly #spawn: (index: number) => PoolWorker | undefined;
  #replacements = REPLACEMENTS;

  /**
   * @param scratch scratch memory of the calling thread
   * @param workerScratch scratch memory of each worker
   */
  constructor(arena: Arena, scratch: number, workerScratch: readonly number[]) {
    this.#scratch = scratch;
    const block = arena.alloc(STATE_WORDS * 4 + MAX_SHARES * MAX_ARGUMENTS * 8);
    const { memory } = arena;
    this.#state = new Int32Array(memory.buffer, block, STATE_WORDS);
    this.#args = new Float64Array(memory.buffer, block + STATE_WORDS * 4, MAX_SHARES * MAX_ARGUMENTS);
    this.#state.fill(0);
    const kernels = KERNEL_NAMES.map((name) => ({
      name,
      family: FAMILIES.findIndex(({ names }) => names.includes(name)),
    }));
    const shared = { memory, binaries: this.#binaries, imports: MEMORY_IMPORT, kernels, block };
    this.#spawn = (index) =>
      spawnWorker({ ...shared, scratch: workerScratch[index], index }, () => this.#replace(index));
    this.#count = workerScratch.length;
  }

  /**
   * Starts the workers, once. They begin to take shares some milliseconds later; until then the calling thread does the
   * work.
   */
  start(): void {
    if (this.#closed) return;
    this.#workers ??= Array.from({ length: this.#count }, (_, index) => this.#spawn(index));
  }

  /** The workers, for tests that end one. */
  get workers(): readonly (PoolWorker | undefined)[] {
    return this.#workers ?? [];
  }

  #replace(index: number): void {
    if (this.#closed) return;
    if (Atomics.exchange(this.#state, WORD.started + index, 0) === 1) Atomics.sub(this.#state, WORD.ready, 1);
    this.#replacements -= 1;
    if (this.#workers === undefined) return;
    this.#workers[index] = this.#replacements < 0 ? undefined : this.#spawn(index);
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
    const start = performance.now();
    do {
      for (let left = POLLS; left > 0; left -= 1) {
        if (Atomics.load(state, WORD.finished) === count) return;
      }
    } while (performance.now() - start < CALLER_SPIN_MS);
    Atomics.store(state, WORD.callerWaits, 1);
    for (;;) {
      const finished = Atomics.load(state, WORD.finished);
      if (finished === count) break;
      if (wait(state, WORD.finished, finished) === 'timed-out') {
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

/** Waits for a word to change. The main thread of a page must not wait; there it goes on polling. */
function wait(
  state: Int32Array<ArrayBufferLike>,
  word: number,
  value: number,
): ReturnType<typeof Atomics.wait> {
  try {
    return Atomics.wait(state, word, value, LOST_AFTER);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    for (const start = Date.now(); Date.now() - start < LOST_AFTER; ) {
      for (let left = POLLS; left > 0; left -= 1) {
        if (Atomics.load(state, word) !== value) return 'ok';
      }
    }
    return 'timed-out';
  }
}
