/**
 * Bytes that one memory moves, as a series of time of bounded length: buckets get twice as long whenever time runs
 * out of them.
 */
import type { MemoryActivity } from '@bitloom/ir';

const BUCKETS = 8192;

export class MemorySeries {
  private readonly bytes = new Float64Array(BUCKETS);
  private bucketCycles = 1;
  private used = 0;

  /** Spreads the bytes of a transfer evenly over the cycles [start, end). */
  add(start: number, end: number, bytes: number): void {
    while (end > BUCKETS * this.bucketCycles) this.halve();
    const { bucketCycles } = this;
    const first = Math.floor(start / bucketCycles);
    const last = Math.max(first, Math.ceil(end / bucketCycles) - 1);
    const rate = bytes / Math.max(1, end - start);
    for (let i = first; i <= last; i++) {
      const cycles = Math.min(end, (i + 1) * bucketCycles) - Math.max(start, i * bucketCycles);
      this.bytes[i] += rate * Math.max(cycles, end > start ? 0 : 1);
    }
    this.used = Math.max(this.used, last + 1);
  }

  finish(space: string): MemoryActivity {
    return { space, bucketCycles: this.bucketCycles, bytes: [...this.bytes.subarray(0, this.used)] };
  }

  private halve(): void {
    for (let i = 0; i < BUCKETS; i++) {
      this.bytes[i] = 2 * i < BUCKETS ? this.bytes[2 * i] + this.bytes[2 * i + 1] : 0;
    }
    this.bucketCycles *= 2;
    this.used = Math.ceil(this.used / 2);
  }
}
