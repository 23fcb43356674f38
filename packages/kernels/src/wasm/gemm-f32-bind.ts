/** The float32 products as callers see them: without the memory that they lay out their operands in. */
import type { WasmFunction } from '@bitloom/wasm';
import type { FloatProductKernels } from '../interface/float-products.js';

/** @param scratch `SCRATCH_BYTES` bytes (see scratch) that only this thread uses */
export function bindFloatProducts(
  { matmulF32, gemmF32 }: Readonly<Record<string, WasmFunction>>,
  scratch: number,
): FloatProductKernels {
  return {
    matmulF32(M, N, K, a, aM, aK, b, bN, bK, out, outR, flags) {
      matmulF32(M, N, K, a, aM, aK, b, bN, bK, out, outR, flags, scratch);
    },
    gemmF32(M, N, K, x, xR, w, wR, out, outR) {
      gemmF32(M, N, K, x, xR, w, wR, out, outR, scratch);
    },
  };
}
