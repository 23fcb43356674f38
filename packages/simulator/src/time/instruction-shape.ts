/**
 * What an instruction costs and touches, whatever its addresses are: read once for each set of values of its number
 * fields, and then only looked up. The event loop reads these records and nothing of the instruction table.
 */
import {
  type Access,
  type Device,
  type InstructionWork,
  internalError,
  type ResolvedFields,
} from '@bitloom/ir';
import type { CompiledInstruction, Environment, Getter } from '../compiled-stream.js';
import type { TransferRuns } from './memory-channels.js';

/** Most accesses an instruction has. */
export const MOST_ACCESSES = 8;

/** Bytes an instruction moves through a space. */
export interface Traffic {
  readonly space: string;
  readonly bytes: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Costs and accesses of an instruction at some values of its number fields. Access i is read at index i. */
export interface InstructionShape {
  readonly instruction: CompiledInstruction;
  readonly interval: number;
  readonly latency: number;
  readonly work: InstructionWork;
  /** Index of each buffer whose port it takes, and cycles its bytes need on one port. */
  readonly claimBuffers: Int32Array;
  readonly claimCycles: Float64Array;
  /** The longest of them, 0 without any. */
  readonly portCycles: number;
  readonly traffic: readonly Traffic[];
  /** Index of the memory it moves bytes to or from, -1 for none, and the access that says where. */
  readonly memory: number;
  readonly memoryAccess: number;
  readonly memoryBytes: number;
  readonly transferKind: number;
  /** The transfer; `start` is written before each use. */
  readonly runs: Mutable<TransferRuns>;
  readonly accessCount: number;
  /** Space by its index in SPACES, first byte where no environment moves it (else its reader), length, direction. */
  readonly spaces: Int32Array;
  readonly starts: Float64Array;
  readonly getters: readonly (Getter | undefined)[];
  readonly spans: Float64Array;
  readonly writes: Uint8Array;
  /** Whether some access has a reader. */
  readonly moves: boolean;
  /** Values of the varying numbers it stands for. */
  readonly numbers: Float64Array;
  /** Executions since the counters were read, and cycles the unit was busy in them. */
  executions: number;
  busy: number;
}

const TRANSFERS: ReadonlyMap<string, 'src' | 'dst'> = new Map([
  ['LD', 'src'],
  ['ST', 'dst'],
]);

const NO_RUNS: TransferRuns = {
  start: 0,
  length: 0,
  count1: 0,
  stride1: 0,
  count2: 0,
  stride2: 0,
  channel: 0,
};

function transferRuns(fields: ResolvedFields, side: 'src' | 'dst'): Mutable<TransferRuns> {
  return {
    start: 0,
    length: fields.number('length'),
    count1: fields.number('count1'),
    stride1: fields.number(`${side}Stride1`),
    count2: fields.number('count2'),
    stride2: fields.number(`${side}Stride2`),
    channel: fields.channel(side),
  };
}

function trafficOf(accesses: readonly Access[]): Traffic[] {
  const out: Mutable<Traffic>[] = [];
  for (const { space, bytes } of accesses) {
    const known = out.find((entry) => entry.space === space);
    if (known === undefined) out.push({ space, bytes });
    else known.bytes += bytes;
  }
  return out;
}

/** Ports: one claim per buffer, reads and writes together. */
function claimsOf(device: Device, traffic: readonly Traffic[]): { buffer: number; cycles: number }[] {
  return device.buffers.flatMap(({ space, bytesPerCyclePerPort }, buffer) => {
    const bytes = traffic.find((entry) => entry.space === space)?.bytes ?? 0;
    return bytes > 0 ? [{ buffer, cycles: Math.ceil(bytes / bytesPerCyclePerPort) }] : [];
  });
}

/** Reads an instruction at `env`. `spaceIndex` numbers the spaces. */
export function makeShape(
  instruction: CompiledInstruction,
  env: Environment,
  device: Device,
  spaceIndex: ReadonlyMap<string, number>,
): InstructionShape {
  const fields = instruction.at(env);
  const { spec } = instruction;
  const accesses = spec.accesses(fields);
  if (accesses.length > MOST_ACCESSES) throw internalError(`${spec.name} has ${accesses.length} accesses`);
  const traffic = trafficOf(accesses);
  const claims = claimsOf(device, traffic);
  const side = TRANSFERS.get(spec.name);
  const far = traffic.find(({ space }) => device.memories.some((memory) => memory.space === space));
  const isTransfer = side !== undefined && far !== undefined && far.bytes > 0;
  const timing = spec.timing(fields, device);
  const constants = accesses.map(({ operand }) => instruction.constant(operand));
  return {
    instruction,
    interval: timing.initiationInterval,
    latency: timing.latency,
    work: spec.work(fields),
    claimBuffers: Int32Array.from(claims, ({ buffer }) => buffer),
    claimCycles: Float64Array.from(claims, ({ cycles }) => cycles),
    portCycles: claims.reduce((most, { cycles }) => Math.max(most, cycles), 0),
    traffic,
    memory: isTransfer ? device.memories.findIndex(({ space }) => space === far.space) : -1,
    memoryAccess: accesses.findIndex(({ operand }) => operand === side),
    memoryBytes: far?.bytes ?? 0,
    transferKind: side === undefined ? 0 : fields.number('kind'),
    runs: side === undefined ? NO_RUNS : transferRuns(fields, side),
    accessCount: accesses.length,
    spaces: Int32Array.from(accesses, ({ space }) => spaceIndex.get(space) ?? -1),
    starts: Float64Array.from(accesses, ({ start }, i) => (constants[i] === undefined ? 0 : start)),
    getters: accesses.map(({ operand }, i) =>
      constants[i] === undefined ? instruction.getter(operand) : undefined,
    ),
    spans: Float64Array.from(accesses, ({ start, end }) => end - start),
    writes: Uint8Array.from(accesses, ({ write }) => (write ? 1 : 0)),
    moves: constants.includes(undefined),
    numbers: Float64Array.from(instruction.varyingNumbers, (read) => read(env)),
    executions: 0,
    busy: 0,
  };
}
