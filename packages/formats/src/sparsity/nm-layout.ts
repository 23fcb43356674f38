/**
 * The layout `nm`: how an N:M sparse matrix [rows, cols] lies in memory, and the exact size that follows from how
 * many values each block keeps. Packing and unpacking have files of their own; which elements to keep is the business
 * of `nm-pattern.ts` and of compression.
 *
 * Each run of `m` columns of a row is a group; a block of `block` = [block rows, block columns] keeps the same number
 * `keep` of values in each of its groups. Bits go least significant first. In order:
 *
 * 1. **Strips**: one per row of blocks, each starting on a byte. A strip is one burst of memory, and a range of rows
 *    is a range of bytes.
 * 2. In a strip first its **headers**: for each block the position of its `keep` in the list of allowed keeps, in
 *    ceil(log2(number of allowed keeps)) bits (none where one keep is allowed), then zeros up to a byte. So a
 *    sequencer knows the blocks that keep nothing before it meets them: they have no further bit.
 * 3. Then the **blocks** from left to right without gaps: all codes of the block, then all its indices. Both go group
 *    by group, in a group kept value by kept value (a step), in a step row by row. So a machine of as many lanes as a
 *    block has rows takes one step per cycle: one code and one index per lane, its lane being the row. The indices
 *    follow the codes because they go to a memory of their own (FlightLLM's meta buffer).
 * 4. Zeros up to a byte.
 *
 * An index counts from the start of its group, takes `indexBits` bits, and grows from step to step. A group of w
 * columns (w < m only at the right edge) has min(keep, w) steps, and no indices when that is w: dense blocks carry
 * none, and nothing is ever kept beyond the edge. Rows past the last are lanes that exist: code 0, index = step.
 * In blocks of 16 rows every block starts and ends on a byte; in blocks of one row and m = 4, keep = 2 the indices
 * are the 2:4 metadata of NVIDIA's sparse tensor cores before any reordering: two ascending 2-bit positions a group.
 *
 * An element that is not kept is code 0, which therefore must mean 0: no zero point, no code book without 0 at code 0.
 */
import { BitloomError, type Sparsity } from '@bitloom/ir';
import { MOST_WITHOUT_ELEMENTS } from '../tensor.js';

/** The record of an N:M sparsity. `keep` are the allowed numbers of kept values of each `m`, never of zeros. */
export type NmSparsity = Extract<Sparsity, { kind: 'n-of-m' }>;

/** A matrix of codes. */
export interface SparseShape {
  readonly rows: number;
  readonly cols: number;
  /** Width of a code: 1 to 8 in an Int8Array or Uint8Array, 16 in a Uint16Array, 32 in a Float32Array. */
  readonly bits: number;
}

/** One code per element: integers, the bits of 8- or 16-bit floats, or float32 values. */
export type SparseValues = Int8Array | Uint8Array | Uint16Array | Float32Array;

/** Sparsity of FlightLLM (arXiv 2401.03868): 0, 2, 4, 8 or all of 16 values, constant in a block of 16 x 16. */
export const FLIGHTLLM_SPARSITY: NmSparsity = {
  kind: 'n-of-m',
  keep: [0, 2, 4, 8, 16],
  m: 16,
  block: [16, 16],
  indexBits: 4,
};

/**
 * The record for `keep` of each `m`, with the shortest index.
 *
 * @param keep one number, or those a block may choose from.
 * @param block [rows, columns] that share a keep; by default 16 rows and the fewest columns of at least 16 that are
 * whole groups.
 * @throws BitloomError `sparsity-shape`.
 */
export function nmSparsity(
  keep: number | readonly number[],
  m: number,
  block: readonly number[] = [16, Math.ceil(16 / m) * m],
): NmSparsity {
  const record: NmSparsity = {
    kind: 'n-of-m',
    keep: typeof keep === 'number' ? [keep] : keep,
    m,
    block,
    indexBits: Math.max(1, Math.ceil(Math.log2(m))),
  };
  checkSparsity(record);
  return record;
}

/** Layout id, e.g. `nm.m16.b16x16`. The allowed keeps and the width of an index are in the sparsity record. */
export function nmLayoutId(sparsity: NmSparsity): string {
  return `nm.m${sparsity.m}.b${sparsity.block.join('x')}`;
}

/** Group and block named by a layout id, or undefined when it is not of this family. */
export function parseNmLayoutId(id: string): { m: number; block: [number, number] } | undefined {
  const match = /^nm\.m([1-9][0-9]{0,2})\.b([1-9][0-9]{0,9})x([1-9][0-9]{0,9})$/.exec(id);
  if (match === null) return undefined;
  return { m: Number(match[1]), block: [Number(match[2]), Number(match[3])] };
}

/** What follows from a shape and a sparsity record; internal to this folder. */
export interface NmGrid {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly m: number;
  readonly keep: readonly number[];
  readonly indexBits: number;
  /** Rows and columns of a block, in elements. */
  readonly blockHeight: number;
  readonly blockWidth: number;
  /** Blocks down and across the matrix, those cut by its edge included. */
  readonly gridRows: number;
  readonly gridCols: number;
  readonly headerBits: number;
  /** Bytes of the headers of a strip. */
  readonly headerBytes: number;
}

/**
 * Checks a shape against a sparsity record and lays the grid of blocks over it.
 *
 * @throws BitloomError `sparsity-shape`.
 */
export function nmGrid(shape: SparseShape, sparsity: NmSparsity): NmGrid {
  checkSparsity(sparsity);
  const { rows, cols, bits } = shape;
  checkInteger('rows', rows, 0, 2 ** 32 - 1);
  checkInteger('cols', cols, 0, 2 ** 32 - 1);
  checkInteger('bits', bits, 1, 32);
  const [blockHeight, blockWidth] = sparsity.block;
  const gridCols = Math.ceil(cols / blockWidth);
  const headerBits = Math.ceil(Math.log2(sparsity.keep.length));
  return {
    rows,
    cols,
    bits,
    m: sparsity.m,
    keep: sparsity.keep,
    indexBits: sparsity.indexBits,
    blockHeight,
    blockWidth,
    // Rows without columns have no strips.
    gridRows: cols === 0 ? 0 : Math.ceil(rows / blockHeight),
    gridCols,
    headerBits,
    headerBytes: Math.ceil((gridCols * headerBits) / 8),
  };
}

/** Steps of a group of `width` columns that keeps `keep`. */
export function groupSteps(keep: number, width: number): number {
  return Math.min(keep, width);
}

/** Steps of one block: codes per lane. */
export function blockSteps(grid: NmGrid, gridCol: number, keep: number): number {
  const width = Math.min(grid.blockWidth, grid.cols - gridCol * grid.blockWidth);
  const rest = width % grid.m;
  return ((width - rest) / grid.m) * keep + groupSteps(keep, rest);
}

/** Steps of one block that carry indices. */
export function blockIndexedSteps(grid: NmGrid, gridCol: number, keep: number): number {
  const width = Math.min(grid.blockWidth, grid.cols - gridCol * grid.blockWidth);
  const rest = width % grid.m;
  return (keep < grid.m ? ((width - rest) / grid.m) * keep : 0) + (keep < rest ? keep : 0);
}

/** Bits of the codes and indices of one block. */
export function blockBits(grid: NmGrid, gridCol: number, keep: number): number {
  return (
    grid.blockHeight *
    (blockSteps(grid, gridCol, keep) * grid.bits + blockIndexedSteps(grid, gridCol, keep) * grid.indexBits)
  );
}

/** Where the bits of a packed matrix go; they add up to eight times {@link nmPackedBytes}. */
export interface NmBits {
  readonly headers: number;
  /** Codes and indices, those of rows past the last included. */
  readonly codes: number;
  readonly indices: number;
  /** Zeros that bring headers and strips up to whole bytes. */
  readonly padding: number;
}

/**
 * Exact bits of a packed matrix by what they hold.
 *
 * @param keeps kept values of each block, [blocks down, blocks across]; or one number for all.
 * @throws BitloomError `sparsity-shape`, also for a keep that the record does not allow.
 */
export function nmPackedBits(
  shape: SparseShape,
  sparsity: NmSparsity,
  keeps: ArrayLike<number> | number,
): NmBits {
  const grid = nmGrid(shape, sparsity);
  const total = { headers: 0, codes: 0, indices: 0, padding: 0 };
  if (typeof keeps === 'number') {
    // All strips are alike, and so are all blocks but the last of a strip.
    checkKeep(grid, keeps, 0);
    const last = grid.gridCols - 1;
    if (grid.gridRows > 0) {
      addStrips(total, grid, grid.gridRows, [
        [last, 0, keeps],
        [1, last, keeps],
      ]);
    }
  } else {
    const perBlock = resolveKeeps(grid, keeps);
    for (let gridRow = 0; gridRow < grid.gridRows; gridRow += 1) {
      const first = gridRow * grid.gridCols;
      const blocks = Array.from({ length: grid.gridCols }, (_, at) => [1, at, perBlock[first + at]] as const);
      addStrips(total, grid, 1, blocks);
    }
  }
  if (Number.isSafeInteger(total.headers + total.codes + total.indices + total.padding)) return total;
  return fail('rows and cols', 'a packed matrix of less than 2^53 bits', `${shape.rows} x ${shape.cols}`);
}

/** Adds the bits of `strips` strips that are alike: so many blocks, like the one in this column, of this keep. */
function addStrips(
  total: { -readonly [K in keyof NmBits]: NmBits[K] },
  grid: NmGrid,
  strips: number,
  blocks: readonly (readonly [count: number, gridCol: number, keep: number])[],
): void {
  let steps = 0;
  let indexed = 0;
  for (const [count, gridCol, keep] of blocks) {
    steps += count * blockSteps(grid, gridCol, keep);
    indexed += count * blockIndexedSteps(grid, gridCol, keep);
  }
  const codeBits = grid.blockHeight * steps * grid.bits;
  const indexBits = grid.blockHeight * indexed * grid.indexBits;
  const headers = grid.gridCols * grid.headerBits;
  total.headers += strips * headers;
  total.codes += strips * codeBits;
  total.indices += strips * indexBits;
  total.padding += strips * (grid.headerBytes * 8 - headers + fillOf(codeBits + indexBits));
}

/**
 * Exact bytes of a packed matrix: what `packNm` returns.
 *
 * @param keeps kept values of each block, [blocks down, blocks across]; or one number for all.
 * @throws BitloomError `sparsity-shape`, also for a keep that the record does not allow.
 */
export function nmPackedBytes(
  shape: SparseShape,
  sparsity: NmSparsity,
  keeps: ArrayLike<number> | number,
): number {
  const { headers, codes, indices, padding } = nmPackedBits(shape, sparsity, keeps);
  return (headers + codes + indices + padding) / 8;
}

/** Bits from `bits` up to a whole byte. */
function fillOf(bits: number): number {
  return (8 - (bits % 8)) % 8;
}

/**
 * Keeps per block, checked against the record.
 *
 * @throws BitloomError `sparsity-shape`.
 */
export function resolveKeeps(grid: NmGrid, keeps: ArrayLike<number> | number): Uint16Array {
  const blocks = grid.gridRows * grid.gridCols;
  if (typeof keeps !== 'number' && keeps.length !== blocks) {
    throw new BitloomError({
      code: 'sparsity-shape',
      message: 'there is not one keep for each block',
      expected: `${grid.gridRows} x ${grid.gridCols} keeps`,
      got: String(keeps.length),
    });
  }
  const out = new Uint16Array(blocks);
  for (let i = 0; i < blocks; i += 1) {
    const keep = typeof keeps === 'number' ? keeps : keeps[i];
    checkKeep(grid, keep, i);
    out[i] = keep;
  }
  return out;
}

function checkKeep(grid: NmGrid, keep: number, block: number): void {
  if (grid.keep.includes(keep)) return;
  throw new BitloomError({
    code: 'sparsity-shape',
    message: 'a block is to keep a number of values that its sparsity record does not allow',
    where: `block (${Math.floor(block / grid.gridCols)}, ${block % grid.gridCols})`,
    expected: grid.keep.join(', '),
    got: String(keep),
  });
}

/** Elements that padding may add to each element of a matrix. */
const MOST_PADDING = 256;

/**
 * Requires that what is made has a size in proportion to what it is made of.
 *
 * @throws BitloomError `sparsity-shape`
 */
export function requireBacked(what: string, count: number, elements: number, factor = MOST_PADDING): void {
  const most = Math.max(MOST_WITHOUT_ELEMENTS, elements * factor);
  if (count > most) fail(what, `at most ${most} for a matrix of this size`, String(count));
}

/** Words of any of the arrays. */
export type SparseWords = Int8Array | Uint8Array | Uint16Array | Uint32Array;

/** Raw words of an array of values: the array itself, or a view of the bits of float32. */
export function rawWords(values: SparseValues): SparseWords {
  return values instanceof Float32Array
    ? new Uint32Array(values.buffer, values.byteOffset, values.length)
    : values;
}

/**
 * {@link rawWords}, checked to be of `bits` bits.
 *
 * @throws BitloomError `sparsity-shape` when the array cannot hold codes of this width.
 */
export function wordsOf(values: SparseValues, bits: number): SparseWords {
  const isFitting =
    values instanceof Float32Array ? bits === 32 : values instanceof Uint16Array ? bits === 16 : bits <= 8;
  if (!isFitting) {
    throw new BitloomError({
      code: 'sparsity-shape',
      message: 'an array of this kind cannot hold codes of this width',
      expected: '1 to 8 bits in Int8Array or Uint8Array, 16 in Uint16Array, 32 in Float32Array',
      got: `${bits} bits in ${values.constructor.name}`,
    });
  }
  return rawWords(values);
}

/** Bits that make a word non-zero when the caller does not say: all, but for the sign of float32. */
export function magnitudeBitsOf(values: SparseValues, given: number | undefined): number {
  return given ?? (values instanceof Float32Array ? 0x7fff_ffff : 0xffff_ffff);
}

function checkSparsity(sparsity: NmSparsity): void {
  const { m, keep, block, indexBits } = sparsity;
  checkInteger('m', m, 1, 256);
  checkInteger('number of keeps', keep.length, 1, m + 1);
  for (const value of keep) checkInteger('keep', value, 0, m);
  if (new Set(keep).size !== keep.length) fail('keep', 'each keep once', keep.join(', '));
  if (block.length !== 2) fail('block', 'rows and columns', block.join(' x '));
  checkInteger('block rows', block[0], 1, 65536);
  checkInteger('block columns', block[1], 1, 2 ** 31);
  if (block[1] % m !== 0) fail('block columns', `whole groups of ${m}`, String(block[1]));
  checkInteger('indexBits', indexBits, 1, 8);
  if (2 ** indexBits < m) fail('indexBits', `positions 0..${m - 1} of a group`, `${indexBits} bits`);
}

/** @throws BitloomError `sparsity-shape` unless `value` is an integer of low..high. */
export function checkInteger(where: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    fail(where, `an integer from ${low} to ${high}`, String(value));
  }
}

function fail(where: string, expected: string, got: string): never {
  throw new BitloomError({
    code: 'sparsity-shape',
    message: 'the shape or the record of a sparse matrix does not make sense',
    where,
    expected,
    got,
  });
}
