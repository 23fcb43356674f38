/** `@bitloom/simulator/node`: decode steps of a simulation on worker threads. */
export { simulateOnThreads, type ThreadedOptions } from './node/step-threads.js';
