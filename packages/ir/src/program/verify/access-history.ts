/**
 * The accesses of an area that a later one may still clash with. An access is forgotten once a newer one covers
 * its bytes, comes after it, and would clash with everything that it would clash with.
 *
 * Records stand in buckets of the area by address, wide ones in a list of their own, so that a long program over
 * many distinct ranges is not compared pair by pair.
 */
import type { AccessRuns } from '../access-runs.js';
import { coversPattern, patternsOverlap } from '../access-runs.js';

/** One remembered access. `start` and `end` shrink when a newer access covers part of it. */
export interface AccessRecord {
  start: number;
  end: number;
  readonly runs: AccessRuns | undefined;
  readonly write: boolean;
  /** Queue, and number of the instruction in it. */
  readonly queue: number;
  readonly number: number;
  /** Index of the instruction in the stream. */
  readonly index: number;
  isDead: boolean;
}

const BUCKETS = 256;
/** Records over more buckets than this go to the list of wide ones. */
const WIDE = 8;

/** Whether a remembered access has surely ended when the new one starts. */
export type IsBefore = (queue: number, number: number) => boolean;

export class AccessHistory {
  readonly #origin: number;
  readonly #bucketBytes: number;
  readonly #buckets: AccessRecord[][] = [];
  readonly #wide: AccessRecord[] = [];
  /** Pairs compared so far. */
  comparisons = 0;

  /** @param start,end offsets of the area in bytes; accesses outside are legal but slower */
  constructor(start: number, end: number) {
    this.#origin = start;
    this.#bucketBytes = Math.max(64, Math.ceil((end - start) / BUCKETS));
  }

  /**
   * Adds an access. Gives a remembered one of another queue that touches the same bytes, one of the two being a
   * write, and that may not have ended; the history is then of no further use.
   */
  add(access: AccessRecord, isBefore: IsBefore): AccessRecord | undefined {
    const [first, last] = [this.#bucket(access.start), this.#bucket(access.end - 1)];
    const pieces: AccessRecord[] = [];
    let clash = this.#scan(this.#wide, access, isBefore, -1, first, pieces);
    for (let b = first; b <= last && clash === undefined; b++) {
      const bucket = this.#buckets[b];
      if (bucket !== undefined) clash = this.#scan(bucket, access, isBefore, b, first, pieces);
    }
    for (const piece of pieces) this.#insert(piece);
    this.#insert(access);
    return clash;
  }

  #bucket(offset: number): number {
    return Math.min(BUCKETS - 1, Math.max(0, Math.floor((offset - this.#origin) / this.#bucketBytes)));
  }

  #insert(record: AccessRecord): void {
    const [first, last] = [this.#bucket(record.start), this.#bucket(record.end - 1)];
    if (last - first >= WIDE) {
      this.#wide.push(record);
      return;
    }
    for (let b = first; b <= last; b++) {
      const bucket = this.#buckets[b];
      if (bucket === undefined) this.#buckets[b] = [record];
      else bucket.push(record);
    }
  }

  /** Compares one list, dropping what is dead. A record that stands in several buckets is met in the first only. */
  #scan(
    list: AccessRecord[],
    access: AccessRecord,
    isBefore: IsBefore,
    bucket: number,
    firstOfAccess: number,
    pieces: AccessRecord[],
  ): AccessRecord | undefined {
    let kept = 0;
    let clash: AccessRecord | undefined;
    for (let i = 0; i < list.length; i++) {
      const old = list[i];
      if (old.isDead) continue;
      list[kept++] = old;
      if (clash !== undefined || old.start >= access.end || access.start >= old.end) continue;
      if (bucket >= 0 && bucket !== Math.max(firstOfAccess, this.#bucket(old.start))) continue;
      this.comparisons++;
      const isOrdered = old.queue === access.queue || isBefore(old.queue, old.number);
      if (!isOrdered && (old.write || access.write)) {
        if (patternsOverlap(old, access)) clash = old;
        continue;
      }
      // A read does not stand for a write: a later read clashes with the write only.
      if (isOrdered && (access.write || !old.write)) this.#forget(old, access, pieces);
      if (old.isDead) kept--;
    }
    list.length = kept;
    return clash;
  }

  /** Takes the bytes of `access` from an older record, as far as the patterns are simple enough. */
  #forget(old: AccessRecord, access: AccessRecord, pieces: AccessRecord[]): void {
    if (coversPattern(access, old)) {
      old.isDead = true;
    } else if (access.runs === undefined && old.runs === undefined) {
      if (old.start < access.start) {
        if (old.end > access.end) pieces.push({ ...old, start: access.end });
        old.end = access.start;
      } else {
        old.start = access.end;
      }
    }
  }
}
