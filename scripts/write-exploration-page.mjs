/**
 * Writes docs/exploration.md: a search by the built command, as a page with date and machine.
 *
 *   node scripts/write-exploration-page.mjs --points 64 [--seed 1] [--threads 2] [--state FILE]
 *
 * With --state the search goes on from what is there, so a page can be made of a search that has ended.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    points: { type: 'string', default: '64' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    state: { type: 'string' },
  },
});
const { points, seed, threads, state } = values;
const asked = ['explore', '--model', 'llama2-7b', '--budget', 'u280', '--scheme', 'FlightLLM'];
asked.push('--prefill', '128', '--limit', '0.8', '--points', points, '--seed', seed, '--threads', threads);
const kept = state === undefined ? [] : ['--state', state];
const run = spawnSync(process.execPath, [join(root, 'apps/cli/dist/bin.js'), ...asked, ...kept, '--json'], {
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (run.status !== 0) process.exit(run.status ?? 1);
const { designs, front, refused, failures } = JSON.parse(run.stdout);
const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' });

const KINDS = ['dsp', 'bram', 'uram', 'lut'];
const shape = ({ m, n, k }) => `${m}x${k}x${n}`;
const size = (device, space) => {
  const buffer = device.buffers.find((one) => one.space === space);
  return buffer === undefined ? '-' : `${buffer.bytes / 1024} KiB x ${buffer.bytesPerCyclePerPort} B`;
};
const share = ({ resources, device }, kind) =>
  `${((100 * resources[kind]) / device.resources[kind]).toFixed(0)} %`;

const rows = front.map(({ device, measures, resources }) => [
  device.name,
  measures.tokensPerSecond.toFixed(2),
  (1000 * measures.joulesPerToken).toFixed(1),
  String(resources.dsp),
  measures.prefillTokensPerSecond.toFixed(1),
  ...KINDS.map((kind) => share({ resources, device }, kind)),
]);
const builds = front.map(({ device }) => [
  device.name,
  String(device.cores),
  shape(device.matrix.mm),
  shape(device.matrix.mv),
  device.matrix.keeps.join(', '),
  `${device.matrix.rescale.units} (${device.matrix.rescale.build})`,
  `${device.vector.lanes}, ${device.vector.exponentLanes || device.vector.lanes} with exponentials (${device.vector.build})`,
  size(device, 'weights'),
  size(device, 'stream'),
  size(device, 'data'),
]);
const table = (titles, lines) =>
  [titles, titles.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');
const counts = (record) =>
  Object.entries(record)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

writeFileSync(
  join(root, 'docs/exploration.md'),
  `# An exploration

LLaMA2-7B in scheme FlightLLM within 80 % of every resource of the U280: ${designs.length} designs compiled and timed, one prefill of 128 tokens and one decode step behind it each. Clock, memories, energy table and budget are those of the card \`u280\`; resources are [estimates](resources.md) before synthesis. HBM at its peak of 460 GB/s would give 135 token/s for the 3.41 GB of weights.

\`\`\`sh
npx bitloom ${asked.join(' ')}
node scripts/write-exploration-page.mjs --points ${points} --seed ${seed}   # this page
\`\`\`

${new Date().toISOString().slice(0, 10)}, seed ${seed}, ${cpus()[0]?.model.trim() ?? 'unknown machine'}, ${threads} threads, Node ${process.versions.node}, page written at commit ${commit.stdout.trim()}. The machine has no part in the figures, which are those of simulated cards; a change of compiler, simulator or of the card \`u280\` has.

## The front

What no other of the designs beats in decode speed, energy per token and DSPs at once, fastest first.

${table(['card', 'token/s', 'mJ/token', 'DSP', 'prefill token/s', ...KINDS.map((kind) => kind.toUpperCase())], rows)}

Modes are m x k x n products per cycle and core; buffers are size and bytes per cycle of a port, per core.

${table(['card', 'cores', 'MM', 'MV', 'keeps', 'rescale units', 'lanes', 'weights', 'stream', 'data'], builds)}

## What was not timed

- ${refused.proposals} proposals did not fit, by what they lack (one may lack several): ${counts(refused.byResource)}.
- Designs that fit and do not run the model: ${counts(failures)}.

## What to make of it

Prefill is no objective here, so a fast decoder may have the smallest matrix x matrix mode that there is and the slowest prefill. To search for both: \`--objectives tokensPerSecond,joulesPerToken,dsp,prefillTokensPerSecond\`. ${designs.length} designs are few for some thirty knobs: the front is what this search found, not what there is.
`,
);
console.log(`wrote docs/exploration.md: ${front.length} of ${designs.length} designs`);
