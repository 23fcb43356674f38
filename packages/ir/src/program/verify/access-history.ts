/**
 * The accesses of an area that a later one may still clash with. An access is forgotten once every queue knows
 * that it has ended, or once a newer one covers its bytes, comes after it, and would clash with everything that it
 * would clash with.
 *
 * Records stand in buckets of the area by address, wide ones in a list of their own, so that a long program over
 * many distinct ranges is not compared pair by pair.
 */
import type { AccessRuns } from '../access-runs.js';
import { coversPattern, patternsOverlap, samePattern } from '../access-runs.js';
import type { HappensBefore } from './happens-before.js';

/** One remembered access. `start` and `end` shrink when a newer access covers part of it. */
export interface AccessRecord {
  start: number;
  end: number;
  readonly runs: AccessRuns | undefined;
  readonly write: boolean;
  /** Queue, and number of the instruction in it. */
  readonly queue: number;
  number: number;
  /** Index of the instruction in the stream. */
  index: number;
  isDead: boolean;
}

const BUCKETS = 256;
/** Records over more buckets than this go to the list of wide ones. */
const WIDE = 8;
/** Queues fit below this: a factor to make one key of a queue and an offset. */
const KEY_STEP = 8;

/** Records of one kind (reads or writes) by bucket. */
interface Shelf {
  readonly buckets: (AccessRecord[] | undefined)[];
  readonly wide: AccessRecord[];
}

export class AccessHistory {
  readonly #origin: number;
  readonly #bucketBytes: number;
  readonly #reads: Shelf = { buckets: [], wide: [] };
  readonly #writes: Shelf = { buckets: [], wide: [] };
  /** The latest read of a queue at an offset: loops read the same bytes again and again. */
  readonly #latestReads = new Map<number, AccessRecord>();
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
  add(access: AccessRecord, order: HappensBefore): AccessRecord | undefined {
    const clash = this.#compare(this.#writes, access, order);
    if (clash !== undefined) return clash;
    if (!access.write) {
      this.#addRead(access);
      return undefined;
    }
    const reader = this.#compare(this.#reads, access, order);
    this.#insert(this.#writes, access);
    return reader;
  }

  /** A read stands for an earlier one of its own queue and bytes; nothing else need be compared with it. */
  #addRead(access: AccessRecord): void {
    const key = access.start * KEY_STEP + access.queue;
    const known = this.#latestReads.get(key);
    if (known !== undefined && !known.isDead && samePattern(known, access)) {
      known.number = access.number;
      known.index = access.index;
      return;
    }
    this.#latestReads.set(key, access);
    this.#insert(this.#reads, access);
  }

  #bucket(offset: number): number {
    return Math.min(BUCKETS - 1, Math.max(0, Math.floor((offset - this.#origin) / this.#bucketBytes)));
  }

  #insert(shelf: Shelf, record: AccessRecord): void {
    const [first, last] = [this.#bucket(record.start), this.#bucket(record.end - 1)];
    if (last - first >= WIDE) {
      shelf.wide.push(record);
      return;
    }
    for (let b = first; b <= last; b++) {
      const bucket = shelf.buckets[b];
      if (bucket === undefined) shelf.buckets[b] = [record];
      else bucket.push(record);
    }
  }

  /** The first clash with a shelf, if any. A write takes its bytes from the records it is known to follow. */
  #compare(shelf: Shelf, access: AccessRecord, order: HappensBefore): AccessRecord | undefined {
    const [first, last] = [this.#bucket(access.start), this.#bucket(access.end - 1)];
    const pieces: AccessRecord[] = [];
    let clash = this.#scan(shelf.wide, access, order, -1, first, pieces);
    for (let b = first; b <= last && clash === undefined; b++) {
      const bucket = shelf.buckets[b];
      if (bucket !== undefined) clash = this.#scan(bucket, access, order, b, first, pieces);
    }
    for (const piece of pieces) this.#insert(shelf, piece);
    return clash;
  }

  /** Compares one list, dropping what is dead. A record in several buckets is met in the first only. */
  #scan(
    list: AccessRecord[],
    access: AccessRecord,
    order: HappensBefore,
    bucket: number,
    firstOfAccess: number,
    pieces: AccessRecord[],
  ): AccessRecord | undefined {
    let kept = 0;
    let clash: AccessRecord | undefined;
    for (const old of list) {
      // Dead for good, or the read that renews it would be missed where it is no longer listed.
      if (order.isSettled(old.queue, old.number)) old.isDead = true;
      if (old.isDead) continue;
      list[kept++] = old;
      if (clash !== undefined || old.start >= access.end || access.start >= old.end) continue;
      if (bucket >= 0 && bucket !== Math.max(firstOfAccess, this.#bucket(old.start))) continue;
      this.comparisons++;
      if (old.queue !== access.queue && !order.isBefore(old.queue, old.number, access.queue)) {
        if (patternsOverlap(old, access)) clash = old;
      } else if (access.write) {
        forget(old, access, pieces);
        if (old.isDead) kept--;
      }
    }
    if (kept < list.length) list.length = kept;
    return clash;
  }
}

/**
 * Takes the bytes of a write from an older record that it follows, as far as the patterns are simple enough:
 * whatever clashes with the record there clashes with the write.
 */
function forget(old: AccessRecord, access: AccessRecord, pieces: AccessRecord[]): void {
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
