/**
 * `quantizeRows` in two halves, for rows that are cut into parts: over the cores of a card, for one. Conventions: see
 * {@link Kernels}.
 */

/** The halves of a quantisation of rows in parts. */
export interface RowPartKernels {
  /**
   * The maximum magnitude of each float32 row as {@link Kernels.quantizeRows} finds it: max(0, |x|) by `>`, so
   * that a NaN is passed over, and 0 where cols is 0. `dst + b·dstB + r·dstR` receives it as a float32.
   *
   * A row that is cut into parts is quantised part by part: `rowMaxima` of each part, then `quantizeRowsBy` of each
   * part with the maxima of all of them.
   *
   * @throws BitloomError `kernel-argument`.
   */
  rowMaxima(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    dst: number,
    dstB: number,
    dstR: number,
  ): void;

  /**
   * {@link Kernels.quantizeRows} by a maximum that is given: amax of row r is what `rowMaxima` finds in the
   * `parts` float32 at `maxima + b·maximaB + r·maximaR` (0 where parts is 0) in place of the columns of the row. With
   * the maxima of all parts of a row, each of its parts gets the codes and the scale that quantizeRows gives the whole
   * row. Columns beyond amax are clamped like all others (and are 0 where the scale is).
   *
   * @throws BitloomError `kernel-argument`.
   */
  quantizeRowsBy(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    maxima: number,
    maximaB: number,
    maximaR: number,
    parts: number,
    dst: number,
    dstB: number,
    dstR: number,
    padTo: number,
    scale: number,
    scaleB: number,
    scaleR: number,
  ): void;
}

/** Names of {@link RowPartKernels}. */
export const ROW_PART_KERNELS = [
  'rowMaxima',
  'quantizeRowsBy',
] as const satisfies readonly (keyof RowPartKernels)[];
