/**
 * On-chip data buffer allocation: first fit, or next fit, over the ranges that are live now. Addresses are static, so a
 * program's buffer use is known before it runs. Reuse of a range by a later value is made safe by the token
 * pass, not here.
 */
import { BitloomError } from '@bitloom/ir';

/** A byte range of a buffer. */
export interface Allocation {
  readonly name: string;
  readonly start: number;
  readonly bytes: number;
}

const ALIGNMENT = 64;

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

export class DataBuffer {
  readonly capacity: number;
  private readonly space: string;
  /** Sorted by start; never overlapping. */
  private live: Allocation[] = [];
  private highWater = 0;
  /** First byte of the reserved ranges, which grow from the end of the buffer downwards. */
  private top: number;
  /** First byte of each zone. */
  private readonly zoneStarts: readonly number[];

  /** Where the search in each zone begins. */
  private readonly nextStarts: number[] = [];
  private readonly isSpread: boolean;

  /**
   * @param zones parts of equal size that are allocated apart: what is in one never waits for a reader in another
   * @param isSpread false: always the lowest free range, which packs closest
   * @param shared bytes of a zone before the others, number 0, for what they take turns with; 0: there is none
   */
  constructor(space: string, capacity: number, zones = 1, isSpread = false, shared = 0) {
    this.space = space;
    this.isSpread = isSpread;
    this.capacity = capacity;
    this.top = Math.floor(capacity / ALIGNMENT) * ALIGNMENT;
    const before = Math.min(roundUp(shared, ALIGNMENT), this.top);
    const size = Math.floor((capacity - before) / zones / ALIGNMENT) * ALIGNMENT;
    const starts = Array.from({ length: zones }, (_, zone) => before + zone * size);
    this.zoneStarts = before === 0 ? starts : [0, ...starts];
  }

  /**
   * A range that is never shared: no value was there before and none comes later. Staging for the fetch queue
   * needs this, because the ring of KV tiles owns the tokens between fetch and the matrix engine.
   * @throws BitloomError `compiler-does-not-fit`
   */
  reserve(name: string, bytes: number): Allocation {
    const size = roundUp(Math.max(bytes, 1), ALIGNMENT);
    if (this.top - size < this.highWater) throw this.doesNotFit(name, size, this.top - this.highWater);
    this.top -= size;
    return { name, start: this.top, bytes };
  }

  /**
   * A free range of `bytes` in a zone: the lowest behind what was allocated last, or else the lowest of all. So a range
   * rests before it is used again, and a new value seldom waits for the last reader of an old one.
   * @throws BitloomError `compiler-does-not-fit` with the space, what was asked and how much is missing.
   */
  allocate(name: string, bytes: number, zone = 0): Allocation {
    const size = roundUp(Math.max(bytes, 1), ALIGNMENT);
    const end = Math.min(this.top, this.zoneStarts[zone + 1] ?? this.top);
    const begin = this.zoneStarts[zone] ?? 0;
    const next = this.freeFrom(Math.max(begin, this.nextStarts[zone] ?? begin), size);
    const start = next + size <= end ? next : this.freeFrom(begin, size);
    if (start + size > end) throw this.doesNotFit(name, size, end - start);
    this.nextStarts[zone] = this.isSpread ? start + size : begin;
    const allocation: Allocation = { name, start, bytes };
    const index = this.live.findIndex((block) => block.start > start);
    this.live.splice(index < 0 ? this.live.length : index, 0, allocation);
    this.highWater = Math.max(this.highWater, start + size);
    return allocation;
  }

  /** First byte at or behind `from` of a gap of `size` bytes between live ranges, or behind all of them. */
  private freeFrom(from: number, size: number): number {
    let start = from;
    for (const block of this.live) {
      const blockEnd = block.start + roundUp(block.bytes, ALIGNMENT);
      if (blockEnd <= start) continue;
      if (start + size <= block.start) return start;
      start = Math.max(start, blockEnd);
    }
    return start;
  }

  private doesNotFit(name: string, needed: number, available: number): BitloomError {
    return new BitloomError({
      code: 'compiler-does-not-fit',
      message: `the ${this.space} buffer is too small for '${name}'`,
      where: `buffer ${this.space} of ${this.capacity} bytes`,
      expected: `a free run of ${needed} bytes`,
      got: `${Math.max(0, available)} bytes: short by ${needed - Math.max(0, available)}`,
      hint: 'use a card with a larger buffer, or a smaller context (--context)',
    });
  }

  free(allocation: Allocation): void {
    this.live = this.live.filter((block) => block !== allocation);
  }

  /** Ranges that are live now. */
  ranges(): readonly Allocation[] {
    return this.live;
  }

  /** Most bytes ever in use: values and reserved ranges. */
  peak(): number {
    return this.highWater + Math.floor(this.capacity / ALIGNMENT) * ALIGNMENT - this.top;
  }
}
