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

  constructor(space: string, capacity: number) {
    this.space = space;
    this.capacity = capacity;
  }

  /**
   * Lowest free range of `bytes`.
   * @throws BitloomError `compiler-does-not-fit` with the space, what was asked and how much is missing.
   */
  allocate(name: string, bytes: number): Allocation {
    const size = roundUp(Math.max(bytes, 1), ALIGNMENT);
    let start = 0;
    let index = 0;
    for (; index < this.live.length; index++) {
      const block = this.live[index];
      if (block === undefined || start + size <= block.start) break;
      start = block.start + roundUp(block.bytes, ALIGNMENT);
    }
    if (start + size > this.capacity) {
      const used = this.live.reduce((sum, block) => sum + roundUp(block.bytes, ALIGNMENT), 0);
      throw new BitloomError({
        code: 'compiler-does-not-fit',
        message: `the ${this.space} buffer is too small for '${name}'`,
        where: `buffer ${this.space}`,
        expected: `a free run of ${size} bytes`,
        got: `${this.capacity} bytes in all, ${used} in use: short by ${start + size - this.capacity}`,
        hint: 'use a card with a larger buffer, or a smaller context (--context)',
      });
    }
    const allocation: Allocation = { name, start, bytes };
    this.live.splice(index, 0, allocation);
    this.highWater = Math.max(this.highWater, start + size);
    return allocation;
  }

  free(allocation: Allocation): void {
    this.live = this.live.filter((block) => block !== allocation);
  }

  /** Ranges that are live now. */
  ranges(): readonly Allocation[] {
    return this.live;
  }

  /** Most bytes ever in use, counted from address 0. */
  peak(): number {
    return this.highWater;
  }
}
