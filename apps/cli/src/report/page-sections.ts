/** The parts of the report page below its timeline: figures, bars and tables, all of them pure functions. */
import type { CostRow, InstructionBytes, PhaseReport, Report } from '@bitloom/ir';
import { bytes, count, quantity, share } from '../terminal/quantity.js';
import { escapeHtml, legend, type Segment, stackedBar, table } from './html.js';

/** Rows of a table of layers or ops; the rest is summed in one. */
const MAX_ROWS = 160;

/** Phases that did something; with both, their sum too. */
export function shownPhases(report: Report): PhaseReport[] {
  const parts = report.phases.filter(({ name, cycles }) => name !== 'total' && cycles > 0);
  if (parts.length === 1) return parts;
  return report.phases.filter(({ cycles }) => cycles > 0);
}

/** The figures people ask for first. */
export function headFigures(report: Report): string {
  const { totals } = report;
  const decode = report.phases.find(({ name }) => name === 'decode');
  const main = (decode?.cycles === 0 ? report.memories : decode?.memories)?.[0];
  const perToken = report.decodeTokens === 0 ? 0 : totals.decodeSeconds / report.decodeTokens;
  const prefillRate = totals.prefillSeconds === 0 ? 0 : report.prefillTokens / totals.prefillSeconds;
  const tiles = [
    ...(report.decodeTokens === 0
      ? []
      : [
          [
            'decode',
            quantity(totals.decodeTokensPerSecond, 'token/s'),
            `${quantity(perToken, 's')} per token`,
          ],
          [
            'energy',
            quantity(totals.joulesPerToken, 'J/token', 3),
            `${quantity(totals.joules, 'J', 3)} in all`,
          ],
        ]),
    ...(report.prefillTokens === 0
      ? []
      : [
          [
            'prefill',
            quantity(totals.prefillSeconds, 's'),
            `${report.prefillTokens} tokens, ${quantity(prefillRate, 'token/s')}`,
          ],
        ]),
    ...(main === undefined
      ? []
      : [
          [
            `${main.name} bandwidth`,
            share(main.utilization),
            `of ${quantity(main.peakBytesPerSecond, 'B/s')}, ${decode?.cycles === 0 ? 'in all' : 'in decode'}`,
          ],
        ]),
    ['instructions', bytes(totals.instructionBytes.total), 'for every length'],
  ];
  const cells = tiles.map(
    ([name, value, more]) =>
      `<div><span>${escapeHtml(name)}</span><b>${escapeHtml(value)}</b><small>${escapeHtml(more)}</small></div>`,
  );
  return `<div class="tiles">${cells.join('')}</div>`;
}

/** The same part for each phase; the page shows the one that is chosen. */
export function perPhase(phases: readonly PhaseReport[], part: (phase: PhaseReport) => string): string {
  return phases.map((phase) => `<div data-phase="${phase.name}">${part(phase)}</div>`).join('\n');
}

const CAUSES = [
  ['token', 'waits for a token'],
  ['memory', 'waits for memory'],
  ['bufferPort', 'waits for a port'],
  ['dispatch', 'waits for the dispatcher'],
  ['barrier', 'waits at a barrier'],
] as const;

/** Where the cycles of each unit went. */
export function unitBars(phase: PhaseReport): string {
  const several = phase.units.some(({ core }) => core !== 0);
  const rows = phase.units.map(({ name, core, busy, stall, idle, total }) => {
    const part = (label: string, kind: string, value: number): Segment => ({
      label,
      kind,
      value,
      text: share(value, total),
    });
    const segments = [
      part('busy', 'busy', busy),
      ...CAUSES.map(([cause, label]) => part(label, `stall-${cause}`, stall[cause])),
      part('idle', 'idle', idle),
    ];
    return [
      `<span class="unit">${several ? `<small>core ${core}</small> ` : ''}${escapeHtml(name)}</span>`,
      stackedBar(segments, total),
      share(busy, total),
    ];
  });
  return table([{ title: 'unit' }, { title: 'share of cycles' }, { title: 'busy', numeric: true }], rows);
}

export const UNIT_LEGEND = legend([
  ['busy', 'busy'],
  ...CAUSES.map(([cause, label]) => [`stall-${cause}`, label] as const),
  ['idle', 'idle'],
]);

const UNIT_KINDS: readonly string[] = ['matrix', 'vector', 'load', 'fetch', 'store', 'exchange'];

export const COST_LEGEND = legend(UNIT_KINDS.map((unit) => [`unit-${unit}`, unit] as const));

/**
 * Busy cycles of layers or ops, with what they moved and computed.
 * @param cores cores whose cycles are summed in the rows; shares are of their time
 */
export function costTable(title: string, all: readonly CostRow[], phase: PhaseReport, cores: number): string {
  const costs = boundRows(all);
  const work = (cost: CostRow): number => Object.values(cost.cycles).reduce((sum, cycles) => sum + cycles, 0);
  const longest = Math.max(1, ...costs.map(work));
  const rows = costs.map((cost) => {
    const units = Object.entries(cost.cycles).sort(([a], [b]) => place(a) - place(b));
    const segments = units.map(([unit, cycles]) => ({
      label: unit,
      kind: `unit-${unit}`,
      value: cycles,
      text: `${count(cycles)} cycles`,
    }));
    const [busiest, cycles] = [...units].sort(([, a], [, b]) => b - a)[0] ?? ['-', 0];
    return [
      escapeHtml(cost.name === 'outside' ? 'outside of layers' : cost.name),
      stackedBar(segments, longest),
      escapeHtml(cycles === 0 ? '-' : busiest),
      count(cycles),
      share(cycles, phase.cycles * cores),
      cost.macs === 0 ? '' : quantity(cost.macs, 'MAC', 3),
      cost.memoryBytes === 0 ? '' : bytes(cost.memoryBytes),
    ];
  });
  return table(
    [
      { title },
      { title: 'busy cycles by unit' },
      { title: 'busiest', minor: true },
      { title: 'cycles', numeric: true },
      { title: 'of phase', numeric: true },
      { title: 'products', numeric: true, minor: true },
      { title: 'memory', numeric: true, minor: true },
    ],
    rows,
  );
}

function place(unit: string): number {
  const index = UNIT_KINDS.indexOf(unit);
  return index < 0 ? UNIT_KINDS.length : index;
}

function boundRows(rows: readonly CostRow[]): readonly CostRow[] {
  if (rows.length <= MAX_ROWS) return rows;
  const rest = rows.slice(MAX_ROWS - 1);
  const cycles: Record<string, number> = {};
  for (const row of rest) {
    for (const [unit, value] of Object.entries(row.cycles)) cycles[unit] = (cycles[unit] ?? 0) + value;
  }
  const sum = {
    name: `${rest.length} more`,
    layer: -1,
    cycles,
    macs: rest.reduce((total, { macs }) => total + macs, 0),
    memoryBytes: rest.reduce((total, { memoryBytes }) => total + memoryBytes, 0),
  };
  return [...rows.slice(0, MAX_ROWS - 1), sum];
}

const BYTE_KINDS = ['weights', 'kv', 'activations', 'instructions', 'other'] as const;
const ENERGY_KINDS = ['matrix', 'vector', 'buffers', 'memories', 'static'] as const;

export const BYTE_LEGEND = legend(
  BYTE_KINDS.map((kind) => [`bytes-${kind}`, kind === 'kv' ? 'KV cache' : kind] as const),
);
export const ENERGY_LEGEND = legend(
  ENERGY_KINDS.map((kind) => [`energy-${kind}`, kind === 'static' ? 'static power' : kind] as const),
);

/** What was moved through each memory, by purpose. */
export function memoryBars(phase: PhaseReport): string {
  const rows = phase.memories.map(({ name, kind, bytes: moved, utilization, peakBytesPerSecond }) => {
    const segments = BYTE_KINDS.map((purpose) => ({
      label: purpose,
      kind: `bytes-${purpose}`,
      value: moved[purpose],
      text: bytes(moved[purpose]),
    }));
    return [
      `${escapeHtml(name)}<br><small>${escapeHtml(kind)}</small>`,
      stackedBar(segments, Math.max(1, moved.total)),
      bytes(moved.total),
      `${share(utilization)}<br><small>of ${quantity(peakBytesPerSecond, 'B/s')}</small>`,
    ];
  });
  const values = phase.memories.map(({ name, bytes: moved }) => {
    const parts = BYTE_KINDS.filter((purpose) => moved[purpose] > 0).map(
      (purpose) =>
        `<span>${purpose === 'kv' ? 'KV cache' : purpose} <b>${bytes(moved[purpose])} (${share(moved[purpose], moved.total)})</b></span>`,
    );
    return parts.length === 0
      ? ''
      : `<p class="values"><span>${escapeHtml(name)}:</span>${parts.join('')}</p>`;
  });
  const bars = table(
    [
      { title: 'memory' },
      { title: 'bytes by purpose' },
      { title: 'bytes', numeric: true },
      { title: 'of peak', numeric: true },
    ],
    rows,
  );
  return bars + values.join('');
}

/** Where the energy went. */
export function energyBar(phase: PhaseReport): string {
  const segments = ENERGY_KINDS.map((kind) => ({
    label: kind,
    kind: `energy-${kind}`,
    value: phase.energy[kind],
    text: `${quantity(phase.energy[kind], 'J', 3)} (${share(phase.energy[kind], phase.joules)})`,
  }));
  const parts = segments.map(
    ({ label, text }) =>
      `<span>${escapeHtml(label === 'static' ? 'static power' : label)} <b>${escapeHtml(text)}</b></span>`,
  );
  const spaces = Object.entries(phase.energy.spaces)
    .filter(([, joules]) => joules > 0)
    .map(
      ([name, joules]) =>
        `<span>${escapeHtml(name)} <b>${quantity(joules, 'J', 3)} (${share(joules, phase.joules)})</b></span>`,
    );
  const bySpace = spaces.length === 0 ? '' : `<p class="values"><span>bytes of:</span>${spaces.join('')}</p>`;
  const perToken = phase.tokens === 0 ? '' : `, ${quantity(phase.joules / phase.tokens, 'J', 3)} per token`;
  const total = `${quantity(phase.joules, 'J', 3)}${perToken}, ${quantity(phase.joules / phase.seconds, 'W', 3)} on average`;
  return `<p>${escapeHtml(total)}</p>${stackedBar(segments, Math.max(Number.MIN_VALUE, phase.joules))}<p class="values">${parts.join('')}</p>${bySpace}`;
}

/** How much instruction memory the program takes, against programs without symbolic lengths. */
export function storageTable(stored: InstructionBytes): string {
  const rows: [string, number][] = [
    ['stored: one program for every length', stored.total],
    ['prefill and decode of it', stored.resolved],
    ['one program per bucket of lengths (prefill 128, decode 16)', stored.bucketed],
    ['one program per length', stored.unbucketed],
  ];
  const ratio = (value: number): string =>
    stored.resolved === 0 ? '-' : `${count(value / stored.resolved)}x`;
  return table(
    [{ title: 'instruction storage' }, { title: 'bytes', numeric: true }, { title: 'ratio', numeric: true }],
    rows.map(([name, value]) => [escapeHtml(name), bytes(value), ratio(value)]),
  );
}
