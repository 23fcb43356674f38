/**
 * The binary form of instructions, derived from the instruction table. Everything is in 32-bit little-endian
 * words:
 *
 * - word 0: opcode 6 bits, queue 3, wait mask 8, release mask 8, bit 25 = fields follow, bit 26 = some of them
 *   are dynamic; the rest is zero;
 * - presence mask (when fields follow): bit i = field i of the instruction is there; absent fields are zero;
 * - dynamic mask (when some are dynamic): bit i = field i holds an index into the expression pool;
 * - the fields that are there, in table order, packed from the lowest bit up and padded to a word with zeros.
 *
 * An address is packed as space 4, channel 8, register 7, page 1, offset 44 bits; a dynamic address has the index
 * of its offset in the offset bits.
 */
import { internalError } from '../error.js';
import type { FieldSpec, InstructionSpec, QueueName } from './instruction-fields.js';
import { QUEUES } from './instruction-fields.js';
import { INSTRUCTION_SET } from './instruction-set.js';

export const OPCODE_BITS = 6;
export const QUEUE_BITS = 3;
export const MASK_BITS = 8;

export const OPCODE_SHIFT = 0;
export const QUEUE_SHIFT = OPCODE_SHIFT + OPCODE_BITS;
export const WAIT_SHIFT = QUEUE_SHIFT + QUEUE_BITS;
export const RELEASE_SHIFT = WAIT_SHIFT + MASK_BITS;
/** Bit of word 0: a presence mask and fields follow. */
export const HAS_FIELDS = 1 << (RELEASE_SHIFT + MASK_BITS);
/** Bit of word 0: a dynamic mask follows the presence mask. */
export const HAS_DYNAMIC = HAS_FIELDS << 1;
/** Bits of word 0 that must be zero. */
export const RESERVED_BITS = ~(HAS_DYNAMIC * 2 - 1);

/** Parts of an address in the order in which they are packed. */
export const ADDRESS_BITS = { space: 4, channel: 8, register: 7, page: 1, offset: 44 } as const;
/** First byte offset that no address can hold. */
export const ADDRESS_LIMIT = 2 ** ADDRESS_BITS.offset;

export interface FieldLayout {
  readonly spec: FieldSpec;
  /** Bit in the masks: the place of the field in the table. */
  readonly index: number;
}

export interface InstructionLayout {
  readonly spec: InstructionSpec;
  readonly fields: readonly FieldLayout[];
  readonly byName: ReadonlyMap<string, FieldLayout>;
  /** Codes of the queues that may execute the instruction. */
  readonly queues: ReadonlySet<number>;
}

function layoutOf(spec: InstructionSpec): InstructionLayout {
  const fields = spec.fields.map((field, index) => ({ spec: field, index }));
  if (fields.length > 32)
    throw internalError(`instruction ${spec.name} has more fields than a mask has bits`);
  return {
    spec,
    fields,
    byName: new Map(fields.map((field) => [field.spec.name, field])),
    queues: new Set(spec.queues.map((queue) => QUEUES.indexOf(queue))),
  };
}

const LAYOUTS: readonly InstructionLayout[] = [...INSTRUCTION_SET.values()].map(layoutOf);

/** Layout of every instruction by name. */
export const LAYOUT_BY_NAME: ReadonlyMap<string, InstructionLayout> = new Map(
  LAYOUTS.map((layout) => [layout.spec.name, layout]),
);

/** Layout of every instruction by opcode. */
export const LAYOUT_BY_OPCODE: ReadonlyMap<number, InstructionLayout> = new Map(
  LAYOUTS.map((layout) => [layout.spec.opcode, layout]),
);

/** Code of each queue. */
export const QUEUE_CODES: ReadonlyMap<QueueName, number> = new Map(
  QUEUES.map((queue, code) => [queue, code]),
);
