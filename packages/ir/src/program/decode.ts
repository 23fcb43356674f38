/**
 * Bytes to instructions. Streams come from files, so every bit is checked: what this decoder accepts, the encoder
 * could have written (up to fields that are present and zero, which patching a relocation may leave behind).
 */
import { BitloomError } from '../error.js';
import type { Expression } from '../expression.js';
import { createWordReader, type WordReader } from './bit-packer.js';
import type { EncodedStream } from './encode.js';
import {
  ADDRESS_BITS,
  HAS_DYNAMIC,
  HAS_FIELDS,
  type InstructionLayout,
  LAYOUT_BY_OPCODE,
  MASK_BITS,
  OPCODE_BITS,
  OPCODE_SHIFT,
  QUEUE_BITS,
  QUEUE_SHIFT,
  RELEASE_SHIFT,
  RESERVED_BITS,
  WAIT_SHIFT,
} from './encoding-layout.js';
import { decodeExpressionPool } from './expression-pool.js';
import {
  type Address,
  type FieldSpec,
  type FieldValue,
  QUEUES,
  type QueueName,
  SPACES,
} from './instruction-fields.js';
import type { Instruction } from './program.js';

/**
 * Decodes a stream. Instructions that share an expression share the object.
 *
 * @throws BitloomError `instruction-encoding`, `expression-pool-invalid`
 */
export function decodeStream(stream: EncodedStream): readonly Instruction[] {
  const expressions = decodeExpressionPool(stream.expressions);
  const reader = createWordReader(stream.code);
  const instructions: Instruction[] = [];
  while (!reader.isAtEnd) {
    const index = instructions.length;
    if (index >= stream.origins.length) {
      throw encodingError(index, reader.position, `${stream.origins.length} instructions`, 'more');
    }
    instructions.push(decodeInstruction(reader, index, stream.origins[index], expressions));
  }
  if (instructions.length !== stream.origins.length) {
    throw encodingError(
      instructions.length,
      reader.position,
      `${stream.origins.length} instructions`,
      'fewer',
    );
  }
  return instructions;
}

function decodeInstruction(
  reader: WordReader,
  index: number,
  origin: number,
  expressions: readonly Expression[],
): Instruction {
  const start = reader.position;
  const fail: Fail = (expected, got) => {
    throw encodingError(index, start, expected, got);
  };
  const word = reader.word();
  if ((word & RESERVED_BITS) !== 0) fail('reserved bits that are zero', `word 0x${word.toString(16)}`);
  const opcode = (word >>> OPCODE_SHIFT) & (2 ** OPCODE_BITS - 1);
  const layout = LAYOUT_BY_OPCODE.get(opcode) ?? fail('a known opcode', String(opcode));
  const queue = (word >>> QUEUE_SHIFT) & (2 ** QUEUE_BITS - 1);
  if (!layout.queues.has(queue)) fail(`a queue of ${layout.spec.queues.join(', ')}`, QUEUES[queue]);
  const fields: Record<string, FieldValue> = {};
  if ((word & HAS_FIELDS) !== 0) readFields(reader, word, layout, expressions, fields, fail);
  else if ((word & HAS_DYNAMIC) !== 0) fail('a presence mask before a dynamic mask', 'none');
  return {
    name: layout.spec.name,
    queue: QUEUES[queue],
    wait: queueSet(word >>> WAIT_SHIFT),
    release: queueSet(word >>> RELEASE_SHIFT),
    fields,
    origin,
  };
}

type Fail = (expected: string, got: string) => never;

function readFields(
  reader: WordReader,
  word: number,
  layout: InstructionLayout,
  expressions: readonly Expression[],
  fields: Record<string, FieldValue>,
  fail: Fail,
): void {
  const presence = reader.word();
  const dynamic = (word & HAS_DYNAMIC) === 0 ? 0 : reader.word();
  if (presence === 0 || presence >= 2 ** layout.fields.length) {
    fail(`a presence mask of ${layout.fields.length} bits`, `0x${presence.toString(16)}`);
  }
  if ((dynamic & ~presence) !== 0) fail('dynamic fields that are present', `0x${dynamic.toString(16)}`);
  if ((word & HAS_DYNAMIC) !== 0 && dynamic === 0) fail('a dynamic mask with a bit set', '0');
  const expressionAt = (index: number): Expression =>
    index < expressions.length
      ? expressions[index]
      : fail(`one of ${expressions.length} expressions`, String(index));
  for (const { spec, index: bit } of layout.fields) {
    if ((presence & (1 << bit)) === 0) continue;
    const isDynamic = (dynamic & (1 << bit)) !== 0;
    if (isDynamic && !spec.dynamic) fail(`a number in field '${spec.name}'`, 'an expression');
    if (spec.kind === 'address')
      fields[spec.name] = readAddress(reader, isDynamic ? expressionAt : undefined, fail);
    else if (isDynamic) fields[spec.name] = expressionAt(reader.bits(spec.bits));
    else fields[spec.name] = numberValue(spec, reader.bits(spec.bits), fail);
  }
  reader.align();
}

function readAddress(
  reader: WordReader,
  expressionAt: ((index: number) => Expression) | undefined,
  fail: Fail,
): Address {
  const space =
    SPACES[reader.bits(ADDRESS_BITS.space)] ?? fail(`a space below ${SPACES.length}`, 'a larger code');
  const channel = reader.bits(ADDRESS_BITS.channel);
  const register = reader.bits(ADDRESS_BITS.register);
  const page = reader.bits(ADDRESS_BITS.page) === 1;
  const offset = reader.bits(ADDRESS_BITS.offset);
  return {
    space,
    channel,
    register,
    page,
    offset: expressionAt === undefined ? offset : expressionAt(offset),
  };
}

function numberValue(spec: FieldSpec, code: number, fail: Fail): number {
  if (spec.kind === 'uint') return code;
  if (spec.kind === 'float32') {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, code);
    const value = view.getFloat32(0);
    return Number.isFinite(value) ? value : fail(`a finite number in field '${spec.name}'`, String(value));
  }
  if (spec.kind === 'enum' && code >= (spec.values?.length ?? 0)) {
    fail(`one of ${spec.values?.join(', ')} in field '${spec.name}'`, `code ${code}`);
  }
  return spec.kind === 'int' && code >= 2 ** (spec.bits - 1) ? code - 2 ** spec.bits : code;
}

function queueSet(bits: number): readonly QueueName[] {
  const mask = bits & (2 ** MASK_BITS - 1);
  return mask === 0 ? [] : QUEUES.filter((_, code) => (mask & (1 << code)) !== 0);
}

function encodingError(index: number, byte: number, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'instruction-encoding',
    message: 'the instruction stream is not valid',
    where: `instruction ${index}, byte ${byte}`,
    expected,
    got,
    hint: 'the program is damaged or was written for another instruction set',
  });
}
