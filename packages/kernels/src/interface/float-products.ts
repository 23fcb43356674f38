/** Products of float32 matrices, the only kernels that may differ from the reference. Conventions: see {@link Kernels}. */

/** Float32 products. */
export interface FloatProductKernels {
  /**
   * out[m, n] = Σ_k x[m, k]·w[n, k] in float32; w row-major [N, K] with row stride wR. The reference takes sum16;
   * a backend may order the sum otherwise, but each output must not depend on M, N, the tile or the threads.
   * Stated tolerance: |difference| ≤ 4·K·2^−24·Σ|x·w|, in practice far less.
   */
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
export const FLOAT_PRODUCT_KERNELS = ['gemmF32'] as const satisfies readonly (keyof FloatProductKernels)[];
