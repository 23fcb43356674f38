/**
 * Writes docs/benchmarks/mapping-cost.md and its picture: the compiler's analytic cost of cuts of weights beside what
 * the simulator takes for the same products. Every figure is simulated and the same on every machine. Build first;
 * takes some minutes.
 *
 *   node scripts/write-cost-page.mjs
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseWeightTile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { BitloomError, findCard, memorySections } from '@bitloom/ir';
import { zooModel } from '@bitloom/models';
import {
  analyticCycles,
  pearson,
  searchOf,
  simulatedCycles,
  someTiles,
  spearman,
  withoutBarriers,
} from '../benchmarks/lib/mapping-cost.mjs';
import { costPicture } from './support/cost-picture.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const CARDS = ['u280-bitloom', 'u280-flightllm', 'vhk158-flightllm', 'u280', 'vhk158'];
/** Models and schemes whose weights are taken, each shape once. */
const SOURCES = [
  ['llama2-7b', 'FlightLLM'],
  ['llama2-7b', 'FlightLLM-8:16'],
  ['llama3.1-8b', 'FlightLLM'],
  ['llama3.2-1b', 'W8A8'],
  ['qwen2.5-1.5b', 'W4A8'],
  ['opt-125m', 'W8A8'],
];
/** Rows of activations: a decode step, and a prompt that is cut into chunks as the card allows. */
const PHASES = [
  { name: 'decode', tokens: 1 },
  { name: 'prefill', tokens: 64 },
];

/** Types of the weights that are multiplied in a model, each shape once. */
function weightsOf(id, scheme) {
  const { model } = quantizeModel({ model: zooModel(id), sections: memorySections({}) }, scheme);
  const used = new Set(
    model.functions.flatMap(({ nodes }) =>
      nodes.flatMap(({ op, inputs }) => (op === 'linear' ? [inputs[1]] : [])),
    ),
  );
  const types = new Map();
  for (const { name, type } of model.constants)
    if (used.has(name)) types.set(JSON.stringify([type.shape, type.element, type.sparsity]), type);
  return [...types.values()].map((type) => ({ type, what: `${id} ${scheme} ${type.shape.join('x')}` }));
}

/** A tile on both sides, or undefined where the values of so many tokens do not fit the card. */
function measure(type, tile, tokens, search, device) {
  try {
    const { cycles, chunk, isSame } = simulatedCycles(type, tile, tokens, device);
    if (!isSame) return undefined;
    // Long chunks are two micro-batches, each with its own loads of the weights.
    const rows = chunk >= 32 && device.matrix.activationRows === 0 ? chunk / 2 : chunk;
    return { simulated: cycles, analytic: analyticCycles(search, tile, tokens, rows, device) };
  } catch (error) {
    if (error instanceof BitloomError && error.code === 'compiler-does-not-fit') return undefined;
    throw error;
  }
}

/** All tiles of a product on both sides, the chosen one first. */
function productOn(card, { type, what }) {
  const device = withoutBarriers(findCard(card));
  const search = searchOf(type, device, 'decode');
  const chosen = chooseWeightTile(search.matrix, search.slotBytes, search.bytesPerCycle, device);
  const key = ({ rows, kParts }) => `${rows} ${kParts.length}`;
  const others = someTiles(search, device).filter((tile) => key(tile) !== key(chosen));
  const phases = PHASES.map(({ name, tokens }) => {
    // A head is multiplied for one token of a prompt.
    if (tokens > 1 && type.shape[0] >= 32000) return { name, tokens, samples: [] };
    const samples = [chosen, ...others].map((tile) => measure(type, tile, tokens, search, device));
    return { name, tokens, samples: samples.includes(undefined) ? [] : samples };
  });
  return { card, what, phases };
}

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
/** How much slower the chosen tile is than the fastest one. */
const regret = (costs) => costs[0] / Math.min(...costs) - 1;

const products = [];
for (const card of CARDS) {
  const { keeps } = findCard(card).matrix;
  for (const [id, scheme] of SOURCES) {
    process.stderr.write(`${card} ${id} ${scheme}\n`);
    if (scheme.includes('8:16') && !keeps.includes(8)) continue;
    for (const weight of weightsOf(id, scheme)) products.push(productOn(card, weight));
  }
}

function statistics(list, name) {
  const phases = list.map(({ phases }) => phases.find((phase) => phase.name === name));
  const used = phases.filter(({ samples }) => samples.length > 0);
  const all = used.flatMap(({ samples }) => samples);
  const relative = used.flatMap(({ samples }) => {
    const best = Math.min(...samples.map(({ simulated }) => simulated));
    return samples.map(({ simulated, analytic }) => [simulated / best, analytic / best]);
  });
  const errors = all.map(({ simulated, analytic }) => Math.abs(analytic / simulated - 1));
  const regrets = used.map(({ samples }) => regret(samples.map(({ simulated }) => simulated)));
  const [simulated, analytic] = ['simulated', 'analytic'].map((side) => all.map((one) => one[side]));
  return [
    String(used.length),
    String(all.length),
    pearson(simulated, analytic).toFixed(4),
    spearman(simulated, analytic).toFixed(4),
    pearson(
      relative.map(([a]) => a),
      relative.map(([, b]) => b),
    ).toFixed(4),
    percent(mean(errors)),
    percent(Math.max(...errors)),
    percent(mean(regrets), 2),
    percent(Math.max(...regrets), 2),
  ];
}

/** Regret of the one choice for both: decode and, per token, prefill. */
function bothRegrets(list) {
  return list.flatMap(({ phases: [decode, prefill] }) =>
    decode.samples.length === 0 || prefill.samples.length === 0
      ? []
      : [
          regret(
            decode.samples.map(
              ({ simulated }, i) => simulated + prefill.samples[i].simulated / prefill.tokens,
            ),
          ),
        ],
  );
}

const table = (head, rows) =>
  [head, head.map((_, i) => (i < 2 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
const head = [
  'card',
  'phase',
  'products',
  'tilings',
  'Pearson',
  'Spearman',
  'Pearson, size taken out',
  'mean error',
  'largest error',
  'mean regret',
  'largest regret',
];
const rows = ['all', ...CARDS].flatMap((card) =>
  PHASES.map(({ name }) => {
    const list = products.filter((one) => card === 'all' || one.card === card);
    return [card === 'all' ? 'all' : `\`${card}\``, name, ...statistics(list, name)];
  }),
);
const worst = products
  .flatMap(({ card, what, phases }) =>
    phases.flatMap(({ name, samples }) =>
      samples.length === 0 ? [] : [[card, what, name, regret(samples.map(({ simulated }) => simulated))]],
    ),
  )
  .sort((a, b) => b[3] - a[3])
  .slice(0, 5);
const both = bothRegrets(products);
const folder = join(root, 'docs', 'benchmarks');
const points = products.flatMap(({ card, phases }) =>
  phases.flatMap(({ name, samples }) => samples.map((sample) => ({ ...sample, card, phase: name }))),
);
writeFileSync(join(folder, 'mapping-cost.svg'), costPicture(points));
writeFileSync(
  join(folder, 'mapping-cost.md'),
  `# Analytic cost of tilings against the simulator

Written by \`node scripts/write-cost-page.mjs\`. All cycles are simulated or computed, the same on every machine.

The compiler's search over cuts of a weight (\`packages/compiler/src/cost.ts\`) ranks them by an analytic cost and knows no simulator. Here each product of the models below is compiled in many cuts, good and bad, and timed: cycles of one product among others of its kind. Weights: ${SOURCES.map(([id, scheme]) => `${id} in ${scheme}`).join(', ')}, each shape once. Decode is one row of activations, prefill ${PHASES[1].tokens}; prefill leaves the head out, and what does not fit a card. Barriers of groups are off on the cards that have them: they cost every cut the same.

- *size taken out*: both sides divided by the fastest simulated cut of the product, so that large products do not make the correlation.
- *error*: of the analytic cycles against the simulated ones.
- *regret*: how much slower the chosen cut is than the fastest simulated one. One cut must serve decode and prefill; on both together, prefill per token, the regret is ${percent(mean(both), 2)} in the mean and ${percent(Math.max(...both), 2)} at most.

${table(head, rows)}

![Analytic against simulated cycles of every cut, logarithmic](mapping-cost.svg)

Largest regrets; products this small are over within a refresh or two, and where these fall decides:

${table(
  ['card', 'product', 'phase', 'regret'],
  worst.map(([card, what, name, share]) => [`\`${card}\``, what, name, percent(share, 2)]),
)}
`,
);
