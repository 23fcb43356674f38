/**
 * The instruction reference as Markdown, written from the tables alone, so that it cannot say anything else than
 * the encoder does.
 */
import {
  ADDRESS_BITS,
  HAS_DYNAMIC,
  HAS_FIELDS,
  MASK_BITS,
  OPCODE_BITS,
  OPCODE_SHIFT,
  QUEUE_BITS,
  QUEUE_SHIFT,
  RELEASE_SHIFT,
  WAIT_SHIFT,
} from './encoding-layout.js';
import { ruleCondition, ruleText } from './field-rules.js';
import {
  type FieldSpec,
  type InstructionSpec,
  QUEUES,
  SPACE_KINDS,
  SPACES,
  STRIPED,
} from './instruction-fields.js';
import { INSTRUCTION_SET, INSTRUCTION_SET_VERSION } from './instruction-set.js';
import { VECTOR_FUNCTIONS, type VectorFunction } from './vector-functions.js';

/** Markdown of the whole instruction set. */
export function instructionReference(): string {
  const parts = [
    '# Instruction set',
    '',
    `Version ${INSTRUCTION_SET_VERSION}. Generated from the instruction table in \`packages/ir\`; do not edit.`,
    '',
    ...encodingText(),
    '## Instructions',
    '',
    table(
      ['opcode', 'name', 'queues', 'what it does'],
      [...INSTRUCTION_SET.values()].map(({ opcode, name, queues, doc }) => [
        String(opcode),
        `[${name}](#${name.toLowerCase()})`,
        queues.join(', '),
        doc,
      ]),
    ),
    '',
    ...[...INSTRUCTION_SET.values()].flatMap(instructionText),
    '## Vector functions',
    '',
    'The field `function` of VEC names one of these. Elements are float32 unless a width is given.',
    '',
    table(
      ['code', 'name', 'result', 'reads', 'writes', 'passes', 'reference'],
      VECTOR_FUNCTIONS.map(functionRow),
    ),
    '',
  ];
  return parts.join('\n');
}

function encodingText(): readonly string[] {
  const bit = (mask: number): number => Math.log2(mask);
  const top = bit(HAS_DYNAMIC) + 1;
  return [
    '## Encoding',
    '',
    'An instruction is a run of 32-bit little-endian words.',
    '',
    table(
      ['bits of word 0', 'meaning'],
      [
        [`${OPCODE_SHIFT}..${OPCODE_SHIFT + OPCODE_BITS - 1}`, 'opcode'],
        [`${QUEUE_SHIFT}..${QUEUE_SHIFT + QUEUE_BITS - 1}`, 'queue'],
        [
          `${WAIT_SHIFT}..${WAIT_SHIFT + MASK_BITS - 1}`,
          'wait mask: a token of each of these queues is taken before the instruction starts',
        ],
        [
          `${RELEASE_SHIFT}..${RELEASE_SHIFT + MASK_BITS - 1}`,
          'release mask: each of these queues gets a token when the instruction is done',
        ],
        [String(bit(HAS_FIELDS)), 'fields follow: a presence mask, then the fields'],
        [
          String(bit(HAS_DYNAMIC)),
          'some of them are dynamic: a dynamic mask stands behind the presence mask',
        ],
        [`${top}..31`, 'zero'],
      ],
    ),
    '',
    'Bit i of the presence mask says that field i of the instruction (in the order of the tables below) is there; fields that are not there are zero. Bit i of the dynamic mask says that field i holds an index into the expression pool of the stream instead of a value. The fields that are there follow in order, packed from the lowest bit up; the last word is filled with zeros.',
    '',
    `Queues by code: ${QUEUES.map((queue, code) => `${code} ${queue}`).join(', ')}.`,
    '',
    `An address has ${Object.values(ADDRESS_BITS).reduce((sum, bits) => sum + bits, 0)} bits, lowest first: ${Object.entries(
      ADDRESS_BITS,
    )
      .map(([part, bits]) => `${part} ${bits}`)
      .join(
        ', ',
      )}. In a dynamic address the offset bits hold the index of the expression. Channel ${STRIPED} spreads the address over all channels of its memory. Register 0 means no base register.`,
    '',
    `Spaces by code: ${SPACES.map((space, code) => `${code} ${space}`).join(', ')}.`,
    '',
    `An address field is in a buffer (${SPACE_KINDS.buffer.join(', ')}) or in a memory (${SPACE_KINDS.memory.join(', ')}), as its kind says; units compute on buffers, and only transfers reach memories.`,
    '',
  ];
}

function instructionText(spec: InstructionSpec): readonly string[] {
  return [
    `### ${spec.name}`,
    '',
    spec.doc,
    '',
    `Opcode ${spec.opcode}; queues ${spec.queues.join(', ')}; result defined by ${code(spec.reference)}; cycles by ${code(spec.timing.name)} in \`program/timing.ts\`.`,
    '',
    ...(spec.fields.length === 0
      ? ['No fields.']
      : [table(['field', 'kind', 'bits', 'dynamic', 'unit', 'meaning'], spec.fields.map(fieldRow))]),
    '',
    ...rulesText(spec),
  ];
}

/** Combinations that have a meaning; the verifier refuses others. */
function rulesText({ rules = [] }: InstructionSpec): readonly string[] {
  if (rules.length === 0) return [];
  const rows = rules.map((rule) => [ruleCondition(rule) || 'always', ruleText(rule)]);
  return ['Combinations of fields that have a meaning:', '', table(['where', 'must be'], rows), ''];
}

function fieldRow(field: FieldSpec): readonly string[] {
  const values =
    field.values === undefined ? '' : ` (${field.values.map((name, i) => `${i} ${name}`).join(', ')})`;
  return [
    code(field.name),
    field.space === undefined ? field.kind : `${field.kind} in a ${field.space}`,
    String(field.bits),
    field.dynamic ? 'yes' : '',
    field.unit ?? '',
    `${field.doc}${values.length > 160 ? '' : values}`,
  ];
}

function functionRow(fn: VectorFunction): readonly string[] {
  const reads = fn.sources.map(({ operand, elementBytes }) =>
    elementBytes === 4 ? operand : `${operand} (${elementBytes} bytes)`,
  );
  const writes = [
    fn.dstBytes === 4 ? 'dst' : `dst (${fn.dstBytes} byte${fn.dstBytes === 1 ? '' : 's'})`,
    ...(fn.writesScale ? ['scale'] : []),
  ];
  return [
    String(fn.code),
    code(fn.name),
    fn.doc,
    reads.join(', '),
    writes.join(', '),
    String(fn.passes),
    code(fn.reference),
  ];
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
