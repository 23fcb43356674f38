/**
 * Pareto order of vectors of which every component is better when it is smaller: dominance, the front, ranks of
 * successive fronts, and crowding distances after Deb et al. (NSGA-II, 2002). Pure functions of numbers.
 */

/** One result of a search: components in one order for all, smaller is better. */
export type Vector = readonly number[];

/** Whether `a` is nowhere worse than `b` and somewhere better. */
export function dominates(a: Vector, b: Vector): boolean {
  let isBetter = false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] > b[i]) return false;
    if (a[i] < b[i]) isBetter = true;
  }
  return isBetter;
}

const isEqual = (a: Vector, b: Vector): boolean => a.every((value, i) => value === b[i]);

/** Indices of the vectors that no other dominates, in their order; of equal vectors the first. */
export function paretoFront(vectors: readonly Vector[]): readonly number[] {
  return vectors.flatMap((one, i) => {
    const isBeaten = vectors.some((other, j) => dominates(other, one) || (j < i && isEqual(other, one)));
    return isBeaten ? [] : [i];
  });
}

/** Rank of each vector: 0 on the front, 1 on the front of what is left without it, and so on. */
export function paretoRanks(vectors: readonly Vector[]): readonly number[] {
  const ranks = new Array<number>(vectors.length).fill(-1);
  let left = vectors.map((_, i) => i);
  for (let rank = 0; left.length > 0; rank++) {
    const front = new Set(paretoFront(left.map((i) => vectors[i])).map((k) => left[k]));
    for (const i of front) ranks[i] = rank;
    left = left.filter((i) => !front.has(i));
  }
  return ranks;
}

/**
 * How far apart the neighbours of each vector are, as shares of the range of each component, over vectors of one rank;
 * infinite at the ends.
 */
export function crowding(vectors: readonly Vector[], ranks: readonly number[]): readonly number[] {
  const distances = new Array<number>(vectors.length).fill(0);
  for (const rank of new Set(ranks)) {
    const members = vectors.flatMap((_, i) => (ranks[i] === rank ? [i] : []));
    for (let axis = 0; axis < (vectors[0]?.length ?? 0); axis++) {
      const sorted = [...members].sort((a, b) => vectors[a][axis] - vectors[b][axis] || a - b);
      const [first, last] = [sorted[0], sorted[sorted.length - 1]];
      const range = vectors[last][axis] - vectors[first][axis];
      distances[first] = Number.POSITIVE_INFINITY;
      distances[last] = Number.POSITIVE_INFINITY;
      if (range === 0) continue;
      for (let k = 1; k + 1 < sorted.length; k++)
        distances[sorted[k]] += (vectors[sorted[k + 1]][axis] - vectors[sorted[k - 1]][axis]) / range;
    }
  }
  return distances;
}
