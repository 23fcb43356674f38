/**
 * Which rows stand open: the last few transfers, each a range of bursts, remembered instead of the state of every bank.
 * A page is a stretch of a channel's addresses that has one row open in each of the same few banks, which its bursts
 * visit in turn.
 */
import { STRIPED } from '@bitloom/ir';
import type { ChannelFigures } from './channel-figures.js';

export type RowState = 'open' | 'closed' | 'other';

/** Transfers that are remembered: those of a few units that take turns. */
const REMEMBERED = 16;

export class OpenPages {
  private readonly figures: ChannelFigures;
  private readonly channel = new Int32Array(REMEMBERED);
  /** First and last burst of each range, and whether other rows were opened on the way to it. */
  private readonly from = new Float64Array(REMEMBERED);
  private readonly to = new Float64Array(REMEMBERED);
  private readonly isScattered = new Uint8Array(REMEMBERED);
  /** Page of the last burst, and the refresh interval in which it passed. */
  private readonly toPage = new Float64Array(REMEMBERED);
  private readonly epoch = new Float64Array(REMEMBERED);
  private readonly firstAt = new Float64Array(REMEMBERED);
  private readonly lastAt = new Float64Array(REMEMBERED);
  private taken = 0;
  /** When the row that the last {@link find} met was opened and last used, if that matters: minus infinity if not. */
  metFirst = 0;
  metLast = 0;

  constructor(figures: ChannelFigures) {
    this.figures = figures;
  }

  reset(): void {
    this.taken = 0;
  }

  /** What a burst meets in its bank at a cycle; refresh closes all rows. */
  find(channel: number, burst: number, at: number): RowState {
    const { refreshInterval, burstsPerPage, pagesPerTurn } = this.figures;
    const epoch = Math.floor(at / refreshInterval);
    const page = Math.floor(burst / burstsPerPage);
    const known = Math.min(this.taken, REMEMBERED);
    this.metFirst = Number.NEGATIVE_INFINITY;
    this.metLast = Number.NEGATIVE_INFINITY;
    for (let k = 1; k <= known; k++) {
      const i = (this.taken - k) % REMEMBERED;
      if (this.channel[i] !== channel && this.channel[i] !== STRIPED && channel !== STRIPED) continue;
      if (this.epoch[i] < epoch) return 'closed';
      // The last page of the range that lies in the same banks.
      const end = this.toPage[i];
      const last = page + Math.floor((end - page) / pagesPerTurn) * pagesPerTurn;
      if (this.touches(i, last, burst)) {
        // Only rows that were just used can hold a request up; of longer ranges that is the last page.
        const isJustUsed = last === end && this.lastAt[i] <= at + this.figures.reopen;
        if (isJustUsed) this.metLast = this.lastAt[i];
        if (isJustUsed && this.from[i] >= last * burstsPerPage) this.metFirst = this.firstAt[i];
        return last === page ? 'open' : 'other';
      }
      if (this.isScattered[i] === 1) return 'other';
    }
    return known < REMEMBERED ? 'closed' : 'other';
  }

  /** Told of a transfer whose last run passes from one cycle to another. */
  visit(
    channel: number,
    from: number,
    to: number,
    isScattered: boolean,
    firstAt: number,
    lastAt: number,
  ): void {
    const i = this.taken % REMEMBERED;
    this.channel[i] = channel;
    this.from[i] = from;
    this.to[i] = to;
    this.isScattered[i] = isScattered ? 1 : 0;
    this.firstAt[i] = firstAt;
    this.lastAt[i] = lastAt;
    this.toPage[i] = Math.floor(to / this.figures.burstsPerPage);
    this.epoch[i] = Math.floor(lastAt / this.figures.refreshInterval);
    this.taken++;
  }

  /** Whether a range holds a burst of a page in the bank of another burst. */
  private touches(i: number, page: number, burst: number): boolean {
    const { burstsPerPage, banksPerPage } = this.figures;
    const first = Math.max(this.from[i], page * burstsPerPage);
    const last = Math.min(this.to[i], (page + 1) * burstsPerPage - 1);
    if (last - first + 1 >= banksPerPage) return true;
    // Fewer bursts than banks: they are those from `first` on.
    const turns = Math.ceil((first - burst) / banksPerPage);
    return burst + turns * banksPerPage <= last;
  }
}
