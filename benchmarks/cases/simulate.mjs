/**
 * The simulator, on LLaMA2-7B and OPT-6.7B in scheme FlightLLM and on small models with weights:
 * - simulated cycles of a core per second of processor time of the reading for time: a decode step on each card. ONNXim
 *   has 30,000 to 53,000 on networks of images on a machine like this; the aim is a hundred times the upper end;
 * - one decode step; the run [128, 512] step by step, and with steps and layers reused: aims 0.15 s, 80 s and 15 s;
 * - the functional reading against the host interpreter on the same quantised model. Aim: 0.8 of its speed on a random
 *   Llama of 110 million parameters, 0.3 on stories260K, where the cost per instruction dominates;
 * - `bitloom simulate llama2-7b` as a person runs it: aim under 10 s, and under 2 GB of memory.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { CARDS, encodedLength, findCard } from '@bitloom/ir';
import { randomDecoder } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createCardEngine, createHostEngine } from '@bitloom/runtime';
import { SimulatedCard, simulate } from '@bitloom/simulator';
import { simulateOnThreads } from '@bitloom/simulator/node';
import { bitloom } from '../lib/command.mjs';
import { ONLY } from '../lib/run.mjs';
import { callable } from '../lib/sample.mjs';
import { shapesOf } from '../lib/shapes.mjs';

export const seconds = 90;

/** One core, and several. */
const STEP_CARDS = ['u280', 'u280-flightllm', 'u280-bitloom'].map(findCard);
const SCHEME = 'FlightLLM';

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const root = fileURLToPath(new URL('../..', import.meta.url));

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

/** ONNXim, the upper end of what it simulates in a second on such a machine. */
const PEER_CYCLES = 53_000;

/** A session for time: what to count of it, and by what it is divided. */
function session(model, device, lengths) {
  const program = compile(shapesOf(model, SCHEME), device);
  const options = { ...lengths, model, instructionBytes: NO_BYTES, encodedLength };
  return () => simulate(program, device, options).report.phases.find(({ name }) => name === 'total');
}

/** Cycles of one core; the cores of a card run at the same time and are simulated together. */
function cycles(model, device) {
  return {
    name: `simulate ${model} ${SCHEME} on ${device.name}, prefill 128, decode 8`,
    unit: 'cycles/s',
    aim: 100 * PEER_CYCLES,
    async open() {
      const run = session(model, device, { prefill: 128, decode: 8 });
      const { cycles: work } = run();
      return { ours: { [ONLY]: callable(() => run().cycles, work, { sampleMs: 1 }) } };
    },
  };
}

/** The difference of a long and a short run, which leaves out what is done once. */
function step(model, device) {
  const short = 1;
  const long = 9;
  return {
    name: `simulate ${model} ${SCHEME} on ${device.name}, one decode step`,
    unit: 's',
    aim: 0.15,
    async open() {
      const runs = [short, long].map((decode) => session(model, device, { prefill: 0, decode }));
      const time = (run) => {
        const start = performance.now();
        run();
        return (performance.now() - start) / 1000;
      };
      const sample = () => {
        const [least, most] = runs.map(time);
        return Math.max(0, most - least) / (long - short);
      };
      return { ours: { [ONLY]: { work: 1, sample } } };
    },
  };
}

/** The run [128, 512], step by step on the machine's threads, or on one with steps and layers that executed ones tell. */
function long(model, device, reuse) {
  const threads = reuse ? 1 : availableParallelism();
  const how = reuse ? 'steps and layers reused' : `step by step, ${threads} threads`;
  return {
    name: `simulate ${model} ${SCHEME} on ${device.name}, prefill 128, decode 512, ${how}`,
    unit: 's',
    aim: reuse ? 15 : 80,
    async open() {
      const program = compile(shapesOf(model, SCHEME), device);
      const options = { prefill: 128, decode: 512, model, instructionBytes: NO_BYTES, reuse, threads };
      const sample = async () => {
        const start = performance.now();
        await simulateOnThreads(program, device, options);
        return (performance.now() - start) / 1000;
      };
      return { ours: { [ONLY]: { work: 1, isWarm: true, sample } } };
    },
  };
}

/** Greedy-free decoding of fixed tokens on a simulated card and on the host, bit for bit the same. */
function functional(name, scheme, aim, prompt, steps, open) {
  return {
    name: `simulate function of ${name} ${scheme}`,
    unit: 'tokens/s',
    aim,
    async open() {
      const quantized = quantizeModel(await open.bundle(), scheme);
      const device = findCard('u280');
      const kernels = [open.kernels(), open.kernels()];
      const host = createHostEngine(quantized, { kernels: kernels[0], capacity: 512 });
      const program = compile(quantized.model, device, { capacity: 512 });
      const mode = 'function';
      const card = new SimulatedCard({
        program,
        device,
        bundle: quantized,
        kernels: kernels[1],
        encodedLength,
        instructionBytes: NO_BYTES,
        mode,
      });
      const engine = createCardEngine(card, program, quantized.model);
      const decode = (target) => {
        target.reset();
        target.prefill(prompt);
        let sum = 0;
        const start = performance.now();
        for (let i = 0; i < steps; i += 1) {
          sum += target.decode((i * 7 + 3) % target.vocabularySize)[i % target.vocabularySize];
        }
        return [(performance.now() - start) / 1000 / steps, sum];
      };
      const [[, hostSum], [, cardSum]] = [decode(host), decode(engine)];
      if (!Object.is(hostSum, cardSum)) throw new Error(`host and card differ: ${hostSum} and ${cardSum}`);
      return {
        ours: { [ONLY]: { work: 1, isWarm: true, sample: () => decode(engine)[0] } },
        peer: { work: 1, isWarm: true, sample: () => decode(host)[0], name: 'our host interpreter' },
        close() {
          host.close();
          engine.close();
          for (const one of kernels) one.close();
        },
      };
    },
  };
}

const COMMAND = [
  'simulate',
  'llama2-7b',
  '--device',
  'u280',
  '--scheme',
  SCHEME,
  '--prefill',
  '128',
  '--decode',
  '1',
];

/** The whole command, start-up and counting of instruction bytes included. */
function command() {
  let most = 0;
  const sample = () => {
    const { seconds: elapsed, mebibytes } = bitloom(COMMAND);
    most = Math.max(most, mebibytes);
    return elapsed;
  };
  const name = `bitloom ${COMMAND.slice(0, 4).join(' ')}`;
  return [
    {
      name,
      unit: 's',
      aim: 10,
      open: async () => ({ ours: { [ONLY]: { work: 1, sample } } }),
    },
    {
      name: `${name}, memory at most`,
      unit: 'MiB',
      aim: 2048,
      weight: 0,
      // The case before has run the command, as often as its time allowed.
      open: async () => ({ ours: { [ONLY]: { work: 1, isWarm: true, sample: () => most } } }),
    },
  ];
}

export async function cases(context) {
  const kernels = () => context.newKernels(context.backends[0], 1);
  const stories = resolve(root, process.env.BITLOOM_DATA ?? '../shared/data', 'stories260K/stories260K.bin');
  const [model, opt] = ['llama2-7b', 'opt-6.7b'];
  const published = findCard('u280-flightllm');
  const schemes = ['W8A8', 'W4A8'];
  const small = { kernels, bundle: () => openModel(stories) };
  const random = { kernels, bundle: async () => randomDecoder(STORIES_110M, { seed: 1 }) };
  if (!existsSync(stories)) context.log('stories260K is not here (set BITLOOM_DATA): left out');
  return [
    ...CARDS.map((device) => cycles(model, device)),
    ...STEP_CARDS.map((device) => step(model, device)),
    ...STEP_CARDS.map((device) => long(model, device, true)),
    step(opt, published),
    long(opt, published, true),
    long(model, published, false),
    long(opt, published, false),
    ...(existsSync(stories)
      ? schemes.map((scheme) => functional('stories260K', scheme, 0.3, [1], 200, small))
      : []),
    ...schemes.map((scheme) => functional('random 110M', scheme, 0.8, [1, 2, 3, 4], 24, random)),
    ...command(),
  ];
}
