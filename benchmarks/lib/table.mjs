/** Rows as text for people: one line each, columns as wide as they need. */

const COLUMNS = [
  ['benchmark', (row) => row.name],
  ['ours', (row) => figure(row.ours)],
  ['median', (row) => figure(row.oursMedian)],
  ['peer', (row) => figure(row.peer)],
  ['median', (row) => figure(row.peerMedian)],
  ['unit', (row) => row.unit],
  ['ratio', (row) => (row.ratio === null ? '' : row.ratio.toFixed(2))],
  ['aim', (row) => (row.aim === undefined ? '' : String(row.aim))],
  ['limit', (row) => figure(row.limit)],
  ['of it', (row) => (row.limitShare === null ? '' : `${(row.limitShare * 100).toFixed(0)} %`)],
  ['load', (row) => row.load.toFixed(2)],
  ['beside', (row) => [row.peerName, row.limitName && `limit: ${row.limitName}`].filter(Boolean).join('; ')],
];

/** Three digits or all before the point. */
export function figure(value) {
  if (value === null || value === undefined) return '';
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

/** The table as a string, without a line end after the last line. */
export function table(rows) {
  const used = COLUMNS.filter(([, text]) => rows.some((row) => text(row) !== ''));
  const lines = [used.map(([title]) => title), ...rows.map((row) => used.map(([, text]) => text(row)))];
  const widths = used.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const isText = used.map(([title]) => title === 'benchmark' || title === 'unit' || title === 'beside');
  const pad = (text, i) => (isText[i] ? text.padEnd(widths[i]) : text.padStart(widths[i]));
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}
