/** `bitloom export`: a model in float32 becomes a checkpoint of other programs, its matrices in a type they know. */
import { BitloomError } from '@bitloom/ir';
import {
  type ExportedTensor,
  exportGguf,
  exportHfAsync,
  GGUF_STORAGE_TYPES,
  HF_STORAGE_TYPES,
} from '@bitloom/models';
import { type OpenModel, openModel, writeFolder, writeGguf } from '@bitloom/models/node';
import { EXIT } from '../exit-codes.js';
import { modelInputs } from '../output/require-not-input.js';
import { type Inputs, requireNewFolder, requireWritable } from '../output/require-writable.js';
import { watchWork, watchWrite } from '../output/write-large.js';
import { groupNotes } from '../terminal/notes.js';
import { bytes, count } from '../terminal/quantity.js';
import { formatColumns, formatFacts } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface ExportOptions {
  readonly format: string;
  readonly type?: string;
  readonly output: string;
  readonly tokenizer?: string;
  readonly bits?: number;
  readonly groupSize?: number;
  /** Hugging Face: with zero points. */
  readonly asymmetric?: boolean;
}

/** What a format's writer made. */
interface Written {
  readonly fileBytes: number;
  readonly tensors: readonly ExportedTensor[];
  readonly notes: readonly string[];
}

/** A format of checkpoints. */
interface Format {
  readonly types: readonly string[];
  /** The type where none is asked for. */
  readonly usual: string;
  /** Other names that people know types by. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Options that a type has no use for, with the reason. */
  refused(type: string): RefusedOptions;
  /** Looks at the place before the work begins. */
  prepare(output: string, inputs: Inputs): void;
  write(model: OpenModel, type: string, options: ExportOptions, terminal: Terminal): Promise<Written>;
}

const INTEGER_OPTIONS = ['bits', 'groupSize', 'asymmetric'] as const;

/** Why an option does nothing, or the one value that says what is done anyway. */
type RefusedOptions = Readonly<
  Partial<
    Record<(typeof INTEGER_OPTIONS)[number], string | { readonly only: number; readonly reason: string }>
  >
>;

function refuseAll(why: string): RefusedOptions {
  return Object.fromEntries(INTEGER_OPTIONS.map((name) => [name, why]));
}

/** What types of Hugging Face folders leave no choice about. */
const HF_REFUSED: Readonly<Record<string, RefusedOptions>> = {
  f32: refuseAll('f32 has no integers'),
  awq: { bits: { only: 4, reason: 'AWQ packs no other width' } },
  hqq: { asymmetric: 'HQQ always has zero points' },
  'float-quantized': refuseAll('FP8 has no integers, and a scale for each output'),
  'nvfp4-pack-quantized': refuseAll('NVFP4 prescribes its elements and groups of 16'),
  'mxfp4-pack-quantized': refuseAll('MXFP4 prescribes its elements and groups of 32'),
};

const FORMATS: Readonly<Record<string, Format>> = {
  gguf: {
    types: GGUF_STORAGE_TYPES,
    usual: 'F16',
    aliases: {},
    refused: () => refuseAll('blocks of GGML have widths and groups of their own'),
    prepare: requireWritable,
    async write(model, type, options, terminal) {
      const { output } = options;
      const { content, tensors, notes } = exportGguf(model, { type });
      const fileBytes = await watchWrite(output, terminal, (watch) => writeGguf(output, content, watch));
      return { fileBytes, tensors, notes };
    },
  },
  hf: {
    types: HF_STORAGE_TYPES,
    usual: 'f32',
    aliases: {
      'compressed-tensors': 'pack-quantized',
      nvfp4: 'nvfp4-pack-quantized',
      mxfp4: 'mxfp4-pack-quantized',
      fp8: 'float-quantized',
      int8: 'int-quantized',
    },
    refused: (type) => HF_REFUSED[type] ?? {},
    prepare: requireNewFolder,
    async write(model, type, options, terminal) {
      const { output, bits, groupSize, asymmetric } = options;
      const settings = {
        type,
        ...(bits === undefined ? {} : { bits }),
        ...(groupSize === undefined ? {} : { groupSize }),
        ...(asymmetric === undefined ? {} : { symmetric: !asymmetric }),
      };
      const { files, tensors, notes } = await watchWork(`rounding to ${type}`, terminal, (watch) =>
        exportHfAsync(model, settings, watch),
      );
      const fileBytes = await watchWrite(output, terminal, (watch) => writeFolder(output, files, watch));
      return { fileBytes, tensors, notes };
    },
  },
};

export async function exportModel(spec: string, options: ExportOptions, terminal: Terminal): Promise<number> {
  const { output, tokenizer } = options;
  const name = options.format.toLowerCase();
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : unknownFormat(options.format);
  const given = (options.type ?? format.usual).toLowerCase();
  const wanted = Object.hasOwn(format.aliases, given) ? format.aliases[given] : given;
  const type = format.types.find((known) => known.toLowerCase() === wanted) ?? unknownType(format, options);
  refuseOptions(options, format.refused(type));
  format.prepare(output, modelInputs(spec, tokenizer));
  const model = await openModel(spec, tokenizer === undefined ? {} : { tokenizer });
  try {
    const written = await format.write(model, type, options, terminal);
    report(output, model.model.name, name, type, written, terminal);
    return EXIT.ok;
  } finally {
    model.close();
  }
}

function report(
  path: string,
  name: string,
  format: string,
  type: string,
  { fileBytes, tensors, notes }: Written,
  terminal: Terminal,
): void {
  const rows = byType(tensors);
  terminal.log(`wrote ${path} (${bytes(fileBytes)})`);
  if (terminal.json) {
    const fallbacks = tensors
      .filter(({ isFallback }) => isFallback)
      .map((tensor) => ({ tensor: tensor.name, type: tensor.type, shape: tensor.shape }));
    const facts = { file: path, fileBytes, name, format, type, tensors: tensors.length };
    terminal.document({ ...facts, types: rows, fallbacks, notes });
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
    `${terminal.out.style.strong(name)} as ${format} in ${type}\n` +
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

function unknownFormat(format: string): never {
  throw new BitloomError({
    code: 'export-format-unknown',
    message: 'no checkpoints of this format are written',
    where: '--format',
    expected: Object.keys(FORMATS).join(' or '),
    got: JSON.stringify(format),
    hint: 'choose one of these; `bitloom import` writes a bitloom model',
  });
}

function unknownType(format: Format, options: ExportOptions): never {
  throw new BitloomError({
    code: 'export-type-unknown',
    message: 'this format has no such type',
    where: `--format ${options.format} --type`,
    expected: format.types.join(', '),
    got: JSON.stringify(options.type),
    hint: 'choose one of these types',
  });
}

/** Settings that do nothing are refused, because somebody meant something by them. */
function refuseOptions(options: ExportOptions, refused: RefusedOptions): void {
  for (const name of INTEGER_OPTIONS) {
    const value = options[name];
    const why = refused[name];
    if (value === undefined || why === undefined) continue;
    if (typeof why !== 'string' && why.only === value) continue;
    throw new BitloomError({
      code: 'export-option',
      message: 'this option does nothing for this type',
      where: `--${name === 'groupSize' ? 'group-size' : name}`,
      expected: typeof why === 'string' ? `no such option: ${why}` : `${why.only}: ${why.reason}`,
      got: String(value),
      hint: 'leave it out, or choose a type such as gptq',
    });
  }
}
