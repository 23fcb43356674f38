/**
 * Products of integers: int8 by int8, the shifted sums of ShiftQuant, the group sums of MLS. Conventions: see
 * {@link Kernels}.
 *
 * Both operands are matrices of bytes that nothing has packed, because training makes new ones every step; packing is
 * part of the product. An operand `a` [M, K] is a pointer and two strides in bytes: element (m, k) lies at
 * a + m·aM + k·aK, and one of the two strides is 1. So row-major [M, K] is (rowBytes, 1), and the transpose of a
 * row-major [K, M] is (1, rowBytes); `b` [N, K] alike. The same memory may be both operands, never the result.
 */

/** Most bits of a code of {@link IntegerProductKernels.gemmShift}, and least. */
export const SHIFT_CODE_BITS = { least: 2, most: 8 } as const;

/** Longest group of {@link IntegerProductKernels.gemmMls}; its int32 sum is then exact for every element. */
export const MAX_MLS_GROUP = 4096;

/** Integer products. */
export interface IntegerProductKernels {
  /**
   * out[m, n] = Σ_k a[m, k]·b[n, k] in int32, modulo 2^32 (nothing wraps while K ≤ 131071). `out` int32 [M, N], row
   * stride outR. With {@link FLAG_CONTINUE} in `flags` the sum is added to what `out` holds. All int8 are allowed,
   * −128 too.
   *
   * @throws BitloomError `kernel-strides` unless one stride of each operand is 1.
   */
  gemmInt8(
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

  /**
   * out[m, n] = f32(f32(f32(sum) · rowScale[m]) · colScale[n]) with the int32 sum of {@link gemmInt8}. `out` float32
   * [M, N]. `rowScale` float32 [M], `colScale` float32 [N], contiguous; a pointer of 0 leaves its factor out.
   *
   * @throws BitloomError `kernel-strides` unless one stride of each operand is 1.
   */
  gemmInt8Scaled(
    M: number,
    N: number,
    K: number,
    a: number,
    aM: number,
    aK: number,
    b: number,
    bN: number,
    bK: number,
    rowScale: number,
    colScale: number,
    out: number,
    outR: number,
  ): void;

  /**
   * The exact integer sum of a ShiftQuant product: out[m, n] = Σ_k (a[m, k]·b[n, k]) · 2^shift[k] in int32.
   *
   * Codes of `a` have bitsA bits, −(2^(bitsA−1) − 1) to 2^(bitsA−1) − 1, one per byte; `b` alike. `shift` is one byte
   * per channel, 0 to mostShift: with G groups of one operand and H of the other, mostShift = G − 1 + H − 1 and
   * shift[k] = (G − 1 − g_k) + (H − 1 − h_k); see `shiftProduct` of `@bitloom/formats`, which gives the same sums.
   *
   * Every partial sum, in any order, stays below 2^(bitsA + bitsB − 2 + mostShift + max(1, ⌈log2 K⌉)), and that must
   * be at most 2^31, so int32 is exact whatever the codes are. Other codes or shifts than said give unspecified sums.
   *
   * @throws BitloomError `kernel-shift-range` where codes of these widths could leave int32; `kernel-bits` unless
   *   widths are 2 to 8; `kernel-strides`.
   */
  gemmShift(
    bitsA: number,
    bitsB: number,
    mostShift: number,
    M: number,
    N: number,
    K: number,
    a: number,
    aM: number,
    aK: number,
    b: number,
    bN: number,
    bK: number,
    shift: number,
    out: number,
    outR: number,
  ): void;

  /**
   * out[m, n] = f32(f32(sum) · scale) with the int32 sum of {@link gemmShift}, `scale` one float32 number: s_a · s_b ·
   * 2^−mostShift of the two ShiftQuant operands. `out` float32 [M, N].
   *
   * @throws BitloomError as {@link gemmShift}.
   */
  gemmShiftScaled(
    bitsA: number,
    bitsB: number,
    mostShift: number,
    M: number,
    N: number,
    K: number,
    a: number,
    aM: number,
    aK: number,
    b: number,
    bN: number,
    bK: number,
    shift: number,
    scale: number,
    out: number,
    outR: number,
  ): void;

  /**
   * The integers that MLS element codes stand for, in units of 2^−W, W = mantissaBits + 2^exponentBits − 1 ≤ 7: so
   * int8, −124 to 124 for <2,4> and −12 to 12 for <2,1>. Code: sign, exponent e, mantissa m from the highest bit of
   * 1 + exponentBits + mantissaBits; the integer is ±m for e = 0 and ±(2^mantissaBits + m)·2^(e−1) otherwise.
   * `src` codes [rows, cols] one per byte, row stride srcR; bits above the sign do not matter. `dst` int8, row stride
   * dstR; it may be `src`.
   *
   * @throws BitloomError `kernel-mls` for elements whose integers do not fit int8.
   */
  mlsIntegers(
    exponentBits: number,
    mantissaBits: number,
    rows: number,
    cols: number,
    src: number,
    srcR: number,
    dst: number,
    dstR: number,
  ): void;

  /**
   * The product of MLS tensors: integer sums inside groups of `group` channels (the last one may be shorter), group
   * scales between them, the scale of the tensors last.
   *
   *     S(m, g) = value of the code at aScale + m·aScaleM + g·aScaleG, a float32; of b alike
   *     acc = 0; for g in order: acc = f32(acc + f32(f32(sum over the channels of g of a·b) · f32(S(m, g) · S(n, g))))
   *     out[m, n] = f32(acc · scale)
   *
   * `a` and `b` are int8 from {@link mlsIntegers}, at least −127. Group scale codes are uint16 <8, scaleMantissa> as
   * in `MlsTensor.groupScales`, at most 1 in value (code 127, or 254 with a mantissa bit); strides are multiples of 2,
   * and a stride of 0 shares a scale: aScaleG = 0 groups rows only. `scale` is one float32 number, S_ta · S_tb · 2^−2W.
   * `out` float32 [M, N].
   *
   * A product of two group scales is 1, 1.5 or 2.25 times a power of two, so scaling a sum is one shift, or two and
   * an addition, and exact while |sum| < 2^20 (2^24 without mantissa bit) and it is no subnormal: groups of 64 channels
   * of <2,4>, of 4096 of <2,1>. Where all terms then are multiples of u below 2^24·u in every partial sum, the result is
   * `mlsDot` of `@bitloom/formats` exactly, but for the factor of the scale. A group sum is below 2^(14 + 12), so int32
   * is exact.
   *
   * @throws BitloomError `kernel-mls` unless group is 1 to {@link MAX_MLS_GROUP} and scaleMantissa 0 or 1;
   *   `kernel-strides`.
   */
  gemmMls(
    group: number,
    scaleMantissa: number,
    M: number,
    N: number,
    K: number,
    a: number,
    aM: number,
    aK: number,
    aScale: number,
    aScaleM: number,
    aScaleG: number,
    b: number,
    bN: number,
    bK: number,
    bScale: number,
    bScaleN: number,
    bScaleG: number,
    scale: number,
    out: number,
    outR: number,
  ): void;
}

/** Names of {@link IntegerProductKernels}. */
export const INTEGER_PRODUCT_KERNELS = [
  'gemmInt8',
  'gemmInt8Scaled',
  'gemmShift',
  'gemmShiftScaled',
  'mlsIntegers',
  'gemmMls',
] as const satisfies readonly (keyof IntegerProductKernels)[];
