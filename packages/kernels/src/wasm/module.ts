/** The one WebAssembly module that holds every kernel. It imports the arena's memory and nothing else. */
import { compileModule, ModuleBuilder, type WasmModule } from '@bitloom/wasm';
import { emitMixes } from './attention-mix.js';
import { emitScores } from './attention-scores.js';
import { emitElementwise } from './elementwise.js';
import { emitEmbed } from './embed.js';
import { emitGemmF32 } from './gemm-f32.js';
import { emitGemmGroups } from './gemm-groups.js';
import { emitNorms } from './norms.js';
import { emitQuantize } from './quantize.js';
import { emitRope } from './rope.js';
import { emitSoftmax } from './softmax.js';

/** Import names of the memory. */
export const MEMORY_IMPORT = { module: 'env', name: 'memory' } as const;

const EMITTERS = [
  emitElementwise,
  emitNorms,
  emitRope,
  emitQuantize,
  emitGemmGroups,
  emitGemmF32,
  emitScores,
  emitMixes,
  emitSoftmax,
  emitEmbed,
] as const;

/** The binary of all kernels. Equal for every call. */
export function kernelModuleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory(MEMORY_IMPORT.module, MEMORY_IMPORT.name, { initial: 1, maximum: 65536, shared: true });
  for (const emit of EMITTERS) emit(module);
  return module.toBytes();
}

/** Compiles the kernels. */
export function compileKernels(): WasmModule {
  return compileModule(kernelModuleBytes());
}
