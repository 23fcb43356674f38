/**
 * The program artefact as text: what it was made for, its memory image, its entries, frames and instructions.
 */
import { formatExpression } from '../expression.js';
import { formatTable } from '../text.js';
import { disassemble } from './disassemble.js';
import { encodeStream } from './encode.js';
import { STRIPED } from './instruction-fields.js';
import { coresOf, type Frame, type Port, type Program, type ProgramEntry, type Region } from './program.js';

export interface PrintProgramOptions {
  /** Whether to list every instruction. Default true. */
  readonly instructions?: boolean;
  /** Whether instructions are numbered; without, a diff shows only what changed. Default true. */
  readonly numbers?: boolean;
}

/** Text of a program. Streams that cannot be encoded are listed without their size. */
export function printProgram(program: Program, options: PrintProgramOptions = {}): string {
  const model = program.shapeOnly ? 'shape only' : 'with weights';
  const parts = [
    `program ${program.name}`,
    formatTable(
      [
        ['instruction set', program.instructionSet],
        ['model', `${program.modelHash} (${model})`],
        ['device', `${program.device} ${program.deviceHash}`],
        ['numerics', program.numerics.scheme],
        ['slots', String(program.slots)],
        ['capacity', `${program.capacity} tokens`],
      ].map(([key, value]) => [`${key}:`, value]),
      '  ',
    ),
    ...section('registers', program.registers, ({ index, name, doc, pageTable }) => [
      `r${index}`,
      name,
      pageTable === undefined ? '' : `${pageTable.entries} pages of ${pageTable.pageBytes} bytes`,
      doc,
    ]),
    ...section('regions', program.regions, regionRow, [
      'name',
      'purpose',
      'place',
      'start',
      'bytes',
      'contents',
    ]),
    ...program.entries.map((entry) => printEntry(program, entry, options)),
    ...(program.notes.length === 0 ? [] : [`notes\n${program.notes.map((note) => `  ${note}`).join('\n')}`]),
  ];
  return `${parts.join('\n')}\n`;
}

function section<T>(
  title: string,
  items: readonly T[],
  row: (item: T) => readonly string[],
  head?: readonly string[],
): readonly string[] {
  if (items.length === 0) return [];
  const rows = items.map(row);
  return [title, formatTable(head === undefined ? rows : [head, ...rows], '  ')];
}

function regionRow({ name, purpose, space, channel, offset, bytes, contents }: Region): readonly string[] {
  const source =
    contents.from === 'zeros' ? 'zeros' : `${contents.constant}.${contents.component} as ${contents.layout}`;
  const place = `${space}:${channel === STRIPED ? '*' : channel}`;
  return [name, purpose, place, `0x${offset.toString(16)}`, String(bytes), source];
}

function printEntry(program: Program, entry: ProgramEntry, options: PrintProgramOptions): string {
  const { instructions = true, numbers = true } = options;
  const lines = [`entry ${entry.name}`];
  for (const { name, min, max, perSlot } of entry.symbols) {
    lines.push(`  symbol ${name} ${min}..${max}${perSlot ? ' per slot' : ''}`);
  }
  for (const port of entry.inputs) lines.push(`  input ${portText(port)}`);
  for (const port of entry.outputs) lines.push(`  output ${portText(port)}`);
  for (const frame of entry.frames) lines.push(frameText(frame));
  for (const stream of entry.streams) {
    lines.push(
      `  ${coresText(coresOf(stream))}: ${stream.instructions.length} instructions${sizeText(stream.instructions)}`,
    );
    if (instructions && stream.instructions.length > 0) {
      lines.push(
        disassemble(stream.instructions, { provenance: program.provenance, numbers, indent: '    ' }),
      );
    }
  }
  return lines.join('\n');
}

function coresText(cores: readonly number[]): string {
  const last = cores.at(-1);
  return cores.length === 1 ? `core ${last}` : `cores ${cores[0]} to ${last}`;
}

function portText({ name, region, dtype, shape }: Port): string {
  return `${name} ${dtype}[${shape.map(formatExpression).join(', ')}] in ${region}`;
}

function frameText(frame: Frame): string {
  const tokens = Object.entries(frame.entryTokens).map(([pair, count]) => `${pair}=${count}`);
  const live = frame.live.map(({ space, start, end, name }) => `${name}=${space}[${start}, ${end})`);
  const parts = [
    `frame ${frame.name} (${frame.layer < 0 ? 'no layer' : `L${frame.layer}`}${frame.tile === '' ? '' : ` ${frame.tile}`})`,
    `core ${frame.core} instructions ${frame.first}..${frame.first + frame.count}`,
    ...(tokens.length === 0 ? [] : [`tokens ${tokens.join(' ')}`]),
    ...(live.length === 0 ? [] : [`live ${live.join(' ')}`]),
    ...(frame.entryPrefetch.length === 0 ? [] : [`entry prefetch ${frame.entryPrefetch.join(' ')}`]),
    ...(frame.exitPrefetch.length === 0 ? [] : [`exit prefetch ${frame.exitPrefetch.join(' ')}`]),
    ...(frame.relocations.length === 0 ? [] : [`${frame.relocations.length} relocations`]),
  ];
  return `  ${parts.join('; ')}`;
}

function sizeText(instructions: ProgramEntry['streams'][number]['instructions']): string {
  try {
    const { code, expressions } = encodeStream(instructions);
    return `, ${code.byteLength} bytes of code, ${expressions.byteLength} of expressions`;
  } catch {
    return ', not encodable';
  }
}
