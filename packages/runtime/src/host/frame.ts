/**
 * Lengths of the call in progress. Compiled steps hold a reference and read the numbers when they run, so that one
 * list of steps serves every length.
 */

/** Number of rows of a value: of the call for values [seq, ...], constant for others. */
export interface RowCount {
  readonly rows: number;
}

/** The live lengths: `rows` tokens of this call after `past` tokens already cached. */
export interface Frame extends RowCount {
  rows: number;
  past: number;
}

/** A count that never changes. */
export function constantRows(rows: number): RowCount {
  return Object.freeze({ rows });
}
