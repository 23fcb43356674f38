/** Products of int8 activations with N:M sparse group-scaled weights. Conventions: see {@link Kernels}. */

/** Products with sparse weights. */
export interface SparseProductKernels {
  /**
   * As {@link GroupProductKernels.gemmGroups} of the same matrix with its zeros filled in, bit for bit, from weights in
   * the layout `sparse16` (see `@bitloom/formats`): only what a tile keeps is read and multiplied.
   *
   * `bits` is the width of the container, 4 or 8; `w` points to the directory. `x` int8 [M, K], readable up to K rounded
   * up to 16, whatever lies there.
   *
   * @throws BitloomError `kernel-bits` unless bits is 4 or 8; `kernel-group` unless group is a multiple of 16, or at
   *   least K, and min(group, K) ≤ {@link MAX_GROUP_LENGTH}.
   */
  gemmSparse(
    bits: number,
    group: number,
    M: number,
    N: number,
    K: number,
    x: number,
    xR: number,
    xScale: number,
    xScaleR: number,
    w: number,
    out: number,
    outR: number,
    flags: number,
  ): void;
}

/** Names of {@link SparseProductKernels}. */
export const SPARSE_PRODUCT_KERNELS = [
  'gemmSparse',
] as const satisfies readonly (keyof SparseProductKernels)[];
