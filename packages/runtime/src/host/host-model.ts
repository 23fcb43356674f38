/**
 * A model loaded on the host: weights in the arena once, entries planned once, any number of sequences over them.
 * Sequences share the workspace, because calls do not overlap; each has its own caches.
 */
import { BitloomError, findFunction, isShapeOnly, type Model, type ModelBundle } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { Engine } from '../engine.js';
import { ConstantStore } from './constants.js';
import { contextLimit } from './context-limit.js';
import { HostEngine } from './host-engine.js';
import { prepareGraph } from './host-graph.js';
import { type EntryPlan, type PlanLimits, planEntry } from './plan.js';
import { allocateState, type StateBuffer } from './states.js';

/** Options of {@link loadHostModel} and {@link createHostEngine}. */
export interface HostOptions {
  /** Arithmetic and memory. The model allocates in its arena and never closes it. */
  readonly kernels: Kernels;
  /** Most tokens of a sequence; default: what the model allows, but not more than 4096. */
  readonly capacity?: number;
  /** Most tokens that run at once; longer prompts run in chunks, with the same bits. Default 64. */
  readonly chunk?: number;
}

/** Weights on the host, ready for sequences. */
export interface HostModel {
  readonly model: Model;
  /** Most tokens of a sequence. */
  readonly capacity: number;
  /**
   * A new, empty sequence. Closing it gives its caches to the next one.
   * @throws BitloomError `arena-full`, `model-closed`
   */
  open(): Engine;
  /** Releases the weights, once the last sequence is closed. */
  close(): void;
}

const DEFAULT_CAPACITY = 4096;
const DEFAULT_CHUNK = 64;

/** Entries an engine can use. */
const ENTRIES = ['prefill', 'decode', 'forward'];

/**
 * Loads a model and plans its entries. The weights stay in the arena of `kernels` until the model is closed; close
 * models in the opposite order of loading them to get all of it back.
 *
 * @throws BitloomError `model-shape-only`, `capacity-unsupported`, `chunk-unsupported`, `host-entry-unsupported`,
 *   `host-op-unsupported`, `constant-component-missing`, `constant-length`, `arena-full`
 */
export function loadHostModel(bundle: ModelBundle, options: HostOptions): HostModel {
  return load(bundle, options);
}

/**
 * One sequence over a model of its own: {@link loadHostModel} and `open` in one, closed together.
 * Throws as {@link loadHostModel}.
 */
export function createHostEngine(bundle: ModelBundle, options: HostOptions): Engine {
  const loaded = load(bundle, options);
  const engine = loaded.open();
  loaded.close();
  return engine;
}

function load(bundle: ModelBundle, options: HostOptions): LoadedModel {
  const { model } = bundle;
  if (isShapeOnly(model)) throw shapeOnly(model);
  const capacity = chooseCapacity(model, options.capacity);
  const chunk = Math.min(capacity, checkChunk(options.chunk ?? DEFAULT_CHUNK));
  const { arena } = options.kernels;
  const mark = arena.mark();
  try {
    const loaded = new LoadedModel(bundle, options.kernels, { capacity, chunk }, mark);
    // The first sequence compiles the entries, and so finds now what is wrong with the model.
    loaded.open().close();
    return loaded;
  } catch (error) {
    arena.release(mark);
    throw error;
  }
}

class LoadedModel implements HostModel {
  readonly model: Model;
  readonly capacity: number;
  readonly #kernels: Kernels;
  readonly #plans: ReadonlyMap<string, EntryPlan>;
  readonly #constants: ConstantStore;
  readonly #limits: PlanLimits;
  readonly #workspace: number;
  readonly #mark: number;
  /** Caches of closed sequences. */
  readonly #spare: ReadonlyMap<string, StateBuffer>[] = [];
  #end: number;
  #sequences = 0;
  #open = true;

  constructor(bundle: ModelBundle, kernels: Kernels, limits: PlanLimits, mark: number) {
    const { model } = bundle;
    this.model = model;
    this.capacity = limits.capacity;
    this.#kernels = kernels;
    this.#limits = limits;
    this.#mark = mark;
    this.#constants = new ConstantStore(bundle, kernels.arena);
    this.#plans = new Map(
      ENTRIES.flatMap((name) => {
        const fn = findFunction(model, name);
        return fn === undefined ? [] : [[name, planEntry(prepareGraph(model, fn), limits)] as const];
      }),
    );
    this.#workspace = kernels.arena.alloc(
      Math.max(0, ...[...this.#plans.values()].map((plan) => plan.bytes)),
    );
    this.#end = kernels.arena.used;
  }

  open(): Engine {
    if (!this.#open) throw modelClosed(this.model);
    const { arena } = this.#kernels;
    const isOnTop = arena.used === this.#end;
    const states = this.#spare.pop() ?? this.#allocateStates();
    const memory = {
      kernels: this.#kernels,
      constants: this.#constants,
      states,
      frame: { rows: 0, past: 0 },
      workspace: this.#workspace,
    };
    const engine = new HostEngine(this.model, this.#plans, this.#limits, memory, () => {
      this.#spare.push(states);
      this.#sequences -= 1;
      this.#releaseWhenUnused();
    });
    this.#sequences += 1;
    if (isOnTop) this.#end = arena.used;
    return engine;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#releaseWhenUnused();
  }

  #releaseWhenUnused(): void {
    if (this.#open || this.#sequences > 0) return;
    const { arena } = this.#kernels;
    // Memory of somebody else may lie above ours; then it stays until they release below it.
    if (arena.used === this.#end) arena.release(this.#mark);
  }

  #allocateStates(): ReadonlyMap<string, StateBuffer> {
    const { arena } = this.#kernels;
    return new Map(
      this.model.states.map((state) => [state.name, allocateState(state, this.capacity, arena)]),
    );
  }
}

function chooseCapacity(model: Model, asked: number | undefined): number {
  const limit = contextLimit(model);
  const capacity = asked ?? Math.min(DEFAULT_CAPACITY, limit?.tokens ?? DEFAULT_CAPACITY);
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= (limit?.tokens ?? capacity)) return capacity;
  throw new BitloomError({
    code: 'capacity-unsupported',
    message: 'the engine cannot hold a context of this length',
    where: `model '${model.name}'`,
    expected:
      limit === undefined ? 'a positive integer' : `an integer from 1 to ${limit.tokens} (${limit.reason})`,
    got: String(capacity),
    hint: 'ask for a shorter context',
  });
}

function checkChunk(chunk: number): number {
  if (Number.isInteger(chunk) && chunk >= 1) return chunk;
  throw new BitloomError({
    code: 'chunk-unsupported',
    message: 'the number of tokens per chunk is wrong',
    expected: 'a positive integer',
    got: String(chunk),
  });
}

function shapeOnly(model: Model): BitloomError {
  return new BitloomError({
    code: 'model-shape-only',
    message: 'the model has shapes but no weights, so there is nothing to run',
    where: `model '${model.name}'`,
    expected: 'a model imported from a checkpoint',
    got: 'a shape-only model',
    hint: 'import a checkpoint; shape-only models can be compiled and simulated for time',
  });
}

function modelClosed(model: Model): BitloomError {
  return new BitloomError({
    code: 'model-closed',
    message: 'the model was closed, so it has no weights to run on',
    where: `model '${model.name}'`,
    expected: 'an open model',
    got: 'open() after close()',
    hint: 'load the model again',
  });
}
