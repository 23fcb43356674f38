/**
 * What a timed run counts: cycles of each unit by cause, bytes of each memory by kind, work for energy, and the
 * same split by layer and op. Plain sums; turned into a report elsewhere.
 */
import { type Device, QUEUES, TRANSFER_KINDS } from '@bitloom/ir';

/** Units that appear in a report: one per queue that executes instructions; exchanges where there are several cores. */
export const UNIT_QUEUES = ['load', 'fetch', 'store', 'matrix', 'vector', 'exchange'] as const;

export interface UnitCounters {
  busy: number;
  token: number;
  memory: number;
  bufferPort: number;
  dispatch: number;
  barrier: number;
  idle: number;
}

export interface MemoryCounters {
  weights: number;
  kv: number;
  activations: number;
  instructions: number;
  other: number;
}

export interface CostCounters {
  /** Busy cycles by queue index, of all cores together. */
  readonly cycles: Float64Array;
  macs: number;
  memoryBytes: number;
}

export interface Counters {
  /** By core and queue: unit of queue q of core c at c * QUEUES.length + q. */
  readonly units: readonly UnitCounters[];
  readonly memories: Map<string, MemoryCounters>;
  /** Bytes through each space, for energy. */
  readonly bytes: Map<string, number>;
  /** By provenance index. */
  readonly costs: Map<number, CostCounters>;
  macs: number;
  vectorElements: number;
  instructions: number;
  cycles: number;
  tokens: number;
}

export function createCounters(device: Device): Counters {
  return {
    units: Array.from({ length: device.cores * QUEUES.length }, () => ({
      busy: 0,
      token: 0,
      memory: 0,
      bufferPort: 0,
      dispatch: 0,
      barrier: 0,
      idle: 0,
    })),
    memories: new Map(
      device.memories.map((m) => [m.space, { weights: 0, kv: 0, activations: 0, instructions: 0, other: 0 }]),
    ),
    bytes: new Map(),
    costs: new Map(),
    macs: 0,
    vectorElements: 0,
    instructions: 0,
    cycles: 0,
    tokens: 0,
  };
}

export function costOf(counters: Counters, origin: number): CostCounters {
  const known = counters.costs.get(origin);
  if (known !== undefined) return known;
  const cost = { cycles: new Float64Array(QUEUES.length), macs: 0, memoryBytes: 0 };
  counters.costs.set(origin, cost);
  return cost;
}

export function addMemoryBytes(counters: Counters, space: string, kind: number, bytes: number): void {
  const memory = counters.memories.get(space);
  if (memory === undefined) return;
  const name = TRANSFER_KINDS[kind] ?? 'other';
  memory[name] += bytes;
}

export function addBytes(counters: Counters, space: string, bytes: number): void {
  counters.bytes.set(space, (counters.bytes.get(space) ?? 0) + bytes);
}
