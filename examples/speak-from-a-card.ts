/** The whole path in one page: a seeded random model, quantised, compiled, and generating ids on a simulated card. */
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, verifyProgram } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { randomDecoder, zooEntry } from '@bitloom/models';
import { createCardEngine, createHostEngine, greedyToken } from '@bitloom/runtime';
import { SimulatedCard } from '@bitloom/simulator';

const config = {
  ...zooEntry('tinyllama-1.1b').config,
  layers: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 172,
  vocabSize: 300,
  maxPositions: 64,
};
const bundle = quantizeModel(randomDecoder(config, { seed: 1 }), 'W4A8');
const device = findCard('u280');
const program = compile(bundle.model, device);
verifyProgram(program, device);
const card = new SimulatedCard({
  program,
  device,
  bundle,
  kernels: createKernels(),
  encodedLength,
  instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
  mode: 'both',
});
const onCard = createCardEngine(card, program, bundle.model);
const onHost = createHostEngine(bundle, { kernels: createKernels() });
const speak = (engine: typeof onCard): number[] => {
  const ids = [greedyToken(engine.prefill([1, 2, 3]))];
  while (ids.length < 8) ids.push(greedyToken(engine.decode(ids[ids.length - 1])));
  return ids;
};
console.log(`card: ${speak(onCard).join(' ')}`);
console.log(`host: ${speak(onHost).join(' ')}`);
console.log(
  `${(card.report().totals.decodeSeconds * 1e6).toFixed(1)} µs of card time for 7 decode steps, simulated`,
);
