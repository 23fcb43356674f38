/** Designs compiled and timed, with a tiny model. */
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { deviceHash, encodedLength, findCard } from '@bitloom/ir';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { simulate } from '@bitloom/simulator';
import { expect, test } from 'vitest';
import { designSpace, evaluateDesign, explore, KNOBS, type Workload } from '../src/index.js';

const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 64,
  layers: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 96,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 64,
};
const FLOAT = randomDecoder(CONFIG, { seed: 7, name: 'tiny' });
const { model } = quantizeModel(FLOAT, 'W4A8');
const WORKLOAD: Workload = { model, prefill: 8, capacity: 64 };

test('a design is timed as simulate times its card', () => {
  const device = findCard('u280-flightllm');
  const program = compile(model, device, { capacity: 64, modelHash: '', deviceHash: deviceHash(device) });
  const { report } = simulate(program, device, {
    prefill: 8,
    decode: 1,
    model: 'tiny',
    instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
    encodedLength,
  });
  const { measures } = evaluateDesign(WORKLOAD, device);
  expect(measures).toEqual({
    prefillSeconds: report.totals.prefillSeconds,
    prefillTokensPerSecond: 8 / report.totals.prefillSeconds,
    decodeSeconds: report.totals.decodeSeconds,
    tokensPerSecond: report.totals.decodeTokensPerSecond,
    joulesPerToken: report.totals.joulesPerToken,
  });
});

test('what a card cannot run is its failure, by code', () => {
  const device = findCard('u280');
  const buffers = device.buffers.map((buffer) => ({ ...buffer, bytes: 512 }));
  expect(evaluateDesign(WORKLOAD, { ...device, buffers })).toEqual({
    failure: { code: 'compiler-does-not-fit', message: expect.stringContaining('too small') },
  });
  expect(evaluateDesign({ ...WORKLOAD, model: FLOAT.model }, device).failure?.code).toBe(
    'compiler-numerics-unsupported',
  );
});

test('a real search: the front is as fast as the fastest, and repeats', async () => {
  const names = [
    'cores',
    'mm.n',
    'mv.n',
    'lanes',
    'exponentLanes',
    'data.kib',
    'data.width',
    'weights.width',
  ];
  const knobs = KNOBS.filter(({ name }) => names.includes(name));
  const base = { ...findCard('u280-flightllm'), name: 'half' };
  const options = {
    space: designSpace(base, knobs),
    evaluate: (device: typeof base) => evaluateDesign(WORKLOAD, device),
    identity: 'tiny',
    points: 20,
    seed: 1,
    limit: 0.9,
  };
  const first = await explore(options);
  expect(await explore(options)).toEqual(first);
  const speeds = first.designs.map(({ outcome }) => outcome.measures?.tokensPerSecond ?? 0);
  expect(first.front[0].measures.tokensPerSecond).toBe(Math.max(...speeds));
  expect(Math.max(...speeds)).toBeGreaterThan(0);
});
