/**
 * How one call of a kernel becomes shares for several threads. Every share is the same kernel on a part of the outputs:
 * blocks of rows of the weights, groups of heads, rows of the queries. No sum is ever divided, so the bits do not
 * depend on the number of threads.
 */

/** Products (multiply and add) below which waking other threads costs more than it saves: about 20 µs of work. */
export const MIN_PRODUCTS = 400_000;
/** The same for the elements of a softmax, each of which costs some dozens of products. */
export const MIN_ELEMENTS = 16_384;
/** Shares per thread: more than one, so that a thread that is held up leaves its work to the others. */
export const SHARES_PER_THREAD = 4;

/** A half-open range of outputs. */
type Range = readonly [start: number, end: number];

/** Cuts 0..total into at most `parts` ranges of whole units, as equal as units allow. */
export function cutRange(total: number, unit: number, parts: number): Range[] {
  const units = Math.ceil(total / unit);
  const count = Math.max(1, Math.min(parts, units));
  return Array.from({ length: count }, (_, i) => [
    Math.floor((units * i) / count) * unit,
    Math.min(total, Math.floor((units * (i + 1)) / count) * unit),
  ]);
}

/** How one kernel is divided. Arguments are those of the interface; a share has those of the exported function. */
export interface Division {
  /** Work below which a call stays on its thread. */
  readonly least: number;
  readonly work: (args: readonly number[]) => number;
  /** Arguments of each share, without the pointer to scratch memory. */
  readonly shares: (args: readonly number[], threads: number) => number[][];
  /** Position of the pointer to scratch memory, which each thread appends to its share; absent: none. */
  readonly scratchArgument?: number;
}

/** Divisions of the kernels of a family that are worth it. */
export type Divisions<T> = { readonly [K in keyof T]?: Division };
