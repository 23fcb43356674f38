/**
 * Which instructions have surely ended when another one starts, from tokens and in-order queues alone: vector
 * clocks over the queues of a core. Instructions of a queue start and end in order; a token is taken at the
 * start and released at the end; the k-th wait on a counter takes the k-th token, initial credits first.
 */
import { QUEUES, type QueueName } from '../instruction-fields.js';
import type { Instruction } from '../program.js';
import { COUNTERS, counterIndex, tokenCount } from './check-tokens.js';

const N = QUEUES.length;
const QUEUE_INDEX: ReadonlyMap<QueueName, number> = new Map(QUEUES.map((queue, i) => [queue, i]));

/** Tokens of one counter: what each token in flight proves, and how the counter was used. */
interface Counter {
  /** Clock of the release of each token, oldest at `head`; undefined for an initial credit. */
  readonly tokens: (Int32Array | undefined)[];
  head: number;
  /** Tokens ever put in, initial credits included. */
  added: number;
  /** For each wait: number of the waiting instruction in its queue, and tokens taken up to it. */
  readonly waiters: number[];
  readonly taken: number[];
  /** Waits that are sure to have happened, as a position in the two lists. */
  sure: number;
}

export class HappensBefore {
  /** Row q: number of the last instruction of each queue that has ended whenever q's latest one starts. */
  readonly #known = new Int32Array(N * N);
  readonly #issued = new Int32Array(N);
  readonly #counters: (Counter | undefined)[] = new Array(COUNTERS);
  readonly #credits: Int32Array;
  readonly #queueDepth: number;
  /** Most tokens in each counter over all orders of execution. */
  readonly most: Int32Array;

  /** Queues that execute something. */
  readonly #active: readonly number[];
  /** For each queue, number of its last instruction that all others know to have ended. Stale while `#isNew`. */
  readonly #settled = new Int32Array(N);
  #isNew = false;

  /**
   * @param credits tokens at reset, by counter
   * @param queueDepth instructions that a queue holds before they start
   * @param active queues that the stream uses
   */
  constructor(credits: Int32Array, queueDepth: number, active: Iterable<QueueName>) {
    this.#active = [...active].map((name) => this.queue(name));
    this.#credits = credits;
    this.#queueDepth = queueDepth;
    this.most = credits.slice();
  }

  /** Number of a queue. */
  queue(name: QueueName): number {
    return QUEUE_INDEX.get(name) ?? 0;
  }

  /**
   * The next instruction in program order starts: takes its tokens. Gives its number in its queue, from 1.
   * Token underflow must have been ruled out.
   */
  start(instruction: Instruction): number {
    const q = this.queue(instruction.queue);
    const number = ++this.#issued[q];
    const count = instruction.wait.length === 0 ? 0 : tokenCount(instruction);
    for (const from of instruction.wait) {
      const counter = this.#counter(counterIndex(from, instruction.queue));
      for (let i = 0; i < count; i++) {
        const clock = counter.tokens[counter.head++];
        if (clock !== undefined) this.#join(q, clock);
      }
      if (counter.head > 1024) {
        counter.tokens.splice(0, counter.head);
        counter.head = 0;
      }
      counter.waiters.push(number);
      counter.taken.push((counter.taken[counter.taken.length - 1] ?? 0) + count);
    }
    return number;
  }

  /**
   * The instruction that was started last ends: releases its tokens. Gives the first counter that some order of
   * execution drives beyond `limit`, with its tokens then.
   */
  end(instruction: Instruction, limit: number): { counter: number; tokens: number } | undefined {
    if (instruction.release.length === 0) return undefined;
    const q = this.queue(instruction.queue);
    const clock = this.#known.slice(q * N, q * N + N);
    clock[q] = this.#issued[q];
    const count = tokenCount(instruction);
    let over: { counter: number; tokens: number } | undefined;
    for (const to of instruction.release) {
      const index = counterIndex(instruction.queue, to);
      const counter = this.#counter(index);
      for (let i = 0; i < count; i++) counter.tokens.push(clock);
      counter.added += count;
      const tokens = counter.added - this.#surelyTaken(counter, clock, this.queue(to));
      if (tokens > this.most[index]) this.most[index] = tokens;
      if (tokens > limit) over ??= { counter: index, tokens };
    }
    return over;
  }

  /** All queues of the core are empty: everything so far has ended. */
  barrier(): void {
    for (let q = 0; q < N; q++) this.#known.set(this.#issued, q * N);
    this.#isNew = true;
  }

  /** Whether instruction `number` of queue `other` has ended whenever the latest one of queue `q` starts. */
  isBefore(other: number, number: number, q: number): boolean {
    return this.#known[q * N + other] >= number;
  }

  /** Whether no queue but its own can start anything before instruction `number` of queue `q` has ended. */
  isSettled(q: number, number: number): boolean {
    if (this.#isNew) this.#settle();
    return number <= this.#settled[q];
  }

  #settle(): void {
    this.#settled.set(this.#issued);
    for (const q of this.#active) {
      for (let p = 0; p < N; p++) {
        const known = this.#known[q * N + p];
        if (p !== q && known < this.#settled[p]) this.#settled[p] = known;
      }
    }
    this.#isNew = false;
  }

  #join(q: number, clock: Int32Array): void {
    const row = q * N;
    for (let p = 0; p < N; p++) {
      if (clock[p] <= this.#known[row + p]) continue;
      this.#known[row + p] = clock[p];
      this.#isNew = true;
    }
  }

  /**
   * Tokens that the receiving queue has taken for certain by the time of a release: by instructions known to have
   * ended, and by those that the queue is too short to hold unstarted.
   */
  #surelyTaken(counter: Counter, clock: Int32Array, to: number): number {
    const last = Math.max(clock[to], this.#issued[to] - this.#queueDepth);
    while (counter.sure < counter.waiters.length && counter.waiters[counter.sure] <= last) counter.sure++;
    return counter.sure === 0 ? 0 : counter.taken[counter.sure - 1];
  }

  #counter(index: number): Counter {
    const known = this.#counters[index];
    if (known !== undefined) return known;
    const credits = this.#credits[index];
    const counter: Counter = {
      tokens: new Array<Int32Array | undefined>(credits).fill(undefined),
      head: 0,
      added: credits,
      waiters: [],
      taken: [],
      sure: 0,
    };
    this.#counters[index] = counter;
    return counter;
  }
}
