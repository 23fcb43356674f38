/**
 * On-chip data buffer allocation: first fit over the ranges that are live now. Addresses are static, so a
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

  /**
   * @param zones parts of equal size that are allocated apart: what is in one never waits for a reader in another
   */
  constructor(space: string, capacity: number, zones = 1) {
    this.space = space;
    this.capacity = capacity;
    this.top = Math.floor(capacity / ALIGNMENT) * ALIGNMENT;
    const size = Math.floor(capacity / zones / ALIGNMENT) * ALIGNMENT;
    this.zoneStarts = Array.from({ length: zones }, (_, zone) => zone * size);
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
   * Lowest free range of `bytes` in a zone.
   * @throws BitloomError `compiler-does-not-fit` with the space, what was asked and how much is missing.
   */
  allocate(name: string, bytes: number, zone = 0): Allocation {
    const size = roundUp(Math.max(bytes, 1), ALIGNMENT);
    const end = Math.min(this.top, this.zoneStarts[zone + 1] ?? this.top);
    let start = this.zoneStarts[zone] ?? 0;
    let index = 0;
    for (; index < this.live.length; index++) {
      const block = this.live[index];
      if (block === undefined || start + size <= block.start) break;
      start = Math.max(start, block.start + roundUp(block.bytes, ALIGNMENT));
    }
    if (start + size > end) throw this.doesNotFit(name, size, end - start);
    const allocation: Allocation = { name, start, bytes };
    this.live.splice(index, 0, allocation);
    this.highWater = Math.max(this.highWater, start + size);
    return allocation;
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
