/**
 * The interpreter with its nodes scattered over memories at random, far worse than any placement it chooses: every
 * kind of value crosses, codes with their scales and positions too, and the bits stay.
 */
import { quantizeModel } from '@bitloom/compression';
import { createKernels } from '@bitloom/kernels';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { createHostEngine } from '@bitloom/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEntry } from '../packages/runtime/src/host/compile-entry.js';
import { prepareEntries } from '../packages/runtime/src/host/entries.js';
import { Frame } from '../packages/runtime/src/host/frame.js';
import { logitsRow, writeIds } from '../packages/runtime/src/host/host-engine.js';
import { planEntry } from '../packages/runtime/src/host/plan.js';
import { newSequence } from '../packages/runtime/src/host/sequence.js';
import { Shard } from '../packages/runtime/src/host/shard.js';
import { layOutState, type StateLayout } from '../packages/runtime/src/host/states.js';
import { scriptedTokens } from './support/bit-equality.js';

const LLAMA: DecoderConfig = {
  family: 'llama',
  vocabSize: 61,
  layers: 2,
  width: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  hiddenWidth: 44,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: true,
  maxPositions: 32,
};
const GPT2: DecoderConfig = {
  ...LLAMA,
  family: 'gpt2',
  kvHeads: 4,
  norm: { kind: 'layer', epsilon: 1e-5 },
  positions: { kind: 'learned', offset: 0 },
  biases: { qkv: true, output: true, feedForward: true },
  feedForward: { gated: false, activation: 'gelu' },
};
const CAPACITY = 32;
const CHUNK = 6;
const KERNELS = [createKernels(), createKernels(), createKernels()];

const CASES = [LLAMA, GPT2].flatMap((config) =>
  ['f32', 'W8A8', 'W4A8'].map((scheme) => [config.family, scheme, config] as const),
);

describe('nodes in any memory', () => {
  test.each(CASES)('%s in %s', (_family, scheme, config) => {
    const raw = randomDecoder(config, { seed: 2 });
    const bundle = scheme === 'f32' ? raw : quantizeModel(raw, scheme);
    const tokens = scriptedTokens(CHUNK + 4, config.vocabSize, 1);
    const expected = createHostEngine(bundle, { kernels: createKernels() }).prefill(tokens).slice();
    const graph = prepareEntries(bundle.model).get('prefill');
    if (graph === undefined) throw new Error('no entry');
    const plan = planEntry(graph, { capacity: CAPACITY, chunk: CHUNK, sequences: 1 });
    const places = fc.array(fc.nat(KERNELS.length - 1), {
      minLength: graph.nodes.length,
      maxLength: graph.nodes.length,
    });
    fc.assert(
      fc.property(places, (wanted) => {
        // A state is where its attention is; everything else is anywhere.
        const homes = new Map<string, number>();
        graph.nodes.forEach((node, i) => {
          if (node.op !== 'attention') return;
          for (const name of node.inputs) homes.set(graph.stateOf.get(name) ?? '', wanted[i]);
        });
        const nodes = graph.nodes.map(
          (node, i) => homes.get(graph.stateOf.get(node.output) ?? '?') ?? wanted[i],
        );
        const marks = KERNELS.map(({ arena }) => arena.mark());
        const shards = KERNELS.map((kernels) => new Shard(bundle, kernels));
        const states = new Map<string, StateLayout>();
        const bytes = shards.map(() => 0);
        for (const state of bundle.model.states) {
          const shard = homes.get(state.name) ?? 0;
          const { layout, end } = layOutState(state, CAPACITY, shard, bytes[shard]);
          states.set(state.name, layout);
          bytes[shard] = end;
        }
        for (const shard of shards) shard.allocateWorkspace(plan.bytes);
        const frame = new Frame();
        const entry = compileEntry(plan, nodes, { shards, states, frame });
        const { segment } = newSequence(shards.map((shard, i) => shard.allocateCaches(bytes[i])));
        // All but the last chunk run only what the states need.
        writeIds(entry, 0, tokens, 0, CHUNK);
        frame.setSingle(segment, 0, CHUNK);
        for (const step of entry.stateSteps) step();
        writeIds(entry, 0, tokens, CHUNK, tokens.length - CHUNK);
        frame.setSingle(segment, CHUNK, tokens.length - CHUNK);
        for (const step of entry.steps) step();
        expect(logitsRow(entry, 0)).toEqual(expected);
        KERNELS.forEach(({ arena }, i) => {
          arena.release(marks[i]);
        });
      }),
      { numRuns: 20 },
    );
  });
});
