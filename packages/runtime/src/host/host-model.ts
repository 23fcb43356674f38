/**
 * A model loaded on the host: weights in memory once, entries compiled once, any number of sequences over them.
 * Sequences share the workspace, because calls do not overlap; each has its own caches.
 */
import { BitloomError, internalError, isShapeOnly, type Model, type ModelBundle } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { Engine } from '../engine.js';
import { type BatchEntry, checkBatch, runBatch } from './batch.js';
import { type CompiledEntry, compileEntry } from './compile-entry.js';
import { contextLimit } from './context-limit.js';
import { chooseEntries, type Interpreter, prepareEntries, type Use } from './entries.js';
import { Frame } from './frame.js';
import { HostEngine } from './host-engine.js';
import { type Placement, placeInMany, placeInOne, type Reserve } from './placement.js';
import { type EntryPlan, type PlanLimits, planEntry } from './plan.js';
import { newSequence, type Sequence } from './sequence.js';
import type { Shard } from './shard.js';

/** Options of {@link loadHostModel} and {@link createHostEngine}. */
export interface HostOptions {
  /**
   * Arithmetic and memory. The model allocates in the arena and never closes the kernels. A memory holds at most
   * 4 GiB; kernels over several memories, or a function that makes one after the other, hold larger models, layer by
   * layer. As many are used as are needed, with the same bits.
   */
  readonly kernels: Kernels | readonly Kernels[] | (() => Kernels);
  /** Most tokens of a sequence; default: what the model allows, but not more than 4096. */
  readonly capacity?: number;
  /**
   * Most tokens that run at once, those of all sequences of a batch together; longer calls run in chunks, with the
   * same bits. Default 64.
   */
  readonly chunk?: number;
  /**
   * Sequences to leave room for when the model is spread over several memories; default 1. More can be opened while
   * their caches fit.
   */
  readonly sequences?: number;
}

/** Bytes that a loaded model takes of one memory. */
export interface MemoryUse {
  /** Constants, with the padding between them. */
  readonly weights: number;
  /** What a pass computes in. Pages that no call has touched are not resident. */
  readonly workspace: number;
  /** Keys and values of the sequences, for their whole capacity; the same holds for their pages. */
  readonly caches: number;
  readonly total: number;
}

/** Bytes that a loaded model takes, over all its memories. */
export interface MemoryReport extends MemoryUse {
  readonly cachesPerSequence: number;
  /** Sequences that have caches: those that are open, and closed ones whose caches wait for the next. */
  readonly sequences: number;
  /** Each memory, in the order of the layers; `free` is what anybody may still allocate in it. */
  readonly memories: readonly (MemoryUse & { readonly free: number })[];
}

/** Weights on the host, ready for sequences. */
export interface HostModel {
  readonly model: Model;
  /** Columns of the logits. */
  readonly vocabularySize: number;
  /** Most tokens of a sequence. */
  readonly capacity: number;
  /** Most tokens that run in one pass over the weights. */
  readonly chunk: number;
  /**
   * A new, empty sequence. Closing it gives its caches to the next one. The sequences of a model compute in one
   * workspace: the logits that `prefill` and `decode` of one return are overwritten by the next call of any.
   * @throws BitloomError `arena-full`, `model-closed`
   */
  open(): Engine;
  /**
   * Appends tokens to several sequences at once and returns the logits of the last token of each, in order, [vocab]
   * each: the same bits as `prefill` of each engine alone, for one reading of the weights per {@link chunk} tokens.
   * Prompts and single tokens mix freely. The logits are views that the next `step` overwrites, and nothing else.
   *
   * @throws BitloomError `batch-engine-foreign`, `batch-engine-twice`, and as {@link Engine.prefill}; every sequence
   *   is then as before the call.
   */
  step(batch: readonly BatchEntry[]): Float32Array[];
  /** What the model takes at present. */
  memory(): MemoryReport;
  /** Releases the weights, once the last sequence is closed. */
  close(): void;
}

const DEFAULT_CAPACITY = 4096;
const DEFAULT_CHUNK = 64;

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
  const chunk = checkCount('chunk', options.chunk ?? DEFAULT_CHUNK);
  const sequences = checkCount('sequences', options.sequences ?? 1);
  const graphs = prepareEntries(model);
  const chosen = chooseEntries(model, graphs);
  const plans = new Map<string, EntryPlan>();
  for (const [name, graph] of graphs) {
    plans.set(name, planEntry(graph, { capacity, chunk, sequences: name === chosen.batch ? chunk : 1 }));
  }
  const workspace = Math.max(...[...plans.values()].map((plan) => plan.bytes));
  const shards: Shard[] = [];
  try {
    const placement = place(bundle, plans, options.kernels, { workspace, capacity, sequences }, shards);
    const loaded = new LoadedModel(model, plans, chosen, placement, workspace, { capacity, chunk });
    // The caches of the first sequence: whether they fit is known now.
    loaded.open().close();
    return loaded;
  } catch (error) {
    for (const shard of shards) shard.abandon();
    throw error;
  }
}

function place(
  bundle: ModelBundle,
  plans: ReadonlyMap<string, EntryPlan>,
  kernels: HostOptions['kernels'],
  reserve: Reserve,
  shards: Shard[],
): Placement {
  if (typeof kernels !== 'function' && 'arena' in kernels) {
    return placeInOne(bundle, plans, kernels, reserve.capacity, shards);
  }
  if (typeof kernels === 'function') return placeInMany(bundle, plans, kernels, reserve, shards);
  const rest = [...kernels];
  return placeInMany(bundle, plans, () => rest.shift(), reserve, shards);
}

class LoadedModel implements HostModel {
  readonly model: Model;
  readonly vocabularySize: number;
  readonly capacity: number;
  readonly chunk: number;
  readonly #interpreter: Interpreter;
  readonly #shards: readonly Shard[];
  /** Bytes of the caches of a sequence in each memory. */
  readonly #cacheBytes: readonly number[];
  /** Open and closed sequences by their engines, so that a batch knows its own. */
  readonly #sequences = new WeakMap<Engine, Sequence>();
  /** Caches of closed sequences. */
  readonly #spare: (readonly number[])[] = [];
  /** Logits of the last step. */
  #logits = new Float32Array(0);
  #openSequences = 0;
  #isOpen = true;

  constructor(
    model: Model,
    plans: ReadonlyMap<string, EntryPlan>,
    chosen: Readonly<Record<Use, string>>,
    { shards, nodes, states, cacheBytes }: Placement,
    workspace: number,
    { capacity, chunk }: Pick<PlanLimits, 'capacity' | 'chunk'>,
  ) {
    this.model = model;
    this.capacity = capacity;
    this.chunk = chunk;
    this.#shards = shards;
    this.#cacheBytes = cacheBytes;
    for (const shard of shards) shard.allocateWorkspace(workspace);
    const frame = new Frame();
    const memory = { shards, states, frame };
    const compiled = new Map(
      [...plans].map(([name, plan]) => [name, compileEntry(plan, nodes.get(name) ?? [], memory)] as const),
    );
    for (const shard of shards) shard.seal();
    const entry = (use: Use): CompiledEntry => {
      const found = compiled.get(chosen[use]);
      if (found !== undefined) return found;
      throw internalError(`entry '${chosen[use]}' was not compiled`);
    };
    const decode = entry('decode');
    this.vocabularySize = decode.logits.cols;
    this.#interpreter = {
      model,
      frame,
      limits: { capacity, chunk, sequences: chunk },
      vocabularySize: this.vocabularySize,
      decode,
      prefill: entry('prefill'),
      forward: entry('forward'),
      batch: entry('batch'),
    };
  }

  open(): Engine {
    if (!this.#isOpen) throw modelClosed(this.model);
    const caches = this.#spare.pop() ?? this.#allocateCaches();
    const sequence = newSequence(caches);
    const engine = new HostEngine(this.#interpreter, sequence, () => {
      this.#spare.push(caches);
      this.#openSequences -= 1;
      this.#releaseWhenUnused();
    });
    this.#sequences.set(engine, sequence);
    this.#openSequences += 1;
    return engine;
  }

  step(batch: readonly BatchEntry[]): Float32Array[] {
    const sequences = checkBatch(batch, (engine) => this.#sequences.get(engine));
    const { vocabularySize } = this;
    const count = batch.length * vocabularySize;
    if (this.#logits.length < count) this.#logits = new Float32Array(count);
    const logits = this.#logits;
    runBatch(this.#interpreter, batch, sequences, logits);
    return batch.map((_, i) => logits.subarray(i * vocabularySize, (i + 1) * vocabularySize));
  }

  memory(): MemoryReport {
    const perSequence = this.#cacheBytes.reduce((a, b) => a + b, 0);
    const sequences = this.#openSequences + this.#spare.length;
    const memories = this.#shards.map(({ weightBytes, workspaceBytes, kernels }, i) => {
      const caches = sequences * this.#cacheBytes[i];
      const total = weightBytes + workspaceBytes + caches;
      const free = Math.max(0, kernels.arena.maxBytes - kernels.arena.used);
      return { weights: weightBytes, workspace: workspaceBytes, caches, total, free };
    });
    const sum = (part: 'weights' | 'workspace' | 'caches' | 'total'): number =>
      memories.reduce((bytes, memory) => bytes + memory[part], 0);
    return {
      weights: sum('weights'),
      workspace: sum('workspace'),
      caches: sum('caches'),
      total: sum('total'),
      cachesPerSequence: perSequence,
      sequences,
      memories,
    };
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#releaseWhenUnused();
  }

  /** In all memories or in none. @throws BitloomError `arena-full` */
  #allocateCaches(): readonly number[] {
    const rollbacks = this.#shards.map((shard) => shard.checkpoint());
    try {
      return this.#shards.map((shard, i) => shard.allocateCaches(this.#cacheBytes[i]));
    } catch (error) {
      for (const rollback of rollbacks) rollback();
      throw error;
    }
  }

  #releaseWhenUnused(): void {
    if (this.#isOpen || this.#openSequences > 0) return;
    for (const shard of this.#shards) shard.release();
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

function checkCount(name: 'chunk' | 'sequences', count: number): number {
  if (Number.isInteger(count) && count >= 1) return count;
  throw new BitloomError({
    code: name === 'chunk' ? 'chunk-unsupported' : 'batch-sequences',
    message:
      name === 'chunk' ? 'the number of tokens per chunk is wrong' : 'the number of sequences is wrong',
    expected: 'a positive integer',
    got: String(count),
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
