/** Kernels whose exported function takes other arguments than callers give: those that choose a code path. */
import type { WasmFunction } from '@bitloom/wasm';
import type { GroupProductKernels } from '../interface/group-products.js';
import type { L1NormKernels } from '../interface/l1-norms.js';
import type { SparseProductKernels } from '../interface/sparse-products.js';
import type { VectorKernels } from '../interface/vectors.js';
import { checkGroups } from '../reference/gemm.js';
import { checkL1Columns } from '../reference/l1-norm.js';
import { checkSparse } from '../reference/sparse-products.js';
import { checkEmbedGroups } from '../reference/vector.js';

type Exports = Readonly<Record<string, WasmFunction>>;

/** The group size as the modules take it: at least 1, and the whole row when it is one group. */
export function effectiveGroup(group: number, K: number): number {
  return Math.max(1, Math.min(group, K));
}

export function bindVectors({ embedGroups }: Exports): Pick<VectorKernels, 'embedGroups'> {
  return {
    embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR) {
      checkEmbedGroups(bits, group);
      const size = effectiveGroup(group, cols);
      embedGroups(bits, size, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR);
    },
  };
}

/** @param scratch `SCRATCH_BYTES` bytes (see scratch) that only this thread uses */
export function bindGroupProducts({ gemmGroups }: Exports, scratch: number): GroupProductKernels {
  return {
    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkGroups(bits, group, K);
      const size = effectiveGroup(group, K);
      gemmGroups(bits, size, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags, scratch);
    },
  };
}

export function bindL1Norms({ l1NormInt8 }: Exports): Pick<L1NormKernels, 'l1NormInt8'> {
  return {
    l1NormInt8(rows, cols, src, srcR, weight, bias, gain, dst, dstR) {
      checkL1Columns(cols);
      l1NormInt8(rows, cols, src, srcR, weight, bias, gain, dst, dstR);
    },
  };
}

export function bindSparseProducts({ gemmSparse }: Exports): SparseProductKernels {
  return {
    gemmSparse(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkSparse(bits, group, K);
      gemmSparse(bits, effectiveGroup(group, K), M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags);
    },
  };
}
