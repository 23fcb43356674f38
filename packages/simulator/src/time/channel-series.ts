/**
 * Bytes that each channel of a memory moves, as a series of time of bounded size: buckets get twice as long whenever
 * time runs out of them. All channels together have about as many numbers, however many they are.
 */
import type { ChannelActivity } from '@bitloom/ir';

/** Numbers of a memory, and buckets at least and at most. */
const CELLS = 65_536;
const [LEAST_BUCKETS, MOST_BUCKETS] = [256, 4096];

export class ChannelSeries {
  private readonly channels: number;
  private readonly buckets: number;
  /** [buckets, channels]. */
  private readonly bytes: Float64Array;
  private bucketCycles = 1;
  private used = 0;

  constructor(channels: number) {
    this.channels = channels;
    // An even number, so that two buckets always make one.
    const fit = 2 * Math.floor(CELLS / channels / 2);
    this.buckets = Math.min(MOST_BUCKETS, Math.max(LEAST_BUCKETS, fit));
    this.bytes = new Float64Array(this.buckets * channels);
  }

  /** Spreads what a transfer moved on each channel evenly over the cycles [start, end). */
  add(start: number, end: number, moved: Float64Array): void {
    const { channels, buckets, bytes } = this;
    // A transfer without a cycle of its own counts in the one it begins in.
    const until = Math.max(end, start + 1);
    while (until > buckets * this.bucketCycles) this.halve();
    const { bucketCycles } = this;
    const first = Math.floor(start / bucketCycles);
    const last = Math.ceil(until / bucketCycles) - 1;
    for (let i = first; i <= last; i++) {
      const cycles = Math.min(until, (i + 1) * bucketCycles) - Math.max(start, i * bucketCycles);
      const share = cycles / (until - start);
      for (let c = 0; c < channels; c++) bytes[i * channels + c] += share * moved[c];
    }
    this.used = Math.max(this.used, last + 1);
  }

  finish(space: string): ChannelActivity {
    const { channels, bucketCycles, used, bytes } = this;
    return { space, channels, bucketCycles, bytes: bytes.slice(0, used * channels) };
  }

  private halve(): void {
    const { channels, buckets, bytes } = this;
    const half = buckets / 2;
    for (let i = 0; i < half; i++) {
      const from = 2 * i * channels;
      for (let c = 0; c < channels; c++)
        bytes[i * channels + c] = bytes[from + c] + bytes[from + channels + c];
    }
    bytes.fill(0, half * channels);
    this.bucketCycles *= 2;
    this.used = Math.ceil(this.used / 2);
  }
}
