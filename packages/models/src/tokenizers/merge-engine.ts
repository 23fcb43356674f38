/**
 * Byte-pair merging in near-linear time: a hash table of pairs and a priority queue of candidates. It knows
 * symbols as integers only; what they stand for, and where ranks come from, is the caller's business.
 *
 * Order of merging: lowest rank first, leftmost first among equals.
 */

/** Pairs of symbols that may merge, with the rank of the merge and the symbol it makes. */
export class MergeTable {
  #slots: Int32Array;
  #mask: number;
  #left: Int32Array;
  #right: Int32Array;
  #rank: Int32Array;
  #result: Int32Array;
  #size = 0;

  /** @param expected about how many pairs will be added */
  constructor(expected = 1024) {
    let capacity = 1024;
    while (capacity < expected) capacity *= 2;
    this.#left = new Int32Array(capacity);
    this.#right = new Int32Array(capacity);
    this.#rank = new Int32Array(capacity);
    this.#result = new Int32Array(capacity);
    this.#slots = new Int32Array(capacity * 2).fill(-1);
    this.#mask = capacity * 2 - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a pair; the first of two equal pairs stays. Ranks are below 2^22. */
  add(left: number, right: number, rank: number, result: number): void {
    if (this.#size === this.#left.length) this.#grow();
    let slot = this.#hash(left, right);
    for (let entry = this.#slots[slot]; entry !== -1; entry = this.#slots[slot]) {
      if (this.#left[entry] === left && this.#right[entry] === right) return;
      slot = (slot + 1) & this.#mask;
    }
    const entry = this.#size++;
    this.#slots[slot] = entry;
    this.#left[entry] = left;
    this.#right[entry] = right;
    this.#rank[entry] = rank;
    this.#result[entry] = result;
  }

  /** Index of a pair, or -1. */
  find(left: number, right: number): number {
    let slot = this.#hash(left, right);
    for (let entry = this.#slots[slot]; entry !== -1; entry = this.#slots[slot]) {
      if (this.#left[entry] === left && this.#right[entry] === right) return entry;
      slot = (slot + 1) & this.#mask;
    }
    return -1;
  }

  left(entry: number): number {
    return this.#left[entry];
  }

  right(entry: number): number {
    return this.#right[entry];
  }

  rank(entry: number): number {
    return this.#rank[entry];
  }

  result(entry: number): number {
    return this.#result[entry];
  }

  #hash(left: number, right: number): number {
    let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    h ^= h >>> 15;
    return Math.imul(h, 0x2c1b3c6d) & this.#mask;
  }

  #grow(): void {
    const next = new MergeTable(this.#left.length * 2);
    for (let i = 0; i < this.#size; i++)
      next.add(this.#left[i], this.#right[i], this.#rank[i], this.#result[i]);
    this.#left = next.#left;
    this.#right = next.#right;
    this.#rank = next.#rank;
    this.#result = next.#result;
    this.#slots = next.#slots;
    this.#mask = next.#mask;
  }
}

/** A binary heap of (rank, position, table entry); smallest rank, then smallest position, comes first. */
class CandidateQueue {
  /** rank * 2^31 + position: exact, because ranks are below 2^22. */
  #keys = new Float64Array(256);
  #entries = new Int32Array(256);
  #size = 0;

  /** Table entry of the last candidate popped. */
  entry = -1;

  push(rank: number, position: number, entry: number): void {
    if (this.#size === this.#keys.length) this.#grow();
    const keys = this.#keys;
    const entries = this.#entries;
    const key = rank * 2 ** 31 + position;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[at] = keys[parent];
      entries[at] = entries[parent];
      at = parent;
    }
    keys[at] = key;
    entries[at] = entry;
  }

  /** Position of the first candidate, which is removed, or -1; its table entry is in `entry`. */
  pop(): number {
    if (this.#size === 0) return -1;
    const keys = this.#keys;
    const entries = this.#entries;
    const position = keys[0] % 2 ** 31;
    this.entry = entries[0];
    const size = --this.#size;
    const key = keys[size];
    const entry = entries[size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      entries[at] = entries[child];
      at = child;
    }
    keys[at] = key;
    entries[at] = entry;
    return position;
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    const entries = new Int32Array(this.#entries.length * 2);
    entries.set(this.#entries);
    this.#entries = entries;
  }
}

/** Merges sequences of symbols by a table. Holds scratch memory, so that short words allocate nothing. */
export class Merger {
  readonly #table: MergeTable;
  readonly #queue = new CandidateQueue();
  /** Neighbours in the chain of live symbols. */
  #previous = new Int32Array(256);
  #next = new Int32Array(256);

  constructor(table: MergeTable) {
    this.#table = table;
  }

  /**
   * Merges the first `count` symbols in place, until no pair of neighbours is in the table.
   * @param symbols non-negative symbols; overwritten with the result
   * @returns the number of symbols left, at the front of `symbols`
   */
  merge(symbols: Int32Array, count: number): number {
    const table = this.#table;
    const queue = this.#queue;
    this.#reserve(count);
    const previous = this.#previous;
    const next = this.#next;
    for (let i = 0; i < count; i++) {
      previous[i] = i - 1;
      next[i] = i + 1 < count ? i + 1 : -1;
      if (i > 0) this.#offer(symbols, i - 1, i);
    }
    for (let left = queue.pop(); left !== -1; left = queue.pop()) {
      const entry = queue.entry;
      const right = next[left];
      // A candidate is stale once either side has merged with something else.
      if (right === -1 || symbols[left] !== table.left(entry) || symbols[right] !== table.right(entry))
        continue;
      symbols[left] = table.result(entry);
      symbols[right] = -1;
      const after = next[right];
      next[left] = after;
      if (after !== -1) {
        previous[after] = left;
        this.#offer(symbols, left, after);
      }
      if (previous[left] !== -1) this.#offer(symbols, previous[left], left);
    }
    let out = 0;
    for (let i = 0; i !== -1 && i < count; i = next[i]) symbols[out++] = symbols[i];
    return out;
  }

  #offer(symbols: Int32Array, left: number, right: number): void {
    const entry = this.#table.find(symbols[left], symbols[right]);
    if (entry !== -1) this.#queue.push(this.#table.rank(entry), left, entry);
  }

  #reserve(count: number): void {
    if (this.#next.length >= count) return;
    const capacity = 2 ** Math.ceil(Math.log2(count));
    this.#previous = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
  }
}
