/**
 * An evaluator on worker threads. Each thread has the model and takes one design at a time; which takes which makes no
 * difference to what comes out.
 */
import { Worker } from 'node:worker_threads';
import { BitloomError, type Device, internalError } from '@bitloom/ir';
import type { Workload } from '../evaluate-design.js';
import type { Outcome } from '../outcome.js';

export interface Threads {
  /**
   * Evaluates a design on the next thread that is free.
   * @throws BitloomError `exploration-thread`; `internal` for the design on which a thread met a bug
   */
  evaluate(device: Device): Promise<Outcome>;
  /** Ends the threads, in the middle of their work if need be: designs under way are given up. */
  close(): Promise<void>;
}

/** What a thread answers: an outcome, or what it could not bear. */
export type ThreadAnswer = { readonly outcome: Outcome } | { readonly error: string };

interface Job {
  readonly device: Device;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Beside the bundle of this module; sources have no such file, threads run what is built. */
const WORKER = new URL('./node/worker.js', import.meta.url);

/** Up to `count` threads, at least one, each started when there is work for it. */
export function openThreads(workload: Workload, count: number): Threads {
  const waiting: Job[] = [];
  const running = new Map<Worker, Job>();
  let failure: Error | undefined;
  const fail = (got: string): void => {
    failure ??= new BitloomError({
      code: 'exploration-thread',
      message: 'a thread that evaluates designs has ended',
      expected: 'an outcome for every design',
      got,
      hint: 'use fewer threads (--threads) if memory was short; results so far are in the state file, if there is one',
    });
    for (const job of [...running.values(), ...waiting.splice(0)]) job.reject(failure);
    running.clear();
  };
  const workers: Worker[] = [];
  const idle: Worker[] = [];
  const next = (): void => {
    while (waiting.length > 0) {
      const worker = idle.pop() ?? start();
      const job = worker === undefined ? undefined : waiting.shift();
      if (worker === undefined || job === undefined) return;
      running.set(worker, job);
      worker.postMessage(job.device);
    }
  };
  /** A further thread; undefined: there are as many as there may be. */
  const start = (): Worker | undefined => {
    if (workers.length >= Math.max(1, count)) return undefined;
    const worker = new Worker(WORKER, { workerData: workload });
    worker.on('message', (answer: ThreadAnswer) => {
      const job = running.get(worker);
      running.delete(worker);
      if ('error' in answer) {
        job?.reject(internalError(answer.error, job.device.name));
        fail(answer.error);
        return;
      }
      job?.resolve(answer.outcome);
      idle.push(worker);
      next();
    });
    worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error)));
    worker.on('exit', () => fail('the thread is gone'));
    workers.push(worker);
    return worker;
  };
  return {
    evaluate: (device) =>
      new Promise<Outcome>((resolve, reject) => {
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        waiting.push({ device, resolve, reject });
        next();
      }),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
