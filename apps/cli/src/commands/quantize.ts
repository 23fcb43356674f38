/** `bitloom quantize`: a float model becomes a model in a low-bit scheme. */
import { findScheme, quantizeModel } from '@bitloom/compression';
import { openModel } from '@bitloom/models/node';
import { requireWritable } from '../output/require-writable.js';
import { saveModel } from '../output/save-model.js';
import type { Terminal } from '../terminal/terminal.js';

export interface QuantizeOptions {
  readonly scheme: string;
  readonly output: string;
  readonly tokenizer?: string;
  readonly context?: number;
}

export async function quantize(spec: string, options: QuantizeOptions, terminal: Terminal): Promise<number> {
  const { output, scheme, tokenizer, context } = options;
  requireWritable(output);
  findScheme(scheme);
  const model = await openModel(spec, {
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(context === undefined ? {} : { context }),
  });
  try {
    const quantized = quantizeModel(model, scheme);
    return await saveModel(output, quantized, quantized.notes, terminal);
  } finally {
    model.close();
  }
}
