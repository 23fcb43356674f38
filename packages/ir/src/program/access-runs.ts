/**
 * Two-level strided byte patterns: which bytes an access really touches inside its bounding range. Kept in a
 * normal form, so that equal patterns compare equal and dense ones are recognised. Pure arithmetic on numbers;
 * nothing here knows an instruction.
 */

/**
 * Byte runs of an access that leaves gaps: `outerCount` x `innerCount` runs of `length` bytes, run (j, i) at
 * `j * outerStride + i * innerStride` from the start. In normal form: `innerCount > 1`, `length < innerStride`,
 * `innerStride <= outerStride` where `outerCount > 1`, and `outerCount` is 1 with `outerStride` 0 otherwise.
 */
export interface AccessRuns {
  readonly length: number;
  readonly innerCount: number;
  readonly innerStride: number;
  readonly outerCount: number;
  readonly outerStride: number;
}

/**
 * Normal form of two levels of strides (bytes, not negative; counts at least 1, in either order), or `undefined`
 * when every byte from the first to the last is touched.
 */
export function normalizeRuns(
  length: number,
  countA: number,
  strideA: number,
  countB: number,
  strideB: number,
): AccessRuns | undefined {
  // A level of one repeat is no level; the inner level is the one with the shorter stride.
  const isAInner = countB <= 1 || (countA > 1 && strideA <= strideB);
  const [innerCount, innerStride] = isAInner ? [countA, strideA] : [countB, strideB];
  const [outerCount, outerStride] = isAInner ? [countB, strideB] : [countA, strideA];
  if (innerCount <= 1) return undefined;
  if (innerStride <= length) {
    const run = length + (innerCount - 1) * innerStride;
    return outerCount <= 1 || outerStride <= run ? undefined : oneLevel(run, outerCount, outerStride);
  }
  if (outerCount <= 1) return oneLevel(length, innerCount, innerStride);
  if (outerStride === innerCount * innerStride) return oneLevel(length, innerCount * outerCount, innerStride);
  return { length, innerCount, innerStride, outerCount, outerStride };
}

function oneLevel(length: number, count: number, stride: number): AccessRuns {
  return { length, innerCount: count, innerStride: stride, outerCount: 1, outerStride: 0 };
}

/** A byte range with its runs; without runs every byte of [start, end) is touched. */
export interface BytePattern {
  readonly start: number;
  readonly end: number;
  readonly runs?: AccessRuns | undefined;
}

/** Whether two patterns touch exactly the same bytes in the same normal form. */
export function samePattern(a: BytePattern, b: BytePattern): boolean {
  if (a.start !== b.start || a.end !== b.end) return false;
  const [x, y] = [a.runs, b.runs];
  if (x === undefined || y === undefined) return x === y;
  return (
    x.length === y.length &&
    x.innerCount === y.innerCount &&
    x.innerStride === y.innerStride &&
    x.outerCount === y.outerCount &&
    x.outerStride === y.outerStride
  );
}

/** Whether `inner` touches no byte that `outer` does not: exact for a dense `outer`, else only for equal patterns. */
export function coversPattern(outer: BytePattern, inner: BytePattern): boolean {
  if (outer.runs === undefined) return outer.start <= inner.start && inner.end <= outer.end;
  return samePattern(outer, inner);
}

/** Whether two patterns have a byte in common. Exact. */
export function patternsOverlap(a: BytePattern, b: BytePattern): boolean {
  if (a.start >= b.end || b.start >= a.end) return false;
  if (a.runs === undefined) return touchesRange(b, a.start, a.end);
  if (b.runs === undefined) return touchesRange(a, b.start, b.end);
  if (a.runs.outerCount === 1 && b.runs.outerCount === 1 && a.runs.innerStride === b.runs.innerStride) {
    return sameStrideOverlap(a.start, a.runs, b.start, b.runs);
  }
  const isSmaller = a.runs.outerCount * a.runs.innerCount <= b.runs.outerCount * b.runs.innerCount;
  return isSmaller ? someRunTouches(a.start, a.runs, b) : someRunTouches(b.start, b.runs, a);
}

/** Whether a pattern touches a byte of [low, high). */
function touchesRange(pattern: BytePattern, low: number, high: number): boolean {
  const { start, end, runs } = pattern;
  if (start >= high || low >= end) return false;
  if (runs === undefined) return true;
  const innerSpan = (runs.innerCount - 1) * runs.innerStride + runs.length;
  // Outer repeats whose span meets the range; in each, the first inner run that ends after `low`.
  const [first, last] = repeatsTouching(start, innerSpan, runs.outerCount, runs.outerStride, low, high);
  for (let j = first; j <= last; j++) {
    const base = start + j * runs.outerStride;
    const i = Math.max(0, Math.floor((low - runs.length - base) / runs.innerStride) + 1);
    if (i < runs.innerCount && base + i * runs.innerStride < high) return true;
  }
  return false;
}

/** First and last of `count` spans at `start + i * stride` that meet [low, high); empty when first > last. */
function repeatsTouching(
  start: number,
  span: number,
  count: number,
  stride: number,
  low: number,
  high: number,
): [number, number] {
  if (count === 1 || stride === 0) return start < high && low < start + span ? [0, 0] : [0, -1];
  const first = Math.max(0, Math.floor((low - span - start) / stride) + 1);
  const last = Math.min(count - 1, Math.ceil((high - start) / stride) - 1);
  return [first, last];
}

/** Equal strides: run i of a meets run j of b when (j - i) * stride lies in an open interval. */
function sameStrideOverlap(aStart: number, a: AccessRuns, bStart: number, b: AccessRuns): boolean {
  const distance = bStart - aStart;
  // a_i meets b_j when -b.length < distance + (j - i) * stride < a.length.
  const low = Math.max(-(a.innerCount - 1), Math.floor((-b.length - distance) / a.innerStride) + 1);
  const high = Math.min(b.innerCount - 1, Math.ceil((a.length - distance) / a.innerStride) - 1);
  return low <= high;
}

function someRunTouches(start: number, runs: AccessRuns, other: BytePattern): boolean {
  const span = (runs.innerCount - 1) * runs.innerStride + runs.length;
  const [firstOuter, lastOuter] = repeatsTouching(
    start,
    span,
    runs.outerCount,
    runs.outerStride,
    other.start,
    other.end,
  );
  for (let j = firstOuter; j <= lastOuter; j++) {
    const base = start + j * runs.outerStride;
    const [first, last] = repeatsTouching(
      base,
      runs.length,
      runs.innerCount,
      runs.innerStride,
      other.start,
      other.end,
    );
    for (let i = first; i <= last; i++) {
      const low = base + i * runs.innerStride;
      if (touchesRange(other, low, low + runs.length)) return true;
    }
  }
  return false;
}
