/**
 * What an instruction costs and touches, whatever its addresses are: read from the instruction table once for each
 * set of numbers that occurs, and then only looked up. Tiles of one size share a shape, in whatever stream they stand.
 */
import {
  type Access,
  type Device,
  type InstructionSpec,
  type InstructionWork,
  internalError,
  type ResolvedFields,
  SPACES,
  type SpaceName,
} from '@bitloom/ir';
import type { TransferRuns } from './memory-channels.js';

/** Most accesses an instruction has. */
export const MOST_ACCESSES = 8;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Costs and accesses of an instruction at some values of its number fields. */
export interface InstructionShape {
  readonly interval: number;
  readonly latency: number;
  readonly work: InstructionWork;
  /** Index of each buffer whose port it takes, and the most cycles its bytes need on one; 0 without any. */
  readonly claimBuffers: Int32Array;
  readonly portCycles: number;
  /** Bytes through each space, by the index of the space. */
  readonly trafficSpaces: Int32Array;
  readonly trafficBytes: Float64Array;
  /** Index of the memory it moves bytes to or from, -1 for none; the access that says where; what the bytes are. */
  readonly memory: number;
  readonly memoryAccess: number;
  readonly memoryBytes: number;
  readonly transferKind: number;
  /** Whether the memory is what is written. */
  readonly isStore: boolean;
  /** The transfer; `start` is written before each use. */
  readonly runs: Mutable<TransferRuns>;
  readonly accessCount: number;
  /** Of each access: address field, bytes from there to its first, its space, its length, whether it writes. */
  readonly fields: Int32Array;
  readonly shifts: Float64Array;
  readonly spaces: Int32Array;
  readonly spans: Float64Array;
  readonly writes: Uint8Array;
  /** Of each access: whether it waits for earlier writes of the unit: reads do, but for what the pipeline hands over. */
  readonly interlocks: Uint8Array;
  readonly hasWrites: boolean;
  /** Accesses whose place matters to the unit itself: all but reads that the pipeline hands over. */
  readonly located: Int32Array;
  /** Executions in the run that is under way. */
  executions: number;
}

/** Everything of an instruction that no environment changes, with what its addresses are of. */
export interface InstructionTemplate {
  readonly spec: InstructionSpec;
  /** Number fields in the order of the table: values, and where the varying ones stand. */
  readonly numbers: Float64Array;
  readonly varying: readonly number[];
  /** Address fields in the order of the table. */
  readonly spaces: readonly SpaceName[];
  readonly channels: readonly number[];
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

/** Fields of a table entry by kind. */
interface FieldNames {
  readonly numbers: readonly string[];
  readonly addresses: readonly string[];
}

export function fieldNames(spec: InstructionSpec): FieldNames {
  const names = (isAddress: boolean): string[] =>
    spec.fields.filter(({ kind }) => (kind === 'address') === isAddress).map(({ name }) => name);
  return { numbers: names(false), addresses: names(true) };
}

/** Fields with every address at offset 0. */
function resolve(template: InstructionTemplate, numbers: Float64Array): ResolvedFields {
  const { spec, spaces, channels } = template;
  const names = fieldNames(spec);
  const values = new Map(names.numbers.map((name, i) => [name, numbers[i]]));
  const places = new Map(
    names.addresses.map((name, i) => [name, { space: spaces[i], channel: channels[i] }]),
  );
  const unknown = (name: string): never => {
    throw internalError(`instruction ${spec.name} has no field '${name}'`);
  };
  return {
    number: (name) => values.get(name) ?? unknown(name),
    offset: (name) => (places.has(name) ? 0 : unknown(name)),
    space: (name) => places.get(name)?.space ?? unknown(name),
    channel: (name) => places.get(name)?.channel ?? unknown(name),
  };
}

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

function trafficOf(accesses: readonly Access[]): ReadonlyMap<SpaceName, number> {
  const out = new Map<SpaceName, number>();
  for (const { space, bytes } of accesses) out.set(space, (out.get(space) ?? 0) + bytes);
  return out;
}

/** @param numbers values of all number fields */
export function makeShape(
  template: InstructionTemplate,
  numbers: Float64Array,
  device: Device,
): InstructionShape {
  const { spec } = template;
  const fields = resolve(template, numbers);
  const accesses = spec.accesses(fields);
  if (accesses.length > MOST_ACCESSES) throw internalError(`${spec.name} has ${accesses.length} accesses`);
  const traffic = trafficOf(accesses);
  // Ports: one claim per buffer, reads and writes together.
  const claims = device.buffers.flatMap(({ space, bytesPerCyclePerPort }, buffer) => {
    const bytes = traffic.get(space) ?? 0;
    return bytes > 0 ? [{ buffer, cycles: Math.ceil(bytes / bytesPerCyclePerPort) }] : [];
  });
  const side = TRANSFERS.get(spec.name);
  const memory = device.memories.findIndex(({ space }) => traffic.has(space));
  const memoryBytes = memory < 0 ? 0 : (traffic.get(device.memories[memory].space) ?? 0);
  const timing = spec.timing(fields, device);
  const addresses = fieldNames(spec).addresses;
  return {
    interval: timing.initiationInterval,
    latency: timing.latency,
    work: spec.work(fields),
    claimBuffers: Int32Array.from(claims, ({ buffer }) => buffer),
    portCycles: claims.reduce((most, { cycles }) => Math.max(most, cycles), 0),
    trafficSpaces: Int32Array.from(traffic.keys(), (space) => SPACES.indexOf(space)),
    trafficBytes: Float64Array.from(traffic.values()),
    memory: side !== undefined && memoryBytes > 0 ? memory : -1,
    memoryAccess: accesses.findIndex(({ operand }) => operand === side),
    memoryBytes,
    transferKind: side === undefined ? 0 : fields.number('kind'),
    isStore: side === 'dst',
    runs: side === undefined ? NO_RUNS : transferRuns(fields, side),
    accessCount: accesses.length,
    fields: Int32Array.from(accesses, ({ operand }) => addresses.indexOf(operand)),
    shifts: Float64Array.from(accesses, ({ start }) => start),
    spaces: Int32Array.from(accesses, ({ space }) => SPACES.indexOf(space)),
    spans: Float64Array.from(accesses, ({ start, end }) => end - start),
    writes: Uint8Array.from(accesses, ({ write }) => (write ? 1 : 0)),
    interlocks: Uint8Array.from(accesses, ({ write, forwarded }) => (write || forwarded === true ? 0 : 1)),
    hasWrites: accesses.some(({ write, start, end }) => write && end > start),
    located: Int32Array.from(
      accesses.flatMap(({ operand, forwarded }, i) => (forwarded === true && operand !== side ? [] : [i])),
    ),
    executions: 0,
  };
}
