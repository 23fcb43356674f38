/** Counting tokens between queues, with their arrival times: each pair of queues is a counter, first in first out. */
import { BitloomError, internalError, QUEUES, type TokenDecl } from '@bitloom/ir';

/** Token arrival times per (from, to), first in first out. */
export class TokenQueues {
  private readonly times: number[][] = Array.from({ length: QUEUES.length * QUEUES.length }, () => []);
  private readonly heads = new Int32Array(QUEUES.length * QUEUES.length);
  private readonly limit: number;

  /** @param tokens width of the counters, and what they hold at the start */
  constructor(tokens: TokenDecl) {
    this.limit = 2 ** tokens.counterBits - 1;
    QUEUES.forEach((from, i) => {
      QUEUES.forEach((to, j) => {
        const credits = tokens.initialCredits[`${from}>${to}`] ?? 0;
        if (credits > 0) this.give(i, j, 0, credits);
      });
    });
  }

  private at(from: number, to: number): number {
    return from * QUEUES.length + to;
  }

  available(from: number, to: number): number {
    const i = this.at(from, to);
    return (this.times[i]?.length ?? 0) - (this.heads[i] ?? 0);
  }

  /** Arrival of the n-th waiting token (from 0). */
  arrival(from: number, to: number, n: number): number {
    const i = this.at(from, to);
    return this.times[i]?.[(this.heads[i] ?? 0) + n] ?? Number.POSITIVE_INFINITY;
  }

  take(from: number, to: number, count: number): void {
    const i = this.at(from, to);
    const head = (this.heads[i] ?? 0) + count;
    const list = this.times[i];
    if (list !== undefined && head > 1024 && head * 2 > list.length) {
      list.splice(0, head);
      this.heads[i] = 0;
    } else {
      this.heads[i] = head;
    }
  }

  give(from: number, to: number, time: number, count: number): void {
    const list = this.times[this.at(from, to)];
    if (list === undefined) throw internalError('token to an unknown queue');
    for (let i = 0; i < count; i++) list.push(time);
    if (this.available(from, to) > this.limit) {
      throw new BitloomError({
        code: 'simulator-token-overflow',
        message: 'more tokens wait than a counter holds',
        where: `${QUEUES[from] ?? from} > ${QUEUES[to] ?? to}`,
        expected: `at most ${this.limit}`,
        got: String(this.available(from, to)),
      });
    }
  }
}
