/** `bitloom import`: a checkpoint becomes a bitloom model, with its tokenizer and chat template inside. */
import { openModel } from '@bitloom/models/node';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import { saveModel } from '../output/save-model.js';
import type { Terminal } from '../terminal/terminal.js';

export interface ImportOptions {
  readonly output: string;
  readonly tokenizer?: string;
  readonly context?: number;
}

export async function importModel(spec: string, options: ImportOptions, terminal: Terminal): Promise<number> {
  const { output, ...open } = options;
  requireWritable(output, modelInputs(spec, options.tokenizer));
  const model = await openModel(spec, open);
  try {
    return await saveModel(output, model, [], terminal);
  } finally {
    model.close();
  }
}
