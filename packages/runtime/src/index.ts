/**
 * `@bitloom/runtime`: use a model on the host or on a card. Engines, sampling, generation, evaluation.
 */
export type { CallLengths, Card } from './card/card.js';
export { createCardEngine } from './card/card-engine.js';
export type { Engine, TokenIds } from './engine.js';
export {
  type PerplexityOptions,
  type PerplexityProgress,
  type PerplexityResult,
  perplexity,
  textPerplexity,
} from './evaluation/perplexity.js';
export type { GenerateOptions, GenerationStep } from './generation/continuation.js';
export { generate, generateAsync } from './generation/generate.js';
export {
  createTextBatch,
  generateBatch,
  type TextBatch,
  type TextBatchOptions,
  type TextBatchStep,
  type TextRequest,
} from './generation/generate-batch.js';
export { promptIds, type TextTokenizer } from './generation/prompt.js';
export { createStopFilter, type StopFilter } from './generation/stop-strings.js';
export type { BatchEntry } from './host/batch.js';
export { type ContextLimit, contextLimit } from './host/context-limit.js';
export {
  createHostEngine,
  type HostModel,
  type HostOptions,
  loadHostModel,
  type MemoryReport,
  type MemoryUse,
} from './host/host-model.js';
export { philox, uniform } from './sampling/random.js';
export {
  createSampler,
  greedyToken,
  type Sampler,
  type SamplingOptions,
  sampleToken,
} from './sampling/sampler.js';
