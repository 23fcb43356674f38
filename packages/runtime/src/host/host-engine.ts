/**
 * One sequence on the host interpreter: runs the entries of a model graph directly on the kernels of this machine,
 * with the same bits as a card. A token costs a list of kernel calls and no allocation.
 */
import { BitloomError, type Model } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { checkToken, checkTokens, contextFull, type Engine, engineClosed, type TokenIds } from '../engine.js';
import { type CompiledEntry, compileEntry, type EngineMemory } from './compile-entry.js';
import type { Frame } from './frame.js';
import type { EntryPlan, PlanLimits } from './plan.js';

/** Entries in the order of preference for each use. */
const PREFILL_ENTRIES = ['prefill', 'forward', 'decode'];
const FORWARD_ENTRIES = ['forward', 'decode'];
const DECODE_ENTRIES = ['decode', 'prefill', 'forward'];

export class HostEngine implements Engine {
  readonly model: Model;
  readonly vocabularySize: number;
  readonly capacity: number;
  readonly #chunk: number;
  readonly #arena: Arena;
  readonly #frame: Frame;
  readonly #prefill: CompiledEntry;
  readonly #forward: CompiledEntry;
  readonly #decode: CompiledEntry;
  /** The one row of logits of `decode`, and of `prefill`. */
  readonly #decodeLogits: Float32Array;
  readonly #prefillLogits: Float32Array;
  readonly #closed: () => void;
  #position = 0;
  #open = true;

  /** @param closed called once, when the engine is closed */
  constructor(
    model: Model,
    plans: ReadonlyMap<string, EntryPlan>,
    limits: PlanLimits,
    memory: EngineMemory,
    closed: () => void,
  ) {
    this.model = model;
    this.capacity = limits.capacity;
    this.#chunk = limits.chunk;
    this.#arena = memory.kernels.arena;
    this.#frame = memory.frame;
    this.#closed = closed;
    const compiled = new Map([...plans].map(([name, plan]) => [name, compileEntry(plan, memory)]));
    this.#prefill = pick(model.name, compiled, PREFILL_ENTRIES);
    this.#forward = pick(model.name, compiled, FORWARD_ENTRIES, (entry) => entry.logitsOfAll);
    this.#decode = pick(model.name, compiled, DECODE_ENTRIES);
    this.vocabularySize = this.#decode.logits.cols;
    this.#decodeLogits = this.#firstRow(this.#decode);
    this.#prefillLogits = this.#firstRow(this.#prefill);
  }

  get position(): number {
    return this.#position;
  }

  forward(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const { logits } = this.#forward;
    const out = new Float32Array(tokens.length * this.vocabularySize);
    const at = logits.pointer / 4;
    for (let first = 0; first < tokens.length; ) {
      const count = this.#run(this.#forward, tokens, first, this.#forward.steps);
      const rows = this.#arena.f32.subarray(at, at + count * this.vocabularySize);
      out.set(rows, first * this.vocabularySize);
      first += count;
    }
    return out;
  }

  prefill(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const entry = this.#prefill;
    let count = 0;
    for (let first = 0; first < tokens.length; first += count) {
      const isLast = first + this.#callLength(entry, tokens.length - first) >= tokens.length;
      count = this.#run(entry, tokens, first, isLast ? entry.steps : entry.stateSteps);
    }
    if (entry.logits.rows.rows === 1) return this.#prefillLogits;
    const at = entry.logits.pointer / 4 + (count - 1) * this.vocabularySize;
    return this.#arena.f32.subarray(at, at + this.vocabularySize);
  }

  decode(token: number): Float32Array {
    if (!this.#open) throw engineClosed();
    checkToken(token, 0, this.vocabularySize);
    const position = this.#position;
    if (position >= this.capacity) throw contextFull(position, 1, this.capacity);
    const { ids, steps } = this.#decode;
    this.#arena.i32[ids / 4] = token;
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
    this.#closed();
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
    const { i32 } = this.#arena;
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
    return this.#arena.f32.subarray(at, at + entry.logits.cols);
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
