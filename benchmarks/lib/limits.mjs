/**
 * What this machine can do at most, as contenders to be sampled between ours and the peer's: bytes read from memory, and
 * products of integers and floats that stay in registers, on one thread or several.
 *
 * The loops are those of the native backend where it is there, else WebAssembly; names of limits say which.
 */
import { Worker } from 'node:worker_threads';
import { createMemory } from '@bitloom/wasm';
import { limitLoops } from './limit-loops.mjs';
import { callable } from './sample.mjs';

/** Well beyond any cache. */
const READ_BYTES = 256 * 2 ** 20;
const SCRATCH = 65536;
/** A product loop is as long as a short sample. */
const TURNS = 2_000_000;

/**
 * @param {number} most threads at most; limits are those of one thread or of all
 * @returns `{ read(threads), product(kind, threads), close() }`
 */
export async function openLimits(most) {
  const memory = createMemory({ initial: (READ_BYTES + SCRATCH) / 65536, maximum: 65536, shared: true });
  // Pages that were never written are all the same page of zeros, which caches.
  new Int32Array(memory.buffer).fill(0x01010101);
  const control = new SharedArrayBuffer(4096);
  const words = new Int32Array(control);
  const loops = limitLoops(memory, 0);
  const workers = Array.from({ length: most - 1 }, (_, i) => {
    const worker = new Worker(new URL('limit-worker.mjs', import.meta.url), {
      workerData: { memory, control, slot: i + 1 },
    });
    worker.unref();
    return worker;
  });
  while (Atomics.load(words, 1) < workers.length) await new Promise((resolve) => setTimeout(resolve, 2));

  const perform = (kind, [from, to]) => {
    if (kind === 0) loops.read(from, to);
    else loops.product(loops.kinds[kind - 1], to);
  };
  /** Runs a share on each of `count` threads, one or all: kind 0 reads, others are products; returns when all are done. */
  const together = (count, kind, share) => {
    if (count > 1) {
      Atomics.store(words, 2, 0);
      for (let slot = 1; slot <= workers.length; slot += 1) words.set([kind, ...share(slot)], 4 + 4 * slot);
      Atomics.add(words, 0, 1);
      Atomics.notify(words, 0);
    }
    perform(kind, share(0));
    for (let done = 0; count > 1 && done < workers.length; done = Atomics.load(words, 2))
      Atomics.wait(words, 2, done);
    return 1;
  };
  const suffix = (count) => `${count} ${count === 1 ? 'thread' : 'threads'}, ${loops.label}`;
  return {
    label: loops.label,
    /** Bytes per second from memory. */
    read(count) {
      const share = READ_BYTES / count;
      const run = () => together(count, 0, (slot) => [SCRATCH + slot * share, SCRATCH + (slot + 1) * share]);
      return { ...callable(run, READ_BYTES), name: `read, ${suffix(count)}` };
    },
    /** Operations per second (two per product) in registers. kind: `int` (the widest integer product there is) or `f32`. */
    product(kind, count) {
      const chosen = kind === 'f32' ? 'f32' : loops.kinds.includes('int8') ? 'int8' : 'int16';
      const run = () => together(count, loops.kinds.indexOf(chosen) + 1, () => [0, TURNS]);
      return {
        ...callable(run, TURNS * count * loops.operations(chosen)),
        name: `${chosen} in registers, ${suffix(count)}`,
      };
    },
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
