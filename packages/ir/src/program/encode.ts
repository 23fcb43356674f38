/**
 * Instructions to bytes, by the layout that `encoding-layout.ts` derives from the instruction table. Every field
 * is checked against its width; a stream that does not fit is refused, never cut.
 */
import { BitloomError } from '../error.js';
import type { Expression } from '../expression.js';
import { createWordWriter, POWERS_OF_TWO, type WordWriter } from './bit-packer.js';
import {
  ADDRESS_BITS,
  ADDRESS_LIMIT,
  HAS_DYNAMIC,
  HAS_FIELDS,
  type InstructionLayout,
  LAYOUT_BY_NAME,
  OPCODE_SHIFT,
  QUEUE_CODES,
  QUEUE_SHIFT,
  RELEASE_SHIFT,
  WAIT_SHIFT,
} from './encoding-layout.js';
import { createExpressionPool, type ExpressionPool } from './expression-pool.js';
import {
  type Address,
  type FieldSpec,
  type FieldValue,
  type QueueName,
  SPACES,
  type SpaceName,
} from './instruction-fields.js';
import { instructionSpec } from './instruction-set.js';
import type { Instruction } from './program.js';

/** A stream as bytes: what the dispatcher reads, and where each instruction comes from. */
export interface EncodedStream {
  readonly code: Uint8Array;
  /** Encoded expression pool; empty when no field is dynamic. */
  readonly expressions: Uint8Array;
  /** Index into the program's provenance table, per instruction. */
  readonly origins: Uint32Array;
}

/** Codes of address spaces. */
const SPACE_CODES: ReadonlyMap<SpaceName, number> = new Map(SPACES.map((space, code) => [space, code]));

/**
 * Encodes a stream.
 *
 * @throws BitloomError `instruction-unknown`, `instruction-queue`, `instruction-field`, `instruction-origin`,
 *   `expression-invalid`, `expression-pool-full`; each names the instruction's index and the field
 */
export function encodeStream(instructions: readonly Instruction[]): EncodedStream {
  const pool = createExpressionPool();
  // Narrow fields can hold low indices only, so expressions are numbered by the narrowest field that uses them.
  const widths: number[] = [];
  const intern = (expression: Expression, field: FieldSpec, where: () => string): void => {
    const index = pool.intern(expression, where);
    const bits = expressionBits(field);
    widths[index] = Math.min(widths[index] ?? bits, bits);
  };
  instructions.forEach((instruction, index) => {
    const layout = layoutAt(instruction, index);
    for (const { spec } of layout.fields) {
      const expression = expressionOf(instruction.fields[spec.name]);
      if (expression !== undefined) intern(expression, spec, () => fieldPlace(index, instruction, spec.name));
    }
  });
  const order = widths.map((_, index) => index).sort((a, b) => widths[a] - widths[b] || a - b);
  const renumbered = new Uint32Array(order.length);
  order.forEach((index, position) => {
    if (position >= 2 ** widths[index]) throw poolFull(widths[index]);
    renumbered[index] = position;
  });

  const poolIndex = (expression: Expression): number => renumbered[pool.intern(expression, () => 'stream')];
  const writer = createWordWriter();
  const origins = new Uint32Array(instructions.length);
  instructions.forEach((instruction, index) => {
    encodeInstruction(writer, instruction, index, poolIndex);
    if (!Number.isInteger(instruction.origin) || instruction.origin < 0 || instruction.origin > 0xffffffff) {
      throw new BitloomError({
        code: 'instruction-origin',
        message: 'the origin of an instruction is an index into the provenance table',
        where: `instruction ${index} (${instruction.name})`,
        expected: 'an unsigned 32-bit integer',
        got: String(instruction.origin),
      });
    }
    origins[index] = instruction.origin;
  });
  return { code: writer.bytes(), expressions: pool.encode(order), origins };
}

/** Counts a stream's bytes while it is made. */
export interface StreamCounter {
  add(instruction: Instruction): void;
  /** Instructions so far. */
  readonly instructions: number;
  /** Bytes of code and expression pool so far: what the card holds. */
  readonly bytes: number;
}

/** A counter for streams that are never stored. It keeps the distinct expressions only. */
export function createStreamCounter(): StreamCounter {
  const pool = createExpressionPool();
  let [code, instructions] = [0, 0];
  return {
    add: (instruction) => {
      code += lengthOf(instruction, instructions, pool);
      instructions++;
    },
    get instructions() {
      return instructions;
    },
    get bytes() {
      return code + pool.byteLength;
    },
  };
}

/** Exact bytes of the encoded code and expression pool of a stream, without storing either. */
export function streamBytes(instructions: Iterable<Instruction>): number {
  const counter = createStreamCounter();
  for (const instruction of instructions) counter.add(instruction);
  return counter.bytes;
}

/** Bytes of one instruction in the code, without its expressions. */
export function encodedLength(instruction: Instruction): number {
  return lengthOf(instruction, 0, undefined);
}

function lengthOf(instruction: Instruction, index: number, pool: ExpressionPool | undefined): number {
  const layout = layoutAt(instruction, index);
  let [bits, isDynamic] = [0, false];
  for (const name in instruction.fields) {
    const value = instruction.fields[name];
    const field = layout.byName.get(name);
    if (field === undefined) throw unknownField(layout, instruction, index, name);
    if (isAbsent(value)) continue;
    bits += field.spec.bits;
    const expression = expressionOf(value);
    if (expression === undefined) continue;
    isDynamic = true;
    pool?.intern(expression, () => fieldPlace(index, instruction, name));
  }
  return bits === 0 ? 4 : 4 * (2 + (isDynamic ? 1 : 0) + Math.ceil(bits / 32));
}

/** Fields of value zero are left out: absent fields are zero. An address is always kept, and so is minus zero. */
function isAbsent(value: FieldValue | undefined): boolean {
  return value === undefined || Object.is(value, 0);
}

/** The expression of a dynamic field: the value itself, or the offset of an address. Numbers are none. */
function expressionOf(value: FieldValue | undefined): Expression | undefined {
  if (typeof value !== 'object') return undefined;
  if (!('space' in value)) return value;
  return typeof value.offset === 'object' ? value.offset : undefined;
}

function expressionBits(field: FieldSpec): number {
  return field.kind === 'address' ? ADDRESS_BITS.offset : field.bits;
}

function layoutAt(instruction: Instruction, index: number): InstructionLayout {
  const layout = LAYOUT_BY_NAME.get(instruction.name);
  if (layout !== undefined) return layout;
  // The table's own look-up has the message.
  try {
    instructionSpec(instruction.name);
  } catch (cause) {
    throw new BitloomError({
      code: 'instruction-unknown',
      message: 'the stream holds an instruction that does not exist',
      where: `instruction ${index}`,
      expected: [...LAYOUT_BY_NAME.keys()].join(', '),
      got: instruction.name,
      cause,
    });
  }
  throw new BitloomError({
    code: 'internal',
    message: `internal: no layout of instruction '${instruction.name}'`,
  });
}

function encodeInstruction(
  writer: WordWriter,
  instruction: Instruction,
  index: number,
  poolIndex: (expression: Expression) => number,
): void {
  const layout = layoutAt(instruction, index);
  const queue = QUEUE_CODES.get(instruction.queue);
  if (queue === undefined || !layout.queues.has(queue)) {
    throw queueError(instruction, index, layout.spec.queues, instruction.queue);
  }
  for (const name in instruction.fields) {
    if (!layout.byName.has(name)) throw unknownField(layout, instruction, index, name);
  }
  let [presence, dynamic] = [0, 0];
  for (const { spec, index: bit } of layout.fields) {
    const value = instruction.fields[spec.name];
    if (isAbsent(value)) continue;
    presence |= 1 << bit;
    if (expressionOf(value) !== undefined) dynamic |= 1 << bit;
  }
  writer.word(
    (layout.spec.opcode << OPCODE_SHIFT) |
      (queue << QUEUE_SHIFT) |
      (mask(instruction, index, instruction.wait) << WAIT_SHIFT) |
      (mask(instruction, index, instruction.release) << RELEASE_SHIFT) |
      (presence === 0 ? 0 : HAS_FIELDS) |
      (dynamic === 0 ? 0 : HAS_DYNAMIC),
  );
  if (presence === 0) return;
  writer.word(presence);
  if (dynamic !== 0) writer.word(dynamic);
  let current = '';
  const refuse: Refuse = (expected, got) => {
    throw fieldError(instruction, index, current, expected, got);
  };
  for (const { spec } of layout.fields) {
    const value = instruction.fields[spec.name];
    if (value === undefined || isAbsent(value)) continue;
    current = spec.name;
    writeField(writer, spec, value, poolIndex, refuse);
  }
  writer.align();
}

type Refuse = (expected: string, got: string) => never;

function writeField(
  writer: WordWriter,
  spec: FieldSpec,
  value: FieldValue,
  poolIndex: (expression: Expression) => number,
  refuse: Refuse,
): void {
  const expression = expressionOf(value);
  if (expression !== undefined && !spec.dynamic) refuse('a number (the field is static)', 'an expression');
  if (typeof value === 'object' && 'space' in value) {
    if (spec.kind !== 'address') refuse(`a number of ${spec.bits} bits`, 'an address');
    writeAddress(writer, value, expression === undefined ? undefined : poolIndex(expression), refuse);
  } else if (spec.kind === 'address') {
    refuse('an address', 'a number or expression');
  } else if (typeof value === 'number') {
    writer.bits(numberCode(spec, value, refuse), spec.bits);
  } else {
    writer.bits(poolIndex(value), spec.bits);
  }
}

function writeAddress(
  writer: WordWriter,
  address: Address,
  offsetIndex: number | undefined,
  refuse: Refuse,
): void {
  const space = SPACE_CODES.get(address.space);
  if (space === undefined) refuse(`a space of ${SPACES.join(', ')}`, String(address.space));
  const unsigned = (name: string, value: number, bits: number): void => {
    if (!Number.isInteger(value) || value < 0 || value >= POWERS_OF_TWO[bits]) {
      refuse(`${name} of ${bits} bits`, String(value));
    }
    writer.bits(value, bits);
  };
  writer.bits(space, ADDRESS_BITS.space);
  unsigned('a channel', address.channel, ADDRESS_BITS.channel);
  unsigned('a register', address.register, ADDRESS_BITS.register);
  writer.bits(address.page ? 1 : 0, ADDRESS_BITS.page);
  const offset = offsetIndex ?? (typeof address.offset === 'number' ? address.offset : ADDRESS_LIMIT);
  unsigned('an offset', offset, ADDRESS_BITS.offset);
}

/** The bits of a number field. */
function numberCode(spec: FieldSpec, value: number, refuse: Refuse): number {
  if (spec.kind === 'float32') {
    if (!Number.isFinite(value) || Math.fround(value) !== value) {
      refuse('a finite float32 (round it with Math.fround)', String(value));
    }
    const view = new DataView(new ArrayBuffer(4));
    view.setFloat32(0, value);
    return view.getUint32(0);
  }
  const low = spec.kind === 'int' ? -POWERS_OF_TWO[spec.bits - 1] : 0;
  const high = spec.kind === 'enum' ? (spec.values?.length ?? 0) - 1 : low + POWERS_OF_TWO[spec.bits] - 1;
  if (!Number.isInteger(value) || value < low || value > high) {
    refuse(`an integer from ${low} to ${high}`, String(value));
  }
  return value < 0 ? value + POWERS_OF_TWO[spec.bits] : value;
}

function mask(instruction: Instruction, index: number, queues: readonly QueueName[]): number {
  let bits = 0;
  for (const queue of queues) {
    const code = QUEUE_CODES.get(queue);
    if (code === undefined) throw queueError(instruction, index, [...QUEUE_CODES.keys()], queue);
    // A mask cannot say "twice"; SYNC counts tokens.
    if ((bits & (1 << code)) !== 0)
      throw queueError(instruction, index, ['each queue once'], `${queue} twice`);
    bits |= 1 << code;
  }
  return bits;
}

function fieldPlace(index: number, instruction: Instruction, field: string): string {
  return `instruction ${index} (${instruction.name}), field '${field}'`;
}

function fieldError(
  instruction: Instruction,
  index: number,
  field: string,
  expected: string,
  got: string,
): BitloomError {
  return new BitloomError({
    code: 'instruction-field',
    message: 'a field of an instruction does not fit its encoding',
    where: fieldPlace(index, instruction, field),
    expected,
    got,
  });
}

function unknownField(
  layout: InstructionLayout,
  instruction: Instruction,
  index: number,
  name: string,
): BitloomError {
  const known = layout.fields.map(({ spec }) => spec.name).join(', ');
  return fieldError(
    instruction,
    index,
    name,
    known === '' ? 'no field' : `one of ${known}`,
    'a field of that name',
  );
}

function queueError(
  instruction: Instruction,
  index: number,
  expected: readonly string[],
  got: string,
): BitloomError {
  return new BitloomError({
    code: 'instruction-queue',
    message: 'an instruction names a queue that it cannot use',
    where: `instruction ${index} (${instruction.name})`,
    expected: `one of ${expected.join(', ')}`,
    got,
  });
}

function poolFull(bits: number): BitloomError {
  return new BitloomError({
    code: 'expression-pool-full',
    message: 'more expressions than the narrowest field that uses them can count',
    expected: `at most ${2 ** bits} distinct expressions in fields of ${bits} bits`,
    got: 'more',
    hint: 'split the stream, or put the varying part into a loop variable',
  });
}
