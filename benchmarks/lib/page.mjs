/**
 * Rows as a page of the documentation: how they were made, a Markdown table, and what stood beside them.
 *
 * Not for: terminals (`table.mjs`).
 */
import { figure } from './table.mjs';

const COLUMNS = [
  ['', ':--', (row) => row.name],
  ['ours', '--:', (row) => figure(row.ours)],
  ['median', '--:', (row) => figure(row.oursMedian)],
  ['unit', ':--', (row) => row.unit],
  ['peer', '--:', (row) => figure(row.peer)],
  ['median', '--:', (row) => figure(row.peerMedian)],
  ['ratio', '--:', (row) => ratio(row.ratio)],
  ['of medians', '--:', (row) => ratio(row.ratioMedian)],
  ['aim', '--:', (row) => (row.aim === undefined ? '' : String(row.aim))],
  ['of the limit', '--:', (row) => (row.limitShare === null ? '' : `${(row.limitShare * 100).toFixed(0)} %`)],
];

function ratio(value) {
  return value === null || value === undefined ? '' : value.toFixed(2);
}

/**
 * The page of one benchmark.
 *
 * @param {{ name: string, command: string, date: string, machine: string, rows: object[] }} run `machine` with its load
 *   before and after
 */
export function page({ name, command, date, machine, rows }) {
  const used = COLUMNS.filter(([title, , text]) => title === '' || rows.some((row) => text(row) !== ''));
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const distinct = (values) => [...new Set(values)].filter((value) => typeof value === 'string');
  // The threads of a row are in its name.
  const beside = distinct(rows.map((row) => row.peerName));
  const limits = distinct(rows.map((row) => row.limitName?.replace(/, \d+ threads?/, '')));
  return `${[
    `# Benchmark \`${name}\``,
    '',
    `\`${command}\`, ${date}, ${machine}. How to read it: [benchmarks](../benchmarks.md).`,
    '',
    line(used.map(([title]) => title)),
    line(used.map(([, align]) => align)),
    ...rows.map((row) => line(used.map(([, , text]) => text(row)))),
    ...(beside.length === 0 ? [] : ['', `Beside: ${beside.join('; ')}.`]),
    ...(limits.length === 0 ? [] : ['', `Limits: ${limits.join('; ')}.`]),
  ].join('\n')}\n`;
}
