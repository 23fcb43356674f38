/**
 * The report as one self-contained page: no network, no fonts, no libraries. Light and dark follow the reader's
 * system; it reads at 390 pixels and at 1280. Everything is a pure function of report, trace and device, and the
 * size is bounded: rows of tables are capped and the timeline joins spans.
 */
import type { Device, Report, Trace } from '@bitloom/ir';
import { count, quantity } from '../terminal/quantity.js';
import { escapeHtml, legend, scriptJson } from './html.js';
import { pageScript } from './page-script.js';
import {
  BYTE_LEGEND,
  COST_LEGEND,
  costTable,
  ENERGY_LEGEND,
  energyBar,
  headFigures,
  memoryBars,
  notesList,
  perPhase,
  shownPhases,
  storageTable,
  UNIT_LEGEND,
  unitBars,
} from './page-sections.js';
import { PAGE_STYLE } from './page-style.js';
import { rooflineChart } from './roofline.js';
import { timelineData } from './timeline-data.js';

export interface ReportPageInput {
  readonly report: Report;
  readonly device: Device;
  /** Without one, the page has no timeline. */
  readonly trace?: Trace;
}

/** @returns the document in pieces */
export function* reportPage({ report, device, trace }: ReportPageInput): Generator<string> {
  const phases = shownPhases(report);
  const first = phases.find(({ name }) => name === 'decode') ?? phases[0];
  const title = `${report.model} in ${report.scheme} on ${report.device}`;
  yield head(title, first?.name ?? 'total');
  yield `<header><h1>${escapeHtml(title)}</h1><p>Simulated at ${quantity(report.clockHz, 'Hz')}: ${escapeHtml(device.title)}. All times are card time.</p></header>`;
  yield headFigures(report);
  yield phaseChoice(report);
  if (trace !== undefined) yield timeline(report, trace);
  yield section('Where the cycles go', perPhase(phases, unitBars) + UNIT_LEGEND);
  yield section('Roofline', roofline(report, device));
  yield `<div class="pair">${section('Bytes through memory', perPhase(phases, memoryBars) + BYTE_LEGEND)}${section('Energy', perPhase(phases, energyBar) + ENERGY_LEGEND)}</div>`;
  yield section('Layers', perPhase(phases, (phase) => costTable('layer', phase.layers, phase)) + COST_LEGEND);
  yield section('Ops', perPhase(phases, (phase) => costTable('op', phase.ops, phase)) + COST_LEGEND);
  yield section('Program', storageTable(report.totals.instructionBytes));
  yield `<section>${notesList(report.notes)}</section>`;
  yield `<footer>Made by bitloom ${report.mode === 'both' ? 'from a run that moved real bytes' : 'from the timing of a program'}. Simulated, not measured on a board.</footer>`;
  if (trace !== undefined) {
    yield `<script type="application/json" id="timeline-data">${scriptJson(timelineData(trace))}</script>`;
  }
  yield `<script>(${pageScript.toString()})(document);</script></body></html>\n`;
}

function head(title: string, phase: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
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
  return `<p>A filled mark is a whole phase: its products over its time. A hollow one is an op, over the time of its busiest unit.</p><div class="wide">${wide}</div><div class="narrow">${narrow}</div>${marks}`;
}

/** Buttons that choose the phase of every part, with the cycles at which the timeline shows it. */
function phaseChoice(report: Report): string {
  const phases = shownPhases(report);
  let start = 0;
  const ranges = new Map<string, [number, number]>();
  for (const { name, cycles } of report.phases) {
    if (name === 'total') ranges.set(name, [0, cycles]);
    else ranges.set(name, [start, start + cycles]);
    if (name !== 'total') start += cycles;
  }
  const buttons = phases.map(({ name, seconds, cycles }) => {
    const [from, to] = ranges.get(name) ?? [0, cycles];
    const label = name === 'total' ? 'both' : name;
    return `<button type="button" data-choose="${name}" data-from="${from}" data-to="${to}">${label} <small>${quantity(seconds, 's', 3)}</small></button>`;
  });
  return `<nav class="choice" aria-label="phase">${buttons.join('')}</nav>`;
}

function timeline(_report: Report, trace: Trace): string {
  const dropped =
    trace.dropped === 0
      ? ''
      : ` ${count(trace.dropped)} instructions beyond the limit of the trace are left out.`;
  return section(
    'Timeline of the units',
    `<p class="hint">Drag to move, buttons or Ctrl + wheel to zoom, point at a block to see what it is, click to keep it.${dropped}</p>
<div class="tools"><button type="button" data-zoom="in" aria-label="zoom in">+</button><button type="button" data-zoom="out" aria-label="zoom out">&minus;</button><button type="button" data-zoom="fit">whole phase</button><output id="window"></output></div>
<canvas id="timeline" tabindex="0" role="img" aria-label="units over time; the tables below hold the same figures"></canvas>
<div id="tip" hidden></div>
<div id="kept" hidden></div>
<div id="ops-legend" class="legend"></div>
<p class="hint" id="detail"></p>
<noscript><p>The timeline needs scripts; the figures below do not.</p></noscript>`,
  );
}
