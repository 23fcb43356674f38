/**
 * Starts a worker from a string, in Node and in browsers. The two differ in how a worker is made, how it gets its data
 * and how its end is told; nothing else here or in the pool knows where it runs.
 */
import { WORKER_SOURCE, type WorkerStart } from './protocol.js';

/** A running worker. */
export interface PoolWorker {
  /** Ends it at once, wherever it is. */
  terminate(): void;
}

/** The parts of a page's `Worker` that are used. */
interface PageWorker {
  postMessage(data: WorkerStart): void;
  terminate(): void;
  addEventListener(type: 'error', listener: () => void): void;
}

/** What pages offer, absent in Node. */
interface PageGlobals {
  readonly Worker?: new (url: string, options: { readonly name: string }) => PageWorker;
  readonly Blob?: new (parts: string[], options: { readonly type: string }) => object;
  readonly URL?: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void };
}

/** Whether memory can be shared with workers here: always in Node, in pages only when they are cross-origin isolated. */
export function canShareMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return !('crossOriginIsolated' in globalThis) || globalThis.crossOriginIsolated === true;
}

/**
 * Starts a worker.
 *
 * @param ended called once when it ends without being asked to, as soon as the event loop runs
 * @returns undefined where workers cannot be started (no such API, or a page whose policy forbids it)
 */
export function spawnWorker(data: WorkerStart, ended: () => void): PoolWorker | undefined {
  const name = `bitloom-kernels-${data.index + 1}`;
  const threads =
    typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:worker_threads');
  if (threads !== undefined) {
    const source = `${WORKER_SOURCE}start(require('node:worker_threads').workerData);`;
    // Options of the process, such as `--input-type=module`, must not change how the source is read.
    const worker = new threads.Worker(source, { eval: true, workerData: data, execArgv: [], name });
    // A worker never keeps the process alive.
    worker.unref();
    worker.on('error', () => {});
    worker.on('exit', ended);
    return { terminate: () => void worker.terminate() };
  }
  const { Worker, Blob, URL }: PageGlobals = globalThis;
  if (Worker === undefined || Blob === undefined || URL === undefined) return undefined;
  const source = `${WORKER_SOURCE}self.onmessage = ({ data }) => start(data);`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    const worker = new Worker(url, { name });
    worker.addEventListener('error', ended);
    worker.postMessage(data);
    return { terminate: () => worker.terminate() };
  } catch {
    return undefined;
  }
}
