/**
 * The report artefact as text: totals first, then each phase with its units, memories, layers and ops.
 */
import { formatQuantity, formatShare, formatTable } from '../text.js';
import type { CostRow, MemoryReport, PhaseReport, Report, UnitReport } from './report.js';

export interface PrintReportOptions {
  /** Whether to list layers and ops. Default true. */
  readonly breakdown?: boolean;
}

/** Text of a report. Shares say of what: cycles of the unit's total, bytes of the memory's peak in that time. */
export function printReport(report: Report, options: PrintReportOptions = {}): string {
  const { totals } = report;
  const { instructionBytes } = totals;
  const facts = [
    ['prefill', `${report.prefillTokens} tokens in ${formatQuantity(totals.prefillSeconds, 's')}`],
    [
      'decode',
      `${report.decodeTokens} tokens in ${formatQuantity(totals.decodeSeconds, 's')}, ${formatQuantity(totals.decodeTokensPerSecond, 'token/s')}`,
    ],
    [
      'energy',
      `${formatQuantity(totals.joules, 'J')}, ${formatQuantity(totals.joulesPerToken, 'J')} per decoded token`,
    ],
    [
      'instructions',
      `${instructionBytes.total} bytes (unbucketed ${instructionBytes.unbucketed}, bucketed ${instructionBytes.bucketed}, resolved ${instructionBytes.resolved})`,
    ],
    ['mode', report.mode === 'both' ? 'function and time' : 'time'],
  ];
  const parts = [
    `report ${report.model} on ${report.device}, ${report.scheme}, ${formatQuantity(report.clockHz, 'Hz')}`,
    formatTable(
      facts.map(([key, value]) => [`${key}:`, value]),
      '  ',
    ),
    ...report.phases.flatMap((phase) => phaseText(phase, options)),
    ...(report.notes.length === 0 ? [] : ['notes', ...report.notes.map((note) => `  ${note}`)]),
  ];
  return `${parts.join('\n')}\n`;
}

function phaseText(phase: PhaseReport, { breakdown = true }: PrintReportOptions): readonly string[] {
  const { spaces, ...parts } = phase.energy;
  const shares = (split: Readonly<Record<string, number>>): string =>
    Object.entries(split)
      .map(([part, joules]) => `${part} ${formatShare(joules, phase.joules)}`)
      .join(', ');
  return [
    `phase ${phase.name}: ${formatQuantity(phase.seconds, 's')}, ${phase.cycles} cycles, ${phase.tokens} tokens, ` +
      `${phase.instructions} instructions, ${formatQuantity(phase.macs, 'MAC')}`,
    `  energy ${formatQuantity(phase.joules, 'J')}: ${shares(parts)}`,
    ...(Object.keys(spaces).length === 0 ? [] : [`    bytes of ${shares(spaces)}`]),
    ...unitTable(phase.units),
    ...memoryTable(phase.memories),
    ...(breakdown ? [...costTable('layers', phase.layers), ...costTable('ops', phase.ops)] : []),
  ];
}

function unitTable(units: readonly UnitReport[]): readonly string[] {
  if (units.length === 0) return [];
  const rows = units.map(({ name, core, busy, idle, stall, total }) => [
    name,
    String(core),
    formatShare(busy, total),
    ...[busy, stall.token, stall.memory, stall.bufferPort, stall.dispatch, stall.barrier, idle, total].map(
      String,
    ),
  ]);
  const stalls = ['token', 'memory', 'port', 'dispatch', 'barrier'].map((cause) => `${cause} stall`);
  const head = ['unit', 'core', 'busy', 'busy cycles', ...stalls, 'idle', 'total'];
  return [formatTable([head, ...rows], '  ')];
}

function memoryTable(memories: readonly MemoryReport[]): readonly string[] {
  if (memories.length === 0) return [];
  const rows = memories.map(({ name, kind, bytes, peakBytesPerSecond, utilization }) => [
    name,
    kind,
    formatShare(utilization, 1),
    formatQuantity(peakBytesPerSecond, 'B/s'),
    ...[bytes.weights, bytes.kv, bytes.activations, bytes.instructions, bytes.other, bytes.total].map(String),
  ]);
  const head = [
    'memory',
    'kind',
    'of peak',
    'peak',
    'weights',
    'kv',
    'activations',
    'instructions',
    'other',
    'bytes',
  ];
  return [formatTable([head, ...rows], '  ')];
}

function costTable(title: string, costs: readonly CostRow[]): readonly string[] {
  if (costs.length === 0) return [];
  const units = [...new Set(costs.flatMap((cost) => Object.keys(cost.cycles)))].sort();
  const rows = costs.map((cost) => [
    cost.name,
    ...units.map((unit) => String(Object.hasOwn(cost.cycles, unit) ? cost.cycles[unit] : 0)),
    String(cost.macs),
    String(cost.memoryBytes),
  ]);
  return [
    formatTable([[title, ...units.map((unit) => `${unit} cycles`), 'macs', 'memory bytes'], ...rows], '  '),
  ];
}
