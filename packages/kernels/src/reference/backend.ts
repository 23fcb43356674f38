/**
 * The reference backend: slow, obvious TypeScript that defines what every kernel computes. Use it to check other
 * backends, or where WebAssembly is not available; it is two to three orders of magnitude slower.
 */
import type { Arena } from '../arena.js';
import type { KernelTable } from '../kernels.js';
import { attentionKernels } from './attention.js';
import { gemmKernels } from './gemm.js';
import { quantizeKernels } from './quantize.js';
import { vectorKernels } from './vector.js';

/** The defining kernels over `arena`. */
export function referenceKernels(arena: Arena): KernelTable {
  return {
    ...quantizeKernels(arena),
    ...gemmKernels(arena),
    ...attentionKernels(arena),
    ...vectorKernels(arena),
  };
}
