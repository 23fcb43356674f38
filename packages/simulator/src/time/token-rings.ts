/**
 * Counting tokens between the queues of a core, with the cycle each arrived and the trace row that gave it: every
 * pair of queues is a counter, first in first out.
 */
import { BitloomError, QUEUES, type TokenDecl } from '@bitloom/ir';

const N = QUEUES.length;
const FIRST_CAPACITY = 16;

export class TokenRings {
  private readonly times: Float64Array[] = [];
  private readonly rows: Int32Array[] = [];
  private readonly heads = new Int32Array(N * N);
  private readonly counts = new Int32Array(N * N);
  private readonly limit: number;

  /** @param tokens width of the counters, and what they hold at the start */
  constructor(tokens: TokenDecl) {
    this.limit = 2 ** tokens.counterBits - 1;
    for (let i = 0; i < N * N; i++) {
      this.times.push(new Float64Array(FIRST_CAPACITY));
      this.rows.push(new Int32Array(FIRST_CAPACITY));
    }
    QUEUES.forEach((from, i) => {
      QUEUES.forEach((to, j) => {
        const credits = tokens.initialCredits[`${from}>${to}`] ?? 0;
        if (credits > 0) this.give(i, j, 0, credits, -1);
      });
    });
  }

  /** Arrival of the n-th waiting token (from 1); infinity when fewer wait. */
  arrival(from: number, to: number, n: number): number {
    const pair = from * N + to;
    if (this.counts[pair] < n) return Number.POSITIVE_INFINITY;
    const times = this.times[pair];
    return times[(this.heads[pair] + n - 1) & (times.length - 1)];
  }

  /** Trace row that gave the n-th waiting token. */
  giver(from: number, to: number, n: number): number {
    const pair = from * N + to;
    const rows = this.rows[pair];
    return this.counts[pair] < n ? -1 : rows[(this.heads[pair] + n - 1) & (rows.length - 1)];
  }

  take(from: number, to: number, count: number): void {
    const pair = from * N + to;
    this.heads[pair] = (this.heads[pair] + count) & (this.times[pair].length - 1);
    this.counts[pair] -= count;
  }

  /** @throws BitloomError `simulator-token-overflow` */
  give(from: number, to: number, time: number, count: number, row: number): void {
    const pair = from * N + to;
    const total = this.counts[pair] + count;
    if (total > this.limit) {
      throw new BitloomError({
        code: 'simulator-token-overflow',
        message: 'more tokens wait than a counter holds',
        where: `${QUEUES[from]} > ${QUEUES[to]}`,
        expected: `at most ${this.limit}`,
        got: String(total),
      });
    }
    if (total > this.times[pair].length) this.grow(pair, total);
    const [times, rows] = [this.times[pair], this.rows[pair]];
    const mask = times.length - 1;
    let at = (this.heads[pair] + this.counts[pair]) & mask;
    for (let i = 0; i < count; i++) {
      times[at] = time;
      rows[at] = row;
      at = (at + 1) & mask;
    }
    this.counts[pair] = total;
  }

  private grow(pair: number, needed: number): void {
    const [times, rows] = [this.times[pair], this.rows[pair]];
    let capacity = times.length;
    while (capacity < needed) capacity *= 2;
    const [moreTimes, moreRows] = [new Float64Array(capacity), new Int32Array(capacity)];
    for (let i = 0; i < this.counts[pair]; i++) {
      const from = (this.heads[pair] + i) & (times.length - 1);
      moreTimes[i] = times[from];
      moreRows[i] = rows[from];
    }
    this.heads[pair] = 0;
    this.times[pair] = moreTimes;
    this.rows[pair] = moreRows;
  }
}
