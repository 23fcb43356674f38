/** A thread of `step-threads.ts`: takes ranges of decode steps, gives what they add up to. */
import { parentPort, workerData } from 'node:worker_threads';
import { encodedLength } from '@bitloom/ir';
import { type StepRange, stepCounter } from '../count-steps.js';
import type { StepWork } from './step-threads.js';

const { program, device }: StepWork = workerData;
const count = stepCounter(program, device, encodedLength);

parentPort?.on('message', (range: StepRange) => parentPort?.postMessage(count(range)));
