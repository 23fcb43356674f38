/**
 * The trace artefact: every executed instruction with its times, as columns, so that long traces stay small
 * in memory. Row i of each column belongs to one execution.
 */
import type { Provenance } from '../program/program.js';

/** Names of stall causes, by code in `cause`. */
export const STALL_CAUSES = ['none', 'token', 'memory', 'bufferPort', 'dispatch', 'barrier'] as const;
export type StallCause = (typeof STALL_CAUSES)[number];

export interface TraceColumns {
  /** Index into `units`. */
  readonly unit: Uint8Array;
  /** Cycles. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Cycles waited before start, and the main cause. */
  readonly waited: Float64Array;
  readonly cause: Uint8Array;
  /** Index into `provenance`. */
  readonly origin: Uint32Array;
  /** Opcode of the instruction. */
  readonly opcode: Uint8Array;
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
  readonly columns: TraceColumns;
}
