/** Scratch memory: one block for each thread, as large as the kernel that needs most. Kernels never run inside another. */
import { CONVOLUTION_SCRATCH_BYTES } from './convolution-scratch.js';
import { FLOAT_PRODUCT_SCRATCH_BYTES } from './gemm-f32-blocks.js';
import { SCRATCH_BYTES as GROUP_PRODUCT_SCRATCH_BYTES } from './gemm-groups.js';
import { INTEGER_PRODUCT_SCRATCH_BYTES } from './integer-products.js';

/** Bytes of scratch memory that one thread needs for any kernel. */
export const SCRATCH_BYTES = Math.max(
  GROUP_PRODUCT_SCRATCH_BYTES,
  FLOAT_PRODUCT_SCRATCH_BYTES,
  INTEGER_PRODUCT_SCRATCH_BYTES,
  CONVOLUTION_SCRATCH_BYTES,
);
