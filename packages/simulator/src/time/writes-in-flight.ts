/**
 * Writes of one unit that are still on their way, oldest first. Units complete in order, so the oldest is the first
 * to be done and whatever was put in last is done last.
 */
const FIRST_CAPACITY = 16;

export class WritesInFlight {
  private spaces = new Int32Array(FIRST_CAPACITY);
  private starts = new Float64Array(FIRST_CAPACITY);
  private ends = new Float64Array(FIRST_CAPACITY);
  private done = new Float64Array(FIRST_CAPACITY);
  private head = 0;
  private count = 0;

  /** Forgets what is done at cycle `now`. */
  settle(now: number): void {
    const mask = this.done.length - 1;
    while (this.count > 0 && this.done[this.head] <= now) {
      this.head = (this.head + 1) & mask;
      this.count--;
    }
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  add(space: number, start: number, end: number, doneAt: number): void {
    if (this.count === this.done.length) this.grow();
    const at = (this.head + this.count) & (this.done.length - 1);
    this.spaces[at] = space;
    this.starts[at] = start;
    this.ends[at] = end;
    this.done[at] = doneAt;
    this.count++;
  }

  /** Cycle at which the last write that meets [start, end) of a space is done; 0 when none does. */
  lastOn(space: number, start: number, end: number): number {
    const mask = this.done.length - 1;
    for (let i = this.count - 1; i >= 0; i--) {
      const at = (this.head + i) & mask;
      if (this.spaces[at] === space && start < this.ends[at] && this.starts[at] < end) return this.done[at];
    }
    return 0;
  }

  private grow(): void {
    const capacity = this.done.length;
    const order = (from: number): number => (this.head + from) & (capacity - 1);
    const spaces = new Int32Array(2 * capacity);
    const [starts, ends, done] = [0, 1, 2].map(() => new Float64Array(2 * capacity));
    for (let i = 0; i < this.count; i++) {
      const at = order(i);
      spaces[i] = this.spaces[at];
      starts[i] = this.starts[at];
      ends[i] = this.ends[at];
      done[i] = this.done[at];
    }
    this.spaces = spaces;
    this.starts = starts;
    this.ends = ends;
    this.done = done;
    this.head = 0;
  }
}
