/**
 * The WebAssembly SIMD backend: one instance over the arena's memory, with thin wrappers where a kernel is made of
 * several passes. Everything else is the exported function itself.
 */
import { internalError } from '@bitloom/ir';
import { instantiateModule, type WasmFunction, type WasmModule } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import type { KernelTable } from '../kernels.js';
import { checkEmbedGroups } from '../reference/vector.js';
import { gemmGroupsKernel } from './gemm-groups.js';
import { compileLongGroupKernels, MEMORY_IMPORT } from './module.js';

function exportedFunction(exports: Record<string, unknown>, name: string): WasmFunction {
  const value = exports[name];
  if (typeof value !== 'function') throw internalError(`the kernel module does not export ${name}`);
  return value as WasmFunction;
}

/** Makes the kernels over `arena`; `scratch` points to `SCRATCH_BYTES` bytes (see gemm-groups) that only this instance uses. */
export function wasmKernels(arena: Arena, module: WasmModule, scratch: number): KernelTable {
  const imports = { [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: arena.memory } };
  const exports = instantiateModule(module, imports);
  const get = (name: string): WasmFunction => exportedFunction(exports, name);
  let longExports: Record<string, unknown> | undefined;
  const getLong = (name: string): WasmFunction => {
    longExports ??= instantiateModule(compileLongGroupKernels(), imports);
    return exportedFunction(longExports, name);
  };
  const gemmF32x1 = get('gemmF32x1');
  const gemmF32x2 = get('gemmF32x2');
  const embedGroups = get('embedGroups');

  return {
    quantizeRows: get('quantizeRows'),
    attentionScores: get('attentionScores'),
    softmaxQuantize: get('softmaxQuantize'),
    attentionMix: get('attentionMix'),
    attentionScoresF32: get('attentionScoresF32'),
    softmaxF32: get('softmaxF32'),
    attentionMixF32: get('attentionMixF32'),
    rmsNorm: get('rmsNorm'),
    layerNorm: get('layerNorm'),
    rope: get('rope'),
    add: get('add'),
    mul: get('mul'),
    siluMul: get('siluMul'),
    silu: get('silu'),
    gelu: get('gelu'),
    relu: get('relu'),
    copy: get('copy'),
    embedF32: get('embedF32'),

    embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR) {
      checkEmbedGroups(bits, group);
      embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR);
    },

    gemmF32(M, N, K, x, xR, w, wR, out, outR) {
      let m = 0;
      for (; m + 2 <= M; m += 2) gemmF32x2(N, K, x + m * xR, xR, w, wR, out + m * outR, outR);
      if (m < M) gemmF32x1(N, K, x + m * xR, xR, w, wR, out + m * outR, outR);
    },

    gemmGroups: gemmGroupsKernel({ main: get, long: getLong }, scratch),
  };
}
