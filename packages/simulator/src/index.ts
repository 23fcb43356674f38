/** `@bitloom/simulator`: runs programs on device descriptions, for function, for time, or both. */
export { type CardOptions, SimulatedCard } from './card.js';
export * from './chain/index.js';
export { checkLengths, compileStream, createEnvironment, type EncodedLength } from './compiled-stream.js';
export { ACCESS_PATTERNS } from './dram/access-patterns.js';
export { DRAM_QUEUE_ENTRIES, type DramController, dramController } from './dram/controller.js';
export {
  DramChannel,
  type DramCounts,
  type DramResult,
  type DramSource,
} from './dram/dram-channel.js';
export { type DramPatternResult, type DramRunOptions, runDramPattern } from './dram/run-pattern.js';
export { type SimulateOptions, type Simulation, simulate } from './simulate.js';
export {
  type CriticalPath,
  criticalPath,
  PATH_CAUSES,
  type PathCause,
  type PathSegment,
  type PathShare,
} from './time/critical-path.js';
export { MemoryChannels, type TransferRuns, type TransferTime } from './time/memory-channels.js';
