/**
 * L1 normalisation, in float32 and wholly in integers. Conventions: see {@link Kernels}. Source: ShiftQuant with L1
 * normalisation (arXiv 2411.10948), which replaces the standard deviation by the mean absolute deviation; the integer
 * form and its fixed points are ours.
 */

/** Longest row of {@link L1NormKernels.l1NormInt8}: its sums stay in int32. */
export const MAX_L1_COLUMNS = 65536;

/** Normalisation by the mean absolute deviation. */
export interface L1NormKernels {
  /**
   * y = ((d·r)·weight) + bias with d = x − sum16(x)/cols and r = 1/(sum16(|d|)/cols + eps). `weight` float32 [cols];
   * `bias` 0: none, and nothing is added.
   */
  l1Norm(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    weight: number,
    bias: number,
    dst: number,
    dstB: number,
    dstR: number,
    eps: number,
  ): void;

  /**
   * int8 rows to int8 codes −127..127 of (x − mean)/mean|x − mean|·weight + bias, without a float in the loops.
   *
   * `gain` (float32, positive) is how many codes one mean absolute deviation takes; the scale of the result is 1/gain.
   * `weight` int16 [cols] in units of 2^−14, 0: none. `bias` int8 [cols] in codes, 0: none. dst must not overlap src.
   * With n = cols, per row, all in exact integers but for r:
   * 1. S = Σ x; μ = floor((256·S + n)/(2·n)), the mean in units of 1/128; d = 128·x − μ (16 bits); A = Σ |d|.
   * 2. r = f32(f32(n)·gain)/f32(A) in float32, 0 when A is 0; k is the largest of 2..8 with r·2^k < 1, or 2;
   *    m = min(rne(r·2^(k+15)), 32767).
   * 3. v = (d·m + 2^14) >> 15; with weights v = (v·weight + 2^14) >> 15 and one bit less: s = k − 1, else s = k.
   * 4. y = sat8((v + 2^(s−1)) >> s); y = sat8(y + bias); y = max(y, −127).
   *
   * @throws BitloomError `kernel-l1-columns` when cols exceeds {@link MAX_L1_COLUMNS}.
   */
  l1NormInt8(
    rows: number,
    cols: number,
    src: number,
    srcR: number,
    weight: number,
    bias: number,
    gain: number,
    dst: number,
    dstR: number,
  ): void;
}

/** Names of {@link L1NormKernels}. */
export const L1_NORM_KERNELS = ['l1Norm', 'l1NormInt8'] as const satisfies readonly (keyof L1NormKernels)[];
