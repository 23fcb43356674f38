/**
 * Waiting requests of one direction, in the order of their arrival within each bank, and for each bank the oldest one
 * that finds its row open and the oldest one that does not. Entries are numbers; their fields lie in typed arrays.
 */
const NONE = -1;

export class BankQueues {
  readonly capacity: number;
  size = 0;
  /** Fields of an entry: row, clock of acceptance, number of the request, whether no command was issued for it yet. */
  readonly row: Int32Array;
  readonly arrive: Float64Array;
  readonly request: Float64Array;
  readonly isFresh: Uint8Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly head: Int32Array;
  private readonly tail: Int32Array;
  private readonly hit: Int32Array;
  private readonly miss: Int32Array;
  private readonly isStale: Uint8Array;
  private free: number;

  constructor(capacity: number, banks: number) {
    this.capacity = capacity;
    this.row = new Int32Array(capacity);
    this.arrive = new Float64Array(capacity);
    this.request = new Float64Array(capacity);
    this.isFresh = new Uint8Array(capacity);
    this.next = Int32Array.from({ length: capacity }, (_, i) => (i + 1 < capacity ? i + 1 : NONE));
    this.previous = new Int32Array(capacity);
    this.head = new Int32Array(banks).fill(NONE);
    this.tail = new Int32Array(banks).fill(NONE);
    this.hit = new Int32Array(banks).fill(NONE);
    this.miss = new Int32Array(banks).fill(NONE);
    this.isStale = new Uint8Array(banks);
    this.free = capacity > 0 ? 0 : NONE;
  }

  get isFull(): boolean {
    return this.size === this.capacity;
  }

  /** Adds a request behind all others. @param openRow row open in its bank, or -1 */
  push(bank: number, row: number, arrive: number, request: number, openRow: number): void {
    const entry = this.free;
    this.free = this.next[entry];
    this.row[entry] = row;
    this.arrive[entry] = arrive;
    this.request[entry] = request;
    this.isFresh[entry] = 1;
    this.next[entry] = NONE;
    const last = this.tail[bank];
    this.previous[entry] = last;
    this.tail[bank] = entry;
    if (last === NONE) this.head[bank] = entry;
    else this.next[last] = entry;
    this.size++;
    if (this.isStale[bank] === 1) return;
    const oldest = row === openRow ? this.hit : this.miss;
    if (oldest[bank] === NONE) oldest[bank] = entry;
  }

  remove(bank: number, entry: number): void {
    const after = this.next[entry];
    const before = this.previous[entry];
    if (before === NONE) this.head[bank] = after;
    else this.next[before] = after;
    if (after === NONE) this.tail[bank] = before;
    else this.previous[after] = before;
    if (this.isStale[bank] === 0) {
      // Whatever follows of the same kind is younger, so the search goes on from here.
      if (this.hit[bank] === entry) this.hit[bank] = this.findFrom(after, this.row[entry], true);
      else if (this.miss[bank] === entry) this.isStale[bank] = 1;
    }
    this.next[entry] = this.free;
    this.free = entry;
    this.size--;
  }

  /** Told when a row of the bank is opened or closed. */
  rowChanged(bank: number): void {
    this.isStale[bank] = 1;
  }

  oldest(bank: number): number {
    return this.head[bank];
  }

  /** Oldest request to the open row, or -1. */
  oldestHit(bank: number, openRow: number): number {
    if (this.isStale[bank] === 1) this.search(bank, openRow);
    return this.hit[bank];
  }

  /** Oldest request to another row, or -1. */
  oldestMiss(bank: number, openRow: number): number {
    if (this.isStale[bank] === 1) this.search(bank, openRow);
    return this.miss[bank];
  }

  private search(bank: number, openRow: number): void {
    this.hit[bank] = this.findFrom(this.head[bank], openRow, true);
    this.miss[bank] = this.findFrom(this.head[bank], openRow, false);
    this.isStale[bank] = 0;
  }

  private findFrom(entry: number, row: number, isSame: boolean): number {
    let at = entry;
    while (at !== NONE && (this.row[at] === row) !== isSame) at = this.next[at];
    return at;
  }
}
