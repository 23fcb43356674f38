/** Convolutions for training and pooling of floats: every backend against the reference, gradients against their definition. */
import { loadNative } from '@bitloom/kernels-native';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WEIGHT_GRADIENT_ARGUMENTS } from '../src/convolution-plan.js';
import {
  Arena,
  type ConvolutionShape,
  createKernels,
  type Kernels,
  POOL_MAX,
  POOL_MEAN,
} from '../src/index.js';
import { CONVOLUTION_CALLS } from '../src/parallel/convolution-calls.js';
import { type Case, conforms, makeBench, Operands } from './harness.js';

const bench = makeBench();

interface Layer {
  readonly images: number;
  readonly size: readonly [number, number];
  readonly perGroup: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Rows and columns of output beyond (or short of) those whose windows begin in the padded image. */
  readonly extra: readonly [number, number];
  readonly filtersPerGroup: number;
  readonly groups: number;
}

const LAYER: Layer = {
  images: 1,
  size: [7, 6],
  perGroup: 4,
  kernel: [3, 3],
  stride: [1, 1],
  pad: [1, 1],
  dilation: [1, 1],
  extra: [0, 0],
  filtersPerGroup: 5,
  groups: 1,
};

/** Every path: whole and ragged tiles, folded and separate taps, chunks of taps and of channels, depthwise, phases. */
const LISTED: readonly Layer[] = [
  LAYER,
  { ...LAYER, kernel: [1, 1], pad: [0, 0], perGroup: 19, filtersPerGroup: 33 },
  { ...LAYER, kernel: [1, 1], pad: [0, 0], stride: [2, 2], perGroup: 8, filtersPerGroup: 8, images: 3 },
  { ...LAYER, kernel: [7, 7], stride: [2, 2], pad: [3, 3], size: [13, 14], perGroup: 3, filtersPerGroup: 8 },
  { ...LAYER, size: [3, 2], perGroup: 600, filtersPerGroup: 9, kernel: [1, 2], pad: [0, 0] },
  { ...LAYER, size: [4, 3], perGroup: 5, filtersPerGroup: 140, kernel: [2, 2] },
  { ...LAYER, size: [3, 4], perGroup: 130, filtersPerGroup: 70, kernel: [3, 2] },
  { ...LAYER, perGroup: 3, filtersPerGroup: 2, groups: 3, dilation: [2, 1], images: 2 },
  { ...LAYER, perGroup: 1, filtersPerGroup: 1, groups: 21 },
  { ...LAYER, perGroup: 1, filtersPerGroup: 1, groups: 260, size: [3, 3], stride: [2, 1] },
  { ...LAYER, perGroup: 1, filtersPerGroup: 1, groups: 3, kernel: [9, 9], pad: [4, 4] },
  { ...LAYER, perGroup: 1, filtersPerGroup: 2, groups: 3, kernel: [2, 3], dilation: [1, 3] },
  { ...LAYER, stride: [3, 2], kernel: [2, 5], dilation: [2, 3], size: [11, 9], extra: [1, 2] },
  { ...LAYER, stride: [4, 4], kernel: [2, 2], size: [9, 9], pad: [0, 0] },
  { ...LAYER, pad: [-1, 2], images: 2, extra: [-1, 1] },
  { ...LAYER, images: 0 },
  { ...LAYER, images: 5, size: [9, 13], kernel: [1, 3], perGroup: 2 },
  { ...LAYER, images: 3, size: [14, 14], perGroup: 7, filtersPerGroup: 3 },
];

const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

const layers: fc.Arbitrary<Layer> = fc.record({
  images: fc.integer({ min: 1, max: 3 }),
  size: pair(1, 9),
  perGroup: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(1)),
  kernel: pair(1, 4),
  stride: pair(1, 3),
  pad: pair(-1, 3),
  dilation: pair(1, 3),
  extra: pair(-1, 2),
  filtersPerGroup: fc.oneof(fc.integer({ min: 1, max: 18 }), fc.constant(1)),
  groups: fc.constantFrom(1, 1, 2, 3, 9),
});

function outputs({ size, kernel, stride, pad, dilation, extra }: Layer): [number, number] {
  const along = (axis: 0 | 1): number =>
    Math.max(
      1,
      Math.floor((size[axis] + 2 * pad[axis] - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis]) +
        1 +
        extra[axis],
    );
  return [along(0), along(1)];
}

function shapeOf(layer: Layer): ConvolutionShape {
  const { images, size, kernel, stride, pad, dilation, groups } = layer;
  const channels = layer.perGroup * groups;
  const filters = layer.filtersPerGroup * groups;
  return [
    images,
    ...size,
    channels,
    ...outputs(layer),
    ...kernel,
    ...stride,
    ...pad,
    ...dilation,
    filters,
    groups,
  ];
}

/** Elements of input, weights and output. */
function elements(layer: Layer): readonly [number, number, number] {
  const [height, width] = outputs(layer);
  const channels = layer.perGroup * layer.groups;
  const filters = layer.filtersPerGroup * layer.groups;
  return [
    layer.images * layer.size[0] * layer.size[1] * channels,
    filters * layer.kernel[0] * layer.kernel[1] * layer.perGroup,
    layer.images * height * width * filters,
  ];
}

/** For each kernel: which of input, weights, output are its two operands, and which is its result. */
const KERNELS = {
  convolution: [0, 1, 2],
  convolutionInputGradient: [2, 1, 0],
  convolutionWeightGradient: [0, 2, 1],
} as const;
const NAMES = ['convolution', 'convolutionInputGradient', 'convolutionWeightGradient'] as const;

const run = (
  kernels: Kernels,
  name: (typeof NAMES)[number],
  type: 'Int8' | 'F32',
  args: readonly number[],
): void => {
  const kernel: (...args: number[]) => void = kernels[`${name}${type}`];
  kernel(...args);
};

function prepare(name: (typeof NAMES)[number], type: 'Int8' | 'F32'): Case<Layer> {
  return (operands: Operands, layer) => {
    const counts = elements(layer);
    const [first, second, result] = KERNELS[name];
    const operand = (index: 0 | 1 | 2): number =>
      type === 'Int8' ? operands.codes(counts[index], index) : operands.floats(counts[index], index);
    const args = [...shapeOf(layer), operand(first), operand(second), operands.block(counts[result] * 4)];
    return (kernels) => run(kernels, name, type, args);
  };
}

/** Results of some hundred products below 4 in magnitude. */
const close = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-3 + 1e-5 * Math.abs(a);

it('has no kernel on the reference', () => {
  for (const { label, kernels } of bench.candidates) {
    kernels.load();
    expect(kernels.fallbacks, label).toEqual([]);
  }
});

describe('conformance', () => {
  it.each(NAMES)('%sInt8', (name) => {
    conforms(bench, prepare(name, 'Int8'), LISTED, layers, { flavours: ['plain'] });
  });

  it('convolutionInt8 of pixels that are not negative, which may go another way, with all extremes', () => {
    const rectified: Case<Layer> = (operands, layer) => {
      const counts = elements(layer);
      const { i8 } = operands.arena;
      const extremes = (count: number, values: readonly number[]): number => {
        const at = operands.codes(count, 1);
        for (let i = at; i < at + count; i += 1) {
          const value = values[Math.floor(operands.random() * (values.length + 1))];
          i8[i] = value ?? Math.min(Math.abs(i8[i]), Math.max(...values));
        }
        return at;
      };
      const pointers = [extremes(counts[0], [0, 127]), extremes(counts[1], [-128, 127])];
      const args = [...shapeOf(layer), ...pointers, operands.block(counts[2] * 4)];
      return (kernels) => run(kernels, 'convolution', 'Int8', args);
    };
    conforms(bench, rectified, LISTED, layers, { flavours: ['plain'] });
  });

  it.each(NAMES)('%sF32', (name) => {
    conforms(bench, prepare(name, 'F32'), LISTED, layers, { flavours: ['plain'], close });
  });

  it('convolution', () => {
    const scaled: Case<Layer> = (operands, given) => {
      const layer = { ...given, images: 1 };
      const counts = elements(layer);
      const filters = layer.filtersPerGroup * layer.groups;
      const pointers = [
        operands.codes(counts[0], 3),
        operands.codes(counts[1], 1),
        operands.scales(filters, 1),
      ];
      const [, ...shape] = shapeOf(layer);
      const out = operands.block(counts[2] * 4);
      return (kernels) => {
        const convolution: (...args: number[]) => void = kernels.convolution;
        convolution(...shape, ...pointers, out);
      };
    };
    conforms(bench, scaled, LISTED, layers, { flavours: ['plain'] });
  });

  const modes = [POOL_MAX, POOL_MEAN] as const;
  const POOLED: readonly Layer[] = [
    ...LISTED.map((layer) => ({
      ...layer,
      groups: 1,
      perGroup: Math.min(40, layer.perGroup * layer.groups),
    })),
    { ...LAYER, size: [1, 1], kernel: [1, 1], pad: [3, 3], extra: [3, 3] },
  ];
  const window = (layer: Layer): number[] => shapeOf(layer).slice(1, 14);
  const channelsOf = (layer: Layer): number => layer.perGroup * layer.groups;
  const pooled = (layer: Layer): number => {
    const [height, width] = outputs(layer);
    return height * width * channelsOf(layer);
  };

  it.each(modes)('pooling, mode %i', (mode) => {
    const cases: Case<Layer> = (operands, layer) => {
      const input = operands.codes(layer.size[0] * layer.size[1] * channelsOf(layer), 1);
      const out = operands.block(pooled(layer), 2);
      return (kernels) => {
        const pooling: (...args: number[]) => void = kernels.pooling;
        pooling(...window(layer), mode, input, out);
      };
    };
    conforms(bench, cases, POOLED, layers, { flavours: ['plain'] });
  });

  it.each(modes)('poolingF32 and its gradient, mode %i', (mode) => {
    const cases: Case<Layer> = (operands, layer) => {
      const input = operands.floats(elements(layer)[0], 1);
      const out = operands.block(layer.images * pooled(layer) * 4, 4);
      const gradient = operands.floats(layer.images * pooled(layer), 2);
      const inputGradient = operands.block(elements(layer)[0] * 4);
      const shape = [layer.images, ...window(layer), mode];
      return (kernels) => {
        const forward: (...args: number[]) => void = kernels.poolingF32;
        const backward: (...args: number[]) => void = kernels.poolingGradientF32;
        forward(...shape, input, out);
        backward(...shape, input, gradient, inputGradient);
      };
    };
    conforms(bench, cases, POOLED, layers);
  });
});

describe('gradients', () => {
  it('are the adjoints of the convolution, exactly in integers', () => {
    const { arena } = bench;
    const kernels = bench.candidates[0].kernels;
    const noise = (seed: number, count: number): Int8Array => {
      let state = seed | 1;
      return Int8Array.from({ length: count }, () => {
        state = Math.imul(state, 1664525) + 1013904223;
        return state >> 24;
      });
    };
    const dot = (a: Int8Array, at: number): number =>
      a.reduce((sum, value, i) => sum + value * arena.i32[at / 4 + i], 0);
    fc.assert(
      fc.property(layers, fc.nat(), (layer, seed) => {
        const mark = arena.mark();
        const counts = elements(layer);
        const values = counts.map((count, i) => noise(seed + i, count));
        const pointers = values.map((value) => {
          const at = arena.alloc(value.length);
          arena.i8.set(value, at);
          return at;
        });
        const sums = NAMES.map((name) => {
          const [first, second, result] = KERNELS[name];
          const out = arena.alloc(counts[result] * 4);
          run(kernels, name, 'Int8', [...shapeOf(layer), pointers[first], pointers[second], out]);
          return dot(values[result], out);
        });
        arena.release(mark);
        expect(sums).toEqual([sums[0], sums[0], sums[0]]);
      }),
      { numRuns: 60 },
    );
  });
});

it('no share of several groups has one alone', () => {
  const shape = shapeOf({ ...LAYER, size: [9, 9], perGroup: 1, filtersPerGroup: 1, groups: 65 });
  const groupsAt = WEIGHT_GRADIENT_ARGUMENTS.indexOf('groups');
  const shares = CONVOLUTION_CALLS.convolutionWeightGradientF32.cut([...shape, 0, 0, 0], 8);
  expect(shares.map((share) => share[groupsAt])).toEqual([16, 16, 16, 17]);
});

describe('two threads', () => {
  /** Enough work to be divided: by rows, by images, by outputs, by groups, by phases. */
  const DIVIDED: readonly Layer[] = [
    { ...LAYER, size: [30, 30], perGroup: 16, filtersPerGroup: 20 },
    { ...LAYER, size: [9, 9], perGroup: 24, filtersPerGroup: 25, images: 9 },
    { ...LAYER, size: [3, 5], perGroup: 60, filtersPerGroup: 70 },
    { ...LAYER, size: [31, 29], stride: [2, 2], perGroup: 16, filtersPerGroup: 16, images: 2 },
    { ...LAYER, size: [40, 40], perGroup: 1, filtersPerGroup: 1, groups: 70 },
    { ...LAYER, size: [40, 40], perGroup: 1, filtersPerGroup: 1, groups: 65 },
    { ...LAYER, size: [20, 20], perGroup: 4, filtersPerGroup: 3, groups: 37 },
  ];
  const hasNative = loadNative() !== undefined;

  for (const backend of ['wasm', 'native'] as const) {
    it.skipIf(backend === 'native' && !hasNative)(`give the bits of one, ${backend}`, async () => {
      const arena = new Arena();
      const alone = createKernels({ arena, backend });
      const pair = createKernels({ arena, backend, threads: 2 });
      pair.load();
      for (let i = 0; i < 2000 && pair.threads < 2; i += 1)
        await new Promise((resolve) => setTimeout(resolve, 5));
      expect(pair.threads).toBe(2);
      for (const layer of DIVIDED) {
        for (const type of ['Int8', 'F32'] as const) {
          for (const name of NAMES) {
            const mark = arena.mark();
            const operands = new Operands(arena, 7, 'plain');
            const call = prepare(name, type)(operands, layer);
            const end = arena.alloc(0);
            const results = [alone, pair].map((kernels) => {
              call(kernels);
              return arena.u8.slice(mark, end);
            });
            expect(Buffer.compare(results[0], results[1]), `${name}${type}`).toBe(0);
            arena.release(mark);
          }
        }
      }
      pair.close();
    });
  }
});

describe('float32', () => {
  it('has the same bits whatever the images beside', () => {
    const kernels = createKernels();
    const { arena } = kernels;
    const layer: Layer = { ...LAYER, images: 5, size: [9, 7], perGroup: 40, filtersPerGroup: 37 };
    const [inputs, weights, outs] = elements(layer);
    const [input, w, together, alone] = [inputs, weights, outs, outs].map((count) => arena.alloc(count * 4));
    for (let i = 0; i < inputs; i += 1) arena.f32[input / 4 + i] = Math.sin(i * 1.7);
    for (let i = 0; i < weights; i += 1) arena.f32[w / 4 + i] = Math.cos(i * 2.3);
    kernels.convolutionF32(...shapeOf(layer), input, w, together);
    for (let image = 0; image < 5; image += 1) {
      const shape = shapeOf({ ...layer, images: 1 });
      kernels.convolutionF32(...shape, input + (image * inputs * 4) / 5, w, alone + (image * outs * 4) / 5);
    }
    const bits = (at: number): Int32Array => arena.i32.slice(at / 4, at / 4 + outs);
    expect(bits(together)).toEqual(bits(alone));
  });
});
