/** The second thread of a limit: waits in shared memory for a share of the work, does it, says so. */
import { workerData } from 'node:worker_threads';
import { limitLoops } from './limit-loops.mjs';

const { memory, control, slot } = workerData;
const words = new Int32Array(control);
const loops = limitLoops(memory, slot);
let seen = 0;
Atomics.add(words, 1, 1);
Atomics.notify(words, 1);
for (;;) {
  Atomics.wait(words, 0, seen);
  seen = Atomics.load(words, 0);
  const [kind, from, to] = words.subarray(4 + 4 * slot);
  if (kind === 0) loops.read(from, to);
  else loops.product(loops.kinds[kind - 1], to);
  Atomics.add(words, 2, 1);
  Atomics.notify(words, 2);
}
