/**
 * Block-sparse attention on the card: what a mask hides is neither loaded nor computed in prefill, and the bits are the
 * host's, for random masks at ragged lengths on one core and three. `BITLOOM_FUZZ` multiplies how many are tried.
 */
import { compile } from '@bitloom/compiler';
import {
  type BlockMask,
  causalDensity,
  flightllmMask,
  maskAttention,
  quantizeModel,
} from '@bitloom/compression';
import {
  type Device,
  encodedLength,
  expandStream,
  findCard,
  instructionSpec,
  MATRIX_MODES,
  type ModelBundle,
  type Program,
  sampledProductCycles,
  verifyProgram,
} from '@bitloom/ir';
import { simulate } from '@bitloom/simulator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LLAMA2_7B, quantizedLlama } from '../packages/compiler/test/support/quantized-llama.js';
import { attempt, NO_BYTES } from './support/card-against-host.js';
import { type DecoderSizes, familyModel } from './support/random-decoders.js';
import { cardWith } from './support/small-cards.js';

/** Base registers as a card starts with them. */
const REGISTERS = new Map([1, 2, 3, 4, 8].map((register) => [register, 0]));

const RUNS = Number(process.env.BITLOOM_FUZZ || 1);
const CONTEXT = 200;

const SIZES: DecoderSizes = {
  layers: 2,
  width: 24,
  kvHeads: 3,
  share: 2,
  headDim: 8,
  hiddenWidth: 40,
  vocabSize: 30,
  maxPositions: CONTEXT,
  tiedEmbeddings: true,
};
const MODEL = quantizeModel(familyModel('llama', SIZES, 3), 'W4A8');
/** Heads that are work enough for an engine, so that a dispatcher keeps up. */
const WIDE = quantizeModel(
  familyModel('llama', { ...SIZES, layers: 1, kvHeads: 6, share: 1, headDim: 64 }, 4),
  'W4A8',
);

/** One core and three, with room for all KV tiles and for few; the last with barriers. */
const CARDS = [
  cardWith('one core', { buffers: { stream: 65_536, data: 2 ** 20, accumulator: 65_536, index: 1024 } }),
  cardWith('one core, small tiles', {
    buffers: { stream: 2048, data: 2 ** 20, accumulator: 65_536, index: 1024 },
    mm: { n: 32 },
    queueDepth: 3,
  }),
  cardWith('three cores', {
    cores: 3,
    buffers: { stream: 3072, data: 2 ** 20, accumulator: 65_536, index: 1024 },
    mm: { n: 16 },
  }),
  cardWith('three cores and barriers', {
    cores: 3,
    groupBarriers: true,
    barrierCycles: 40,
    buffers: { stream: 16_384, data: 2 ** 20, accumulator: 65_536, index: 1024 },
  }),
];

/** Tiles of 32 tokens and more. */
const ROOM = { stream: 65_536 };

/** A mask of square blocks in which every block sees itself, and others by chance. */
function randomMask(block: number, density: number, seed: number): BlockMask {
  const count = Math.ceil(CONTEXT / block);
  const seen = new Uint8Array(count * count);
  for (let row = 0; row < count; row++)
    for (let col = 0; col < count; col++) {
      const chance = (Math.imul(31 * row + col + 977 * seed, 0x9e3779b1) >>> 8) / 2 ** 24;
      seen[row * count + col] = row === col || chance < density ? 1 : 0;
    }
  return { block: [block, block], seen, shape: [1, count, count] };
}

/** What attention costs in a prefill: cycles of units, bytes of memory, and cycles of all. */
function prefillCost(program: Program, device: Device, prefill: number) {
  const { report } = simulate(program, device, {
    prefill,
    decode: 0,
    model: 'masked',
    instructionBytes: NO_BYTES,
    encodedLength,
  });
  const [phase] = report.phases;
  const attention = phase.ops.find(({ name }) => name === 'attention');
  return {
    cycles: phase.cycles,
    matrix: attention?.cycles.matrix ?? 0,
    vector: attention?.cycles.vector ?? 0,
    bytes: attention?.memoryBytes ?? 0,
    macs: attention?.macs ?? 0,
  };
}

describe('masks of blocks', () => {
  const calls = fc.constantFrom(
    [1, 1],
    [31, 1, 1],
    [64, 1],
    [65, 2, 1],
    [200],
    [33, 40, 64, 1],
    [128, 7, 1, 60],
  );
  it.each(CARDS.map((device) => [device.name, device] as const))(
    'random ones give the bits of the host on %s',
    (_name, device) => {
      fc.assert(
        fc.property(
          fc.constantFrom(16, 32, 48, 64),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.nat(1000),
          fc.constantFrom(16, 32, 64, 128),
          calls,
          (block, density, seed, maxChunk, lengths) => {
            const bundle = maskAttention(MODEL, randomMask(block, density, seed));
            const orders = ['program', 'end'] as const;
            expect(attempt({ bundle, device, options: { maxChunk }, calls: lengths, orders })).toBe('right');
          },
        ),
        { numRuns: 6 * RUNS, endOnFailure: process.env.BITLOOM_FUZZ !== undefined },
      );
    },
    60_000 * RUNS,
  );

  it.each(CARDS.map((device) => [device.name, cardWith(device.name, { buffers: ROOM }, device)] as const))(
    'hidden blocks cost nothing on %s',
    (_name, device) => {
      const options = { maxChunk: 32, entries: ['prefill'] };
      const costs = [1, 0.4, 0.1].map((density) => {
        const bundle = maskAttention(WIDE, randomMask(32, density, 5));
        const visible = compile(bundle.model, device, { ...options, sections: bundle.sections });
        const hidden = compile(bundle.model, device, options);
        return { visible: prefillCost(visible, device, 199), all: prefillCost(hidden, device, 199) };
      });
      const [full, some, few] = costs;
      expect(full.visible).toEqual(full.all);
      for (const { visible, all } of [some, few])
        for (const what of ['cycles', 'matrix', 'vector', 'bytes', 'macs'] as const)
          expect(visible[what], what).toBeLessThan(all[what]);
      for (const what of ['cycles', 'matrix', 'vector', 'bytes', 'macs'] as const)
        expect(few.visible[what], what).toBeLessThan(some.visible[what]);
    },
  );
});

/** A layer of LLaMA2-7B without weights, which a timing run does not read. */
const LAYER: ModelBundle = {
  model: quantizedLlama({ ...LLAMA2_7B, layers: 1, context: 2048 }),
  sections: {
    has: () => false,
    byteLength: () => 0,
    read: (section) => {
      throw new Error(`no section '${section}'`);
    },
  },
};

describe.each(['u280-flightllm', 'u280-bitloom'])("FlightLLM's densities on %s", (name) => {
  const device = findCard(name);
  const mask = flightllmMask(2048);
  const masked = maskAttention(LAYER, mask);
  const options = { entries: ['prefill'], capacity: 2048 };
  const program = compile(masked.model, device, { ...options, sections: masked.sections });
  const dense = compile(LAYER.model, device, options);

  it('are what attention takes of its time, work and bytes', () => {
    // Tokens; published density; share of the cycles of either unit, products and bytes of dense attention.
    const table = [
      [128, 1],
      [256, 0.97],
      [512, 0.8],
      [1024, 0.53],
      [2048, 0.3],
    ].map(([tokens, published]) => {
      const [own, all] = [program, dense].map((one) => prefillCost(one, device, tokens));
      const share = (what: 'matrix' | 'vector' | 'bytes' | 'macs'): number => own[what] / all[what];
      return { tokens, published, density: causalDensity(mask, tokens), own, all, share };
    });
    for (const { tokens, published, density, own, all, share } of table) {
      expect(Math.abs(density - published), `${tokens} tokens`).toBeLessThan(0.031);
      for (const what of ['matrix', 'vector', 'bytes', 'macs'] as const)
        expect(Math.abs(share(what) - density), `${what} of ${tokens} tokens`).toBeLessThan(0.07);
      if (density === 1) expect(own.cycles / all.cycles).toBeLessThan(1.01);
      else expect(own.cycles).toBeLessThan(all.cycles);
    }
  });
});

it('the verifier proves the order of what is left', () => {
  const device = findCard('u280-flightllm');
  const masked = maskAttention(LAYER, flightllmMask(2048));
  const options = { entries: ['prefill'], capacity: 2048, sections: masked.sections };
  const program = compile(masked.model, device, options);
  expect(verifyProgram(program, device, { samples: 1, maxExecuted: 2000 }).entries).toHaveLength(1);
});

it('tiles of scores take the cycles of a sampled product', () => {
  const device = findCard('u280-bitloom');
  const mask = flightllmMask(2048);
  const masked = maskAttention(LAYER, mask);
  const options = { entries: ['prefill'], capacity: 2048, sections: masked.sections };
  const program = compile(masked.model, device, options);
  const [{ streams }] = program.entries;
  let [cycles, height] = [0, 0];
  for (const { instruction, fields } of expandStream(
    streams[0],
    { seq: 1024, past: 0, core: 0 },
    REGISTERS,
  )) {
    if (instruction.name !== 'MM' || fields.number('mode') !== MATRIX_MODES.indexOf('keys')) continue;
    if (fields.number('n') === 0) continue;
    cycles += instructionSpec('MM').timing(fields, device).initiationInterval;
    height = Math.max(height, fields.number('m'));
  }
  // Rows in flight are a block, or a part of one, and see no tokens behind them.
  expect(64 % height).toBe(0);
  const [, rows] = mask.shape;
  const blockOf = (part: number): number => Math.floor((part * height) / 64);
  const tiles = Array.from({ length: 1024 / height }, (_, row) =>
    Array.from({ length: row + 1 }, (_, col) => col).filter(
      (col) => mask.seen[blockOf(row) * rows + blockOf(col)] === 1,
    ),
  );
  const product = { m: 1024, n: 1024, k: 128, tile: height, tiles };
  const heads = Math.ceil(32 / device.cores);
  expect(cycles).toBe(heads * sampledProductCycles(product, device.matrix.mm, device.matrix));
});
