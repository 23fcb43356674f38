/** Products of int8 activations with group-scaled weights. Conventions: see {@link Kernels}. */

/** Bit 0 of `flags`: continue the accumulator instead of starting at 0. */
export const FLAG_CONTINUE = 1;
/** Bit 1 of `flags`: apply the row scale and finish. */
export const FLAG_FINISH = 2;

/** Longest group, in elements of K, that an int32 accumulator is allowed to hold (min(group, K)). */
export const MAX_GROUP_LENGTH = 65536;

/** Products with group-scaled weights. */
export interface GroupProductKernels {
  /**
   * out[m, n] = Σ over groups of int32 dot(x[m], w[n]) · weight scale, then · xScale[m].
   *
   * `x` int8 [M, K] with row stride xR. The bytes between K and K rounded up to 32 must be readable after every row;
   * their values do not matter (the weights there are 0). `w` rows16 blocks in the container of `bits` (2, 3, 4, 5, 6 or
   * 8, see `rows16ContainerBits` of `@bitloom/formats`), codes of the whole range of the container, scales finite, of
   * either sign. `xScale` float32, one each xScaleR bytes (0: the same for all). `out` float32 [M, N], row stride outR;
   * only N columns are written.
   * acc starts at 0, or at out when flags has {@link FLAG_CONTINUE}; per group in order
   * acc = acc + f32(int32 sum)·scale; out = acc, or acc·xScale[m] when flags has {@link FLAG_FINISH}. Splitting K
   * over whole groups therefore gives the same bits.
   *
   * @throws BitloomError `kernel-bits` unless bits is the width of a container; `kernel-group` unless group is a multiple of 8, or
   *   at least K, and min(group, K) ≤ {@link MAX_GROUP_LENGTH}.
   */
  gemmGroups(
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

/** Names of {@link GroupProductKernels}. */
export const GROUP_PRODUCT_KERNELS = ['gemmGroups'] as const satisfies readonly (keyof GroupProductKernels)[];
