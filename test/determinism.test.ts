/**
 * The same input twice gives the same artefacts, byte for byte; logits do not depend on threads, on how the prompt
 * was cut, or on what else the engine computed before.
 */
import { setTimeout } from 'node:timers/promises';
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { deviceHash, encodedLength, findCard, type ModelBundle, modelHash } from '@bitloom/ir';
import {
  encodeContainer,
  modelToContainer,
  programToContainer,
  reportToContainer,
  traceToContainer,
} from '@bitloom/ir/container';
import { createKernels, type Kernels } from '@bitloom/kernels';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { createCardEngine, createHostEngine, type Engine } from '@bitloom/runtime';
import { SimulatedCard, simulate } from '@bitloom/simulator';
import { describe, expect, test } from 'vitest';
import { scriptedTokens } from './support/bit-equality.js';

/** Wide enough that products are shared between threads, and no multiple of any tile. */
const SHAPE: DecoderConfig = {
  family: 'llama',
  vocabSize: 1531,
  layers: 2,
  width: 296,
  heads: 8,
  kvHeads: 4,
  headDim: 37 * 2,
  hiddenWidth: 812,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 96,
};
const PROMPT = scriptedTokens(41, SHAPE.vocabSize, 1);

function model(scheme: string): ModelBundle {
  return quantizeModel(randomDecoder(SHAPE, { seed: 7 }), scheme);
}

/** Bits of the logits after a prompt and a few steps. */
function bits(engine: Engine, cuts: readonly number[] = [PROMPT.length]): Int32Array[] {
  const out: Int32Array[] = [];
  const keep = (logits: Float32Array) => void out.push(new Int32Array(logits.slice().buffer));
  engine.reset();
  let at = 0;
  for (const [i, cut] of cuts.entries()) {
    const logits = engine.prefill(PROMPT.slice(at, at + cut));
    at += cut;
    if (i === cuts.length - 1) keep(logits);
  }
  for (const token of [3, 1500, 77]) keep(engine.decode(token));
  return out;
}

/** Kernels whose workers have all started: until then the calling thread does the work alone. */
async function startedKernels(threads: number): Promise<Kernels> {
  const kernels = createKernels({ threads });
  for (let i = 0; i < 2000 && kernels.threads < threads; i++) await setTimeout(5);
  expect(kernels.threads).toBe(threads);
  return kernels;
}

describe.each(['f32', 'W8A8', 'W4A8'])('logits in %s', (scheme) => {
  const bundle = model(scheme);
  const one = createHostEngine(bundle, { kernels: createKernels({ threads: 1 }) });
  const expected = bits(one);

  test.each([2, 3])('are the same with %i threads', async (threads) => {
    const kernels = await startedKernels(threads);
    try {
      expect(bits(createHostEngine(bundle, { kernels }))).toEqual(expected);
    } finally {
      kernels.close();
    }
  });

  test.each([[[1, 40]], [[40, 1]], [[13, 14, 14]], [Array(41).fill(1)]])(
    'are the same for a prompt cut as %j',
    (cuts) => {
      expect(bits(one, cuts)).toEqual(expected);
    },
  );

  test.each([1, 5, 16])('are the same in chunks of %i tokens', (chunk) => {
    expect(bits(createHostEngine(bundle, { kernels: createKernels(), chunk }))).toEqual(expected);
  });

  test('do not remember another sequence', () => {
    one.reset();
    one.prefill(scriptedTokens(60, SHAPE.vocabSize, 9));
    expect(bits(one)).toEqual(expected);
  });
});

test('threads do not change what a card computes', async () => {
  const bundle = model('W4A8');
  const device = findCard('u280');
  const program = compile(bundle.model, device);
  const run = async (threads: number): Promise<Int32Array[]> => {
    const kernels = await startedKernels(threads);
    try {
      const noBytes = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
      const card = new SimulatedCard({
        program,
        device,
        bundle,
        kernels,
        encodedLength,
        instructionBytes: noBytes,
        mode: 'function',
      });
      return bits(createCardEngine(card, program, bundle.model));
    } finally {
      kernels.close();
    }
  };
  expect(await run(2)).toEqual(await run(1));
});

test('equal inputs give equal artefacts, byte for byte', () => {
  const make = (): Record<string, Uint8Array> => {
    const bundle = model('W4A8');
    const device = findCard('vhk158-flightllm');
    const program = compile(bundle.model, device, {
      modelHash: modelHash(bundle.model, bundle.sections),
      deviceHash: deviceHash(device),
    });
    const { report, trace } = simulate(program, device, {
      prefill: 33,
      decode: 2,
      model: bundle.model.name,
      instructionBytes: instructionBytes(program),
      encodedLength,
      trace: true,
    });
    if (trace === undefined) throw new Error('no trace');
    return {
      model: encodeContainer(modelToContainer(bundle)),
      program: encodeContainer(programToContainer(program)),
      report: encodeContainer(reportToContainer(report)),
      trace: encodeContainer(traceToContainer(trace)),
    };
  };
  const [first, second] = [make(), make()];
  for (const kind of Object.keys(first)) {
    expect(first[kind].length, kind).toBeGreaterThan(4096);
    expect(Buffer.compare(first[kind], second[kind]), kind).toBe(0);
  }
});
