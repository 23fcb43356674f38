/** Schemes side by side, for people. */
import { groupNotes } from '../terminal/notes.js';
import { bytes } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import type { ComparedScheme, ScoredText } from './compared-scheme.js';

/** A table of schemes, the baseline first, with what was measured and what fell back. */
export function comparisonText(
  model: string,
  rows: readonly ComparedScheme[],
  windows: Pick<ScoredText, 'context' | 'chunks'>,
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
      // Codes that are kept as they are have no error, and no ratio to it.
      row.maxError === 0 ? 'exact' : (row.sqnr?.toFixed(1) ?? '-'),
      row.maxError === 0 ? '0' : (row.maxError?.toPrecision(3) ?? '-'),
      ...(scored ? [row.perplexity?.toFixed(3) ?? '-', changeText(row, baseline)] : []),
    ]),
    out,
  );
  const notes = rows.flatMap(({ scheme, notes: own }) =>
    groupNotes(own).map((note) => `${scheme}: ${note}\n`),
  );
  const how = scored
    ? `perplexity in windows of ${windows.context} tokens${windows.chunks === undefined ? '' : `, at most ${windows.chunks}`}; `
    : 'no perplexity without --text; ';
  const title = model === '' ? '' : `${out.style.strong(model)}\n`;
  return `${title}${table}${how}errors over the quantised weights, size of all constants\n${notes.join('')}`;
}

function changeText({ perplexity }: ComparedScheme, baseline: ComparedScheme): string {
  if (perplexity === undefined || baseline.perplexity === undefined) return '-';
  const change = 100 * (perplexity / baseline.perplexity - 1);
  return `${change >= 0 ? '+' : ''}${change.toFixed(2)}%`;
}
