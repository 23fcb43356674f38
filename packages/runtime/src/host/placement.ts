/**
 * Which memory each node of a model runs in, when one memory does not hold the model. A graph is cut where only one
 * value is alive, the residual stream: into halves of layers, the embedding and the head. Units go into memories in
 * order, each into the memory that already has its caches or its weights, else into the last one, else into a new
 * one. Whether a unit fits is found by loading it: what does not fit is taken back.
 */
import { BitloomError, type ConstantDecl, type Model, type ModelBundle } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import { compileNode, type ModelMemory } from './compile-entry.js';
import { Frame } from './frame.js';
import type { HostGraph, HostNode } from './host-graph.js';
import { type EntryPlan, findLastUses } from './plan.js';
import { Shard } from './shard.js';
import { layOutState, type StateLayout } from './states.js';

/** Kernels for one memory after the other; undefined when there are no more. */
export type NextKernels = () => Kernels | undefined;

/** What has to be left free in every memory. */
export interface Reserve {
  readonly workspace: number;
  /** Tokens of a sequence, and how many sequences there is to be room for. */
  readonly capacity: number;
  readonly sequences: number;
}

export interface Placement {
  readonly shards: readonly Shard[];
  /** Memory of each node of an entry, by the entry's name. */
  readonly nodes: ReadonlyMap<string, readonly number[]>;
  readonly states: ReadonlyMap<string, StateLayout>;
  /** Bytes of the caches of one sequence in each memory. */
  readonly cacheBytes: readonly number[];
}

/**
 * Everything in one memory. Nothing is loaded yet.
 * @param shards receives the memory
 */
export function placeInOne(
  bundle: ModelBundle,
  plans: ReadonlyMap<string, EntryPlan>,
  kernels: Kernels,
  capacity: number,
  shards: Shard[],
): Placement {
  const states = new StatePlaces(bundle.model, capacity);
  for (const { name } of bundle.model.states) states.place(name, 0);
  const nodes = new Map([...plans].map(([name, { graph }]) => [name, graph.nodes.map(() => 0)] as const));
  shards.push(new Shard(bundle, kernels));
  return { shards, nodes, states: states.layouts, cacheBytes: [states.bytesIn(0)] };
}

/**
 * Spreads a model over as many memories as it needs, and loads its constants on the way.
 * @param shards receives the memories, so that they can be emptied when this throws
 * @throws BitloomError `host-layer-too-large`, `host-memories-full`, and what loading a constant throws
 */
export function placeInMany(
  bundle: ModelBundle,
  plans: ReadonlyMap<string, EntryPlan>,
  next: NextKernels,
  reserve: Reserve,
  shards: Shard[],
): Placement {
  const placer = new Placer(bundle, next, reserve, shards);
  const nodes = new Map([...plans].map(([name, plan]) => [name, placer.placeEntry(plan)] as const));
  const { states } = placer;
  return { shards, nodes, states: states.layouts, cacheBytes: shards.map((_, i) => states.bytesIn(i)) };
}

/**
 * Cuts the nodes of a graph into units, as [first, end) ranges: wherever at most one computed value is alive, and no
 * state that this call has appended to.
 */
export function cutUnits(graph: HostGraph): readonly (readonly [first: number, end: number])[] {
  const lastUse = findLastUses(graph);
  const units: (readonly [number, number])[] = [];
  const alive = new Map<string, number>();
  let first = 0;
  graph.nodes.forEach((node, index) => {
    alive.set(node.output, lastUse.get(node.output) ?? index);
    for (const [name, last] of alive) if (last <= index) alive.delete(name);
    const isNarrow = alive.size <= 1 && ![...alive.keys()].some((name) => graph.stateOf.has(name));
    if (!isNarrow && index + 1 < graph.nodes.length) return;
    units.push([first, index + 1]);
    first = index + 1;
  });
  return units;
}

/** Caches of the states, memory by memory. */
class StatePlaces {
  readonly layouts = new Map<string, StateLayout>();
  readonly #model: Model;
  readonly #capacity: number;
  readonly #bytes: number[] = [];

  constructor(model: Model, capacity: number) {
    this.#model = model;
    this.#capacity = capacity;
  }

  bytesIn(shard: number): number {
    return this.#bytes[shard] ?? 0;
  }

  shardOf(name: string): number | undefined {
    return this.layouts.get(name)?.shard;
  }

  place(name: string, shard: number): void {
    const state = this.#model.states.find((candidate) => candidate.name === name);
    if (state === undefined || this.layouts.has(name)) return;
    const { layout, end } = layOutState(state, this.#capacity, shard, this.bytesIn(shard));
    this.layouts.set(name, layout);
    this.#bytes[shard] = end;
  }

  /** Bytes that {@link place} would add for these states. */
  bytesOf(names: readonly string[]): number {
    const fresh = this.#model.states.filter(({ name }) => names.includes(name) && !this.layouts.has(name));
    return fresh.reduce((bytes, state) => layOutState(state, this.#capacity, 0, bytes).end, 0);
  }
}

/** A unit of one entry. */
interface Unit {
  readonly plan: EntryPlan;
  readonly first: number;
  readonly nodes: readonly HostNode[];
  /** States it appends to. */
  readonly states: readonly string[];
  /** Matrices it multiplies with or looks up in. */
  readonly weights: readonly string[];
}

/** Ops whose operand 1 is too large to have twice without need. */
const WEIGHTED: ReadonlySet<string> = new Set(['linear', 'embedding']);

/** Left free beside what is counted, for alignment. */
const SLACK_BYTES = 4096;

class Placer {
  readonly states: StatePlaces;
  readonly #bundle: ModelBundle;
  readonly #next: NextKernels;
  readonly #reserve: Reserve;
  readonly #shards: Shard[];
  readonly #weightShard = new Map<string, number>();

  constructor(bundle: ModelBundle, next: NextKernels, reserve: Reserve, shards: Shard[]) {
    this.states = new StatePlaces(bundle.model, reserve.capacity);
    this.#bundle = bundle;
    this.#next = next;
    this.#reserve = reserve;
    this.#shards = shards;
  }

  /** The memory of each node of an entry. */
  placeEntry(plan: EntryPlan): readonly number[] {
    const places: number[] = [];
    for (const [first, end] of cutUnits(plan.graph)) {
      const nodes = plan.graph.nodes.slice(first, end);
      const weights = nodes.flatMap((node) =>
        WEIGHTED.has(node.op) && !plan.values.has(node.inputs[1]) ? [node.inputs[1]] : [],
      );
      const states = nodes.flatMap((node) => plan.graph.stateOf.get(node.output) ?? []);
      const shard = this.#placeUnit({ plan, first, nodes, states, weights }, places.at(-1));
      for (const name of states) this.states.place(name, shard);
      for (const name of weights) if (!this.#weightShard.has(name)) this.#weightShard.set(name, shard);
      for (const _ of nodes) places.push(shard);
    }
    return places;
  }

  #placeUnit(unit: Unit, previous: number | undefined): number {
    for (const shard of this.#candidates(unit, previous)) if (this.#load(unit, shard)) return shard;
    const kernels = this.#next();
    if (kernels === undefined) throw memoriesFull(this.#bundle.model, unit, this.#shards);
    const shard = this.#shards.push(new Shard(this.#bundle, kernels)) - 1;
    if (this.#load(unit, shard)) return shard;
    throw this.#tooLarge(unit, kernels);
  }

  /** Memories to try, best first. */
  #candidates({ states, weights }: Unit, previous: number | undefined): ReadonlySet<number> {
    const homes = states.flatMap((name) => this.states.shardOf(name) ?? []);
    if (homes.length > 0) return new Set(homes);
    const owners = weights.flatMap((name) => this.#weightShard.get(name) ?? []);
    const last = this.#shards.length - 1;
    return new Set([...owners, previous ?? last, last].filter((shard) => shard >= 0));
  }

  /** Loads the constants of a unit; false, and nothing changed, when they and what is reserved do not fit. */
  #load({ plan, first, nodes, states }: Unit, index: number): boolean {
    const shard = this.#shards[index];
    const { arena } = shard.kernels;
    const caches = this.states.bytesIn(index) + this.states.bytesOf(states);
    const reserved = this.#reserve.workspace + this.#reserve.sequences * caches + SLACK_BYTES;
    const mark = arena.mark();
    try {
      const memory = this.#trial(shard, states);
      nodes.forEach((_, i) => {
        compileNode(plan, first + i, 0, memory);
      });
      if (arena.used + reserved <= arena.maxBytes) return true;
    } catch (error) {
      if (!(error instanceof BitloomError && error.code === 'arena-full')) throw error;
    }
    shard.constants.forget(mark);
    arena.release(mark);
    return false;
  }

  /** A memory in which steps can be made and never run: they only load their constants. */
  #trial(shard: Shard, states: readonly string[]): ModelMemory {
    const places = new StatePlaces(this.#bundle.model, this.#reserve.capacity);
    for (const name of states) places.place(name, 0);
    return { shards: [shard], states: places.layouts, frame: new Frame() };
  }

  #tooLarge(unit: Unit, { arena }: Kernels): BitloomError {
    const { workspace, sequences } = this.#reserve;
    const weights = constantBytes(this.#bundle, unit);
    const caches = sequences * this.states.bytesOf(unit.states);
    const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
    return new BitloomError({
      code: 'host-layer-too-large',
      message: 'a memory is too small for one part of the model',
      where: `${unitName(unit)}, model '${this.#bundle.model.name}'`,
      expected: `about ${megabytes(weights + caches + workspace)}: weights ${megabytes(weights)}, caches ${megabytes(caches)}, workspace ${megabytes(workspace)}`,
      got: `${megabytes(arena.maxBytes - arena.used)} free of ${megabytes(arena.maxBytes)}`,
      hint: 'give larger memories, or ask for a shorter context, a smaller chunk, fewer sequences or fewer bits',
    });
  }
}

/** Bytes of the constants of a unit, about: floats as float32, codes as they are stored. */
function constantBytes({ model, sections }: ModelBundle, { nodes }: Unit): number {
  const names = new Set(nodes.flatMap((node) => node.inputs));
  const bytesOf = ({ type, components }: ConstantDecl): number =>
    type.kind === 'dense'
      ? type.shape.reduce<number>((count, size) => count * (typeof size === 'number' ? size : 1), 4)
      : Object.values(components).reduce((bytes, section) => bytes + sections.byteLength(section), 0);
  return model.constants.reduce(
    (sum, constant) => sum + (names.has(constant.name) ? bytesOf(constant) : 0),
    0,
  );
}

function unitName({ nodes }: Unit): string {
  const [first, last] = [nodes[0], nodes[nodes.length - 1]];
  return first === last ? `node '${first.name}'` : `nodes '${first.name}' to '${last.name}'`;
}

function memoriesFull(model: Model, unit: Unit, shards: readonly Shard[]): BitloomError {
  const sizes = shards.map(({ kernels }) => `${(kernels.arena.maxBytes / 2 ** 20).toFixed(2)} MiB`);
  return new BitloomError({
    code: 'host-memories-full',
    message: 'the model does not fit the memories it was given',
    where: `${unitName(unit)}, model '${model.name}'`,
    expected: 'room for every part of the model',
    got: `${sizes.length} memories (${sizes.join(', ')}), full before this part`,
    hint: 'give kernels over more memories, or a function that makes them',
  });
}
