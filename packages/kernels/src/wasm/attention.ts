/** The module of attention. */
import type { ModuleBuilder } from '@bitloom/wasm';
import { emitMask } from './attention-mask.js';
import { emitMixes } from './attention-mix.js';
import { emitScores } from './attention-scores.js';
import { emitSoftmax } from './softmax.js';

/** Adds every attention kernel to `module`. */
export function emitAttention(module: ModuleBuilder): void {
  for (const emit of [emitScores, emitMixes, emitSoftmax, emitMask]) emit(module);
}
