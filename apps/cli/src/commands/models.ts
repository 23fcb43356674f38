/** `bitloom models`: the shape-only zoo. */
import { ZOO } from '@bitloom/models';
import { EXIT } from '../exit-codes.js';
import { quantity } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export async function models(terminal: Terminal): Promise<number> {
  const entries = [...ZOO.values()];
  if (terminal.json) {
    terminal.document(entries);
    return EXIT.ok;
  }
  const { out } = terminal;
  const table = formatColumns(
    [
      { title: 'model' },
      { title: 'parameters', align: 'right' },
      { title: 'layers', align: 'right' },
      { title: 'width', align: 'right' },
      { title: 'heads (kv)', align: 'right' },
      { title: 'FFN', align: 'right' },
      { title: 'vocabulary', align: 'right' },
      { title: 'context', align: 'right' },
    ],
    entries.map(({ id, parameters, config }) => [
      out.style.accent(id),
      quantity(parameters, '', 3),
      String(config.layers),
      String(config.width),
      `${config.heads} (${config.kvHeads})`,
      String(config.hiddenWidth),
      String(config.vocabSize),
      String(config.maxPositions),
    ]),
    out,
  );
  const sources = entries.map(({ id, sources }) => {
    const lines = sources.map(({ figures, source }) => `  ${figures}: ${source}\n`);
    return `${id}\n${lines.join('')}`;
  });
  terminal.write(`${table}\n${out.style.strong('where the figures come from')}\n${sources.join('')}`);
  return EXIT.ok;
}
