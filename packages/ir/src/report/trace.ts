/**
 * The trace artefact: every executed instruction with its times, as columns, so that long traces stay small
 * in memory. Row i of each column belongs to one execution.
 */
import type { Provenance } from '../program/program.js';

/** Names of stall causes, by code in `cause`. */
export const STALL_CAUSES = ['none', 'token', 'memory', 'bufferPort', 'dispatch', 'barrier'] as const;
export type StallCause = (typeof STALL_CAUSES)[number];

export interface TraceColumns {
  /** Index into `units`, and the core it belongs to. */
  readonly unit: Uint8Array;
  readonly core: Uint8Array;
  /** Cycles. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Cycles waited before start, and the main cause. */
  readonly waited: Float64Array;
  readonly cause: Uint8Array;
  /** Cycles between start and end in which the unit stood for memory channels or a narrow buffer port. */
  readonly stalled: Float64Array;
  /**
   * The row that made this one start as late as it did: the giver of a token, the unit's row before, the holder of a
   * port, what another core waited for before an exchange, or what kept the dispatcher; -1 when nothing did but the
   * dispatcher's own work, or when that row is not recorded.
   */
  readonly blocker: Int32Array;
  /** Index into `provenance`. */
  readonly origin: Uint32Array;
  /** Opcode of the instruction. */
  readonly opcode: Uint8Array;
}

/** Bytes that a memory moved over time: `bytes[i]` from cycle i * bucketCycles on, spread evenly over each transfer. */
export interface MemoryActivity {
  readonly space: string;
  readonly bucketCycles: number;
  readonly bytes: readonly number[];
}

/** What each channel of a memory moved over time, in whole bursts. */
export interface ChannelActivity {
  readonly space: string;
  readonly channels: number;
  readonly bucketCycles: number;
  /** Bytes of channel c from cycle i * bucketCycles on: [buckets, channels], spread evenly over each transfer. */
  readonly bytes: Float64Array;
}

export interface Trace {
  readonly kind: 'trace';
  readonly model: string;
  readonly device: string;
  readonly clockHz: number;
  readonly units: readonly string[];
  readonly provenance: readonly Provenance[];
  /** Executions recorded, and those left out once the limit was reached. */
  readonly rows: number;
  readonly dropped: number;
  /** One per memory of the device. */
  readonly memories: readonly MemoryActivity[];
  /** One per memory of the device; none in traces of before. */
  readonly channels: readonly ChannelActivity[];
  readonly columns: TraceColumns;
}
