/**
 * What a memory controller is, as data: its queues and when it turns to writes. Scheduling itself is first ready, first
 * come, with open rows (`dram-channel.ts`).
 */
export interface DramController {
  readonly readEntries: number;
  readonly writeEntries: number;
  /** Most requests accepted and not completed, whatever the queues hold. */
  readonly mostOutstanding: number;
  /** Writes are served once more than this wait, or no read does. */
  readonly drainAbove: number;
  /** Reads are served again once fewer writes than this wait, if a read does. */
  readonly drainBelow: number;
}

/** Shares of the write queue between which writes are drained. */
const DRAIN_ABOVE = 0.8;
const DRAIN_BELOW = 0.2;

/**
 * A controller with `entries` reads and as many writes.
 * @param mostOutstanding default: as many as the queues take
 */
export function dramController(entries: number, mostOutstanding = Number.POSITIVE_INFINITY): DramController {
  return {
    readEntries: entries,
    writeEntries: entries,
    mostOutstanding,
    drainAbove: entries * DRAIN_ABOVE,
    drainBelow: entries * DRAIN_BELOW,
  };
}

/** Entries of each queue of the published comparison. */
export const DRAM_QUEUE_ENTRIES = 257;
