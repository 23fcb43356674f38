/**
 * What the calling thread and its workers agree on: the words of the state block in the arena, and the program of a
 * worker.
 *
 * `tickets` holds (generation << 8 | shares left). Taking a share is one compare-exchange that lowers the count; what it
 * returns is the index of the share, whose arguments nobody else touches until the job is finished. Arguments are
 * written only while the count is 0, and published by the store of the new tickets. `finished` counts shares done; the
 * calling thread returns when it equals the number of shares. Both sides spin a bounded number of times and then wait,
 * because an unbounded spin on a busy machine takes the time that the other side needs.
 */

/** Words of the state block. Those that are waited on lie in cache lines of their own. */
export const WORD = {
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
  /** Position of the pointer to scratch memory, which each thread appends to its share; −1 for none. */
  scratchArgument: 49,
  /** First of the words of the workers: 1 once it has started. */
  started: 64,
} as const;
export const STATE_WORDS = 96;
export const MAX_ARGUMENTS = 32;
export const COUNT_MASK = 255;

/** How long an idle worker looks for work before it waits: longer than what lies between two products of a token. */
const WORKER_SPIN_MS = 0.3;
/** Polls between two looks at the clock. */
const POLLS = 1024;

/** What a worker is started with. Everything in it can be posted. */
export interface WorkerStart {
  readonly memory: object;
  /** Binaries of the families: (offset, length) as two int32 for each, then the bytes. */
  readonly binaries: SharedArrayBuffer;
  readonly imports: { readonly module: string; readonly name: string };
  /** Name and family of every kernel, in the order of their indices. */
  readonly kernels: readonly { readonly name: string; readonly family: number }[];
  /** Address of the state block. */
  readonly block: number;
  /** Address of the worker's scratch memory. */
  readonly scratch: number;
  /** Number of the worker, from 0. */
  readonly index: number;
}

const ARGUMENTS = Array.from({ length: MAX_ARGUMENTS }, (_, i) => `a[i + ${i}]`).join(', ');

/**
 * `start(data)` of a worker, as plain JavaScript: it needs only the memories, and a string starts the same from sources,
 * from a bundle, inside a test runner and in a page. It compiles a family when a job first names one of its kernels,
 * from the bytes that the calling thread has left: a worker that waits on an atomic reads no messages. Missing arguments
 * read as stale numbers, which a WebAssembly function ignores past its arity.
 */
export const WORKER_SOURCE = `
function start({ memory, binaries, imports, kernels, block, scratch, index: self }) {
  const state = new Int32Array(memory.buffer, block, ${STATE_WORDS});
  const a = new Float64Array(memory.buffer, block + ${STATE_WORDS * 4});
  const directory = new Int32Array(binaries);
  const functions = kernels.map(() => undefined);
  const load = (index) => {
    const { family } = kernels[index];
    const [at, length] = [directory[2 * family], directory[2 * family + 1]];
    const bytes = new Uint8Array(length);
    bytes.set(new Uint8Array(binaries, at, length));
    const module = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(module, { [imports.module]: { [imports.name]: memory } });
    kernels.forEach((kernel, i) => {
      if (kernel.family === family) functions[i] = exports[kernel.name];
    });
    return functions[index];
  };
  Atomics.store(state, ${WORD.started} + self, 1);
  Atomics.add(state, ${WORD.ready}, 1);
  let idle = 0;
  let until = 0;
  while (Atomics.load(state, ${WORD.stop}) === 0) {
    const tickets = Atomics.load(state, ${WORD.tickets});
    const left = tickets & ${COUNT_MASK};
    if (left === 0) {
      idle += 1;
      if (idle % ${POLLS} !== 0) continue;
      if (idle === ${POLLS}) until = performance.now() + ${WORKER_SPIN_MS};
      if (performance.now() < until) continue;
      idle = 0;
      Atomics.add(state, ${WORD.sleepers}, 1);
      if (Atomics.load(state, ${WORD.stop}) === 0) Atomics.wait(state, ${WORD.tickets}, tickets);
      Atomics.sub(state, ${WORD.sleepers}, 1);
      continue;
    }
    if (Atomics.compareExchange(state, ${WORD.tickets}, tickets, tickets - 1) !== tickets) continue;
    idle = 0;
    const i = (left - 1) * ${MAX_ARGUMENTS};
    const scratchArgument = state[${WORD.scratchArgument}];
    if (scratchArgument >= 0) a[i + scratchArgument] = scratch;
    try {
      const index = state[${WORD.kernel}];
      (functions[index] ?? load(index))(${ARGUMENTS});
    } catch {
      Atomics.add(state, ${WORD.failed}, 1);
    }
    Atomics.add(state, ${WORD.finished}, 1);
    if (Atomics.load(state, ${WORD.callerWaits}) === 1) Atomics.notify(state, ${WORD.finished});
  }
}
`;
