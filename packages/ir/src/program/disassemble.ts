/**
 * Instructions as text, one per line, for people and for diffs: names instead of codes, loops indented, absent
 * fields left out, and the origin of each instruction as a comment.
 */
import { type Expression, formatExpression } from '../expression.js';
import { formatFloat32 } from '../text.js';
import { type Address, type FieldSpec, type FieldValue, isAddress, STRIPED } from './instruction-fields.js';
import { INSTRUCTION_SET } from './instruction-set.js';
import type { Instruction, Provenance } from './program.js';

export interface DisassembleOptions {
  /** Table that origins point into; without it there are no comments. */
  readonly provenance?: readonly Provenance[];
  /** Whether lines start with the instruction's index. Without, a diff shows only what changed. Default true. */
  readonly numbers?: boolean;
  /** Put before each line. */
  readonly indent?: string;
}

const NAME_WIDTH = 8;
const QUEUE_WIDTH = 9;

/**
 * Text of a stream, e.g.
 * `12  MV      matrix   wait load  release store  mode=weights m=1 n=256 a=data[0x1000 + 64*i0]  ; L3 down tile 4`.
 * Instructions that the table does not have are shown as they are: a dump must not fail on what it is to explain.
 */
export function disassemble(instructions: readonly Instruction[], options: DisassembleOptions = {}): string {
  const { provenance, numbers = true, indent = '' } = options;
  const width = String(Math.max(0, instructions.length - 1)).length;
  let depth = 0;
  const lines = instructions.map((instruction, index) => {
    if (instruction.name === 'END') depth = Math.max(0, depth - 1);
    const nesting = '  '.repeat(depth);
    if (instruction.name === 'LOOP') depth++;
    const number = numbers ? `${String(index).padStart(width)}  ` : '';
    const origin = provenance?.[instruction.origin];
    const comment = origin === undefined ? '' : formatProvenance(origin);
    const text = `${indent}${number}${nesting}${formatInstruction(instruction)}`;
    return comment === '' ? text : `${text}  ; ${comment}`;
  });
  return lines.join('\n');
}

/** One instruction without its index and origin. */
export function formatInstruction(instruction: Instruction): string {
  const specs = new Map(INSTRUCTION_SET.get(instruction.name)?.fields.map((field) => [field.name, field]));
  const order = [...specs.keys()];
  const names = Object.keys(instruction.fields).sort((a, b) => place(order, a) - place(order, b));
  const fields = names.flatMap((name) => {
    const value = instruction.fields[name];
    return value === 0 ? [] : [`${name}=${formatField(specs.get(name), value)}`];
  });
  const parts = [
    `${instruction.name.padEnd(NAME_WIDTH)}${instruction.queue.padEnd(QUEUE_WIDTH)}`.trimEnd(),
    ...(instruction.wait.length === 0 ? [] : [`wait ${instruction.wait.join(',')}`]),
    ...(instruction.release.length === 0 ? [] : [`release ${instruction.release.join(',')}`]),
    ...(fields.length === 0 ? [] : [fields.join(' ')]),
  ];
  const [head, ...rest] = parts;
  return rest.length === 0 ? head : `${head.padEnd(NAME_WIDTH + QUEUE_WIDTH)}${rest.join('  ')}`;
}

function place(order: readonly string[], name: string): number {
  const index = order.indexOf(name);
  return index < 0 ? order.length : index;
}

function formatField(spec: FieldSpec | undefined, value: FieldValue): string {
  if (isAddress(value)) return formatAddress(value);
  if (typeof value === 'number') {
    if (spec?.kind === 'enum') return spec.values?.[value] ?? String(value);
    return spec?.kind === 'float32' ? formatFloat32(value) : String(value);
  }
  // Spaces part the fields of a line, so there are none inside of one.
  return formatExpression(value).replaceAll(' mod ', '%').replaceAll(' ', '');
}

/** Text of an address: `data[0x1000 + 64*i0]`, `hbm:*[r3 + 0x40]`, `hbm:2[page r3 + 64*past]`, `peer-core:1[0x0]`. */
export function formatAddress(address: Address): string {
  const isMemory = address.space === 'hbm' || address.space === 'ddr';
  const channel =
    address.channel === STRIPED ? ':*' : isMemory || address.channel !== 0 ? `:${address.channel}` : '';
  const register = address.register === 0 ? [] : [`r${address.register}`];
  const base = address.page ? [`page ${register[0] ?? 'r0'}`] : register;
  const terms = offsetTerms(address.offset).map((term) =>
    typeof term === 'number' && term >= 0 ? `0x${term.toString(16)}` : formatExpression(term),
  );
  const offset = base.length > 0 && address.offset === 0 ? [] : terms;
  return `${address.space}${channel}[${[...base, ...offset].join(' + ')}]`;
}

function offsetTerms(offset: Expression): readonly Expression[] {
  return typeof offset === 'object' && 'add' in offset ? offset.add : [offset];
}

/** Text of a provenance entry: layer, node (or the op where there is none), tile. */
export function formatProvenance(origin: Provenance): string {
  const layer = origin.layer < 0 ? [] : [`L${origin.layer}`];
  return [...layer, origin.node === '' ? origin.op : origin.node, origin.tile]
    .filter((part) => part !== '')
    .join(' ');
}
