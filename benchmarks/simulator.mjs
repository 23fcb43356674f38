/**
 * Benchmarks of compiler and simulator. Three claims:
 * 1. LLaMA2-7B W4A8 on each card: compile time, and simulated instructions per second (timing reading).
 * 2. The functional simulation against the host interpreter on the same quantised model, interleaved in one run:
 *    ratio = host seconds / card seconds per decode step (1 = as fast). Aim: 0.8 on a random 110M-parameter Llama
 *    shape, 0.3 on stories260K, where the cost per instruction dominates.
 * 3. `bitloom simulate llama2-7b` as a whole command: under 10 s and 2 GB.
 *
 * Run: `npm run build && node benchmarks/simulator.mjs [--json]`. Results depend on the machine and its load, which
 * is printed; nothing here is asserted by a test.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { CARDS, encodedLength, findCard } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { randomDecoder, zooModel } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createCardEngine, createHostEngine } from '@bitloom/runtime';
import { SimulatedCard, simulate } from '@bitloom/simulator';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const isJson = process.argv.includes('--json');
const rows = [];

function note(text) {
  (isJson ? process.stderr : process.stdout).write(`${text}\n`);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function seconds(work) {
  const start = performance.now();
  const result = work();
  return [(performance.now() - start) / 1e3, result];
}

function llama7b() {
  const shape = quantizeModel(
    {
      model: zooModel('llama2-7b'),
      sections: { has: () => false, byteLength: () => 0, read: () => new Uint8Array() },
    },
    'W4A8',
  ).model;
  for (const device of CARDS) {
    const [compiles, simulations] = [[], []];
    let instructions = 0;
    for (let i = 0; i < 3; i++) {
      const [compileSeconds, program] = seconds(() => compile(shape, device));
      const [simulateSeconds, { report }] = seconds(() =>
        simulate(program, device, {
          prefill: 128,
          decode: 1,
          model: 'llama2-7b',
          instructionBytes: NO_BYTES,
          encodedLength,
        }),
      );
      compiles.push(compileSeconds);
      simulations.push(simulateSeconds);
      instructions = report.phases.find((phase) => phase.name === 'total').instructions;
    }
    const rate = instructions / median(simulations);
    rows.push({ name: `compile llama2-7b W4A8 ${device.name}`, ours: median(compiles), unit: 's' });
    rows.push({
      name: `simulate llama2-7b W4A8 ${device.name} prefill 128 decode 1`,
      ours: rate,
      unit: 'instructions/s',
    });
    note(
      `${device.name.padEnd(18)} compile ${median(compiles).toFixed(2)} s   simulate ${median(simulations).toFixed(2)} s   ${instructions} instructions   ${Math.round(rate)} instructions/s`,
    );
  }
}

/** The whole command as a person runs it, start-up and counting of instruction bytes included: time and memory. */
function command() {
  const bin = fileURLToPath(new URL('../apps/cli/dist/bin.js', import.meta.url));
  const args = [
    'simulate',
    'llama2-7b',
    '--device',
    'u280',
    '--scheme',
    'W4A8',
    '--prefill',
    '128',
    '--decode',
    '1',
    '--json',
  ];
  const report =
    "process.on('exit', () => process.stderr.write('\\nmaxRSS ' + process.resourceUsage().maxRSS))";
  const times = [];
  let megabytes = 0;
  for (let i = 0; i < 3; i++) {
    const [time, run] = seconds(() =>
      spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${encodeURIComponent(report)}`, bin, ...args],
        { encoding: 'utf8' },
      ),
    );
    if (run.status !== 0) throw new Error(run.stderr);
    times.push(time);
    megabytes = Math.max(megabytes, Number(/maxRSS (\d+)/.exec(run.stderr)?.[1]) / 1024);
  }
  rows.push({ name: 'command simulate llama2-7b u280', ours: median(times), unit: 's', limit: 10 });
  rows.push({
    name: 'command simulate llama2-7b u280, peak memory',
    ours: megabytes,
    unit: 'MiB',
    limit: 2048,
  });
  note(
    `bitloom ${args.join(' ')}: ${median(times).toFixed(2)} s in all (to be under 10), ${megabytes.toFixed(0)} MiB at most (to be under 2048)`,
  );
}

function functional(name, bundle, scheme, prompt, steps, rounds) {
  const device = findCard('u280');
  const quantized = quantizeModel(bundle, scheme);
  const host = createHostEngine(quantized, { kernels: createKernels({ backend: 'wasm' }), capacity: 512 });
  const program = compile(quantized.model, device, { capacity: 512 });
  const card = new SimulatedCard({
    program,
    device,
    bundle: quantized,
    kernels: createKernels({ backend: 'wasm' }),
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
  });
  const engine = createCardEngine(card, program, quantized.model);
  const decode = (target) => {
    target.reset();
    target.prefill(prompt);
    let checksum = 0;
    const [time] = seconds(() => {
      for (let i = 0; i < steps; i++)
        checksum += target.decode((i * 7 + 3) % target.vocabularySize)[i % target.vocabularySize];
    });
    return [time / steps, checksum];
  };
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const [hostTime, hostSum] = decode(host);
    const [cardTime, cardSum] = decode(engine);
    if (!Object.is(hostSum, cardSum)) throw new Error(`host and card differ: ${hostSum} and ${cardSum}`);
    if (round > 0) samples.push({ hostTime, cardTime });
  }
  const ratio = median(samples.map(({ hostTime, cardTime }) => hostTime / cardTime));
  const [hostRate, cardRate] = [
    1 / median(samples.map((s) => s.hostTime)),
    1 / median(samples.map((s) => s.cardTime)),
  ];
  rows.push({
    name: `functional ${name} ${scheme}`,
    ours: cardRate,
    unit: 'tokens/s',
    peer: hostRate,
    peerName: 'host interpreter',
    ratio,
  });
  note(
    `${`${name} ${scheme}`.padEnd(24)} host ${hostRate.toFixed(1)} tokens/s   card ${cardRate.toFixed(1)} tokens/s   ratio ${ratio.toFixed(2)}`,
  );
  host.close();
  engine.close();
}

/** 110M parameters: the shape of the largest of the public stories models. */
const STORIES_110M = {
  family: 'llama',
  vocabSize: 32000,
  layers: 12,
  width: 768,
  heads: 12,
  kvHeads: 12,
  headDim: 64,
  hiddenWidth: 2048,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'interleaved', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: true,
  maxPositions: 1024,
};

note(
  `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, node ${process.version}, load ${loadavg()
    .map((l) => l.toFixed(2))
    .join(' ')}`,
);
llama7b();
command();
const stories = `${process.env.BITLOOM_DATA ?? '../shared/data'}/stories260K/stories260K.bin`;
if (existsSync(stories)) {
  const bundle = await openModel(stories);
  for (const scheme of ['W8A8', 'W4A8']) functional('stories260K', bundle, scheme, [1], 200, 12);
} else {
  note('stories260K is absent (set BITLOOM_DATA): skipped');
}
const large = randomDecoder(STORIES_110M, { seed: 1 });
for (const scheme of ['W8A8', 'W4A8']) functional('random 110M', large, scheme, [1, 2, 3, 4], 24, 5);
note(
  `load ${loadavg()
    .map((l) => l.toFixed(2))
    .join(' ')}`,
);
if (isJson) process.stdout.write(`${JSON.stringify(rows)}\n`);
