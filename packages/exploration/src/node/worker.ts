/** A thread of `threads.ts`: takes cards, gives outcomes. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Device } from '@bitloom/ir';
import { evaluateDesign, type Workload } from '../evaluate-design.js';
import type { ThreadAnswer } from './threads.js';

const workload: Workload = workerData;

parentPort?.on('message', (device: Device) => {
  let answer: ThreadAnswer;
  try {
    answer = { outcome: evaluateDesign(workload, device) };
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});
