/** Tables for people: aligned columns without frames. */
import Table from 'cli-table3';
import type { Channel } from './terminal.js';

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Rows under titles, ending in a line break. */
export function formatColumns(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { style }: Pick<Channel, 'style'>,
): string {
  const table = new Table({
    head: columns.map(({ title }) => style.strong(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: NO_FRAME,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => [...row]));
  const lines = table.toString().split('\n');
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** Facts under a title: names, then values. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: string])[],
  { style }: Pick<Channel, 'style'>,
  indent = '  ',
): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${indent}${style.dim(name.padEnd(width))}  ${value}\n`).join('');
}
