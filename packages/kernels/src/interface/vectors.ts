/** The vector kernels: rows of float32, quantisation of rows, look-ups. Conventions: see {@link Kernels}. */

/** `layout` of {@link Kernels.rope}: pairs are neighbours (2i, 2i+1). */
export const ROPE_INTERLEAVED = 0;
/** `layout` of {@link Kernels.rope}: pairs are (i, i + cols/2). */
export const ROPE_HALF = 1;

/** One operand, element by element: src -> dst over batch x rows x cols of float32. */
export type UnaryKernel = (
  batch: number,
  rows: number,
  cols: number,
  src: number,
  srcB: number,
  srcR: number,
  dst: number,
  dstB: number,
  dstR: number,
) => void;

/** Two operands, element by element: (a, b) -> dst over batch x rows x cols of float32. */
export type BinaryKernel = (
  batch: number,
  rows: number,
  cols: number,
  a: number,
  aB: number,
  aR: number,
  b: number,
  bB: number,
  bR: number,
  dst: number,
  dstB: number,
  dstR: number,
) => void;

/** Kernels over rows and elements. */
export interface VectorKernels {
  /**
   * Quantises each float32 row to int8 codes −127..127 with one float32 scale.
   *
   * amax = max(0, |x|) by `>`; scale = amax/127; inv = 127/amax; code = rne(x·inv) clamped to ±127, 0 for NaN.
   * When inv is not finite (amax is 0 or so small that 127/amax overflows) the codes and the scale are 0. An
   * infinite x gives scale +inf and codes 0. Columns cols..padTo−1 of dst are set to 0 (padTo ≥ cols, or 0 for
   * no padding). `scale + b·scaleB + r·scaleR` receives the scale.
   */
  quantizeRows(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    dst: number,
    dstB: number,
    dstR: number,
    padTo: number,
    scale: number,
    scaleB: number,
    scaleR: number,
  ): void;

  /** y = (x·r)·weight with r = 1/sqrt(sum16(x·x)/cols + eps). `weight` float32 [cols]. */
  rmsNorm(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    weight: number,
    dst: number,
    dstB: number,
    dstR: number,
    eps: number,
  ): void;

  /**
   * y = ((d·r)·weight) + bias with d = x − sum16(x)/cols and r = 1/sqrt(sum16(d·d)/cols + eps). `bias` 0: none,
   * and nothing is added.
   */
  layerNorm(
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
   * Rotary embedding of the first `cols` (even) columns; batch = heads, rows = tokens. Row r of `table` holds
   * (cos, sin) pairs, float32 [cols/2][2]. A pair (a, b) becomes (a·c − b·s, a·s + b·c). `layout` is
   * {@link ROPE_INTERLEAVED} or {@link ROPE_HALF}. Columns past `cols` are not touched.
   */
  rope(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    table: number,
    tableR: number,
    dst: number,
    dstB: number,
    dstR: number,
    layout: number,
  ): void;

  /** a + b. */
  readonly add: BinaryKernel;
  /** a · b. */
  readonly mul: BinaryKernel;
  /** silu(a) · b. */
  readonly siluMul: BinaryKernel;
  /**
   * x / (1 + exp(−x)). exp is clamped at 3.39e38, so far below zero the result is x / 3.39e38 and −inf gives −inf;
   * the same holds for {@link Kernels.gelu}.
   */
  readonly silu: UnaryKernel;
  /** x / (1 + exp(−u)), u = x·(c0 + c1·x²): the tanh form of GELU, c0 = 2·sqrt(2/π), c1 = 0.044715·c0. */
  readonly gelu: UnaryKernel;
  /** x where x > 0, else +0 (also for NaN). */
  readonly relu: UnaryKernel;
  /** The same 32 bits. */
  readonly copy: UnaryKernel;

  /**
   * dst[i] = row ids[i] of a canonical table, dequantised: f32(code)·f32(scale).
   *
   * `ids` int32 [rows]; `codes` LSB-first bit stream of `bits` (2..8) two's complement codes, rows of
   * codesRowBytes; `scales` fp16, finite, of either sign, one per `group` columns, rows of scalesRowBytes. `rows`
   * is the number of ids, which are not checked against the table.
   *
   * @throws BitloomError `kernel-bits` unless bits is 2..8; `kernel-group` unless group ≥ 1.
   */
  embedGroups(
    bits: number,
    group: number,
    rows: number,
    cols: number,
    ids: number,
    codes: number,
    codesRowBytes: number,
    scales: number,
    scalesRowBytes: number,
    dst: number,
    dstR: number,
  ): void;

  /** dst[i] = row ids[i] of a float32 table. */
  embedF32(
    rows: number,
    cols: number,
    ids: number,
    table: number,
    tableRowBytes: number,
    dst: number,
    dstR: number,
  ): void;
}

/** Names of {@link VectorKernels}. */
export const VECTOR_KERNELS = [
  'quantizeRows',
  'rmsNorm',
  'layerNorm',
  'rope',
  'add',
  'mul',
  'siluMul',
  'silu',
  'gelu',
  'relu',
  'copy',
  'embedGroups',
  'embedF32',
] as const satisfies readonly (keyof VectorKernels)[];
