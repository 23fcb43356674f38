/** CONV and POOL on a card, from a hand-made program: pixels come from HBM, are pooled, convolved and stored. */
import {
  dense,
  encodedLength,
  findCard,
  type Instruction,
  type ModelBundle,
  memorySections,
  type Program,
  verifyProgram,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  at,
  halt,
  instruction,
  load,
  region,
  store,
  tinyProgram,
} from '../../ir/test/support/tiny-program.js';
import { SimulatedCard } from '../src/index.js';

const U280 = findCard('u280');

interface Shape {
  readonly height: number;
  readonly width: number;
  readonly groups: number;
  readonly perGroup: number;
  readonly filtersPerGroup: number;
  readonly mean: boolean;
  readonly pool: Window;
  readonly conv: Window;
  readonly seed: number;
}

interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  readonly dilation: number;
}

const window: fc.Arbitrary<Window> = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.nat(2),
  dilation: fc.integer({ min: 1, max: 2 }),
});
const shape: fc.Arbitrary<Shape> = fc.record({
  height: fc.integer({ min: 1, max: 9 }),
  width: fc.integer({ min: 1, max: 9 }),
  groups: fc.integer({ min: 1, max: 3 }),
  perGroup: fc.integer({ min: 1, max: 4 }),
  filtersPerGroup: fc.integer({ min: 1, max: 3 }),
  mean: fc.boolean(),
  pool: window,
  conv: window,
  seed: fc.nat(),
});

/** Outputs along an axis, at least one. */
const outputs = (length: number, { kernel, stride, pad, dilation }: Window): number =>
  Math.max(1, Math.floor((length + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1);

/** Pixels of a window that lie inside, as [y, x, ky, kx]. */
function inside(
  y: number,
  x: number,
  height: number,
  width: number,
  { kernel, stride, pad, dilation }: Window,
): number[][] {
  const out: number[][] = [];
  for (let ky = 0; ky < kernel; ky++) {
    for (let kx = 0; kx < kernel; kx++) {
      const [row, column] = [y * stride - pad + ky * dilation, x * stride - pad + kx * dilation];
      if (row >= 0 && row < height && column >= 0 && column < width) out.push([row, column, ky, kx]);
    }
  }
  return out;
}

/** Round half to even. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

it('give what plain loops over the same pixels give', () => {
  fc.assert(
    fc.property(shape, (s) => {
      const channels = s.groups * s.perGroup;
      const filters = s.groups * s.filtersPerGroup;
      const [poolHeight, poolWidth] = [outputs(s.height, s.pool), outputs(s.width, s.pool)];
      const [outHeight, outWidth] = [outputs(poolHeight, s.conv), outputs(poolWidth, s.conv)];
      const bytes = (count: number, salt: number): Int8Array =>
        Int8Array.from({ length: count }, (_, i) => (Math.imul(i + salt + s.seed, 0x9e3779b1) >>> 13) & 255);
      const input = bytes(s.height * s.width * channels, 1);
      const weights = bytes(filters * s.conv.kernel ** 2 * s.perGroup, 5000);
      const scale = Float32Array.from({ length: filters }, (_, f) => 0.01 * (f + 1));

      const pooled: number[] = [];
      for (let y = 0; y < poolHeight; y++) {
        for (let x = 0; x < poolWidth; x++) {
          const places = inside(y, x, s.height, s.width, s.pool);
          for (let c = 0; c < channels; c++) {
            const values = places.map(([row, column]) => input[(row * s.width + column) * channels + c]);
            const mean = roundEven(values.reduce((a, b) => a + b, 0) / values.length);
            pooled.push(values.length === 0 ? 0 : s.mean ? mean : Math.max(...values));
          }
        }
      }
      const expected: number[] = [];
      for (let y = 0; y < outHeight; y++) {
        for (let x = 0; x < outWidth; x++) {
          for (let f = 0; f < filters; f++) {
            const first = Math.floor(f / s.filtersPerGroup) * s.perGroup;
            let sum = 0;
            for (const [row, column, ky, kx] of inside(y, x, poolHeight, poolWidth, s.conv)) {
              for (let c = 0; c < s.perGroup; c++) {
                const tap = weights[((f * s.conv.kernel + ky) * s.conv.kernel + kx) * s.perGroup + c];
                sum += pooled[(row * poolWidth + column) * channels + first + c] * tap;
              }
            }
            expected.push(Math.fround(sum * scale[f]));
          }
        }
      }

      const fields = (one: Window, from: number[], to: number[]): Record<string, number> => ({
        height: from[0],
        width: from[1],
        channels,
        outHeight: to[0],
        outWidth: to[1],
        kernelHeight: one.kernel,
        kernelWidth: one.kernel,
        strideHeight: one.stride,
        strideWidth: one.stride,
        padTop: one.pad,
        padLeft: one.pad,
        dilationHeight: one.dilation,
        dilationWidth: one.dilation,
      });
      const [pixelsAt, pooledAt, scaleAt, outAt] = [0, 4096, 8192, 12_288].map((offset) =>
        at('data', offset),
      );
      const count = expected.length;
      const pool = {
        ...fields(s.pool, [s.height, s.width], [poolHeight, poolWidth]),
        function: s.mean ? 1 : 0,
        input: pixelsAt,
        out: pooledAt,
      };
      const conv = {
        ...fields(s.conv, [poolHeight, poolWidth], [outHeight, outWidth]),
        filters,
        groups: s.groups,
        input: pooledAt,
        weights: at('weights', 0),
        scale: scaleAt,
        out: outAt,
      };
      const fetch = (one: Instruction): Instruction => ({ ...one, queue: 'fetch' });
      const program: Program = {
        ...tinyProgram(
          [
            load(at('hbm', 4096), at('weights', 0), weights.byteLength, { release: ['matrix'] }),
            fetch(load(at('hbm', 8192), scaleAt, scale.byteLength, { release: ['matrix'] })),
            fetch(load(at('hbm', 0), pixelsAt, input.byteLength, { release: ['vector'] })),
            instruction('POOL', 'vector', pool, { wait: ['fetch'], release: ['matrix'] }),
            instruction('CONV', 'matrix', conv, { wait: ['load', 'fetch', 'vector'], release: ['store'] }),
            store(outAt, at('hbm', 12_288), 4 * count, { wait: ['matrix'] }),
            halt(),
          ],
          {
            regions: [
              ...(['x', 'w', 's'] as const).map((name, i) =>
                region(name, 4096 * i, [input, weights, scale][i].byteLength, {
                  from: 'constant',
                  constant: name,
                  component: 'data',
                  layout: 'canonical',
                }),
              ),
              region('y', 12_288, 4 * count),
            ],
          },
        ),
        device: 'u280',
      };
      const [entry] = program.entries;
      const whole = {
        ...program,
        entries: [
          { ...entry, outputs: [{ name: 'y', region: 'y', dtype: 'f32' as const, shape: [1, count] }] },
        ],
      };
      verifyProgram(whole, U280);
      const constant = (name: string, length: number) => ({
        name,
        type: dense('i8', [length]),
        components: { data: name },
      });
      const bundle: ModelBundle = {
        model: {
          kind: 'model',
          name: 'window',
          family: 'none',
          numerics: program.numerics,
          symbols: [],
          states: [],
          functions: [],
          metadata: {},
          constants: [
            constant('x', input.length),
            constant('w', weights.length),
            constant('s', scale.byteLength),
          ],
        },
        sections: memorySections({
          x: new Uint8Array(input.buffer),
          w: new Uint8Array(weights.buffer),
          s: new Uint8Array(scale.buffer),
        }),
      };
      for (const order of ['program', 'end'] as const) {
        const card = new SimulatedCard({
          program: whole,
          device: U280,
          bundle,
          kernels: createKernels({ backend: 'reference' }),
          encodedLength,
          instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
          mode: 'both',
          order,
        });
        expect([...card.run('main', { seq: 1, past: 0 }, {}).y]).toEqual(expected);
        const [prefill] = card.report().phases;
        expect(prefill.macs).toBe(count * s.conv.kernel ** 2 * s.perGroup);
      }
    }),
    { numRuns: 40 },
  );
});
