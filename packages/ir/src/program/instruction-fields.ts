/**
 * How the instruction table is written: kinds of fields, their widths and meaning. Encoder, decoder,
 * disassembler, validator and the instruction reference are derived from these records.
 */
import type { Device } from '../device/device.js';
import type { Expression } from '../expression.js';
import { type AccessRuns, normalizeRuns } from './access-runs.js';
import type { FieldRule } from './field-rules.js';

/** In-order queues of a core, by index in the wait and release masks. */
export const QUEUES = [
  'load',
  'fetch',
  'store',
  'matrix',
  'vector',
  'system',
  'exchange',
  'reserved',
] as const;
export type QueueName = (typeof QUEUES)[number];

/** Address spaces, by their code in an encoded address. */
export const SPACES = [
  'hbm',
  'ddr',
  'weights',
  'stream',
  'data',
  'accumulator',
  'index',
  'instruction',
  'peer-core',
  'peer-card',
  'host',
] as const;
export type SpaceName = (typeof SPACES)[number];

/**
 * Spaces by what an operand may be in: units compute on buffers of their core, and only transfers reach memories, so
 * that every byte that crosses a channel is accounted to a load or a store.
 */
export const SPACE_KINDS = {
  buffer: ['weights', 'stream', 'data', 'accumulator', 'index'],
  memory: ['hbm', 'ddr', 'peer-core', 'peer-card', 'host'],
} as const satisfies Readonly<Record<string, readonly SpaceName[]>>;
export type SpaceKind = keyof typeof SPACE_KINDS;

/** The channel code of an address that is spread over all channels of its memory. */
export const STRIPED = 255;

/**
 * An address: space, channel (or {@link STRIPED}), base register of the slot's descriptor table (0 = none),
 * and a byte offset. `page` sends it through the page table of that register.
 */
export interface Address {
  readonly space: SpaceName;
  readonly channel: number;
  readonly register: number;
  readonly page: boolean;
  readonly offset: Expression;
}

export type FieldValue = Expression | Address;

/** Whether a field value is an address; anything else is an expression. */
export function isAddress(value: FieldValue): value is Address {
  return typeof value === 'object' && 'space' in value;
}

export type FieldKind = 'uint' | 'int' | 'float32' | 'enum' | 'address';

export interface FieldSpec {
  readonly name: string;
  readonly kind: FieldKind;
  /** Width in the encoding; an address has 64 (space 4, channel 8, register 7, page 1, offset 44). */
  readonly bits: number;
  /** Whether the field may hold an expression of length symbols and loop variables. */
  readonly dynamic: boolean;
  /** Names of an enumeration, by code. */
  readonly values?: readonly string[];
  readonly unit?: string;
  /** What kind of space an address may be in; every address field has it. */
  readonly space?: SpaceKind;
  readonly doc: string;
}

/** A byte range that an instruction reads or writes, as bounds of its strided access. */
export interface Access {
  /** Name of the address field that it goes through. */
  readonly operand: string;
  readonly space: SpaceName;
  /** First byte and one past the last byte. Empty when they are equal. */
  readonly start: number;
  readonly end: number;
  readonly write: boolean;
  /** Bytes really moved (without the gaps of strides). */
  readonly bytes: number;
  /** Which bytes of the range are touched, where strides leave gaps; absent: all of them. */
  readonly runs?: AccessRuns | undefined;
  /** A read of what the unit itself goes on from: its pipeline hands it over, so it waits for no earlier write. */
  readonly forwarded?: true;
}

/** An instruction with every field a number: addresses as (space, absolute byte offset, channel). */
export interface ResolvedFields {
  /** Value of a number field, 0 when absent. Enumerations give their code. */
  number(name: string): number;
  /** Byte offset of an address field with its base register added. */
  offset(name: string): number;
  space(name: string): SpaceName;
  channel(name: string): number;
}

/** Cycles of an instruction on a device. */
export interface InstructionTiming {
  /** Cycles the unit is taken before it can start the next instruction. */
  readonly initiationInterval: number;
  /** Cycles from start until results are visible and tokens are released. */
  readonly latency: number;
}

/** Work an instruction does, for energy and roofline. */
export interface InstructionWork {
  readonly macs: number;
  readonly vectorElements: number;
}

export interface InstructionSpec {
  readonly name: string;
  readonly opcode: number;
  readonly doc: string;
  /** Queues that may execute it. */
  readonly queues: readonly QueueName[];
  readonly fields: readonly FieldSpec[];
  /** Combinations of fields that have a meaning; absent: all. */
  readonly rules?: readonly FieldRule[];
  /** Name of the function in `kernels/reference`, or of the dispatcher action, that defines the result. */
  readonly reference: string;
  readonly accesses: (fields: ResolvedFields) => readonly Access[];
  readonly timing: (fields: ResolvedFields, device: Device) => InstructionTiming;
  readonly work: (fields: ResolvedFields) => InstructionWork;
}

/** Helpers for the table. */
export function uint(
  name: string,
  bits: number,
  doc: string,
  options: { dynamic?: boolean; unit?: string } = {},
): FieldSpec {
  const { dynamic = false, unit } = options;
  return { name, kind: 'uint', bits, dynamic, doc, ...(unit === undefined ? {} : { unit }) };
}

/** An operand in a buffer of the core; `space` is `memory` for the far side of a transfer. */
export function address(name: string, doc: string, space: SpaceKind = 'buffer'): FieldSpec {
  return { name, kind: 'address', bits: 64, dynamic: true, space, doc };
}

export function enumeration(name: string, bits: number, values: readonly string[], doc: string): FieldSpec {
  return { name, kind: 'enum', bits, dynamic: false, values, doc };
}

/** An operand in a buffer with two strides: address `x`, byte strides `xBatch` and `xRow`. */
export function stridedOperand(name: string, doc: string): readonly FieldSpec[] {
  return [
    address(name, doc),
    uint(`${name}Batch`, 40, `stride of ${name} from batch to batch`, { dynamic: true, unit: 'bytes' }),
    uint(`${name}Row`, 32, `stride of ${name} from row to row`, { dynamic: true, unit: 'bytes' }),
  ];
}

/** Range of a strided operand of `batch` x `rows` runs of `run` bytes. */
export function stridedAccess(
  fields: ResolvedFields,
  name: string,
  shape: { readonly batch: number; readonly rows: number; readonly run: number },
  write: boolean,
): Access {
  return levelledAccess(fields, name, write, {
    length: shape.run,
    count1: shape.rows,
    stride1: fields.number(`${name}Row`),
    count2: shape.batch,
    stride2: fields.number(`${name}Batch`),
  });
}

/** Range of two levels of strided runs of `length` bytes from the address field `operand`. */
export function levelledAccess(
  fields: ResolvedFields,
  operand: string,
  write: boolean,
  levels: {
    readonly length: number;
    readonly count1: number;
    readonly stride1: number;
    readonly count2: number;
    readonly stride2: number;
  },
): Access {
  const { length, count1, stride1, count2, stride2 } = levels;
  const start = fields.offset(operand);
  const space = fields.space(operand);
  if (length <= 0 || count1 <= 0 || count2 <= 0) {
    return { operand, space, start, end: start, write, bytes: 0, runs: undefined };
  }
  const end = start + (count1 - 1) * stride1 + (count2 - 1) * stride2 + length;
  const runs = normalizeRuns(length, count1, stride1, count2, stride2);
  return { operand, space, start, end, write, bytes: length * count1 * count2, runs };
}

/** Range of `bytes` bytes without gaps at the address field `name`. */
export function plainRange(f: ResolvedFields, name: string, bytes: number, write: boolean): Access {
  const start = f.offset(name);
  return { operand: name, space: f.space(name), start, end: start + bytes, write, bytes };
}
