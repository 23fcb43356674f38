/** What a scheme does to a model, measured: size, errors of the weights, perplexity of a text on the host. */
import { compareWeights, type ModelComparison } from '@bitloom/compression';
import type { ModelBundle } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import type { Tokenizer } from '@bitloom/models';
import { createHostEngine, textPerplexity } from '@bitloom/runtime';
import type { Terminal } from '../terminal/terminal.js';

/** One row of the comparison, as `--json` prints it. */
export interface ComparedScheme {
  readonly scheme: string;
  /** Bytes of all constants. */
  readonly bytes: number;
  /** Bits per quantised weight as stored; absent where none is. */
  readonly bitsPerWeight?: number;
  /** Errors over all quantised weights; absent where none is. */
  readonly relativeRmse?: number;
  /** In decibels. Infinite where there is no error, which JSON has as null. */
  readonly sqnr?: number;
  readonly maxError?: number;
  readonly perplexity?: number;
  readonly nll?: number;
  readonly weights: ModelComparison['weights'];
  readonly notes: readonly string[];
}

/** The text a model is scored on. */
export interface ScoredText {
  readonly text: string;
  readonly tokenizer: Tokenizer;
  /** Tokens of a window. */
  readonly context: number;
  readonly chunks?: number;
  readonly threads: number;
  /** Told how many windows there are, for each that is scored. */
  onWindows(windows: number): void;
}

/** Measures `quantized` against the float model it was made from; perplexity where there is a text. */
export async function compareScheme(
  original: ModelBundle,
  quantized: ModelBundle,
  notes: readonly string[],
  scored: ScoredText | undefined,
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
    ...(scored === undefined ? {} : await score(quantized, scored, terminal)),
    weights,
    notes,
  };
}

async function score(
  model: ModelBundle,
  { text, tokenizer, context, chunks, threads, onWindows }: ScoredText,
  terminal: Terminal,
): Promise<{ readonly perplexity: number; readonly nll: number }> {
  const kernels = createKernels({ threads });
  try {
    const engine = createHostEngine(model, { kernels, capacity: context });
    const progress = await terminal.progress(`${model.model.numerics.scheme}: perplexity`);
    const { perplexity, nll } = textPerplexity(engine, tokenizer, text, {
      context,
      ...(chunks === undefined ? {} : { chunks }),
      onProgress: ({ chunk, chunks: all }) => {
        onWindows(all);
        progress.update(chunk, all);
      },
    });
    progress.stop();
    engine.close();
    return { perplexity, nll };
  } finally {
    kernels.close();
  }
}
