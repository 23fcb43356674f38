/**
 * Service of DRAM channels: every transfer takes its channels for as long as its bytes need at the rate that
 * refresh and the memory's efficiency leave, in whole bursts. Requests of several units queue at a channel in
 * the order of their start. Rows are opened behind the data of others (banks), so only the first access of a
 * transfer shows its latency.
 */
import { type MemoryDecl, STRIPED } from '@bitloom/ir';

export interface TransferRuns {
  /** Byte address of the first run, its length, and the runs' count and strides at two levels. */
  readonly start: number;
  readonly length: number;
  readonly count1: number;
  readonly stride1: number;
  readonly count2: number;
  readonly stride2: number;
  readonly channel: number;
}

export interface TransferTime {
  /** Cycles the channels need for the bytes when nobody else uses them. */
  readonly alone: number;
  /** Cycle at which the last byte has passed. */
  readonly end: number;
  /** Cycles from a request to its first byte. */
  readonly latency: number;
}

/** Runs above this number are taken as spread evenly over the channels. */
const EXACT_RUNS = 256;

export class MemoryChannels {
  readonly decl: MemoryDecl;
  /** Cycle from which each channel is free. */
  private readonly free: Float64Array;
  private readonly load: Float64Array;
  private readonly bytesPerCycle: number;
  private readonly latency: number;

  constructor(decl: MemoryDecl, clockHz: number) {
    this.decl = decl;
    this.free = new Float64Array(decl.channels);
    this.load = new Float64Array(decl.channels);
    const { timing } = decl;
    const refresh = 1 - timing.refreshNs / timing.refreshIntervalNs;
    this.bytesPerCycle = (decl.bytesPerSecondPerChannel * decl.efficiency * refresh) / clockHz;
    const latencyNs = timing.controllerNs + timing.rowToColumnNs + timing.columnLatencyNs;
    this.latency = Math.ceil((latencyNs * clockHz) / 1e9);
  }

  /** Takes the channels for a transfer that starts at cycle `start`. */
  serve(runs: TransferRuns, start: number): TransferTime {
    this.load.fill(0);
    if (runs.channel === STRIPED) this.spread(runs);
    else this.load[runs.channel] = this.bursts(runs.length) * runs.count1 * runs.count2;
    let alone = 0;
    let end = start;
    for (let c = 0; c < this.load.length; c++) {
      const bytes = this.load[c] ?? 0;
      if (bytes === 0) continue;
      const cycles = bytes / this.bytesPerCycle;
      alone = Math.max(alone, cycles);
      // Units start on whole cycles, channels do not: a stream goes on within the cycle in which its last request
      // ended, or every request would lose a part of a cycle.
      const free = this.free[c] ?? 0;
      const done = (free > start - 1 ? free : start) + cycles;
      this.free[c] = done;
      end = Math.max(end, done);
    }
    return { alone: Math.ceil(alone), end: Math.ceil(end), latency: this.latency };
  }

  reset(): void {
    this.free.fill(0);
  }

  private bursts(bytes: number): number {
    const { burstBytes } = this.decl.timing;
    return Math.ceil(bytes / burstBytes) * burstBytes;
  }

  private spread(runs: TransferRuns): void {
    const total = runs.count1 * runs.count2;
    if (total > EXACT_RUNS) {
      this.load.fill((this.bursts(runs.length) * total) / this.load.length);
      return;
    }
    for (let j = 0; j < runs.count2; j++) {
      for (let i = 0; i < runs.count1; i++)
        this.spreadRun(runs.start + j * runs.stride2 + i * runs.stride1, runs.length);
    }
  }

  /** Adds one run to the channels it touches: whole turns of the interleaving evenly, the rest exactly. */
  private spreadRun(start: number, length: number): void {
    if (length <= 0) return;
    const { interleaveBytes } = this.decl;
    const channels = this.load.length;
    const turn = interleaveBytes * channels;
    const turns = Math.floor(length / turn);
    if (turns > 0) {
      for (let c = 0; c < channels; c++) this.load[c] = (this.load[c] ?? 0) + turns * interleaveBytes;
    }
    let at = start + turns * turn;
    const end = start + length;
    while (at < end) {
      const stop = Math.min(end, (Math.floor(at / interleaveBytes) + 1) * interleaveBytes);
      const c = Math.floor(at / interleaveBytes) % channels;
      this.load[c] = (this.load[c] ?? 0) + this.bursts(stop - at);
      at = stop;
    }
  }
}
