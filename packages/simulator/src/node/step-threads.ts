/**
 * `simulate` with its decode steps on worker threads. Every step starts on an idle card and is counted in whole numbers,
 * so the report is the same to the bit however many threads there are.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type Device, encodedLength, internalError, type Program } from '@bitloom/ir';
import { checkLengths, findEntry } from '../compiled-stream.js';
import type { StepRange } from '../count-steps.js';
import { type SimulateOptions, type Simulation, simulate, simulateRest } from '../simulate.js';
import { addCounters, type Counters, createCounters } from '../time/counters.js';

export interface ThreadedOptions extends Omit<SimulateOptions, 'encodedLength' | 'fixed'> {
  /** Threads for decode steps, at most; 1 does all on this one. */
  readonly threads: number;
}

/** What a thread is given at its start. */
export interface StepWork {
  readonly program: Program;
  readonly device: Device;
}

/** Beside the bundle of this module; sources have no such file, threads run what is built. */
const WORKER = new URL('./node/step-worker.js', import.meta.url);

/** Steps of a range: few enough for progress to be seen, and for threads to end together. */
const RANGE = 4;

/** Steps for which a thread is worth its start. */
const STEPS_OF_A_THREAD = 8;

/**
 * Times a program as {@link simulate} does, encoded as `ir` encodes. Steps that are reused or recorded one after the
 * other, and few steps, stay on this thread.
 * @throws BitloomError what {@link simulate} throws
 */
export async function simulateOnThreads(
  program: Program,
  device: Device,
  { threads, ...given }: ThreadedOptions,
): Promise<Simulation> {
  const options: SimulateOptions = { ...given, encodedLength };
  const { prefill, decode, onProgress } = options;
  const isInOrder = options.reuse === true || (options.trace === true && options.traceStep === undefined);
  const count = isInOrder ? 1 : Math.min(threads, Math.floor(decode / STEPS_OF_A_THREAD));
  if (count <= 1 || !existsSync(WORKER)) return simulate(program, device, options);
  // Refused before a thread starts, as `simulate` refuses it before the first step.
  checkLengths(program, findEntry(program, 'decode'), { seq: 1, past: prefill + decode - 1 });
  const total = (prefill > 0 ? 1 : 0) + decode;
  let steps: Counters;
  try {
    steps = await countOnThreads({ program, device }, prefill, decode, count, (done) =>
      onProgress?.(done, total),
    );
  } catch {
    // What a thread could not bear, such as too little memory, this one may; if not, it says what it was.
    return simulate(program, device, options);
  }
  return simulateRest(program, device, { ...options, onProgress: () => onProgress?.(total, total) }, steps);
}

async function countOnThreads(
  work: StepWork,
  first: number,
  steps: number,
  threads: number,
  onDone: (steps: number) => void,
): Promise<Counters> {
  const counters = createCounters(work.device);
  let [next, done] = [0, 0];
  const workers: Worker[] = [];
  const countRanges = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let range: StepRange | undefined;
      const ask = (): void => {
        if (next === steps) {
          resolve();
          return;
        }
        range = { past: first + next, count: Math.min(RANGE, steps - next) };
        next += range.count;
        worker.postMessage(range);
      };
      worker.on('message', (counted: Counters) => {
        addCounters(counters, counted);
        done += range?.count ?? 0;
        onDone(done);
        ask();
      });
      worker.on('error', reject);
      worker.on('exit', () => reject(internalError('a thread that counts steps is gone')));
      ask();
    });
  try {
    for (let i = 0; i < threads; i++) workers.push(new Worker(WORKER, { workerData: work }));
    await Promise.all(workers.map(countRanges));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return counters;
}
