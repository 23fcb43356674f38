/**
 * The kernel interface: what every backend computes, operand by operand. The reference backend defines the
 * result; every other backend gives the same bits, except `gemmF32`, which may differ within a stated tolerance
 * (but never with M, N, tiling or the number of threads).
 *
 * Conventions
 * - Pointers and strides are bytes in the {@link Arena}. Float and int32 operands, and their strides, are
 *   multiples of 4; fp16 of 2; int8 may lie anywhere. Weights (`w`) are multiples of 16.
 * - Vector kernels run over `batch x rows x cols`; an operand is (pointer, batch stride, row stride), columns are
 *   contiguous, and a stride of 0 repeats the same row or batch (sources only).
 * - Every float operation is one float32 operation, in the order written here; no fused multiply-add.
 * - `sum16` is the float reduction: element i goes to partial sum i mod 16 in increasing i, each starting at +0;
 *   then s[j] += s[j+8] (j < 8), s[j] += s[j+4] (j < 4), s[j] += s[j+2] (j < 2), result s[0] + s[1].
 * - Maxima are taken by `>` from a stated start, so a NaN never becomes a maximum.
 * - Any NaN equals any other: its sign and payload are not part of the result.
 * - Destinations may be the source itself (same pointer and strides) in element-wise kernels, norms, softmax to
 *   float and rope; any other overlap is not allowed. Sizes of 0 are legal and do nothing.
 *
 * Arguments are positional numbers because a call costs more than the work for small vectors otherwise. They are
 * not range-checked: the callers are compilers and interpreters that have verified their plans. A pointer past the
 * arena traps in WebAssembly (a RuntimeError) and reads NaN or 0 in the reference.
 */
import type { Arena } from './arena.js';

/** Bit 0 of `flags`: continue the accumulator instead of starting at 0. */
export const FLAG_CONTINUE = 1;
/** Bit 1 of `flags`: apply the row scale and finish. */
export const FLAG_FINISH = 2;

/** `layout` of {@link Kernels.rope}: pairs are neighbours (2i, 2i+1). */
export const ROPE_INTERLEAVED = 0;
/** `layout` of {@link Kernels.rope}: pairs are (i, i + cols/2). */
export const ROPE_HALF = 1;

/** Longest group, in elements of K, that an int32 accumulator is allowed to hold (min(group, K)). */
export const MAX_GROUP_LENGTH = 65536;

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

/** The arithmetic of bitloom over one {@link Arena}. */
export interface Kernels {
  readonly backend: 'reference' | 'wasm';
  readonly arena: Arena;
  /**
   * Threads that share the large products at present, this one included: workers join some milliseconds after
   * creation, and there is one thread after {@link close}.
   */
  readonly threads: number;
  /** Kernels that failed their self-test on load and run on the reference instead; empty when all is well. */
  readonly fallbacks: readonly string[];
  /** Ends the worker threads, if any; the kernels go on working on this thread. Calling it again does nothing. */
  close(): void;

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

  /**
   * out[m, n] = Σ over groups of int32 dot(x[m], w[n]) · weight scale, then · xScale[m].
   *
   * `x` int8 [M, K] with row stride xR ≥ K rounded up to 8; the bytes between K and that multiple must be
   * readable, their values do not matter (the weights there are 0). `w` rows16 blocks (`rows16.s8` for bits = 8,
   * `rows16.u4` for bits = 4, see `@bitloom/formats`), scales finite and not negative. `xScale` float32, one each
   * xScaleR bytes (0: the same for all). `out` float32 [M, N], row stride outR; only N columns are written.
   * acc starts at 0, or at out when flags has {@link FLAG_CONTINUE}; per group in order
   * acc = acc + f32(int32 sum)·scale; out = acc, or acc·xScale[m] when flags has {@link FLAG_FINISH}. Splitting K
   * over whole groups therefore gives the same bits.
   *
   * @throws BitloomError `kernel-bits` unless bits is 4 or 8; `kernel-group` unless group is a multiple of 8, or
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

  /**
   * out[b, m, n] = (f32(int32 dot(q[b, m], k[b', n])) · kScale[b', n]) · qScale[b, m] with b' = floor(b / bDiv).
   *
   * q int8 [M, K] rows of qR bytes; k int8 [N, K] rows of kR bytes; qScale float32 at qScaleB, qScaleR; kScale
   * float32 [N] contiguous per b' at kScaleB. No padding is read. K ≤ 131072, or the int32 sum may wrap.
   */
  attentionScores(
    batch: number,
    M: number,
    N: number,
    K: number,
    q: number,
    qB: number,
    qR: number,
    qScale: number,
    qScaleB: number,
    qScaleR: number,
    k: number,
    kB: number,
    kR: number,
    kScale: number,
    kScaleB: number,
    bDiv: number,
    out: number,
    outB: number,
    outR: number,
  ): void;

  /**
   * Softmax of each row, folded with the value scales and quantised to int8 codes 0..127.
   *
   * Row r has L = clamp(valid0 + r·validStep, 0, cols) valid columns. z = s·smScale; m = max z by `>` from −inf;
   * e = exp(z − m); S = sum16(e); p = e·(1/S); p' = p·vScale[t]; p' is quantised as in
   * {@link Kernels.quantizeRows}. Columns L..max(cols, padTo)−1 of dst are 0. `vScale` float32 [cols] contiguous
   * per floor(b / bDiv) at vScaleB. The source row is scratch: its first L columns are overwritten.
   */
  softmaxQuantize(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    vScale: number,
    vScaleB: number,
    bDiv: number,
    valid0: number,
    validStep: number,
    smScale: number,
    dst: number,
    dstB: number,
    dstR: number,
    padTo: number,
    scale: number,
    scaleB: number,
    scaleR: number,
  ): void;

  /**
   * acc[b, m, n] = Σ_t p[b, m, t] · v[b', t, n] in int32 (t < K tokens, n < N of the head), b' = floor(b / bDiv).
   *
   * p int8 [M, K]; v int8 [K, N], rows of vR bytes; acc int32 [M, N] starts at 0, or continues with
   * {@link FLAG_CONTINUE}; it is always written. With {@link FLAG_FINISH} out float32 = f32(acc)·pScale[b, m];
   * without it `pScale` and `out` are not touched.
   */
  attentionMix(
    batch: number,
    M: number,
    N: number,
    K: number,
    p: number,
    pB: number,
    pR: number,
    pScale: number,
    pScaleB: number,
    pScaleR: number,
    v: number,
    vB: number,
    vR: number,
    bDiv: number,
    acc: number,
    accB: number,
    accR: number,
    out: number,
    outB: number,
    outR: number,
    flags: number,
  ): void;

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

  /** out[b, m, n] = sum16 over K of q[b, m, k]·k[floor(b / bDiv), n, k], float32. */
  attentionScoresF32(
    batch: number,
    M: number,
    N: number,
    K: number,
    q: number,
    qB: number,
    qR: number,
    k: number,
    kB: number,
    kR: number,
    bDiv: number,
    out: number,
    outB: number,
    outR: number,
  ): void;

  /**
   * Softmax of each row to float32: as {@link Kernels.softmaxQuantize} up to p = e·(1/S), with zeros in columns
   * L..cols−1. A row with L = 0 is all zeros.
   */
  softmaxF32(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    valid0: number,
    validStep: number,
    smScale: number,
    dst: number,
    dstB: number,
    dstR: number,
  ): void;

  /** out[b, m, n] = Σ_t p[b, m, t]·v[floor(b / bDiv), t, n] in float32, tokens t = 0..K−1 in order from +0. */
  attentionMixF32(
    batch: number,
    M: number,
    N: number,
    K: number,
    p: number,
    pB: number,
    pR: number,
    v: number,
    vB: number,
    vR: number,
    bDiv: number,
    out: number,
    outB: number,
    outR: number,
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
   * codesRowBytes; `scales` fp16, finite and not negative, one per `group` columns, rows of scalesRowBytes. `rows`
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

  /**
   * Convolution of int8 pixels: out[y, x, f] = f32(int32 sum over the window) · scale[f].
   *
   * `input` int8 [height, width, channels]; pixels outside of the image count as 0. `weights` int8 [filters,
   * kernelHeight, kernelWidth, channels / groups]; filter f reads the channels of group floor(f · groups / filters).
   * `scale` float32 [filters]; `out` float32 [outHeight, outWidth, filters]. The window of output pixel (y, x) starts
   * at (y · strideHeight − padTop, x · strideWidth − padLeft) and steps by the dilation. The int32 sum must not wrap:
   * kernelHeight · kernelWidth · channels / groups ≤ 131072. Every backend runs the reference in this version.
   */
  convolution(
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    padTop: number,
    padLeft: number,
    dilationHeight: number,
    dilationWidth: number,
    filters: number,
    groups: number,
    input: number,
    weights: number,
    scale: number,
    out: number,
  ): void;

  /**
   * Pooling of int8 pixels [height, width, channels] to int8 [outHeight, outWidth, channels], windows placed as in
   * {@link Kernels.convolution}. mode {@link POOL_MAX}: the maximum; {@link POOL_MEAN}: the mean rounded to nearest
   * even. Only pixels inside the image count; a window without any gives 0. Every backend runs the reference in this
   * version.
   */
  pooling(
    height: number,
    width: number,
    channels: number,
    outHeight: number,
    outWidth: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    padTop: number,
    padLeft: number,
    dilationHeight: number,
    dilationWidth: number,
    mode: number,
    input: number,
    out: number,
  ): void;
}

/** `mode` of {@link Kernels.pooling}: the maximum. */
export const POOL_MAX = 0;
/** `mode` of {@link Kernels.pooling}: the mean. */
export const POOL_MEAN = 1;

/** Names of the kernels that a backend may have a version of its own of. */
export const KERNEL_NAMES = [
  'quantizeRows',
  'gemmGroups',
  'attentionScores',
  'softmaxQuantize',
  'attentionMix',
  'gemmF32',
  'attentionScoresF32',
  'softmaxF32',
  'attentionMixF32',
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
] as const;

/** Name of one compute method of {@link Kernels}. */
export type KernelName = (typeof KERNEL_NAMES)[number];

/** The compute methods alone, without the state around them. */
export type KernelTable = Pick<Kernels, KernelName>;
