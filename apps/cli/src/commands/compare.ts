/** `bitloom compare`: a model in several schemes side by side: size, error of the weights, perplexity. */
import { findScheme, quantizeModel } from '@bitloom/compression';
import { BitloomError, isShapeOnly } from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { type ComparedScheme, compareScheme } from '../comparison/compared-scheme.js';
import { comparisonText } from '../comparison/comparison-text.js';
import { type ScoredTextOptions, scoredText } from '../comparison/scored-text.js';
import { EXIT } from '../exit-codes.js';
import type { Terminal } from '../terminal/terminal.js';

export interface CompareOptions extends ScoredTextOptions {
  readonly schemes: readonly string[];
  readonly tokenizer?: string;
}

export async function compare(spec: string, options: CompareOptions, terminal: Terminal): Promise<number> {
  const schemes = [...new Set(['f32', ...options.schemes])].map(findScheme);
  const model = await openModel(
    spec,
    options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer },
  );
  try {
    if (isShapeOnly(model.model)) throw shapeOnly(spec);
    const scored = scoredText(spec, model, options, schemes.length, terminal);
    const rows: ComparedScheme[] = [];
    for (const scheme of schemes) {
      const quantized = quantizeModel(model, scheme);
      rows.push(await compareScheme(model, quantized, quantized.notes, scored, terminal));
    }
    if (terminal.json)
      terminal.document({ model: model.model.name, context: options.context, schemes: rows });
    else terminal.write(comparisonText(model.model.name, rows, options, terminal));
    return EXIT.ok;
  } finally {
    model.close();
  }
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
