/** Reads whose data is on its way back: they return in order, at most one per clock. */
export interface ReturningRead {
  readonly request: number;
  /** Clock of its completion, and of its acceptance. */
  readonly at: number;
  readonly arrive: number;
}

/** Reads that have returned are dropped from the list in lots of this many. */
const LOT = 1024;

export class ReturningReads {
  private reads: ReturningRead[] = [];
  private taken = 0;
  private last = 0;

  /** Clock of the next completion; infinity when nothing is on its way. */
  get next(): number {
    return this.taken < this.reads.length ? this.reads[this.taken].at : Number.POSITIVE_INFINITY;
  }

  add(request: number, from: number, arrive: number): void {
    this.last = Math.max(from, this.last + 1);
    this.reads.push({ request, at: this.last, arrive });
  }

  /** The read that returns next. Only to be called when there is one. */
  take(): ReturningRead {
    const read = this.reads[this.taken];
    this.taken++;
    if (this.taken === LOT) {
      this.reads = this.reads.slice(LOT);
      this.taken = 0;
    }
    return read;
  }
}
