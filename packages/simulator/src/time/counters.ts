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

const CAUSES = ['busy', 'token', 'memory', 'bufferPort', 'dispatch', 'barrier', 'idle'] as const;
const KINDS = ['weights', 'kv', 'activations', 'instructions', 'other'] as const;

/** Adds what ran after another, `times` times. */
export function addCounters(into: Counters, from: Counters, times = 1): void {
  into.units.forEach((unit, at) => {
    for (const cause of CAUSES) unit[cause] += times * from.units[at][cause];
  });
  for (const [space, bytes] of from.memories) {
    const memory = into.memories.get(space);
    if (memory === undefined) continue;
    for (const kind of KINDS) memory[kind] += times * bytes[kind];
  }
  for (const [space, bytes] of from.bytes) addBytes(into, space, times * bytes);
  for (const [origin, cost] of from.costs) {
    const known = costOf(into, origin);
    cost.cycles.forEach((cycles, q) => {
      known.cycles[q] += times * cycles;
    });
    known.macs += times * cost.macs;
    known.memoryBytes += times * cost.memoryBytes;
  }
  into.macs += times * from.macs;
  into.vectorElements += times * from.vectorElements;
  into.instructions += times * from.instructions;
  into.cycles += times * from.cycles;
  into.tokens += times * from.tokens;
}

/**
 * Makes the numbers of a weighted sum whole, and lets them add up again: the cycles of a unit to the whole time, costs
 * by origin to those of units and memories. What rounding leaves over goes to the largest part.
 */
export function roundCounters(counters: Counters): void {
  counters.cycles = Math.round(counters.cycles);
  counters.vectorElements = Math.round(counters.vectorElements);
  counters.instructions = Math.round(counters.instructions);
  counters.tokens = Math.round(counters.tokens);
  for (const unit of counters.units) {
    for (const cause of CAUSES) unit[cause] = Math.round(unit[cause]);
    const largest = CAUSES.reduce((best, cause) => (unit[cause] > unit[best] ? cause : best));
    unit[largest] += counters.cycles - CAUSES.reduce((sum, cause) => sum + unit[cause], 0);
  }
  for (const [space, bytes] of counters.bytes) counters.bytes.set(space, Math.round(bytes));
  let moved = 0;
  for (const [space, memory] of counters.memories) {
    for (const kind of KINDS) memory[kind] = Math.round(memory[kind]);
    const own = KINDS.reduce((sum, kind) => sum + memory[kind], 0) - memory.instructions;
    if (counters.bytes.has(space)) counters.bytes.set(space, own);
    moved += own;
  }
  const costs = [...counters.costs.values()];
  for (const cost of costs) {
    cost.macs = Math.round(cost.macs);
    cost.memoryBytes = Math.round(cost.memoryBytes);
    for (let q = 0; q < QUEUES.length; q++) cost.cycles[q] = Math.round(cost.cycles[q]);
  }
  counters.macs = costs.reduce((sum, { macs }) => sum + macs, 0);
  const [first] = costs;
  if (first === undefined) return;
  const most = (read: (cost: CostCounters) => number): CostCounters =>
    costs.reduce((best, cost) => (read(cost) > read(best) ? cost : best), first);
  most(({ memoryBytes }) => memoryBytes).memoryBytes +=
    moved - costs.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  for (let q = 0; q < QUEUES.length; q++) {
    let busy = 0;
    for (let at = q; at < counters.units.length; at += QUEUES.length) busy += counters.units[at].busy;
    most(({ cycles }) => cycles[q]).cycles[q] += busy - costs.reduce((sum, { cycles }) => sum + cycles[q], 0);
  }
}
