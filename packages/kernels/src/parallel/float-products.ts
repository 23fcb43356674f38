/**
 * How the float32 products are divided: into rectangles of the output. Every share lays out its own rows of both
 * operands, so rectangles near a square repeat least of that work.
 */
import type { FloatProductKernels } from '../interface/float-products.js';
import { cutRange, type Divisions, MIN_PRODUCTS } from './division.js';

/** Rows of the left operand below which only the right one counts: its rows are cut, and each is read by one thread. */
const FEW_ROWS = 17;
/** Rows and columns of the output that a share has in whole multiples: two tiles, a line of 16 columns. */
const ROW_UNIT = 4;
const COLUMN_UNIT = 16;
/** Fewer than of other products: each share lays out operands. */
const SHARES_PER_THREAD = 2;
/** Work of laying out a float of an operand, in products. */
const LAYOUT_PRODUCTS = 3;

/** A rectangle of the output. */
interface Rectangle {
  readonly m: number;
  readonly rows: number;
  readonly n: number;
  readonly columns: number;
}

/** Cuts an output of M x N into about `threads` · {@link SHARES_PER_THREAD} rectangles. */
export function cutOutput(M: number, N: number, threads: number): Rectangle[] {
  const most = threads * SHARES_PER_THREAD;
  let best: Rectangle[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let rowParts = 1; rowParts <= (M < FEW_ROWS ? 1 : most); rowParts += 1) {
    const rowRanges = cutRange(M, ROW_UNIT, rowParts);
    const columnRanges = cutRange(N, COLUMN_UNIT, Math.max(1, Math.floor(most / rowRanges.length)));
    const shares = rowRanges.length * columnRanges.length;
    const rows = Math.max(...rowRanges.map(([start, end]) => end - start));
    const columns = Math.max(...columnRanges.map(([start, end]) => end - start));
    // The shares of the thread that has most of them, each as large as the largest.
    const time = Math.ceil(shares / threads) * (rows * columns + LAYOUT_PRODUCTS * (rows + columns));
    if (time >= least) continue;
    least = time;
    best = rowRanges.flatMap(([m, rowEnd]) =>
      columnRanges.map(([n, columnEnd]) => ({ m, rows: rowEnd - m, n, columns: columnEnd - n })),
    );
  }
  return best;
}

export const FLOAT_PRODUCT_DIVISIONS: Divisions<FloatProductKernels> = {
  matmulF32: {
    least: MIN_PRODUCTS,
    work: ([M, N, K]) => M * N * K,
    shares: ([M, N, K, a, aM, aK, b, bN, bK, out, outR, flags], threads) =>
      cutOutput(M, N, threads).map(({ m, rows, n, columns }) => {
        const target = out + m * outR + n * 4;
        return [rows, columns, K, a + m * aM, aM, aK, b + n * bN, bN, bK, target, outR, flags];
      }),
    scratchArgument: 12,
  },
  gemmF32: {
    least: MIN_PRODUCTS,
    work: ([M, N, K]) => M * N * K,
    shares: ([M, N, K, x, xR, w, wR, out, outR], threads) =>
      cutOutput(M, N, threads).map(({ m, rows, n, columns }) => {
        const target = out + m * outR + n * 4;
        return [rows, columns, K, x + m * xR, xR, w + n * wR, wR, target, outR];
      }),
    scratchArgument: 9,
  },
};
