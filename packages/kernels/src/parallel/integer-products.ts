/**
 * How the integer products are divided: into rectangles of the result, whose sides are chosen so that little is packed
 * twice. Each share packs the rows of a and of b that it needs.
 */
import type { IntegerProductKernels } from '../interface/integer-products.js';
import { INTEGER_PRODUCT_CHECKS } from '../wasm/integer-products-bind.js';
import { cutRange, type Division, type Divisions, MIN_PRODUCTS } from './division.js';

/** Fewer than of other products: operands are packed by every share that reads them. */
const SHARES_PER_THREAD = 2;
/** Sides of shares are multiples of this, which packing writes at once. */
const UNIT = 16;

/** Positions of the arguments of a product that change from share to share. A scale or a stride may be absent. */
interface ProductArguments {
  readonly M: number;
  readonly K: number;
  readonly out: number;
  /** (pointer, bytes from one row to the next) of what belongs to rows of a, and of what belongs to rows of b. */
  readonly perRow: (args: readonly number[]) => readonly (readonly [at: number, bytes: number])[];
  readonly perColumn: (args: readonly number[]) => readonly (readonly [at: number, bytes: number])[];
}

/** How many shares lie along M and along N: the pair that packs least. */
function cuts(M: number, N: number, parts: number): readonly [number, number] {
  let best: readonly [number, number] = [1, parts];
  let least = Number.POSITIVE_INFINITY;
  for (let alongM = 1; alongM <= parts; alongM += 1) {
    if (parts % alongM !== 0) continue;
    const alongN = parts / alongM;
    const lost = alongM > Math.ceil(M / UNIT) || alongN > Math.ceil(N / UNIT) ? M * N : 0;
    const packed = alongN * M + alongM * N + lost;
    if (packed < least) {
      least = packed;
      best = [alongM, alongN];
    }
  }
  return best;
}

function division(
  kernel: keyof IntegerProductKernels,
  scratchArgument: number,
  { M, K, perRow, perColumn, out }: ProductArguments,
): Division {
  return {
    least: MIN_PRODUCTS,
    work: (args) => args[M] * args[M + 1] * args[K],
    shares(args, threads) {
      INTEGER_PRODUCT_CHECKS[kernel](args);
      const [alongM, alongN] = cuts(args[M], args[M + 1], threads * SHARES_PER_THREAD);
      return cutRange(args[M], UNIT, alongM).flatMap(([m, mEnd]) =>
        cutRange(args[M + 1], UNIT, alongN).map(([n, nEnd]) => {
          const share = [...args];
          share[M] = mEnd - m;
          share[M + 1] = nEnd - n;
          share[out] += m * args[out + 1] + n * 4;
          for (const [at, bytes] of perRow(args)) share[at] += m * bytes;
          for (const [at, bytes] of perColumn(args)) share[at] += n * bytes;
          return share;
        }),
      );
    },
    scratchArgument,
  };
}

/** A scale of float32 that may be left out. */
function scaleAt(args: readonly number[], at: number): readonly (readonly [number, number])[] {
  return args[at] === 0 ? [] : [[at, 4]];
}

const INT8 = {
  M: 0,
  K: 2,
  perRow: (args: readonly number[]) => [[3, args[4]]] as const,
  perColumn: (args: readonly number[]) => [[6, args[7]]] as const,
};
const SHIFT = {
  M: 3,
  K: 5,
  perRow: (args: readonly number[]) => [[6, args[7]]] as const,
  perColumn: (args: readonly number[]) => [[9, args[10]]] as const,
};

export const INTEGER_PRODUCT_DIVISIONS: Divisions<IntegerProductKernels> = {
  gemmInt8: division('gemmInt8', 12, { ...INT8, out: 9 }),
  gemmInt8Scaled: division('gemmInt8Scaled', 13, {
    ...INT8,
    out: 11,
    perRow: (args) => [[3, args[4]], ...scaleAt(args, 9)],
    perColumn: (args) => [[6, args[7]], ...scaleAt(args, 10)],
  }),
  gemmShift: division('gemmShift', 15, { ...SHIFT, out: 13 }),
  gemmShiftScaled: division('gemmShiftScaled', 16, { ...SHIFT, out: 14 }),
  gemmMls: division('gemmMls', 20, {
    M: 2,
    K: 4,
    out: 18,
    perRow: (args) => [
      [5, args[6]],
      [8, args[9]],
    ],
    perColumn: (args) => [
      [11, args[12]],
      [14, args[15]],
    ],
  }),
};
