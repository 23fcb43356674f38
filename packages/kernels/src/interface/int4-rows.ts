/**
 * Rows of int4 codes: how they are made of float32, and how two of them share a byte. The products of attention read
 * them as int8 rows. Conventions: see {@link Kernels}.
 */

/** Rows of codes −7..7. */
export interface Int4RowKernels {
  /**
   * {@link Kernels.quantizeRows} with 7 in place of 127 and without padding: codes −7..7, one per byte, and
   * scale = amax / 7, or 0 (and codes of 0) where 7 / amax is not finite.
   */
  quantizeRowsInt4(
    batch: number,
    rows: number,
    cols: number,
    src: number,
    srcB: number,
    srcR: number,
    dst: number,
    dstB: number,
    dstR: number,
    scale: number,
    scaleB: number,
    scaleR: number,
  ): void;

  /**
   * Rows of `cols` codes −8..7, one per byte, to rows of ⌈cols / 2⌉ bytes: code c is the nibble (c + 8) mod 16, that of
   * an even column is low. The upper nibble of an odd last column is 8, which is code 0.
   */
  packRowsInt4(
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

  /** The other way: rows of ⌈cols / 2⌉ bytes to rows of `cols` codes −8..7, one per byte. */
  expandRowsInt4(
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
}

/** Names of {@link Int4RowKernels}. */
export const INT4_ROW_KERNELS = [
  'quantizeRowsInt4',
  'packRowsInt4',
  'expandRowsInt4',
] as const satisfies readonly (keyof Int4RowKernels)[];
