/** Reductions over rows of logits, for sampling and evaluation. Conventions: see {@link Kernels}. */

/** Reductions over logits. */
export interface SamplingKernels {
  /**
   * dst[r] = index of the largest of row r by `>` from −inf, the first of equals; 0 for a row without a number above
   * −inf. `dst` int32 [rows].
   */
  argMax(rows: number, cols: number, src: number, srcR: number, dst: number): void;

  /**
   * The two numbers that make probabilities of logits: dst[r] = (max, sum), float32 [rows][2], with z = x·scale,
   * max = max z by `>` from −inf and sum = sum16(exp(z − max)). The source is not changed.
   */
  softmaxStatistics(rows: number, cols: number, src: number, srcR: number, scale: number, dst: number): void;
}

/** Names of {@link SamplingKernels}. */
export const SAMPLING_KERNELS = [
  'argMax',
  'softmaxStatistics',
] as const satisfies readonly (keyof SamplingKernels)[];
