/** `bitloom compare`: a model in several schemes side by side: size, error of the weights, perplexity. */
import { compareWeights, findScheme, type ModelComparison, quantizeModel } from '@bitloom/compression';
import { BitloomError, isShapeOnly, type ModelBundle } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import type { OpenModel } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, textPerplexity } from '@bitloom/runtime';
import { EXIT } from '../exit-codes.js';
import { requireTokenizer } from '../input/engine.js';
import { readText } from '../input/read-text.js';
import { groupNotes } from '../terminal/notes.js';
import { bytes } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface CompareOptions {
  readonly schemes: readonly string[];
  readonly text?: string;
  readonly context: number;
  readonly chunks?: number;
  readonly tokenizer?: string;
  readonly threads: number;
}

/** One row of the comparison, as `--json` prints it. */
export interface ComparedScheme {
  readonly scheme: string;
  /** Bytes of all constants. */
  readonly bytes: number;
  /** Bits per quantised weight as stored; absent where none is. */
  readonly bitsPerWeight?: number;
  /** Errors over all quantised weights; absent where none is. */
  readonly relativeRmse?: number;
  readonly sqnr?: number;
  readonly maxError?: number;
  readonly perplexity?: number;
  readonly nll?: number;
  readonly weights: ModelComparison['weights'];
  readonly notes: readonly string[];
}

export async function compare(spec: string, options: CompareOptions, terminal: Terminal): Promise<number> {
  const names = [...new Set(['f32', ...options.schemes])];
  const schemes = names.map(findScheme);
  const text = options.text === undefined ? undefined : readText(options.text);
  const model = await openModel(
    spec,
    options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer },
  );
  try {
    if (isShapeOnly(model.model)) throw shapeOnly(spec);
    const rows: ComparedScheme[] = [];
    for (const scheme of schemes) {
      const quantized = quantizeModel(model, scheme);
      rows.push(await compareOne(spec, model, quantized, quantized.notes, text, options, terminal));
    }
    if (terminal.json)
      terminal.document({ model: model.model.name, context: options.context, schemes: rows });
    else terminal.write(comparisonText(model.model.name, rows, options, terminal));
    return EXIT.ok;
  } finally {
    model.close();
  }
}

async function compareOne(
  spec: string,
  original: OpenModel,
  quantized: ModelBundle,
  notes: readonly string[],
  text: string | undefined,
  options: CompareOptions,
  terminal: Terminal,
): Promise<ComparedScheme> {
  const scheme = quantized.model.numerics.scheme;
  const measuring = await terminal.progress(`${scheme}: weights`);
  const {
    weights,
    total,
    bitsPerWeight,
    bytes: size,
  } = compareWeights(original, quantized, (done, all) => measuring.update(done, all));
  measuring.stop();
  const { relativeRmse, sqnr, maxError } = total;
  return {
    scheme,
    bytes: size,
    ...(weights.length === 0 ? {} : { bitsPerWeight, relativeRmse, sqnr, maxError }),
    ...(text === undefined ? {} : await score(spec, original, quantized, text, options, terminal)),
    weights,
    notes,
  };
}

async function score(
  spec: string,
  original: OpenModel,
  quantized: ModelBundle,
  text: string,
  options: CompareOptions,
  terminal: Terminal,
): Promise<{ readonly perplexity: number; readonly nll: number }> {
  const { context, chunks, threads } = options;
  const tokenizer = requireTokenizer(original.tokenizer, spec);
  const kernels = createKernels({ threads });
  try {
    const engine = createHostEngine(quantized, { kernels, capacity: context });
    const progress = await terminal.progress(`${quantized.model.numerics.scheme}: perplexity`);
    const { perplexity, nll } = textPerplexity(engine, tokenizer, text, {
      context,
      ...(chunks === undefined ? {} : { chunks }),
      onProgress: ({ chunk, chunks: all }) => progress.update(chunk, all),
    });
    progress.stop();
    engine.close();
    return { perplexity, nll };
  } finally {
    kernels.close();
  }
}

function comparisonText(
  model: string,
  rows: readonly ComparedScheme[],
  options: CompareOptions,
  { out }: Terminal,
): string {
  const [baseline] = rows;
  const scored = baseline.perplexity !== undefined;
  const table = formatColumns(
    [
      { title: 'scheme' },
      { title: 'bits/weight', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'relative error', align: 'right' },
      { title: 'SQNR dB', align: 'right' },
      { title: 'largest error', align: 'right' },
      ...(scored
        ? ([
            { title: 'perplexity', align: 'right' },
            { title: 'change', align: 'right' },
          ] as const)
        : []),
    ],
    rows.map((row) => [
      out.style.accent(row.scheme),
      row.bitsPerWeight?.toFixed(2) ?? '32.00',
      bytes(row.bytes),
      row.relativeRmse === undefined ? '-' : `${(100 * row.relativeRmse).toFixed(3)}%`,
      row.sqnr?.toFixed(1) ?? '-',
      row.maxError?.toPrecision(3) ?? '-',
      ...(scored ? [row.perplexity?.toFixed(3) ?? '-', changeText(row, baseline)] : []),
    ]),
    out,
  );
  const notes = rows.flatMap(({ scheme, notes: own }) =>
    groupNotes(own).map((note) => `${scheme}: ${note}\n`),
  );
  const how = scored
    ? `perplexity in windows of ${options.context} tokens${options.chunks === undefined ? '' : `, at most ${options.chunks}`}; `
    : 'no perplexity without --text; ';
  return `${out.style.strong(model)}\n${table}${how}errors over the quantised weights, size of all constants\n${notes.join('')}`;
}

function changeText({ perplexity }: ComparedScheme, baseline: ComparedScheme): string {
  if (perplexity === undefined || baseline.perplexity === undefined) return '-';
  const change = 100 * (perplexity / baseline.perplexity - 1);
  return `${change >= 0 ? '+' : ''}${change.toFixed(2)}%`;
}

function shapeOnly(spec: string): BitloomError {
  return new BitloomError({
    code: 'model-shape-only',
    message: 'the model has shapes but no weights, so there is nothing to compare',
    where: spec,
    expected: 'a checkpoint',
    got: 'a shape-only model',
    hint: 'give the path of its checkpoint',
  });
}
