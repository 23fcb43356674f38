/**
 * Weight tiles on their way into the weight buffer. A tile is read once, by the product that follows, so copying
 * it costs as much as the product itself. Instead the buffer remembers where the bytes of a range come from and
 * hands that pointer to a reader of exactly such a range. Whoever reads anything else, or writes over the source
 * or the range, first has the bytes put in place: what a reader sees never differs from a copy made at load time.
 */
import type { CopyRuns } from './copy-runs.js';

interface Pending {
  /** Range in the arena where the bytes belong, and where they are. */
  readonly start: number;
  readonly end: number;
  readonly source: number;
}

/** Shorter loads are copied at once. */
const WORTH_DEFERRING = 32768;

/** More entries than this are put in place: looking through them would cost more than copying. */
const MOST_PENDING = 64;

export class DeferredLoads {
  private readonly copyRuns: CopyRuns;
  private pending: Pending[] = [];

  constructor(copyRuns: CopyRuns) {
    this.copyRuns = copyRuns;
  }

  /** Loads a run: [start, start + length) now reads as the bytes at `source` do at this moment. */
  load(start: number, source: number, length: number): void {
    const end = start + length;
    if (this.pending.length > 0) this.beforeOverwrite(start, end);
    if (length < WORTH_DEFERRING) this.copyRuns(start, source, length, 1, 0, 0, 1, 0, 0);
    else this.pending.push({ start, end, source });
  }

  /** Pointer at which the bytes that belong to [start, start + length) can be read. */
  read(start: number, length: number): number {
    if (this.pending.length === 0) return start;
    const end = start + length;
    for (let i = 0; i < this.pending.length; i++) {
      const entry = this.pending[i];
      if (entry.start <= start && end <= entry.end) return entry.source + (start - entry.start);
    }
    this.settle((entry) => entry.start < end && start < entry.end);
    return start;
  }

  /** Puts everything in place. */
  settleAll(): void {
    this.settle(() => true);
  }

  /** To be called before bytes of the arena are written outside of {@link load}. */
  beforeWrite(start: number, end: number): void {
    if (this.pending.length === 0) return;
    const isSource = (entry: Pending): boolean =>
      entry.source < end && start < entry.source + (entry.end - entry.start);
    this.settle((entry) => isSource(entry) || (entry.start < end && start < entry.end));
  }

  /** A range that is about to be overwritten whole: what entries say of it is forgotten, the rest of them stays. */
  private beforeOverwrite(start: number, end: number): void {
    const kept: Pending[] = [];
    for (const entry of this.pending) {
      if (entry.end <= start || end <= entry.start) {
        kept.push(entry);
        continue;
      }
      if (entry.start < start) kept.push({ ...entry, end: start });
      if (end < entry.end)
        kept.push({ start: end, end: entry.end, source: entry.source + (end - entry.start) });
    }
    this.pending = kept;
    if (kept.length > MOST_PENDING) this.settleAll();
    // The range may itself be the source of another entry.
    this.settle((entry) => entry.source < end && start < entry.source + (entry.end - entry.start));
  }

  private settle(which: (entry: Pending) => boolean): void {
    if (!this.pending.some(which)) return;
    for (const entry of this.pending.filter(which)) {
      this.copyRuns(entry.start, entry.source, entry.end - entry.start, 1, 0, 0, 1, 0, 0);
    }
    this.pending = this.pending.filter((entry) => !which(entry));
  }
}
