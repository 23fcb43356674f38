/** `bitloom quantize`: a float model becomes a model in a low-bit scheme, with what that cost. */
import { findScheme, quantizeModel } from '@bitloom/compression';
import { isShapeOnly } from '@bitloom/ir';
import { readModel } from '@bitloom/ir/node';
import { openModel } from '@bitloom/models/node';
import { compareScheme } from '../comparison/compared-scheme.js';
import { comparisonText } from '../comparison/comparison-text.js';
import { type ScoredTextOptions, scoredText } from '../comparison/scored-text.js';
import { DECODED, storedText } from '../comparison/stored-text.js';
import { EXIT } from '../exit-codes.js';
import { withAttentionBlocks } from '../input/attention-blocks.js';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import { writeModelFile } from '../output/save-model.js';
import type { Terminal } from '../terminal/terminal.js';

export interface QuantizeOptions extends Omit<ScoredTextOptions, 'context'> {
  readonly scheme: string;
  readonly output: string;
  readonly tokenizer?: string;
  /** Longest sequence to make room for. */
  readonly context?: number;
  /** Rule or file of a mask of blocks of attention. */
  readonly attentionBlocks?: string;
  /** Tokens of a window of the text. */
  readonly window: number;
}

export async function quantize(spec: string, options: QuantizeOptions, terminal: Terminal): Promise<number> {
  const { output, tokenizer, context, window } = options;
  requireWritable(output, [...modelInputs(spec, tokenizer), options.text]);
  const scheme = findScheme(options.scheme);
  const model = await openModel(spec, {
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(context === undefined ? {} : { context }),
  });
  try {
    const scored = scoredText(spec, model, { ...options, context: window }, 2, terminal);
    const { notes, ...quantized } = quantizeModel(model, scheme);
    const masked = await withAttentionBlocks(quantized, options.attentionBlocks);
    const saved = await writeModelFile(output, masked, notes, terminal);
    if (isShapeOnly(model.model)) {
      if (terminal.json) terminal.document(saved.document);
      else terminal.write(saved.text);
      return EXIT.ok;
    }
    // What was written is what is measured.
    const written = readModel(output);
    try {
      const rows = [
        await compareScheme(model, model, [], scored, terminal),
        await compareScheme(model, written, [], scored, terminal),
      ];
      const [baseline, result] = rows;
      const { weights: _, notes: __, scheme: ___, ...measured } = result;
      if (terminal.json) {
        const { perplexity } = baseline;
        const before = { bytes: baseline.bytes, ...(perplexity === undefined ? {} : { perplexity }) };
        terminal.document({ ...saved.document, ...measured, original: before });
      } else {
        const keeps = scheme.keepsStored === true;
        const shown = keeps ? [{ ...baseline, scheme: DECODED }, result] : rows;
        const table = comparisonText('', shown, { ...options, context: window }, terminal);
        terminal.write(`${saved.text}\n${table}${keeps ? storedText(spec, model, result) : ''}`);
      }
    } finally {
      written.close();
    }
    return EXIT.ok;
  } finally {
    model.close();
  }
}
