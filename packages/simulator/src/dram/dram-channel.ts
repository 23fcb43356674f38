/**
 * One DRAM channel, command by command: requests wait in queues, the oldest one whose next command (precharge, activate,
 * read or write) may go now gets the command slot, rows stay open, writes are drained in lots, refresh goes first. Clocks
 * in which nothing can happen are skipped, all others are exact.
 *
 * This is the model that others are judged by; the timing run uses closed forms of it (`time/memory-channels.ts`).
 */
import { type DramStandard, dramBurstBytes, dramPeakBytesPerSecond } from '@bitloom/ir';
import { AddressMap } from './address-map.js';
import { ChannelRun } from './channel-run.js';
import type { DramController } from './controller.js';

/** Requests in the order of their offer; each is one burst. */
export interface DramSource {
  readonly requests: number;
  /** Byte address within the channel. */
  address(i: number): number;
  isWrite(i: number): boolean;
  /**
   * Clock before which request i is not offered; those behind it wait. Asked at a clock until it is not later than that
   * one, and only then is the request looked at. Default: all are there at once.
   */
  offeredAt?(i: number, clock: number): number;
  /** Told of each completion, and from which clock on the request was in the queue. */
  completed?(i: number, clock: number, accepted: number): void;
}

export interface DramCounts {
  /** Clocks from the first offer to the last completion. */
  readonly memoryCycles: number;
  /** Requests by the row they met at their first command: theirs, none, another one. */
  readonly rowHits: number;
  readonly rowMisses: number;
  readonly rowConflicts: number;
  /** Refreshes, of each pseudo-channel. */
  readonly refreshes: number;
  /** Mean clocks from acceptance to data; 0 without reads. */
  readonly meanReadLatencyCycles: number;
}

export interface DramResult extends DramCounts {
  readonly requests: number;
  readonly bytesPerSecond: number;
  readonly peakBytesPerSecond: number;
  readonly percentOfPeak: number;
}

export class DramChannel {
  readonly dram: DramStandard;
  readonly map: AddressMap;
  private readonly controller: DramController;

  constructor(dram: DramStandard, controller: DramController) {
    this.dram = dram;
    this.controller = controller;
    this.map = new AddressMap(dram);
  }

  /** Runs a source from idle, all banks closed. @param progress told now and then how many requests were accepted */
  run(source: DramSource, progress?: (accepted: number) => void): DramResult {
    const counts = new ChannelRun(this.dram, this.map, this.controller, source, progress).toEnd();
    const seconds = counts.memoryCycles * this.dram.clockNs * 1e-9;
    const peak = dramPeakBytesPerSecond(this.dram);
    const rate = seconds === 0 ? 0 : (source.requests * dramBurstBytes(this.dram)) / seconds;
    return {
      ...counts,
      requests: source.requests,
      bytesPerSecond: rate,
      peakBytesPerSecond: peak,
      percentOfPeak: (100 * rate) / peak,
    };
  }
}
