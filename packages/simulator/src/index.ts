/** `@bitloom/simulator`: runs programs on device descriptions, for function, for time, or both. */
export { type CardOptions, SimulatedCard } from './card.js';
export { checkLengths, compileStream, createEnvironment, type EncodedLength } from './compiled-stream.js';
export { type SimulateOptions, type Simulation, simulate } from './simulate.js';
export { MemoryChannels, type TransferRuns, type TransferTime } from './time/memory-channels.js';
