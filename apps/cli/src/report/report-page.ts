/**
 * The report as one self-contained page: no network, no fonts, no libraries, and a policy that lets no other script
 * run. Light and dark follow the reader's system; it reads at 390 pixels and at 1280. Everything is a pure function of
 * report, trace and device, and the size is bounded: rows of tables are capped and the timeline joins spans.
 */
import { createHash } from 'node:crypto';
import type { Device, PhaseReport, Report, Trace } from '@bitloom/ir';
import { count, quantity, share } from '../terminal/quantity.js';
import { basisSection } from './basis-section.js';
import { escapeHtml, legend, scriptJson } from './html.js';
import {
  BYTE_LEGEND,
  COST_LEGEND,
  costTable,
  ENERGY_LEGEND,
  energyBar,
  headFigures,
  memoryBars,
  perPhase,
  shownPhases,
  storageTable,
  UNIT_LEGEND,
  unitBars,
} from './page-sections.js';
import { PAGE_STYLE } from './page-style.js';
import { machineBalance, rooflineChart } from './roofline.js';
import { pageScript } from './script/page-script.js';
import { timelineData } from './timeline/timeline-data.js';
import { whyNotFaster } from './why/why-not-faster.js';
import { whySection } from './why/why-section.js';

export interface ReportPageInput {
  readonly report: Report;
  readonly device: Device;
  /** Without one, the page has no timeline and no list of reasons. */
  readonly trace?: Trace;
  /** The call that the trace is of, where it is of one alone; otherwise it begins with the run. */
  readonly traced?: { readonly phase: 'prefill' | 'decode'; readonly name: string };
}

/** Cycles of a phase in the trace. */
interface PhaseRange {
  readonly phase: PhaseReport;
  readonly from: number;
  readonly to: number;
}

/** @returns the document in pieces */
export function* reportPage({ report, device, trace, traced }: ReportPageInput): Generator<string> {
  const phases = shownPhases(report);
  const first =
    phases.find(({ name }) => name === traced?.phase) ??
    phases.find(({ name }) => name === 'decode') ??
    phases[0];
  const title = `${report.model} in ${report.scheme} on ${report.device}`;
  const ranges = phaseRanges(report, trace, traced);
  const script = pageScript();
  yield head(title, first?.name ?? 'total', script);
  yield `<header><h1>${escapeHtml(title)}</h1><p>Simulated at ${quantity(report.clockHz, 'Hz')}: ${escapeHtml(device.title)}. All times are card time.</p></header><main>`;
  yield headFigures(report);
  yield phaseChoice(ranges);
  if (trace !== undefined) {
    yield section('Why not faster', why(ranges, trace, device, traced?.name));
    yield timeline(trace, traced?.name);
  }
  yield section('Where the cycles go', perPhase(phases, unitBars) + UNIT_LEGEND);
  yield section('Roofline', roofline(report, device));
  yield `<div class="pair">${section('Bytes through memory', perPhase(phases, memoryBars) + BYTE_LEGEND)}${section('Energy', perPhase(phases, energyBar) + ENERGY_LEGEND)}</div>`;
  yield section(
    'Layers',
    perPhase(phases, (phase) => costTable('layer', phase.layers, phase, device.cores)) + COST_LEGEND,
  );
  yield section(
    'Ops',
    perPhase(phases, (phase) => costTable('op', phase.ops, phase, device.cores)) + COST_LEGEND,
  );
  yield section('Program', storageTable(report.totals.instructionBytes));
  yield section('What the figures rest on', basisSection(report, device));
  yield `</main><footer>Made by bitloom ${report.mode === 'both' ? 'from a run that moved real bytes' : 'from the timing of a program'}. Simulated, not measured on a board.</footer>`;
  if (trace !== undefined) {
    yield `<script type="application/json" id="timeline-data">${scriptJson(timelineData(trace, device))}</script>`;
  }
  yield `<script>${script}</script></body></html>\n`;
}

function head(title: string, phase: string, script: string): string {
  const hash = createHash('sha256').update(script).digest('base64');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark"><title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style></head><body data-show="${phase}">
`;
}

function section(title: string, body: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>${body}</section>\n`;
}

/** Drawn twice, because a wide drawing on a narrow screen has letters too small to read. */
function roofline(report: Report, device: Device): string {
  const wide = rooflineChart(report, device, { width: 760, height: 400 });
  const narrow = rooflineChart(report, device, { width: 350, height: 330 });
  const marks = legend([
    ['prefill', 'prefill'],
    ['decode', 'decode'],
  ]);
  const balance = quantity(machineBalance(device), '', 3);
  return `<p>The card is balanced at ${balance} operations per byte. A filled mark is a whole phase: its products over its time. A hollow one is an op, over the time of its busiest unit or that of its bytes at the peak, the longer of both.</p><div class="wide">${wide}</div><div class="narrow">${narrow}</div>${marks}`;
}

/** Where phases stand in the trace: one after the other, or all of it where the trace is of one call. */
function phaseRanges(
  report: Report,
  trace: Trace | undefined,
  traced: ReportPageInput['traced'],
): PhaseRange[] {
  const end =
    trace === undefined ? 0 : trace.columns.end.reduce((latest, cycle) => Math.max(latest, cycle), 0);
  let start = 0;
  const ranges = report.phases.map((phase): PhaseRange => {
    if (traced !== undefined) return { phase, from: 0, to: phase.name === traced.phase ? end : 0 };
    if (phase.name === 'total') return { phase, from: 0, to: phase.cycles };
    const from = start;
    start += phase.cycles;
    return { phase, from, to: start };
  });
  const shown = shownPhases(report);
  return ranges.filter(({ phase }) => shown.includes(phase));
}

/** Buttons that choose the phase of every part, with the cycles at which the timeline shows it. */
function phaseChoice(ranges: readonly PhaseRange[]): string {
  const buttons = ranges.map(({ phase: { name, seconds }, from, to }) => {
    const label = name === 'total' ? 'both' : name;
    return `<button type="button" aria-pressed="false" data-choose="${name}" data-from="${from}" data-to="${to}">${label} <small>${quantity(seconds, 's', 3)}</small></button>`;
  });
  return `<nav class="choice" aria-label="phase">${buttons.join('')}</nav>`;
}

function why(
  ranges: readonly PhaseRange[],
  trace: Trace,
  device: Device,
  traced: string | undefined,
): string {
  const whyOf = whyNotFaster(trace, device);
  const end = trace.columns.end.reduce((latest, cycle) => Math.max(latest, cycle), 0);
  const parts = ranges.map(({ phase, from, to }) => {
    // Behind the last row only results arrive, unless rows were left out.
    const until = trace.dropped > 0 ? Math.min(to, end) : to;
    const found = whyOf(phase, from, Math.max(from, until));
    const body =
      found.items.length === 0
        ? '<p>Nothing of this phase is recorded.</p>'
        : whySection(found, phase, device, traced ?? partOf(found.cycles, phase));
    return `<div data-phase="${phase.name}">${body}</div>`;
  });
  return parts.join('\n');
}

/** What is recorded of a phase, where the trace ends before it does. */
function partOf(cycles: number, phase: PhaseReport): string | undefined {
  return cycles < phase.cycles ? `the first ${share(cycles, phase.cycles)}` : undefined;
}

const KEYS = [
  ['&larr; &rarr;', 'move'],
  ['+ &minus; 0', 'zoom, whole phase'],
  ['n p', 'next or previous instruction of the unit'],
  ['&uarr; &darr;', 'other unit'],
  ['w', 'what it waited for'],
  ['Enter', 'zoom to it'],
  ['Esc', 'let go'],
] as const;

function timeline(trace: Trace, traced: string | undefined): string {
  const part = traced === undefined ? '' : ` Recorded: ${escapeHtml(traced)}.`;
  const dropped =
    trace.dropped === 0
      ? ''
      : ` The first ${count(trace.rows)} instructions are recorded, ${share(trace.rows, trace.rows + trace.dropped)} of all.`;
  const keys = KEYS.map(([key, what]) => `<kbd>${key}</kbd> ${what}`);
  return section(
    'Timeline',
    `<p class="hint">Wheel to zoom, drag to move, drag along the times to zoom to a part, click an instruction to see what it is and what it waited for.${part}${dropped}</p>
<div class="tools" role="toolbar" aria-label="timeline"><button type="button" data-zoom="in" aria-label="zoom in">+</button><button type="button" data-zoom="out" aria-label="zoom out">&minus;</button><button type="button" data-zoom="left" aria-label="earlier">&larr;</button><button type="button" data-zoom="right" aria-label="later">&rarr;</button><button type="button" data-zoom="fit">whole phase</button><output id="window"></output></div>
<canvas id="timeline" tabindex="0" role="application" aria-label="units, memories and channels over time" aria-describedby="keys"></canvas>
<div id="tip" hidden><dl></dl></div>
<div id="kept" role="region" aria-label="chosen instruction" aria-live="polite" hidden><dl id="facts"></dl><div class="tools"><button type="button" data-go="previous">previous</button><button type="button" data-go="next">next</button><button type="button" data-go="blocker">what it waited for</button><button type="button" data-go="closer">zoom to it</button></div></div>
<div id="ops-legend" class="legend"></div>
${legend([
  ['stall-token', 'waits for a token'],
  ['stall-memory', 'held up by memory'],
  ['stall-bufferPort', 'waits for, or held up by, a port'],
  ['stall-dispatch', 'waits for the dispatcher'],
  ['stall-barrier', 'waits at a barrier'],
])}
<p class="hint" id="detail"></p>
<details class="keys" id="keys"><summary>Keys</summary><p>${keys.join(' &nbsp; ')}</p></details>
<noscript><p>The timeline needs scripts; the figures below do not.</p></noscript>`,
  );
}
