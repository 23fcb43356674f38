/** The report page as text: bounded, escaped, self-contained, and true to the report. */
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, type Report, type Trace } from '@bitloom/ir';
import { randomDecoder } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';
import { describe, expect, test } from 'vitest';
import { escapeHtml, scriptJson, stackedBar } from '../src/report/html.js';
import { peakMacsPerCycle } from '../src/report/machine-peak.js';
import { costTable } from '../src/report/page-sections.js';
import { reportPage } from '../src/report/report-page.js';
import { rooflinePoints } from '../src/report/roofline.js';
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
      'Why not faster',
      'Timeline',
      'Where the cycles go',
      'Roofline',
      'Bytes through memory',
      'Energy',
      'Layers',
      'Ops',
      'What the figures rest on',
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
    const table = costTable('layer', rows, phase, 1);
    expect(table.match(/<tr>/g)?.length).toBeLessThan(200);
    expect(table).toContain('841 more');
  });

  test('puts phases and ops on the roofline, none of them above the roof', () => {
    const points = rooflinePoints(report, device);
    expect(points.filter(({ whole }) => whole).map(({ name }) => name)).toEqual(['prefill', 'decode']);
    for (const { opsPerSecond } of points)
      expect(opsPerSecond).toBeLessThanOrEqual(2 * peakMacsPerCycle(device) * device.clockHz);
  });
});

test('escapes', () => {
  expect(escapeHtml(`<a b="c">&'`)).toBe('&lt;a b=&quot;c&quot;&gt;&amp;&#39;');
  const value = { text: '</script><!--\u2028' };
  expect(scriptJson(value)).not.toMatch(/<|\u2028/);
  expect(JSON.parse(scriptJson(value))).toEqual(value);
  expect(stackedBar([{ label: '"', kind: 'busy', value: 1, text: '<' }], 2)).not.toContain('""');
});
