/** Writes a model and says what was written; what `import` and `quantize` end with. */
import type { ModelBundle } from '@bitloom/ir';
import { modelToContainer } from '@bitloom/ir/container';
import { EXIT } from '../exit-codes.js';
import { modelSummary } from '../inspect/model-summary.js';
import { groupNotes } from '../terminal/notes.js';
import { bytes, count } from '../terminal/quantity.js';
import { formatFacts } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { writeLarge } from './write-large.js';

/** What was written, for people and for programs. */
export interface SavedModel {
  readonly text: string;
  readonly document: Readonly<Record<string, unknown>>;
}

/** Writes a model file and prints what it holds. */
export async function saveModel(
  path: string,
  bundle: ModelBundle,
  notes: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { text, document } = await writeModelFile(path, bundle, notes, terminal);
  if (terminal.json) terminal.document(document);
  else terminal.write(text);
  return EXIT.ok;
}

/** Writes a model file. */
export async function writeModelFile(
  path: string,
  bundle: ModelBundle,
  notes: readonly string[],
  terminal: Terminal,
): Promise<SavedModel> {
  const fileBytes = await writeLarge(path, modelToContainer(bundle), terminal);
  const summary = modelSummary(bundle);
  const { name, family, scheme, shapeOnly, context, parameters, tensors, tokenizer } = summary;
  terminal.log(`wrote ${path} (${bytes(fileBytes)})`);
  const facts: (readonly [string, string])[] = [
    ['family', family],
    ['scheme', `${scheme}${shapeOnly ? '; shapes only, no weights' : ''}`],
    ['parameters', `${count(parameters)} in ${tensors.length} tensors`],
    // The rest is the graph, the tokenizer, and room so that each tensor begins on a page.
    ...(shapeOnly
      ? []
      : ([['size', `${bytes(summary.bytes)} of tensors in a file of ${bytes(fileBytes)}`]] as const)),
    ['context', `${context} tokens`],
    ['tokenizer', tokenizer ?? 'none'],
    ...groupNotes(notes).map((note): [string, string] => ['note', note]),
  ];
  return {
    text: `${terminal.out.style.strong(name)}\n${formatFacts(facts, terminal.out)}`,
    document: {
      file: path,
      fileBytes,
      name,
      family,
      scheme,
      shapeOnly,
      context,
      parameters,
      tensors: tensors.length,
      ...(tokenizer === undefined ? {} : { tokenizer }),
      notes,
    },
  };
}
