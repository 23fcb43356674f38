/**
 * Products of float32 matrices: with the float32 convolutions and their gradients (see {@link ConvolutionKernels}) the only
 * kernels that may differ from the reference. Conventions: see {@link Kernels}.
 */

/**
 * Float32 products. The reference takes `sum16`; a backend may order the sum otherwise and round a multiplication and an
 * addition once, but the bits of an output depend only on its row of the left operand, its row of the right one and
 * what it held: not on M, N, the place in the matrix, the strides, the threads, or which of the kernels is called.
 * Stated tolerance: |difference| ≤ 4·(K + 1)·2^−24·(|held| + Σ|a·b|), in practice far less.
 *
 * WebAssembly adds in blocks of 512 columns from the first on: within a block four chains (column k belongs to chain
 * k mod 4, in increasing k, from +0), then (s0 + s2) + (s1 + s3), added to the sum of the blocks before. A step of a chain
 * is one fused operation where the engine has relaxed SIMD and fuses, else two. So a K that is cut at multiples of 512,
 * continuing with FLAG_CONTINUE, gives the bits of the whole.
 */
export interface FloatProductKernels {
  /**
   * out[m, n] = Σ_k a[m, k]·b[n, k], added to what out holds when `flags` has FLAG_CONTINUE. Both axes of a and of b have
   * a stride, so either may be read transposed: (row stride, 4) or (4, row stride). Other strides, 0 among them, work
   * as well, more slowly. out is [M, N] with row stride outR.
   */
  matmulF32(
    M: number,
    N: number,
    K: number,
    a: number,
    aM: number,
    aK: number,
    b: number,
    bN: number,
    bK: number,
    out: number,
    outR: number,
    flags: number,
  ): void;

  /** out[m, n] = Σ_k x[m, k]·w[n, k]; x [M, K] and w [N, K] with row strides xR and wR. The bits of `matmulF32`. */
  gemmF32(
    M: number,
    N: number,
    K: number,
    x: number,
    xR: number,
    w: number,
    wR: number,
    out: number,
    outR: number,
  ): void;
}

/** Names of {@link FloatProductKernels}. */
export const FLOAT_PRODUCT_KERNELS = [
  'matmulF32',
  'gemmF32',
] as const satisfies readonly (keyof FloatProductKernels)[];
