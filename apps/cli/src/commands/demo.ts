/**
 * `bitloom demo`, which `npm start` runs: a small model is quantised, compiled for a card, and speaks from the
 * simulated card; then LLaMA2-7B, shapes only, is timed on the same card beside what others published.
 */
import {
  type Device,
  encodedLength,
  memorySections,
  type Report,
  type ReportTotals,
  type Trace,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { zooEntry, zooModel } from '@bitloom/models';
import { createCardEngine, generateAsync } from '@bitloom/runtime';
import { SimulatedCard, simulate } from '@bitloom/simulator';
import { type DemoModel, demoDataFolder, openDemoModel } from '../demo/demo-model.js';
import { PUBLISHED_CONFIGURATION, publishedFor } from '../demo/published.js';
import { EXIT } from '../exit-codes.js';
import { longestContext } from '../input/apply-scheme.js';
import { compileFor, countInstructionBytes } from '../input/compiled-model.js';
import { loadDevice } from '../input/load-device.js';
import { modelSummary } from '../inspect/model-summary.js';
import { requireWritable } from '../output/require-writable.js';
import { writeText } from '../output/write-text.js';
import { reportPage } from '../report/report-page.js';
import { bytes, count, quantity, share } from '../terminal/quantity.js';
import { formatColumns } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface DemoOptions {
  readonly device: string;
  readonly scheme: string;
  readonly maxTokens: number;
  /** Zoo model that is timed at the end, and the scheme of its weights. */
  readonly large: string;
  readonly largeScheme: string;
  readonly output: string;
}

const PROMPT_TOKENS = 128;
/** Context of the large model at most, as in the published programs. */
const LARGE_CONTEXT = 2048;

export async function demo(options: DemoOptions, terminal: Terminal): Promise<number> {
  requireWritable(options.output, [demoDataFolder(process.env), options.device]);
  const device = await loadDevice(options.device);
  zooEntry(options.large);
  // Steps are shown as they are done; a script gets everything at the end, in one document.
  const say = (text: string): void => {
    if (!terminal.json) terminal.write(text);
  };
  const small = await openDemoModel(demoDataFolder(process.env));
  let spoken: Spoken;
  try {
    spoken = await speak(small, device, options, terminal, say);
  } finally {
    small.close();
  }
  const large = await timeLarge(device, options, terminal, say);
  const { report, trace } = large.main;
  writeText(options.output, reportPage({ report, device, ...(trace === undefined ? {} : { trace }) }));
  const { strong, accent } = terminal.out.style;
  say(`\n${strong('report')}  ${accent(options.output)} (open it in a browser)\n`);
  if (terminal.json) {
    terminal.document({
      model: {
        name: small.bundle.model.name,
        trained: small.trained,
        source: small.source,
        parameters: small.parameters,
      },
      ...spoken,
      large: large.reports.map(({ model, device: name, scheme, prefillTokens, totals, memories }) => ({
        model,
        device: name,
        scheme,
        prefillTokens,
        totals,
        memories,
      })),
      published: publishedFor(options.large, device.name),
      report: options.output,
    });
  }
  return EXIT.ok;
}

interface Spoken {
  readonly device: string;
  readonly scheme: string;
  readonly text: string;
  readonly tokens: number;
  readonly card: ReportTotals;
}

type Say = (text: string) => void;

/** Quantises and compiles the small model, and lets it speak. */
async function speak(
  small: DemoModel,
  device: Device,
  options: DemoOptions,
  terminal: Terminal,
  say: Say,
): Promise<Spoken> {
  const { strong, dim } = terminal.out.style;
  const step = (name: string, text: string): void => say(`${strong(name.padEnd(9))} ${text}\n`);
  step('model', `${small.bundle.model.name}, ${count(small.parameters)} parameters; ${small.source}`);
  const { program, bundle } = await compileFor(small.bundle, device, { scheme: options.scheme }, terminal);
  const sizes = [small.bundle, bundle].map((side) => bytes(modelSummary(side).bytes));
  step('quantise', `${bundle.model.numerics.scheme}: ${sizes[0]} become ${sizes[1]}`);
  const instructionBytes = await countInstructionBytes(program, terminal);
  step(
    'compile',
    `for ${device.name} (${device.title}): ${bytes(instructionBytes.total)} of instructions serve every length`,
  );
  step('run', 'on the simulated card, bit for bit what the card would say\n');

  const kernels = createKernels();
  const card = new SimulatedCard({
    program,
    device,
    bundle,
    kernels,
    encodedLength,
    instructionBytes,
    mode: 'both',
  });
  const engine = createCardEngine(card, program, bundle.model);
  let text = '';
  let tokens = 0;
  const started = performance.now();
  for await (const generated of generateAsync(engine, small.tokenizer, '', {
    maxTokens: options.maxTokens,
    // A random model with tied embeddings says the same token again and again unless the draw is nearly free.
    ...(small.trained ? {} : { temperature: 24, eosIds: [] }),
  })) {
    tokens += 1;
    text += generated.text;
    say(generated.text);
  }
  const seconds = (performance.now() - started) / 1000;
  const report = card.report();
  engine.close();
  kernels.close();
  say(`\n\n${cardFigures(report, terminal)}`);
  say(dim(`          (${tokens} tokens simulated in ${quantity(seconds, 's', 3)} on this machine)\n`));
  return { device: device.name, scheme: report.scheme, text, tokens, card: report.totals };
}

/** What a run cost, in card time. */
function cardFigures(report: Report, { out }: Terminal): string {
  const { strong } = out.style;
  const decode = report.phases.find(({ name }) => name === 'decode');
  const sums = new Map<string, { busy: number; total: number }>();
  for (const { name, busy, total } of decode?.units ?? []) {
    const sum = sums.get(name) ?? { busy: 0, total: 0 };
    sums.set(name, { busy: sum.busy + busy, total: sum.total + total });
  }
  const units = [...sums].map(([name, { busy, total }]) => `${name} ${share(busy, total)}`);
  const memories = (decode?.memories ?? []).map(
    ({ name, utilization, peakBytesPerSecond }) =>
      `${name} ${share(utilization)} of ${quantity(peakBytesPerSecond, 'B/s')}`,
  );
  const { decodeTokensPerSecond, joulesPerToken } = report.totals;
  const lines = [
    ['card time', `${strong(quantity(decodeTokensPerSecond, 'token/s'))} in decode`],
    ['energy', strong(quantity(joulesPerToken, 'J/token'))],
    ['bandwidth', memories.join(', ')],
    ['units', `${units.join(', ')} busy`],
  ];
  return lines.map(([name, value]) => `${strong(name.padEnd(9))} ${value}\n`).join('');
}

interface Timed {
  readonly report: Report;
  readonly trace: Trace | undefined;
}

/** Times the large model on the card, and on the published configuration of the same board where there is one. */
async function timeLarge(
  device: Device,
  options: DemoOptions,
  terminal: Terminal,
  say: Say,
): Promise<{ main: Timed; reports: readonly Report[] }> {
  const { strong } = terminal.out.style;
  say(
    `\n${strong(zooEntry(options.large).title)} on the same card: shapes only, ${PROMPT_TOKENS} tokens of prompt, then one token\n\n`,
  );
  const main = await timeOn(device, options, terminal, true);
  const twin = PUBLISHED_CONFIGURATION[device.name];
  const reports = [main.report];
  if (twin !== undefined)
    reports.push((await timeOn(await loadDevice(twin), options, terminal, false)).report);
  say(comparison(device, reports, options.large, terminal));
  return { main, reports };
}

async function timeOn(
  device: Device,
  options: DemoOptions,
  terminal: Terminal,
  isTraced: boolean,
): Promise<Timed> {
  const shapes = { model: zooModel(options.large), sections: memorySections({}) };
  const context = Math.min(LARGE_CONTEXT, longestContext(shapes.model));
  const { program } = await compileFor(shapes, device, { scheme: options.largeScheme, context }, terminal);
  const instructionBytes = await countInstructionBytes(program, terminal);
  terminal.status(`simulating ${options.large} on ${device.name}`);
  return simulate(program, device, {
    prefill: PROMPT_TOKENS,
    decode: 1,
    model: options.large,
    instructionBytes,
    encodedLength,
    trace: isTraced,
  });
}

/** Ours beside theirs. */
function comparison(device: Device, reports: readonly Report[], model: string, { out }: Terminal): string {
  const ours = reports.map(({ device: name, scheme, totals, phases }) => {
    const hbm = phases.find(({ name: phase }) => phase === 'decode')?.memories[0];
    return [
      `bitloom, ${name}, ${scheme}, simulated`,
      quantity(totals.decodeSeconds, 's'),
      out.style.accent(quantity(totals.decodeTokensPerSecond, 'token/s', 3)),
      hbm === undefined ? '' : share(hbm.utilization),
      quantity(totals.joulesPerToken, 'J', 3),
      quantity(totals.prefillSeconds, 's'),
    ];
  });
  const published = publishedFor(model, device.name);
  const theirs = published.map(({ what, decodeSeconds, tokensPerSecond, prefillSeconds }) => [
    what,
    decodeSeconds === undefined ? '' : quantity(decodeSeconds, 's'),
    quantity(tokensPerSecond, 'token/s', 4),
    '',
    '',
    prefillSeconds === undefined ? '' : quantity(prefillSeconds, 's'),
  ]);
  const table = formatColumns(
    [
      { title: 'who and how' },
      ...['step', 'decode', 'HBM of peak', 'per token', 'prefill'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    [...ours, ...theirs],
    out,
  );
  const sources = published.map(({ source }) => out.style.dim(`published: ${source}\n`)).join('');
  return `${table}${sources}`;
}
