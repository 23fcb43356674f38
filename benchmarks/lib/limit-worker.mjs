/** A further thread of a limit: waits in shared memory for a share of the work, does it, says so. */
import { workerData } from 'node:worker_threads';
import { openShare } from './limit-share.mjs';

const { memory, control, slot } = workerData;
const words = new Int32Array(control);
const share = await openShare(memory, control, slot);
Atomics.add(words, 1, 1);
Atomics.notify(words, 1);
for (let seen = 0; ; ) {
  Atomics.wait(words, 0, seen);
  seen = Atomics.load(words, 0);
  share.perform();
  Atomics.add(words, 2, 1);
  Atomics.notify(words, 2);
}
