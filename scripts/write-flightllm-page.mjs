/**
 * Writes docs/flightllm.md: LLaMA2-7B on FlightLLM's own cards beside the published rows, the ablation, and our card.
 * Every figure is simulated and the same on every machine. Build first; takes some minutes.
 *
 *   node scripts/write-flightllm-page.mjs
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile, estimateResources, fixedProgram, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard } from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { simulate } from '@bitloom/simulator';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODEL = 'llama2-7b';
/** What the command compiles for by default, and the longest lengths of the artefact. */
const CONTEXT = 4096;
const PUBLISHED_CONTEXT = 2048;
const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };

const shapes = await openModel(MODEL);
const models = new Map();
function modelOf(scheme) {
  if (!models.has(scheme)) models.set(scheme, quantizeModel(shapes, scheme).model);
  return models.get(scheme);
}

const programs = new Map();
function programOf(card, scheme, options = {}) {
  const key = JSON.stringify([card, scheme, options]);
  if (!programs.has(key))
    programs.set(key, compile(modelOf(scheme), findCard(card), { capacity: CONTEXT, ...options }));
  return programs.get(key);
}

/** Report of a prompt and its continuation. */
function run(card, scheme, prefill, decode, options = {}, more = {}) {
  process.stderr.write(`${card} ${scheme} [${prefill}, ${decode}] ${JSON.stringify(options)}\n`);
  const program = programOf(card, scheme, options);
  return simulate(program, findCard(card), {
    prefill,
    decode,
    model: MODEL,
    instructionBytes: NO_BYTES,
    encodedLength,
    reuse: decode > 32,
    ...more(program),
  }).report;
}

const none = () => ({});
const ms = (seconds) => (seconds * 1e3).toFixed(seconds < 0.1 ? 2 : 1);
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const off = (ours, theirs) =>
  `${ours >= theirs ? '+' : '−'}${Math.abs((100 * ours) / theirs - 100).toFixed(1)} %`;
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const utilization = (report) => report.phases[1].memories.find(({ name }) => name === 'hbm').utilization;

function publishedRows() {
  const rows = [];
  const row = (card, what, theirs, ours, note) =>
    rows.push([card, what, ms(theirs), ms(ours), off(ours, theirs), note]);
  for (const [kv, seconds, note] of [
    [128, 0.0175, 'fitted on'],
    [512, 0.01899, 'predicted'],
  ]) {
    const { totals } = run('u280-flightllm', 'FlightLLM', kv, 1, {}, none);
    row(
      'u280-flightllm',
      `decode step at KV ${kv} (measured by others on a board)`,
      seconds,
      totals.decodeSeconds,
      note,
    );
  }
  for (const [prefill, decode, prefillSeconds, total, note] of [
    [128, 512, 0.2899, 5.2363, 'fitted on'],
    [128, 1024, 0.2899, 10.6084, 'predicted'],
    [512, 512, 1.1814, 6.4505, 'predicted'],
  ]) {
    const { totals } = run('vhk158-flightllm', 'FlightLLM', prefill, decode, {}, none);
    row(
      'vhk158-flightllm',
      `[${prefill}, ${decode}], prefill`,
      prefillSeconds,
      totals.prefillSeconds,
      'predicted',
    );
    row(
      'vhk158-flightllm',
      `[${prefill}, ${decode}], total`,
      total,
      totals.prefillSeconds + totals.decodeSeconds,
      note,
    );
  }
  return rows;
}

function ablation(card) {
  const on = run(card, 'FlightLLM', 128, 1, {}, none);
  const spilled = run(card, 'FlightLLM', 128, 1, { onchipDecode: false }, none);
  const sparse = run(card, 'FlightLLM-8:16', 128, 0, {}, none);
  const dense = run(card, 'FlightLLM-8:16', 128, 0, { sparseChains: false }, none);
  const exact = run(card, 'FlightLLM', 128, 1, {}, (program) => ({
    fixed: (entry, lengths) => ({ program: fixedProgram(program, entry, lengths), lengths }),
  }));
  const [bytes, published] = [CONTEXT, PUBLISHED_CONTEXT].map((capacity) =>
    instructionBytes(programOf(card, 'FlightLLM', { capacity })),
  );
  return [
    [
      card,
      'on-chip decode',
      `${percent(utilization(on))} of the peak of HBM, ${ms(on.totals.decodeSeconds)} ms`,
      `${percent(utilization(spilled))}, ${ms(spilled.totals.decodeSeconds)} ms`,
      `${(utilization(on) / utilization(spilled)).toFixed(2)}x`,
    ],
    [
      card,
      'sparse chains, 8:16, prompt of 128',
      `${ms(sparse.totals.prefillSeconds)} ms`,
      `${ms(dense.totals.prefillSeconds)} ms`,
      `${(dense.totals.prefillSeconds / sparse.totals.prefillSeconds).toFixed(2)}x`,
    ],
    ...[
      [PUBLISHED_CONTEXT, published],
      [CONTEXT, bytes],
    ].map(([longest, one]) => [
      card,
      `buckets that share code, lengths to ${longest}`,
      `${(one.bucketed / 1e9).toFixed(2)} GB`,
      `${(one.unbucketed / 1e9).toFixed(0)} GB for every length`,
      `${(one.unbucketed / one.bucketed).toFixed(0)}x`,
    ]),
    [
      card,
      'lengths that the scheduler resolves',
      `${(published.resolved / 1e6).toFixed(2)} MB to ${PUBLISHED_CONTEXT}, ${ms(on.totals.decodeSeconds)} ms`,
      `${ms(exact.totals.decodeSeconds)} ms with exact lengths`,
      `${(published.unbucketed / published.resolved).toFixed(0)}x, time ${off(on.totals.decodeSeconds, exact.totals.decodeSeconds)}; of the published 1.73 TB ${(1.73e12 / published.resolved).toFixed(0)}x`,
    ],
  ];
}

function ownCard(card) {
  const decode = run(card, 'FlightLLM', 128, 1, {}, none);
  const prefill = run(card, 'FlightLLM-8:16', 512, 1, {}, none);
  const device = findCard(card);
  const { total } = estimateResources(device);
  return {
    figures: [
      [
        'decode at KV 128, `FlightLLM`',
        `${decode.totals.decodeTokensPerSecond.toFixed(1)} token/s, ${percent(utilization(decode))} of 460 GB/s`,
        '112 token/s, 85 %',
      ],
      [
        'prefill of 512, `FlightLLM-8:16`',
        `${(512 / prefill.totals.prefillSeconds).toFixed(0)} token/s`,
        '700 token/s (stretch 800)',
      ],
    ],
    resources: Object.entries(total).map(([kind, used]) => [
      kind.toUpperCase(),
      String(used),
      String(device.resources[kind]),
      percent(used / device.resources[kind]),
    ]),
  };
}

/** Decode steps by width of weights: bytes of HBM that are weights, and time. */
function widthRows(card) {
  return ['FlightLLM', 'FlightLLM-mixed3.5', 'FlightLLM-W3', 'FlightLLM-W2'].map((scheme) => {
    const report = run(card, scheme, 128, 1, {}, none);
    const { bytes } = report.phases[1].memories.find(({ name }) => name === 'hbm');
    const { decodeSeconds, decodeTokensPerSecond } = report.totals;
    return [
      card,
      `\`${scheme}\``,
      `${(bytes.weights / 1e9).toFixed(2)} GB`,
      `${ms(decodeSeconds)} ms`,
      `${decodeTokensPerSecond.toFixed(1)} token/s`,
      percent(utilization(report)),
    ];
  });
}

const published = publishedRows();
const features = [...ablation('u280-flightllm'), ...ablation('u280-bitloom')];
const own = ownCard('u280-bitloom');
const widths = ['u280-bitloom', 'u280-flightllm'].flatMap(widthRows);
const fitted = ['u280-flightllm', 'vhk158-flightllm'].flatMap((card) =>
  findCard(card).calibration.fitted.map(({ field, on }) => `- \`${card}\`: ${field}; on ${on}.`),
);

writeFileSync(
  join(root, 'docs', 'flightllm.md'),
  `# FlightLLM: figures

Written by \`node scripts/write-flightllm-page.mjs\`. All figures of ours are simulated. LLaMA2-7B; scheme \`FlightLLM\` is INT4 in groups of 128 with fp16 scales, 3.41 GB.

## Published rows
Published figures: FlightLLM (arXiv 2401.03868) and its artefact; the U280 rows were measured by others on a board. \`vhk158-flightllm\` times one SLR and divides compute cycles by 3.2 in place of its SLRs, as the artefact's script does.

${table(['card', 'row', 'published, ms', 'ours, ms', 'off', ''], published)}

What no source gives was fitted, each on one figure:

${fitted.join('\n')}

## Ablation
Each feature off in turn, on the same card. Without on-chip decode nothing is fused: what a node puts out, and each head in attention, goes to HBM and comes back, and on the published card a barrier stands behind each. Programs in buckets of lengths (prefill 128, decode 16) are shared by all cores, as published, and what does not depend on the length (in a decode step all but attention) stands once for all buckets; without buckets every core has a program for each length. The paper prints 35.6 % and 65.9 % for this (1.85x); it counts otherwise, for the board reaches 43 % of the peak.

${table(['card', 'feature', 'on', 'off', 'gain'], features)}

## Widths of weights
A decode step at KV 128 with codes of 4, 3 and 2 bits, and with 3 and 4 bits by matrix (\`FlightLLM-mixed3.5\`, by place: the model has only shapes). Cards hold each width in a container of its own. On the published card barriers and the engine bound the step, not the bytes.

${table(['card', 'scheme', 'weights', 'step', 'tokens', 'of the peak of HBM'], widths)}

## Our card
\`u280-bitloom\`: the budget and clock of the U280, at most 80 % of each resource by [our model](resources.md), DRAM by mechanism.

${table(['', 'ours', 'aim'], own.figures)}

${table(['resource', 'used', 'budget', 'share'], own.resources)}
`,
);
