/** A report for people at a terminal: totals, then where the cycles and the bytes went, phase by phase. */
import type { MemoryReport, PhaseReport, Report, UnitReport } from '@bitloom/ir';
import { groupNotes } from '../terminal/notes.js';
import { bytes, count, quantity, share } from '../terminal/quantity.js';
import { formatColumns, formatFacts } from '../terminal/table.js';
import type { Channel } from '../terminal/terminal.js';

type Out = Pick<Channel, 'style'>;

/** Shares say of what: cycles of the unit in the phase, and peak bandwidth over the time of the phase. */
export function reportText(report: Report, out: Out): string {
  const { totals } = report;
  const facts: [string, string][] = [
    ['prefill', `${report.prefillTokens} tokens in ${quantity(totals.prefillSeconds, 's')}${rate(report)}`],
    [
      'decode',
      `${report.decodeTokens} tokens in ${quantity(totals.decodeSeconds, 's')}, ${out.style.strong(quantity(totals.decodeTokensPerSecond, 'token/s'))}`,
    ],
    [
      'energy',
      `${quantity(totals.joules, 'J')}, ${out.style.strong(quantity(totals.joulesPerToken, 'J/token'))} in decode`,
    ],
    ['instructions', `${bytes(totals.instructionBytes.total)} stored`],
  ];
  const phases = report.phases.filter(({ name, tokens }) => name !== 'total' && tokens > 0);
  const title = `${report.model} in ${report.scheme} on ${report.device}, simulated at ${quantity(report.clockHz, 'Hz')}`;
  return [
    `${out.style.strong(title)}\n`,
    formatFacts(facts, out),
    ...phases.map((phase) => phaseText(phase, out)),
    groupNotes(report.notes)
      .map((note) => `${out.style.dim('note')}  ${note}\n`)
      .join(''),
  ].join('\n');
}

function rate({ prefillTokens, totals }: Report): string {
  if (totals.prefillSeconds === 0) return '';
  return `, ${quantity(prefillTokens / totals.prefillSeconds, 'token/s')}`;
}

function phaseText(phase: PhaseReport, out: Out): string {
  const { spaces, ...parts } = phase.energy;
  const part = (name: string, joules: number): string => `${name} ${share(joules, phase.joules)}`;
  const energy = Object.entries(parts).map(([name, joules]) => part(name, joules));
  const bytes = Object.entries(spaces).filter(([, joules]) => joules > 0);
  const head = `${out.style.strong(phase.name)}: ${count(phase.cycles)} cycles, ${count(phase.instructions)} instructions, ${quantity(phase.macs, 'MAC')}\n`;
  return `${head}\n${unitTable(phase.units, out)}\n${memoryTable(phase.memories, out)}\n  energy: ${energy.join(', ')}\n${bytes.length === 0 ? '' : `  bytes of ${bytes.map(([name, joules]) => part(name, joules)).join(', ')}\n`}`;
}

function unitTable(units: readonly UnitReport[], out: Out): string {
  const causes = ['token', 'memory', 'bufferPort', 'dispatch', 'barrier'] as const;
  return formatColumns(
    [
      { title: '  unit' },
      ...['busy', 'wait token', 'wait memory', 'wait port', 'wait dispatch', 'wait barrier', 'idle'].map(
        (title) => ({ title, align: 'right' as const }),
      ),
    ],
    units.map(({ name, busy, stall, idle, total }) => [
      `  ${name}`,
      out.style.accent(share(busy, total)),
      ...causes.map((cause) => share(stall[cause], total)),
      share(idle, total),
    ]),
    out,
  );
}

function memoryTable(memories: readonly MemoryReport[], out: Out): string {
  const kinds = ['weights', 'kv', 'activations', 'instructions', 'other'] as const;
  return formatColumns(
    [
      { title: '  memory' },
      ...['of peak', 'total', ...kinds].map((title) => ({ title, align: 'right' as const })),
    ],
    memories.map(({ name, kind, bytes: moved, peakBytesPerSecond, utilization }) => [
      `  ${name} ${kind}`,
      `${out.style.accent(share(utilization))} of ${quantity(peakBytesPerSecond, 'B/s')}`,
      bytes(moved.total),
      ...kinds.map((purpose) => bytes(moved[purpose])),
    ]),
    out,
  );
}
