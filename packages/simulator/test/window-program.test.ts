/** CONV and POOL from a hand-made program: load an image, convolve, pool codes, store; the card moves real bytes. */
import {
  type Address,
  encodedLength,
  FLOAT_NUMERICS,
  findCard,
  type Instruction,
  integerNumerics,
  type Model,
  memorySections,
  type Program,
  type QueueName,
  type SpaceName,
  STRIPED,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { describe, expect, it } from 'vitest';
import { SimulatedCard, simulate } from '../src/index.js';

const U280 = findCard('u280');
const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const at = (space: SpaceName, offset: number): Address => ({
  space,
  channel: space === 'hbm' ? STRIPED : 0,
  register: 0,
  page: false,
  offset,
});
const step = (
  name: string,
  queue: QueueName,
  fields: Instruction['fields'],
  wait: QueueName[] = [],
  release: QueueName[] = [],
): Instruction => ({ name, queue, wait, release, fields, origin: 0 });

/** 3 x 3 pixels of one channel; a 2 x 2 filter; then the largest of each 2 x 2 window of the image itself. */
const WINDOW = {
  height: 3,
  width: 3,
  channels: 1,
  outHeight: 2,
  outWidth: 2,
  kernelHeight: 2,
  kernelWidth: 2,
  strideHeight: 1,
  strideWidth: 1,
  dilationHeight: 1,
  dilationWidth: 1,
};
const [IMAGE, FILTER, SCALE, RESULT, POOLED] = [0, 64, 128, 192, 256];
const INSTRUCTIONS: Instruction[] = [
  step(
    'LD',
    'fetch',
    { dst: at('data', 0), src: at('hbm', 0), length: 256, count1: 1, count2: 1 },
    [],
    ['matrix', 'vector'],
  ),
  step(
    'CONV',
    'matrix',
    {
      ...WINDOW,
      filters: 1,
      groups: 1,
      input: at('data', IMAGE),
      weights: at('data', FILTER),
      scale: at('data', SCALE),
      out: at('data', RESULT),
    },
    ['fetch'],
    ['store'],
  ),
  step(
    'POOL',
    'vector',
    { ...WINDOW, function: 0, input: at('data', IMAGE), out: at('data', POOLED) },
    ['fetch'],
    ['store'],
  ),
  step('ST', 'store', { src: at('data', RESULT), dst: at('hbm', 4096), length: 16, count1: 1, count2: 1 }, [
    'matrix',
  ]),
  step('ST', 'store', { src: at('data', POOLED), dst: at('hbm', 8192), length: 4, count1: 1, count2: 1 }, [
    'vector',
  ]),
  step('HALT', 'system', {}),
];

const region = (name: string, offset: number, purpose: 'input' | 'output', bytes: number) =>
  ({ name, space: 'hbm', channel: STRIPED, offset, bytes, purpose, contents: { from: 'zeros' } }) as const;

const PROGRAM: Program = {
  kind: 'program',
  name: 'window',
  instructionSet: '1.0',
  modelHash: '',
  shapeOnly: false,
  device: 'u280',
  deviceHash: '',
  numerics: integerNumerics('W8A8'),
  slots: 1,
  capacity: 64,
  registers: [],
  regions: [
    region('image', 0, 'input', 256),
    region('result', 4096, 'output', 16),
    region('pooled', 8192, 'output', 4),
  ],
  entries: [
    {
      name: 'forward',
      inputs: [{ name: 'image', region: 'image', dtype: 'i32', shape: [64] }],
      outputs: [
        { name: 'result', region: 'result', dtype: 'f32', shape: [1, 4] },
        { name: 'pooled', region: 'pooled', dtype: 'f32', shape: [1, 1] },
      ],
      symbols: [
        { name: 'seq', min: 64, max: 64, perSlot: true },
        { name: 'past', min: 0, max: 0, perSlot: true },
      ],
      streams: [{ core: 0, instructions: INSTRUCTIONS }],
      frames: [],
    },
  ],
  provenance: [{ node: 'conv', op: 'convolution', layer: 0, tile: '' }],
  notes: [],
};

const MODEL: Model = {
  kind: 'model',
  name: 'none',
  family: 'none',
  numerics: FLOAT_NUMERICS,
  symbols: [],
  constants: [],
  states: [],
  functions: [],
  metadata: {},
};

describe('CONV and POOL', () => {
  it('pass verification, give the pixels, and count products and window elements', () => {
    verifyProgram(PROGRAM, U280);
    const bytes = new Int8Array(256);
    bytes.set([1, 2, 3, 4, 5, 6, 7, 8, -9], IMAGE);
    bytes.set([1, -1, 2, 10], FILTER);
    new DataView(bytes.buffer).setFloat32(SCALE, 0.5, true);
    const card = new SimulatedCard({
      program: PROGRAM,
      device: U280,
      bundle: { model: MODEL, sections: memorySections({}) },
      kernels: createKernels(),
      encodedLength,
      instructionBytes: NO_BYTES,
      mode: 'both',
    });
    const { result, pooled } = card.run(
      'forward',
      { seq: 64, past: 0 },
      { image: new Int32Array(bytes.buffer) },
    );
    // By hand: 1 - 2 + 2*4 + 10*5 = 57, and so on; halved.
    expect([...result]).toEqual([57 / 2, 69 / 2, 93 / 2, -75 / 2]);
    expect([...new Int8Array(pooled.slice().buffer)]).toEqual([5, 6, 8, 8]);
    const [phase] = card.report().phases;
    expect(phase.macs).toBe(4 * 4);
    expect(phase.energy.vector).toBeCloseTo(16 * U280.energy.vectorElementPicojoules * 1e-12, 18);
  });

  it('are timed without any bytes', () => {
    const timed = { ...PROGRAM, entries: PROGRAM.entries.map((entry) => ({ ...entry, name: 'prefill' })) };
    const { report } = simulate(timed, U280, {
      prefill: 64,
      decode: 0,
      model: 'none',
      instructionBytes: NO_BYTES,
      encodedLength,
    });
    expect(report.totals.prefillSeconds).toBeGreaterThan(0);
    expect(report.units.find((unit) => unit.name === 'matrix')?.busy).toBeGreaterThan(0);
  });
});
