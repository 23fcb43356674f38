/**
 * Proposals of an evolutionary search: the base card and its cuts into cores first, then random designs, later children
 * of designs near the front. A proposal that does not fit is refused and, so that the search stays close to the budget,
 * tried once more turned down until it fits. Deterministic: what is proposed depends on the seed, the generation and the
 * outcomes so far, never on time.
 */
import type { DesignSpace } from './design-space.js';
import { type Indices, shrinkToFit } from './fit.js';
import type { Setting } from './knobs.js';
import type { Random } from './random.js';

/** A design that was measured, with its place in the Pareto order. */
export interface Parent {
  readonly indices: Indices;
  readonly rank: number;
  readonly crowding: number;
}

export interface ProposalContext {
  readonly space: DesignSpace;
  readonly random: Random;
  readonly limit: number;
  /** Designs measured so far; none: the first generation. */
  readonly parents: readonly Parent[];
  /** Whether this is the first generation. */
  readonly isFirst: boolean;
  /** Takes a design when it fits and is new. */
  readonly admit: (indices: Indices) => 'taken' | 'refused' | 'known';
}

/** Draws in a row without a design, after which the search takes the space for exhausted. */
const MOST_FRUITLESS = 100;
/** Shares of children that are random designs, and that have two parents. */
const RANDOM_SHARE = 0.1;
const CROSSED_SHARE = 0.3;
/** How often a turned knob moves to the next value, rather than to any. */
const STEP_SHARE = 0.7;
/** How likely each further knob is turned. */
const FURTHER_SHARE = 0.6;

/** Offers designs until `count` are taken or nothing new is found. @returns how many were taken */
export function propose(context: ProposalContext, count: number): number {
  const { space, random, parents, isFirst, limit, admit } = context;
  let taken = 0;
  const offer = (indices: Indices, held: ReadonlySet<number>): void => {
    let answer = admit(indices);
    if (answer === 'refused') {
      const smaller = shrinkToFit(space, indices, limit, random, (axis) => held.has(axis));
      if (smaller !== undefined) answer = admit(smaller);
    }
    if (answer === 'taken') taken += 1;
  };
  if (isFirst) {
    for (const indices of cuts(space)) if (taken < count) offer(indices, coresOf(space));
  }
  for (let fruitless = 0; fruitless < MOST_FRUITLESS && taken < count; fruitless++) {
    const before = taken;
    if (parents.length === 0 || random.next() < RANDOM_SHARE) offer(randomDesign(context), NONE);
    else offer(...child(context));
    if (taken > before) fruitless = -1;
  }
  return taken;
}

const NONE: ReadonlySet<number> = new Set();

/** The knob that a cut keeps. */
const CORES = 'cores';

function coresOf({ dimensions }: DesignSpace): ReadonlySet<number> {
  return new Set(dimensions.flatMap(({ knob }, axis) => (knob.name === CORES ? [axis] : [])));
}

/** The base card as it is, and cut into every other number of cores, each with its share of what can be divided. */
function cuts({ dimensions }: DesignSpace): Indices[] {
  const base = dimensions.map((dimension) => dimension.base);
  const axis = dimensions.findIndex(({ knob }) => knob.name === CORES);
  if (axis < 0) return [base];
  const cut = (value: number): Indices => {
    const { values } = dimensions[axis];
    const share = Number(values[base[axis]]) / Number(values[value]);
    return dimensions.map(({ knob, values: all }, i) => {
      if (i === axis) return value;
      return knob.isDivided === true ? atMost(all, base[i], share) : base[i];
    });
  };
  return [base, ...dimensions[axis].values.flatMap((_, value) => (value === base[axis] ? [] : [cut(value)]))];
}

/** Index of the largest number that is at most a share of the one at `index`, or of the smallest there is. */
function atMost(values: readonly Setting[], index: number, share: number): number {
  const most = Number(values[index]) * share;
  return Math.max(
    0,
    values.findLastIndex((value) => Number(value) <= most),
  );
}

/** Half of its knobs as the base has them: all at random, some part is too small for all others. */
function randomDesign({ space, random }: ProposalContext): Indices {
  return space.dimensions.map(({ values, base }) =>
    random.next() < 0.5 ? base : random.below(values.length),
  );
}

/** A child and the knobs turned on purpose, which stay when it must be made smaller. */
function child({ space, random, parents }: ProposalContext): [Indices, ReadonlySet<number>] {
  const first = tournament(parents, random).indices;
  const second = random.next() < CROSSED_SHARE ? tournament(parents, random).indices : first;
  const indices = first.map((value, axis) => (random.next() < 0.5 ? value : second[axis]));
  const turned = new Set<number>();
  do {
    const axis = random.below(indices.length);
    const { values } = space.dimensions[axis];
    indices[axis] =
      random.next() < STEP_SHARE
        ? neighbour(indices[axis], values.length, random)
        : random.below(values.length);
    turned.add(axis);
  } while (random.next() < FURTHER_SHARE && turned.size < indices.length);
  return [indices, turned];
}

function neighbour(index: number, count: number, random: Random): number {
  const next = index + (random.next() < 0.5 ? -1 : 1);
  return Math.max(0, Math.min(count - 1, next));
}

/** The better of two random parents: of lower rank, or in a thinner part of the front. */
function tournament(parents: readonly Parent[], random: Random): Parent {
  const [a, b] = [random.pick(parents), random.pick(parents)];
  if (a.rank !== b.rank) return a.rank < b.rank ? a : b;
  return b.crowding > a.crowding ? b : a;
}
