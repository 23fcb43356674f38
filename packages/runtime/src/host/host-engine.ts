/**
 * One sequence on the host interpreter: runs the entries of a model graph directly on the kernels of this machine,
 * with the same bits as a card. A token costs a list of kernel calls and no allocation.
 */
import type { Model } from '@bitloom/ir';
import { checkToken, checkTokens, contextFull, type Engine, engineClosed, type TokenIds } from '../engine.js';
import type { CompiledEntry } from './compile-entry.js';
import type { Interpreter } from './entries.js';
import type { Sequence } from './sequence.js';

export class HostEngine implements Engine {
  readonly model: Model;
  readonly vocabularySize: number;
  readonly capacity: number;
  readonly #interpreter: Interpreter;
  readonly #sequence: Sequence;
  /** The one row of logits of `decode`, and of `prefill`. */
  readonly #decodeLogits: Float32Array;
  readonly #prefillLogits: Float32Array;
  readonly #closed: () => void;

  /** @param closed called once, when the engine is closed */
  constructor(interpreter: Interpreter, sequence: Sequence, closed: () => void) {
    this.model = interpreter.model;
    this.capacity = interpreter.limits.capacity;
    this.vocabularySize = interpreter.vocabularySize;
    this.#interpreter = interpreter;
    this.#sequence = sequence;
    this.#decodeLogits = logitsRow(interpreter.decode, 0);
    this.#prefillLogits = logitsRow(interpreter.prefill, 0);
    this.#closed = closed;
  }

  get position(): number {
    return this.#sequence.position;
  }

  forward(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const entry = this.#interpreter.forward;
    const { arena, pointer } = entry.logits;
    const out = new Float32Array(tokens.length * this.vocabularySize);
    for (let first = 0; first < tokens.length; ) {
      const count = this.#run(entry, tokens, first, entry.steps);
      const rows = arena.f32.subarray(pointer / 4, pointer / 4 + count * this.vocabularySize);
      out.set(rows, first * this.vocabularySize);
      first += count;
    }
    this.#sequence.position += tokens.length;
    return out;
  }

  prefill(tokens: TokenIds): Float32Array {
    this.#check(tokens);
    const entry = this.#interpreter.prefill;
    let count = 0;
    for (let first = 0; first < tokens.length; first += count) {
      const isLast = first + this.#callLength(entry, tokens.length - first) >= tokens.length;
      count = this.#run(entry, tokens, first, isLast ? entry.steps : entry.stateSteps);
    }
    this.#sequence.position += tokens.length;
    return entry.logitsOfAll && count > 1 ? logitsRow(entry, count - 1) : this.#prefillLogits;
  }

  decode(token: number): Float32Array {
    const sequence = this.#sequence;
    if (!sequence.isOpen) throw engineClosed();
    checkToken(token, 0, this.vocabularySize);
    const { position } = sequence;
    if (position >= this.capacity) throw contextFull(position, 1, this.capacity);
    const { frame, decode } = this.#interpreter;
    const { ids, steps } = decode;
    ids.arena.i32[ids.pointer / 4] = token;
    frame.setSingle(sequence.segment, position, 1);
    for (let i = 0; i < steps.length; i += 1) steps[i]();
    sequence.position = position + 1;
    return this.#decodeLogits;
  }

  reset(): void {
    if (!this.#sequence.isOpen) throw engineClosed();
    this.#sequence.position = 0;
  }

  close(): void {
    if (!this.#sequence.isOpen) return;
    this.#sequence.isOpen = false;
    this.#closed();
  }

  #check(tokens: TokenIds): void {
    if (!this.#sequence.isOpen) throw engineClosed();
    checkTokens(tokens, this);
  }

  #callLength(entry: CompiledEntry, rest: number): number {
    return Math.min(rest, entry.tokens === 'tokens' ? this.#interpreter.limits.chunk : 1);
  }

  /** Runs one chunk from token `first` of the call and returns its length. The position moves when all is done. */
  #run(entry: CompiledEntry, tokens: TokenIds, first: number, steps: CompiledEntry['steps']): number {
    const count = this.#callLength(entry, tokens.length - first);
    writeIds(entry, 0, tokens, first, count);
    const { segment, position } = this.#sequence;
    this.#interpreter.frame.setSingle(segment, position + first, count);
    for (let i = 0; i < steps.length; i += 1) steps[i]();
    return count;
  }
}

/** Writes ids first..first+count−1 of `tokens` to row `row` of an entry's call and the rows after it. */
export function writeIds(
  entry: CompiledEntry,
  row: number,
  tokens: TokenIds,
  first: number,
  count: number,
): void {
  const { i32 } = entry.ids.arena;
  const at = entry.ids.pointer / 4 + row;
  for (let i = 0; i < count; i += 1) i32[at + i] = tokens[first + i];
}

/** A view of a row of logits; it stays valid when the arena grows, because shared memory never moves. */
export function logitsRow({ logits }: CompiledEntry, row: number): Float32Array {
  const at = logits.pointer / 4 + row * logits.cols;
  return logits.arena.f32.subarray(at, at + logits.cols);
}
