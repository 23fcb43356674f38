/**
 * The WebAssembly SIMD backend: one instance over the arena's memory. Most kernels are the exported functions
 * themselves; two check arguments that choose a code path first.
 */
import { internalError } from '@bitloom/ir';
import { instantiateModule, type WasmFunction, type WasmModule } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import { KERNEL_NAMES, type KernelName, type KernelTable } from '../kernels.js';
import { checkGroups } from '../reference/gemm.js';
import { checkEmbedGroups } from '../reference/vector.js';
import { MEMORY_IMPORT } from './module.js';

/** The exported functions of the kernel module. `gemmGroups` takes a pointer to scratch memory as last argument. */
export type KernelExports = Readonly<Record<KernelName, WasmFunction>>;

/** Instantiates the kernels over the arena's memory. */
export function instantiateKernels(arena: Arena, module: WasmModule): KernelExports {
  const imports = { [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: arena.memory } };
  const exports = instantiateModule(module, imports);
  const entries = KERNEL_NAMES.map((name) => {
    const value = exports[name];
    if (typeof value !== 'function') throw internalError(`the kernel module does not export ${name}`);
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as KernelExports;
}

/** The group size as the module takes it: at least 1, and the whole row when it is one group. */
export function effectiveGroup(group: number, K: number): number {
  return Math.max(1, Math.min(group, K));
}

/** Makes the kernels; `scratch` points to `SCRATCH_BYTES` bytes (see gemm-groups) that only this thread uses. */
export function wasmKernels(exports: KernelExports, scratch: number): KernelTable {
  const { gemmGroups, embedGroups } = exports;
  return {
    ...exports,

    embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR) {
      checkEmbedGroups(bits, group);
      const size = effectiveGroup(group, cols);
      embedGroups(bits, size, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR);
    },

    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkGroups(bits, group, K);
      const size = effectiveGroup(group, K);
      gemmGroups(bits, size, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags, scratch);
    },
  };
}
