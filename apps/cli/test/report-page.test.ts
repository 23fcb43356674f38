/** The report page as text: bounded, escaped, self-contained, and true to the report. */
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, type Report, type Trace } from '@bitloom/ir';
import { randomDecoder } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeHtml, scriptJson, stackedBar } from '../src/report/html.js';
import { costTable } from '../src/report/page-sections.js';
import { reportPage } from '../src/report/report-page.js';
import { rooflinePoints } from '../src/report/roofline.js';
import { type Lane, timelineData } from '../src/report/timeline-data.js';
import { TINY } from './support/tiny-model.js';

const device = findCard('u280');

function timed(): { report: Report; trace: Trace } {
  const { model } = quantizeModel(randomDecoder(TINY, { name: 'tiny <script>alert("&")</script>' }), 'W4A8');
  const program = compile(model, device);
  const { report, trace } = simulate(program, device, {
    prefill: 6,
    decode: 3,
    model: model.name,
    instructionBytes: instructionBytes(program),
    encodedLength,
    trace: true,
  });
  if (trace === undefined) throw new Error('no trace');
  return { report, trace };
}

const { report, trace } = timed();
const page = [...reportPage({ report, trace, device })].join('');

const withoutScripts = (html: string): string => html.replace(/<script.*<\/script>/s, '');

describe('the page', () => {
  test('asks nothing of the network', () => {
    expect(page).not.toMatch(/(?:src|href|url)\s*[=(]\s*["']?(?!#)[a-z/]/i);
    expect(page).not.toMatch(/@import|https?:/);
    expect(page.startsWith('<!doctype html>')).toBe(true);
  });

  test('shows names as text, whatever they hold', () => {
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('tiny &lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt; in W4A8 on u280');
  });

  test('holds every section for each phase, and the figures of the report', () => {
    for (const title of [
      'Timeline',
      'Where the cycles go',
      'Roofline',
      'Bytes through memory',
      'Energy',
      'Layers',
    ]) {
      expect(page).toContain(`<h2>${title}`);
    }
    for (const phase of ['prefill', 'decode', 'total']) expect(page).toContain(`data-phase="${phase}"`);
    const decode = report.phases.find(({ name }) => name === 'decode');
    const matrix = decode?.units.find(({ name }) => name === 'matrix');
    expect(page).toContain(`${((100 * (matrix?.busy ?? 0)) / (matrix?.total ?? 1)).toFixed(1)}%`);
  });

  test('does without a trace, without decode and without prefill', () => {
    const lean = [...reportPage({ report, device })].join('');
    expect(lean).not.toContain('<canvas');
    const empty = { cycles: 0, seconds: 0, tokens: 0, joules: 0, macs: 0 };
    for (const gone of ['decode', 'prefill']) {
      const phases = report.phases.map((phase) => (phase.name === gone ? { ...phase, ...empty } : phase));
      const half = [...reportPage({ report: { ...report, phases }, device })].join('');
      expect(half).not.toContain(`data-phase="${gone}"`);
      expect(withoutScripts(half)).not.toMatch(/NaN|Infinity|undefined/);
    }
    expect(withoutScripts(page)).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('sums the layers beyond a bound in one row', () => {
    const [phase] = report.phases;
    const rows = Array.from({ length: 1000 }, (_, layer) => ({
      ...phase.layers[0],
      layer,
      name: `layer ${layer}`,
    }));
    const table = costTable('layer', rows, phase);
    expect(table.match(/<tr>/g)?.length).toBeLessThan(200);
    expect(table).toContain('841 more');
  });

  test('puts phases and ops on the roofline, none of them above the roof', () => {
    const points = rooflinePoints(report);
    expect(points.filter(({ whole }) => whole).map(({ name }) => name)).toEqual(['prefill', 'decode']);
    const { m, n, k } = device.matrix.mm;
    for (const { opsPerSecond } of points)
      expect(opsPerSecond).toBeLessThanOrEqual(2 * m * n * k * device.clockHz);
  });
});

test('escapes', () => {
  expect(escapeHtml(`<a b="c">&'`)).toBe('&lt;a b=&quot;c&quot;&gt;&amp;&#39;');
  const value = { text: '</script><!--\u2028' };
  expect(scriptJson(value)).not.toMatch(/<|\u2028/);
  expect(JSON.parse(scriptJson(value))).toEqual(value);
  expect(stackedBar([{ label: '"', kind: 'busy', value: 1, text: '<' }], 2)).not.toContain('""');
});

describe('the timeline', () => {
  const total = (lanes: readonly Lane[], column: (lane: Lane) => readonly number[]): number =>
    lanes.reduce((sum, lane) => sum + column(lane).reduce((a, b) => a + b, 0), 0);

  test('keeps every instruction of a short trace', () => {
    const { lanes, detail, cycles, labels } = timelineData(trace);
    expect(detail).toBe('single instructions');
    expect(total(lanes, ({ count }) => count)).toBe(trace.rows);
    expect(cycles).toBe(Math.max(...trace.columns.end));
    for (const lane of lanes) {
      for (const label of lane.label) expect(labels[label]).toBeDefined();
    }
  });

  test('loses no instruction and no busy cycle however small it must be', () => {
    const busy = trace.columns.end.reduce((sum, end, row) => sum + end - trace.columns.start[row], 0);
    const waited = trace.columns.waited.reduce((sum, cycles) => sum + cycles, 0);
    fc.assert(
      fc.property(fc.integer({ min: 5, max: trace.rows + 10 }), (limit) => {
        const { lanes } = timelineData(trace, limit);
        expect(total(lanes, ({ count }) => count)).toBe(trace.rows);
        expect(total(lanes, (lane) => lane.busy)).toBe(busy);
        expect(total(lanes, (lane) => lane.waited)).toBe(waited);
        for (const { start, length } of lanes) {
          expect(start.every((distance) => distance >= 0)).toBe(true);
          // Spans of a unit do not overlap: the browser finds them by bisection.
          for (let i = 1; i < start.length; i++) expect(start[i]).toBeGreaterThanOrEqual(length[i - 1]);
        }
        // A slice holds the start of a span in each lane, so the last slice may add one per lane.
        expect(total(lanes, ({ count }) => count.map(() => 1))).toBeLessThanOrEqual(limit + lanes.length);
      }),
      { numRuns: 50 },
    );
  });
});
