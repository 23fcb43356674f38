/**
 * The WebAssembly modules that hold the kernels. They import the arena's memory and nothing else. The products over
 * very long groups are a module of their own, made when first needed, because start-up pays for every function.
 */
import { compileModule, ModuleBuilder, type WasmModule } from '@bitloom/wasm';
import { emitAttention } from './attention.js';
import { emitElementwise } from './elementwise.js';
import { emitEmbed } from './embed.js';
import { emitGemmF32 } from './gemm-f32.js';
import { emitGemmPanel } from './gemm-panel.js';
import { emitGemmRow, emitGemmRowLong } from './gemm-row.js';
import { emitNorms } from './norms.js';
import { emitQuantize } from './quantize.js';
import { emitRope } from './rope.js';
import { emitSoftmax } from './softmax.js';

/** Import names of the memory. */
export const MEMORY_IMPORT = { module: 'env', name: 'memory' } as const;

const MAIN = [
  emitElementwise,
  emitNorms,
  emitRope,
  emitQuantize,
  emitGemmRow,
  emitGemmPanel,
  emitGemmF32,
  emitAttention,
  emitSoftmax,
  emitEmbed,
] as const;

function moduleBytes(emitters: readonly ((module: ModuleBuilder) => void)[]): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory(MEMORY_IMPORT.module, MEMORY_IMPORT.name, { initial: 1, maximum: 65536, shared: true });
  for (const emit of emitters) emit(module);
  return module.toBytes();
}

/** The binary of all kernels but those of {@link longGroupModuleBytes}. Equal for every call. */
export function kernelModuleBytes(): Uint8Array<ArrayBuffer> {
  return moduleBytes(MAIN);
}

/** The binary of `gemmGroups` for groups longer than one piece. */
export function longGroupModuleBytes(): Uint8Array<ArrayBuffer> {
  return moduleBytes([emitGemmRowLong]);
}

/** Compiles the kernels. */
export function compileKernels(): WasmModule {
  return compileModule(kernelModuleBytes());
}

/** Compiles the long-group products. */
export function compileLongGroupKernels(): WasmModule {
  return compileModule(longGroupModuleBytes());
}
