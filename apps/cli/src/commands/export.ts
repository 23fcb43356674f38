/** `bitloom export`: a model in float32 becomes a checkpoint of other programs, its matrices in a type they know. */
import { BitloomError } from '@bitloom/ir';
import { type ExportedTensor, exportGguf } from '@bitloom/models';
import { openModel, writeGguf } from '@bitloom/models/node';
import { EXIT } from '../exit-codes.js';
import { requireWritable } from '../output/require-writable.js';
import { watchWrite } from '../output/write-large.js';
import { groupNotes } from '../terminal/notes.js';
import { bytes, count } from '../terminal/quantity.js';
import { formatColumns, formatFacts } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface ExportOptions {
  readonly format: string;
  readonly type?: string;
  readonly output: string;
  readonly tokenizer?: string;
}

/** What a format's writer made. */
interface Written {
  readonly fileBytes: number;
  readonly architecture: string;
  readonly type: string;
  readonly tensors: readonly ExportedTensor[];
  readonly notes: readonly string[];
}

export async function exportModel(spec: string, options: ExportOptions, terminal: Terminal): Promise<number> {
  const { format, type, output, tokenizer } = options;
  if (format !== 'gguf') throw unknownFormat(format);
  requireWritable(output);
  const model = await openModel(spec, tokenizer === undefined ? {} : { tokenizer });
  try {
    const wanted = type ?? 'F16';
    const { content, architecture, tensors, notes } = exportGguf(model, { type: wanted });
    const fileBytes = await watchWrite(output, terminal, (watch) => writeGguf(output, content, watch));
    const written: Written = { fileBytes, architecture, type: wanted.toUpperCase(), tensors, notes };
    say(output, model.model.name, format, written, terminal);
    return EXIT.ok;
  } finally {
    model.close();
  }
}

function say(path: string, name: string, format: string, written: Written, terminal: Terminal): void {
  const { fileBytes, architecture, type, tensors, notes } = written;
  const rows = byType(tensors);
  terminal.log(`wrote ${path} (${bytes(fileBytes)})`);
  if (terminal.json) {
    const fallbacks = tensors
      .filter(({ isFallback }) => isFallback)
      .map((tensor) => ({ tensor: tensor.name, type: tensor.type, shape: tensor.shape }));
    const facts = { file: path, fileBytes, name, format, architecture, type };
    terminal.document({ ...facts, tensors: tensors.length, types: rows, fallbacks, notes });
    return;
  }
  const columns = [
    { title: '  type' },
    { title: 'tensors', align: 'right' },
    { title: 'values', align: 'right' },
    { title: 'bytes', align: 'right' },
    { title: 'bits per value', align: 'right' },
  ] as const;
  const cells = rows.map((row) => [
    `  ${row.type}`,
    String(row.tensors),
    count(row.values),
    bytes(row.bytes),
    ((8 * row.bytes) / row.values).toFixed(2),
  ]);
  const lines = groupNotes(notes).map((note): [string, string] => ['note', note]);
  terminal.write(
    `${terminal.out.style.strong(name)} as ${format.toUpperCase()}, ${architecture} in ${type}\n` +
      formatColumns(columns, cells, terminal.out) +
      formatFacts(lines, terminal.out),
  );
}

/** Tensors added up by type, in the order in which the types first occur. */
function byType(
  tensors: readonly ExportedTensor[],
): { type: string; tensors: number; values: number; bytes: number }[] {
  const sums = new Map<string, { type: string; tensors: number; values: number; bytes: number }>();
  for (const { type, shape, byteLength } of tensors) {
    const sum = sums.get(type) ?? { type, tensors: 0, values: 0, bytes: 0 };
    sum.tensors += 1;
    sum.values += shape.reduce((a, b) => a * b, 1);
    sum.bytes += byteLength;
    sums.set(type, sum);
  }
  return [...sums.values()];
}

function unknownFormat(format: string): BitloomError {
  return new BitloomError({
    code: 'export-format-unknown',
    message: 'no checkpoints of this format are written',
    where: '--format',
    expected: 'gguf',
    got: JSON.stringify(format),
    hint: 'choose one of these; `bitloom import` writes a bitloom model',
  });
}
