/**
 * `@bitloom/runtime`: use a model on the host or on a card. Engines, sampling, generation, evaluation.
 */
export type { Engine, TokenIds } from './engine.js';
export { type ContextLimit, contextLimit } from './host/context-limit.js';
export { createHostEngine, type HostEngineOptions } from './host/host-engine.js';
