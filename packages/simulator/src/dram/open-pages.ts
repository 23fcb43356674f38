/**
 * Which rows stand open: the last few transfers, each a range of pages, remembered instead of the state of every bank.
 * A page is a stretch of a channel's addresses that has one row open in each of the same few banks.
 */
import { STRIPED } from '@bitloom/ir';

export type RowState = 'open' | 'closed' | 'other';

/** Transfers that are remembered: those of a few units that take turns. */
const REMEMBERED = 8;

export class OpenPages {
  private readonly pagesPerTurn: number;
  private readonly refreshInterval: number;
  private readonly channel = new Int32Array(REMEMBERED);
  private readonly from = new Float64Array(REMEMBERED);
  private readonly to = new Float64Array(REMEMBERED);
  private readonly firstBurst = new Float64Array(REMEMBERED);
  private readonly lastBurst = new Float64Array(REMEMBERED);
  private taken = 0;
  /** Of the transfer that the last {@link find} met on the same banks: when its first and last burst passed. */
  metFirst = 0;
  metLast = 0;

  constructor(pagesPerTurn: number, refreshInterval: number) {
    this.pagesPerTurn = pagesPerTurn;
    this.refreshInterval = refreshInterval;
  }

  reset(): void {
    this.taken = 0;
  }

  /** What a request to a page meets at a cycle; refresh closes all rows. */
  find(channel: number, page: number, at: number): RowState {
    const epoch = Math.floor(at / this.refreshInterval);
    const known = Math.min(this.taken, REMEMBERED);
    for (let k = 1; k <= known; k++) {
      const i = (this.taken - k) % REMEMBERED;
      if (this.channel[i] !== channel && this.channel[i] !== STRIPED && channel !== STRIPED) continue;
      // The last page of the range that lies in the same banks.
      const last =
        this.to[i] - ((((this.to[i] - page) % this.pagesPerTurn) + this.pagesPerTurn) % this.pagesPerTurn);
      if (last < this.from[i]) continue;
      if (Math.floor(this.lastBurst[i] / this.refreshInterval) < epoch) return 'closed';
      this.metFirst = this.firstBurst[i];
      this.metLast = this.lastBurst[i];
      return last === page ? 'open' : 'other';
    }
    return known < REMEMBERED ? 'closed' : this.forgotten(at);
  }

  /** Told of a transfer that passes from one cycle to another. */
  visit(channel: number, from: number, to: number, firstBurst: number, lastBurst: number): void {
    const i = this.taken % REMEMBERED;
    this.channel[i] = channel;
    this.from[i] = from;
    this.to[i] = to;
    this.firstBurst[i] = firstBurst;
    this.lastBurst[i] = lastBurst;
    this.taken++;
  }

  /** Nothing remembered touched these banks: some row of them is open, or a refresh has closed it. */
  private forgotten(at: number): RowState {
    this.metFirst = Number.NEGATIVE_INFINITY;
    this.metLast = Number.NEGATIVE_INFINITY;
    const oldest = this.lastBurst[this.taken % REMEMBERED];
    const isClosed = Math.floor(oldest / this.refreshInterval) < Math.floor(at / this.refreshInterval);
    return isClosed ? 'closed' : 'other';
  }
}
