/**
 * The host interpreter: runs the entries of a model graph directly on the kernels of this machine, with the same
 * bits as a card. Planning happens once; a token then costs a list of kernel calls and no allocation.
 */
import { BitloomError, findFunction, isShapeOnly, type ModelBundle } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import { checkToken, checkTokens, contextFull, type Engine, engineClosed, type TokenIds } from '../engine.js';
import { type CompiledEntry, compileEntry, type EngineMemory } from './compile-entry.js';
import { ConstantStore } from './constants.js';
import { contextLimit } from './context-limit.js';
import type { Frame } from './frame.js';
import { prepareGraph } from './host-graph.js';
import { type EntryPlan, planEntry } from './plan.js';
import { allocateState } from './states.js';

/** Options of {@link createHostEngine}. */
export interface HostEngineOptions {
  /** Arithmetic and memory. The engine allocates in its arena and never closes it. */
  readonly kernels: Kernels;
  /** Most tokens of a sequence; default: what the model allows, but not more than 4096. */
  readonly capacity?: number;
  /** Most tokens that run at once; longer prompts run in chunks, with the same bits. Default 64. */
  readonly chunk?: number;
}

const DEFAULT_CAPACITY = 4096;
const DEFAULT_CHUNK = 64;

/** Entries in the order of preference for each use. */
const PREFILL_ENTRIES = ['prefill', 'forward', 'decode'];
const FORWARD_ENTRIES = ['forward', 'decode'];
const DECODE_ENTRIES = ['decode', 'prefill', 'forward'];

/**
 * Loads a model and plans its entries. Constants stay in the arena of `kernels` until the engine is closed; close
 * engines in the opposite order of creating them to get all of it back.
 *
 * @throws BitloomError `model-shape-only`, `capacity-unsupported`, `chunk-unsupported`, `host-entry-unsupported`,
 *   `host-op-unsupported`, `constant-component-missing`, `constant-length`, `arena-full`
 */
export function createHostEngine(bundle: ModelBundle, options: HostEngineOptions): Engine {
  const { model } = bundle;
  const { kernels } = options;
  if (isShapeOnly(model)) {
    throw new BitloomError({
      code: 'model-shape-only',
      message: 'the model has shapes but no weights, so there is nothing to run',
      where: `model '${model.name}'`,
      expected: 'a model imported from a checkpoint',
      got: 'a shape-only model',
      hint: 'import a checkpoint; shape-only models can be compiled and simulated for time',
    });
  }
  const capacity = chooseCapacity(bundle, options.capacity);
  const chunk = Math.min(capacity, checkChunk(options.chunk ?? DEFAULT_CHUNK));
  const { arena } = kernels;
  const mark = arena.mark();
  try {
    return new HostEngine(bundle, kernels, { capacity, chunk }, mark);
  } catch (error) {
    arena.release(mark);
    throw error;
  }
}

function chooseCapacity(bundle: ModelBundle, asked: number | undefined): number {
  const limit = contextLimit(bundle.model);
  const capacity = asked ?? Math.min(DEFAULT_CAPACITY, limit?.tokens ?? DEFAULT_CAPACITY);
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= (limit?.tokens ?? capacity)) return capacity;
  throw new BitloomError({
    code: 'capacity-unsupported',
    message: 'the engine cannot hold a context of this length',
    where: `model '${bundle.model.name}'`,
    expected: `an integer from 1 to ${limit?.tokens ?? 'any'}${limit === undefined ? '' : ` (${limit.reason})`}`,
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

class HostEngine implements Engine {
  readonly model: ModelBundle['model'];
  readonly vocabularySize: number;
  readonly capacity: number;
  readonly #chunk: number;
  readonly #kernels: Kernels;
  readonly #frame: Frame = { rows: 0, past: 0 };
  readonly #prefill: CompiledEntry;
  readonly #forward: CompiledEntry;
  readonly #decode: CompiledEntry;
  /** The one row of logits of `decode`, and of `prefill`. */
  readonly #decodeLogits: Float32Array;
  readonly #prefillLogits: Float32Array;
  readonly #mark: number;
  readonly #end: number;
  #position = 0;
  #open = true;

  constructor(
    bundle: ModelBundle,
    kernels: Kernels,
    limits: { readonly capacity: number; readonly chunk: number },
    mark: number,
  ) {
    const { model } = bundle;
    const { arena } = kernels;
    this.model = model;
    this.capacity = limits.capacity;
    this.#chunk = limits.chunk;
    this.#kernels = kernels;
    this.#mark = mark;

    const plans = new Map<string, EntryPlan>();
    for (const name of new Set([...PREFILL_ENTRIES, ...FORWARD_ENTRIES, ...DECODE_ENTRIES])) {
      const fn = findFunction(model, name);
      if (fn !== undefined) plans.set(name, planEntry(prepareGraph(model, fn), limits));
    }
    const memory: EngineMemory = {
      kernels,
      constants: new ConstantStore(bundle, arena),
      states: new Map(
        model.states.map((state) => [state.name, allocateState(state, limits.capacity, arena)]),
      ),
      frame: this.#frame,
      workspace: arena.alloc(Math.max(0, ...[...plans.values()].map((plan) => plan.bytes))),
    };
    const compiled = new Map([...plans].map(([name, plan]) => [name, compileEntry(plan, memory)]));
    this.#prefill = pick(model.name, compiled, PREFILL_ENTRIES);
    this.#forward = pick(model.name, compiled, FORWARD_ENTRIES, (entry) => entry.logitsOfAll);
    this.#decode = pick(model.name, compiled, DECODE_ENTRIES);
    this.vocabularySize = this.#decode.logits.cols;
    this.#decodeLogits = this.#firstRow(this.#decode);
    this.#prefillLogits = this.#firstRow(this.#prefill);
    this.#end = arena.used;
  }

  get position(): number {
    return this.#position;
  }

  forward(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const { logits } = this.#forward;
    const out = new Float32Array(tokens.length * this.vocabularySize);
    for (let first = 0; first < tokens.length; ) {
      const count = this.#run(this.#forward, tokens, first, this.#forward.steps);
      const at = logits.pointer / 4;
      out.set(
        this.#kernels.arena.f32.subarray(at, at + count * this.vocabularySize),
        first * this.vocabularySize,
      );
      first += count;
    }
    return out;
  }

  prefill(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const entry = this.#prefill;
    let count = 0;
    for (let first = 0; first < tokens.length; first += count) {
      const last = first + this.#callLength(entry, tokens.length - first) >= tokens.length;
      count = this.#run(entry, tokens, first, last ? entry.steps : entry.stateSteps);
    }
    if (entry.logits.rows.rows === 1) return this.#prefillLogits;
    const at = entry.logits.pointer / 4 + (count - 1) * this.vocabularySize;
    return this.#kernels.arena.f32.subarray(at, at + this.vocabularySize);
  }

  decode(token: number): Float32Array {
    if (!this.#open) throw engineClosed();
    checkToken(token, 0, this.vocabularySize);
    const position = this.#position;
    if (position >= this.capacity) throw contextFull(position, 1, this.capacity);
    const { ids, steps } = this.#decode;
    this.#kernels.arena.i32[ids / 4] = token;
    this.#frame.past = position;
    this.#frame.rows = 1;
    for (let i = 0; i < steps.length; i += 1) steps[i]();
    this.#position = position + 1;
    return this.#decodeLogits;
  }

  reset(): void {
    if (!this.#open) throw engineClosed();
    this.#position = 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const { arena } = this.#kernels;
    // Memory of somebody else may lie above ours; then it stays until they release below it.
    if (arena.used === this.#end) arena.release(this.#mark);
  }

  #check(tokens: TokenIds): void {
    if (!this.#open) throw engineClosed();
    checkTokens(tokens, this);
  }

  #callLength(entry: CompiledEntry, rest: number): number {
    return Math.min(rest, entry.tokens === 'tokens' ? this.#chunk : entry.tokens);
  }

  /** Runs one chunk from token `first` and returns its length. */
  #run(entry: CompiledEntry, tokens: TokenIds, first: number, steps: CompiledEntry['steps']): number {
    const count = this.#callLength(entry, tokens.length - first);
    const { i32 } = this.#kernels.arena;
    const at = entry.ids / 4;
    for (let i = 0; i < count; i += 1) i32[at + i] = tokens[first + i];
    this.#frame.past = this.#position;
    this.#frame.rows = count;
    for (let i = 0; i < steps.length; i += 1) steps[i]();
    this.#position += count;
    return count;
  }

  /** A view of the first row of logits; it stays valid when the arena grows, because shared memory never moves. */
  #firstRow(entry: CompiledEntry): Float32Array {
    const at = entry.logits.pointer / 4;
    return this.#kernels.arena.f32.subarray(at, at + entry.logits.cols);
  }
}

/** The first entry of `names` that the model has; entries of a fixed length other than 1 are of no use here. */
function pick(
  model: string,
  compiled: ReadonlyMap<string, CompiledEntry>,
  names: readonly string[],
  fits: (entry: CompiledEntry) => boolean = () => true,
): CompiledEntry {
  for (const name of names) {
    const entry = compiled.get(name);
    if (entry !== undefined && (entry.tokens === 'tokens' || entry.tokens === 1) && fits(entry)) return entry;
  }
  throw new BitloomError({
    code: 'host-entry-missing',
    message: 'the model has no entry that could serve this use',
    where: `model '${model}'`,
    expected: `a function named ${names.join(' or ')}`,
    got: [...compiled.keys()].join(', ') || 'none',
  });
}
