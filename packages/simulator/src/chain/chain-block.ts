/**
 * What a chain is fed: blocks of 16 rows of weights, cut into tiles of 16 columns that keep 0, 2, 4, 8 or all columns,
 * each kept value with the column that its multiplexer selects. Built from canonical codes; layouts belong to `formats`.
 */
import { BitloomError, CHAIN_TILE } from '@bitloom/ir';

/** A tile of a block: [16 rows, keep] values and the columns 0..15 that they meet. */
export interface ChainTile {
  readonly keep: number;
  readonly values: Int8Array;
  readonly columns: Uint8Array;
}

export type ChainBlock = readonly ChainTile[];

/**
 * One block of a matrix.
 *
 * @param codes [rows, cols], row-major
 * @param row first row of the block; rows past the end hold zeros
 * @param keeps kept values of each tile of the block; 16 keeps all columns in place
 * @throws BitloomError `chain-keep` when a row of a tile has more values than it keeps.
 */
export function chainBlock(
  codes: Int8Array,
  shape: { readonly rows: number; readonly cols: number },
  row: number,
  keeps: ArrayLike<number>,
): ChainBlock {
  const { rows, cols } = shape;
  const at = (r: number, c: number): number => (r < rows && c < cols ? codes[r * cols + c] : 0);
  return Array.from({ length: Math.ceil(cols / CHAIN_TILE) }, (_, tile): ChainTile => {
    const keep = keeps[tile];
    const values = new Int8Array(CHAIN_TILE * keep);
    const columns = new Uint8Array(CHAIN_TILE * keep);
    for (let r = 0; r < CHAIN_TILE; r += 1) {
      let kept = 0;
      for (let c = 0; c < CHAIN_TILE; c += 1) {
        const value = at(row + r, tile * CHAIN_TILE + c);
        if (value === 0 && keep < CHAIN_TILE) continue;
        if (kept === keep) throw tooMany(row + r, tile, keep);
        values[r * keep + kept] = value;
        columns[r * keep + kept] = c;
        kept += 1;
      }
    }
    return { keep, values, columns };
  });
}

function tooMany(row: number, tile: number, keep: number): BitloomError {
  return new BitloomError({
    code: 'chain-keep',
    message: 'a row of a tile has more values than the chain is told to keep',
    where: `row ${row}, columns from ${tile * CHAIN_TILE}`,
    expected: `at most ${keep} of ${CHAIN_TILE}`,
    got: 'more',
    hint: 'take the numbers of kept values from the packed tile',
  });
}
