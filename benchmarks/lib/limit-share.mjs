/**
 * The share of one thread in a limit, as its control block says. Of the block, word 0 counts jobs, word 1 threads that are
 * ready, word 2 threads that are done; from word 4 on, each thread has a job: its kind and two numbers.
 */
import { limitLoops } from './limit-loops.mjs';

/** Bytes of a control block. */
export const CONTROL_BYTES = 4096;
/** What a job is, by its first word. */
export const JOBS = ['read', 'int4', 'int8', 'float32', 'native int4', 'native int8', 'native float32'];
/** The answers of threads, float64, begin here. */
const ANSWERS = 2048;

/** The native addon; undefined where there is none. */
export async function openNative() {
  try {
    const { loadNative } = await import('@bitloom/kernels-native');
    return loadNative();
  } catch (error) {
    // Before it is built, or in a copy of the repository without it.
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** @returns `{ perform(), label, operations }`; `label` names the loops that `native` jobs do without */
export async function openShare(memory, control, slot) {
  const words = new Int32Array(control, 16 + 16 * slot, 4);
  const answers = new Float64Array(control, ANSWERS);
  const loops = limitLoops(memory, slot);
  const native = await openNative();
  return {
    ...loops,
    native,
    /** Does the job of this thread. */
    perform() {
      const [job, from, to] = words;
      const [kind, nativeKind] = JOBS[job].split(' ');
      if (kind === 'read') loops.read(from, to);
      else if (kind === 'native') answers[slot] = native.limits.peak(nativeKind, to);
      else loops.product(kind, to);
    },
    setJob: (of, job, from, to) =>
      new Int32Array(control, 16 + 16 * of, 4).set([JOBS.indexOf(job), from, to]),
    answer: (of) => answers[of],
  };
}
