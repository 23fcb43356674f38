/**
 * What this machine can do at most, as contenders to be sampled between ours and the peer's: bytes read from memory, and
 * products of integers and floats that stay in registers, on one thread or several.
 *
 * The loops are those of the native addon where it is there, else WebAssembly, which is narrower; names of limits say
 * which.
 */
import { Worker } from 'node:worker_threads';
import { createMemory } from '@bitloom/wasm';
import { CONTROL_BYTES, openShare } from './limit-share.mjs';
import { callable } from './sample.mjs';

/** Well beyond any cache. */
const READ_BYTES = 256 * 2 ** 20;
const SCRATCH = 65536;
/** Turns of a loop, some milliseconds. */
const TURNS = 2_000_000;
/** How long the native loops look for their best. */
const NATIVE_MS = { read: 40, product: 6 };

/**
 * @param {number} most threads at most; limits are those of one thread or of all
 * @returns `{ read(threads), product(kind, threads), close() }`
 */
export async function openLimits(most) {
  const memory = createMemory({ initial: (READ_BYTES + SCRATCH) / 65536, maximum: 65536, shared: true });
  // Pages that were never written are all the same page of zeros, which caches.
  new Int32Array(memory.buffer).fill(0x01010101);
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const words = new Int32Array(control);
  const share = await openShare(memory, control, 0);
  const { native } = share;
  const workers = Array.from({ length: most - 1 }, (_, i) => {
    const worker = new Worker(new URL('limit-worker.mjs', import.meta.url), {
      workerData: { memory, control, slot: i + 1 },
    });
    worker.unref();
    return worker;
  });
  while (Atomics.load(words, 1) < workers.length) await new Promise((resolve) => setTimeout(resolve, 2));

  /** Gives a job to each of `count` threads, one or all, and returns when all are done. */
  const together = (count, job, part) => {
    for (let slot = 0; slot < count; slot += 1) share.setJob(slot, job, ...part(slot));
    if (count > 1) {
      Atomics.store(words, 2, 0);
      Atomics.add(words, 0, 1);
      Atomics.notify(words, 0);
    }
    share.perform();
    if (count === 1) return 1;
    for (let done = 0; done < workers.length; done = Atomics.load(words, 2)) Atomics.wait(words, 2, done);
    return 1;
  };
  const name = (what, count) => {
    const loops = native === undefined ? share.label : `native ${native.isas[0]}`;
    return `${what}, ${count} ${count === 1 ? 'thread' : 'threads'}, ${loops}`;
  };
  /** A rate as the seconds of one unit of work. */
  const rated = (rate) => ({ work: 1, isWarm: true, sample: () => 1 / rate() });

  return {
    /** Bytes per second from memory. */
    read(count) {
      const label = name('read', count);
      if (native !== undefined) {
        return { ...rated(() => native.limits.read(READ_BYTES, count, NATIVE_MS.read)), name: label };
      }
      const part = READ_BYTES / count;
      const run = () =>
        together(count, 'read', (slot) => [SCRATCH + slot * part, SCRATCH + (slot + 1) * part]);
      return { ...callable(run, READ_BYTES), name: label };
    },
    /**
     * Operations per second, two per product, in registers.
     *
     * @param {'int4' | 'int8' | 'float32'} kind integers are the bits of one operand, the other has eight
     */
    product(kind, count) {
      const label = name(`${kind} in registers`, count);
      if (native !== undefined) {
        const rate = () => {
          together(count, `native ${kind}`, () => [0, NATIVE_MS.product]);
          return Array.from({ length: count }, (_, slot) => share.answer(slot)).reduce((a, b) => a + b);
        };
        return { ...rated(rate), name: label };
      }
      const run = () => together(count, kind, () => [0, TURNS]);
      return { ...callable(run, TURNS * count * share.operations(kind)), name: label };
    },
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
