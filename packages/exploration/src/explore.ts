/**
 * The search: generation by generation, each design within the budget handed to an evaluator, the front kept. It knows
 * neither threads nor files: the evaluator may take designs anywhere and in any order, results known before are handed
 * in, and every new one is handed out at once, so that a search can be continued where it ended.
 */
import { RESOURCE_KINDS, type ResourceKind } from '@bitloom/compiler';
import {
  BitloomError,
  contentHash,
  type Device,
  deviceHash,
  memorySections,
  type ResourceBudget,
} from '@bitloom/ir';
import { type DesignSpace, deviceOf, type Settings, settingsAt } from './design-space.js';
import { fitDesign, type Indices } from './fit.js';
import {
  DEFAULT_OBJECTIVES,
  type Measures,
  type ObjectiveName,
  type Outcome,
  objectiveVector,
} from './outcome.js';
import { crowding, paretoFront, paretoRanks } from './pareto.js';
import { propose } from './propose.js';
import { createRandom } from './random.js';

/** A design that was handed to the evaluator. */
export interface Design {
  /** Identity of the design and of what it was asked to do: {@link designKey}. */
  readonly key: string;
  readonly settings: Settings;
  readonly device: Device;
  readonly resources: ResourceBudget;
  /** From 0. */
  readonly generation: number;
}

export interface EvaluatedDesign extends Design {
  readonly outcome: Outcome;
}

export interface MeasuredDesign extends Design {
  readonly measures: Measures;
}

export interface ExploreOptions {
  readonly space: DesignSpace;
  /** Times a design; called for all designs of a generation at once. */
  readonly evaluate: (device: Device) => Outcome | Promise<Outcome>;
  /** Identity of what is evaluated besides the card: model, scheme, lengths, engine. */
  readonly identity: string;
  /** Designs to evaluate, those that cannot run the model among them. */
  readonly points: number;
  /** An integer. */
  readonly seed: number;
  /** Share of each resource that may be used; default 0.8. */
  readonly limit?: number;
  /** Default: decode speed, energy per token, DSPs. */
  readonly objectives?: readonly ObjectiveName[];
  /** Outcomes by key from an earlier search. */
  readonly known?: ReadonlyMap<string, Outcome>;
  /** Told of every outcome that was not known, in the order in which they come. */
  readonly onOutcome?: (design: EvaluatedDesign) => void;
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the search with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Exploration {
  /** In the order in which they were proposed. */
  readonly designs: readonly EvaluatedDesign[];
  /** What no other design dominates, fastest decode first. */
  readonly front: readonly MeasuredDesign[];
  /** Proposals that do not fit the budget, which were not compiled. */
  readonly refused: {
    readonly proposals: number;
    /** How many of them lack each resource; one may lack several. */
    readonly byResource: Readonly<Record<ResourceKind, number>>;
  };
  /** Designs that cannot run the model, by error code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Outcomes that were known before. */
  readonly reused: number;
  /** Whether no new design was found before all points were used. */
  readonly isExhausted: boolean;
}

/** Designs of a generation. Not an option: another size would be another search. */
const GENERATION = 16;

/** Designs that may become parents: the best by rank and crowding. */
const SURVIVORS = GENERATION;

const DEFAULT_LIMIT = 0.8;

/** Identity of a design and of what it is asked to do, under which its outcome is stored. */
export function designKey(device: Device, identity: string): string {
  return contentHash({ device: deviceHash(device), identity }, memorySections({}), []);
}

/**
 * Searches a space. Equal options give equal designs, whatever the evaluator's order and whatever was known before; more
 * points continue the same search.
 *
 * @throws BitloomError `exploration-nothing-fits`, what the evaluator throws, and the reason of the signal
 */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  const { space, points, seed, identity, known = new Map(), signal } = options;
  const { limit = DEFAULT_LIMIT, objectives = DEFAULT_OBJECTIVES } = options;
  const designs: EvaluatedDesign[] = [];
  const places = new Map<string, Indices>();
  const byResource: Record<ResourceKind, number> = { dsp: 0, bram: 0, uram: 0, lut: 0 };
  const counts = { proposals: 0, reused: 0, done: 0 };

  const evaluateOne = async (design: Design): Promise<EvaluatedDesign> => {
    const stored = known.get(design.key);
    const outcome = stored ?? (await options.evaluate(design.device));
    signal?.throwIfAborted();
    const evaluated = { ...design, outcome };
    if (stored === undefined) options.onOutcome?.(evaluated);
    else counts.reused += 1;
    counts.done += 1;
    options.onProgress?.(counts.done, points);
    return evaluated;
  };

  let isExhausted = false;
  for (let generation = 0; designs.length < points && !isExhausted; generation++) {
    signal?.throwIfAborted();
    const next: Design[] = [];
    const admit = (indices: Indices): 'taken' | 'refused' | 'known' => {
      const fit = fitDesign(space, indices, limit);
      if (fit.lacks.length > 0) {
        counts.proposals += 1;
        for (const kind of fit.lacks) byResource[kind] += 1;
        return 'refused';
      }
      const settings = settingsAt(space, indices);
      const device = deviceOf(space, settings);
      const key = designKey(device, identity);
      if (places.has(key)) return 'known';
      places.set(key, indices);
      next.push({ key, settings, device, resources: fit.resources, generation });
      return 'taken';
    };
    const { measured, vectors } = ordered(designs, objectives);
    const ranks = paretoRanks(vectors);
    const distances = crowding(vectors, ranks);
    const parents = measured.flatMap(({ key }, i) => {
      const indices = places.get(key);
      return indices === undefined ? [] : [{ indices, rank: ranks[i], crowding: distances[i] }];
    });
    parents.sort(
      (a, b) => a.rank - b.rank || (b.crowding > a.crowding ? 1 : b.crowding < a.crowding ? -1 : 0),
    );
    parents.splice(SURVIVORS);
    const random = createRandom(seed, generation);
    const isFirst = generation === 0;
    // The last generation is proposed whole and then cut, so that more points only continue the search.
    isExhausted = propose({ space, random, limit, parents, isFirst, admit }, GENERATION) < GENERATION;
    const wanted = next.slice(0, points - designs.length);
    if (designs.length === 0 && wanted.length === 0) throw nothingFits(space, limit, byResource);
    designs.push(...(await inTime(Promise.all(wanted.map(evaluateOne)), signal)));
  }

  const { measured, vectors } = ordered(designs, objectives);
  const front = paretoFront(vectors).map((i) => measured[i]);
  const failures: Record<string, number> = {};
  for (const { outcome } of designs) {
    if (outcome.failure !== undefined)
      failures[outcome.failure.code] = (failures[outcome.failure.code] ?? 0) + 1;
  }
  return {
    designs,
    front: [...front].sort((a, b) => b.measures.tokensPerSecond - a.measures.tokensPerSecond),
    refused: { proposals: counts.proposals, byResource },
    failures,
    reused: counts.reused,
    isExhausted: isExhausted && designs.length < points,
  };
}

/** Designs that run the model, with their vectors. */
function ordered(
  designs: readonly EvaluatedDesign[],
  objectives: readonly ObjectiveName[],
): { readonly measured: readonly MeasuredDesign[]; readonly vectors: readonly (readonly number[])[] } {
  const measured = designs.flatMap(({ outcome, ...design }): MeasuredDesign[] =>
    outcome.measures === undefined ? [] : [{ ...design, measures: outcome.measures }],
  );
  const vectors = measured.map(({ measures, resources }) => objectiveVector(measures, resources, objectives));
  return { measured, vectors };
}

/** Work that may be left alone once the signal is given: its evaluator ends it, or not. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let leave: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

function nothingFits(
  space: DesignSpace,
  limit: number,
  byResource: Readonly<Record<ResourceKind, number>>,
): BitloomError {
  const smallest = fitDesign(
    space,
    space.dimensions.map(() => 0),
    limit,
  );
  const lacking = RESOURCE_KINDS.filter((kind) => byResource[kind] > 0);
  return new BitloomError({
    code: 'exploration-nothing-fits',
    message: 'no design fits the budget',
    where: `device '${space.base.name}', ${Math.round(100 * limit)} % of its resources`,
    expected: lacking
      .map((kind) => `${kind} at most ${Math.floor(limit * space.base.resources[kind])}`)
      .join(', '),
    got: `the smallest design takes ${lacking.map((kind) => `${kind} ${smallest.resources[kind]}`).join(', ')}`,
    hint: 'raise the limit (--limit), or start from a card with a larger budget',
  });
}
