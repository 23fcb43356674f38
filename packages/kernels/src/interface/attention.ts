/** Attention over caches of int8 codes or of float32. Conventions: see {@link Kernels}. */

/** Scores, softmax and mixes. */
export interface AttentionKernels {
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

  /**
   * Hides scores from the softmax that follows: sets them to −inf, of which the exponential is 0 exactly, so that a
   * hidden token is as good as absent. Row r is the query at position position0 + r; column t is the token at position t.
   *
   * `window` > 0: only the last `window` tokens up to the query's own are seen (columns above position − window).
   * `mask` 0: none; else bytes [ceil(positions / blockRows)][ceil(cols / blockCols)], rows of maskR bytes, of batch b at
   * maskB·b; a zero hides the block of scores of the queries and tokens it covers. The causal limit is the softmax's
   * own. A row that is hidden whole has no softmax: NaN in {@link AttentionKernels.softmaxF32}.
   */
  maskScores(
    batch: number,
    rows: number,
    cols: number,
    dst: number,
    dstB: number,
    dstR: number,
    position0: number,
    window: number,
    mask: number,
    maskB: number,
    maskR: number,
    blockRows: number,
    blockCols: number,
  ): void;
}

/** Names of {@link AttentionKernels}. */
export const ATTENTION_KERNELS = [
  'attentionScores',
  'softmaxQuantize',
  'attentionMix',
  'attentionScoresF32',
  'softmaxF32',
  'attentionMixF32',
  'maskScores',
] as const satisfies readonly (keyof AttentionKernels)[];
