/** The module of the vector kernels. */
import type { ModuleBuilder } from '@bitloom/wasm';
import { emitElementwise } from './elementwise.js';
import { emitEmbed } from './embed.js';
import { emitNorms } from './norms.js';
import { emitQuantize } from './quantize.js';
import { emitRope } from './rope.js';

/** Adds every vector kernel to `module`. */
export function emitVectors(module: ModuleBuilder): void {
  for (const emit of [emitElementwise, emitNorms, emitRope, emitQuantize, emitEmbed]) emit(module);
}
