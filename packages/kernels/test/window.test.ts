/** Convolution and pooling against another way to say the same: a padded image, and sums over shifted copies. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernels, POOL_MAX, POOL_MEAN } from '../src/index.js';

interface Shape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly filters: number;
  readonly groups: number;
}

const kernels = createKernels({ backend: 'reference' });

function outputs({ height, width, kernel, stride, pad, dilation }: Shape): [number, number] {
  const size = (n: number, axis: 0 | 1): number =>
    Math.max(0, Math.floor((n + 2 * pad[axis] - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis]) + 1);
  return [size(height, 0), size(width, 1)];
}

function noise(seed: number, count: number): Int8Array {
  let state = seed | 1;
  return Int8Array.from({ length: count }, () => {
    state = Math.imul(state, 1664525) + 1013904223;
    return (state >> 16) % 128;
  });
}

/** Pixel of the padded image: undefined outside. */
function pixelOf(
  image: Int8Array,
  { height, width, channels }: Shape,
): (y: number, x: number, c: number) => number | undefined {
  return (y, x, c) =>
    y < 0 || x < 0 || y >= height || x >= width ? undefined : image[(y * width + x) * channels + c];
}

/** Every tap of the window of an output pixel, padding included. */
function taps(image: Int8Array, shape: Shape, oy: number, ox: number, c: number): (number | undefined)[][] {
  const at = pixelOf(image, shape);
  return Array.from({ length: shape.kernel[0] }, (_, ky) =>
    Array.from({ length: shape.kernel[1] }, (_unused, kx) =>
      at(
        oy * shape.stride[0] - shape.pad[0] + ky * shape.dilation[0],
        ox * shape.stride[1] - shape.pad[1] + kx * shape.dilation[1],
        c,
      ),
    ),
  );
}

const pair = (min: number, max: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    height: fc.integer({ min: 1, max: 7 }),
    width: fc.integer({ min: 1, max: 7 }),
    perGroup: fc.integer({ min: 1, max: 3 }),
    kernel: pair(1, 3),
    stride: pair(1, 3),
    pad: pair(0, 3),
    dilation: pair(1, 2),
    filtersPerGroup: fc.integer({ min: 1, max: 2 }),
    groups: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ perGroup, filtersPerGroup, ...rest }) => ({
    ...rest,
    channels: perGroup * rest.groups,
    filters: filtersPerGroup * rest.groups,
  }));

/** Places operands, runs, and reads `count` values back. */
function windowArguments(
  s: Shape,
): [number, number, number, number, number, number, number, number, number, number, number, number, number] {
  const [oh, ow] = outputs(s);
  return [s.height, s.width, s.channels, oh, ow, ...s.kernel, ...s.stride, ...s.pad, ...s.dilation];
}

describe('convolution', () => {
  it('sums every tap inside the image, group by group, and scales once', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), (shape, seed) => {
        const { arena } = kernels;
        const mark = arena.mark();
        const [oh, ow] = outputs(shape);
        const perGroup = shape.channels / shape.groups;
        const image = noise(seed, shape.height * shape.width * shape.channels);
        const weights = noise(seed + 1, shape.filters * shape.kernel[0] * shape.kernel[1] * perGroup);
        const scales = Float32Array.from({ length: shape.filters }, (_, f) => 0.1 + f / 7);
        const [input, filters, scale] = [
          arena.alloc(image.length),
          arena.alloc(weights.length),
          arena.alloc(scales.byteLength),
        ];
        const out = arena.alloc(oh * ow * shape.filters * 4);
        arena.i8.set(image, input);
        arena.i8.set(weights, filters);
        arena.f32.set(scales, scale / 4);
        kernels.convolution(
          ...windowArguments(shape),
          shape.filters,
          shape.groups,
          input,
          filters,
          scale,
          out,
        );
        for (let i = 0; i < oh * ow * shape.filters; i++) {
          const f = i % shape.filters;
          const [y, x] = [Math.floor(i / shape.filters / ow), Math.floor(i / shape.filters) % ow];
          const group = Math.floor(f / (shape.filters / shape.groups));
          let sum = 0;
          for (let c = 0; c < perGroup; c++) {
            taps(image, shape, y, x, group * perGroup + c).forEach((row, ky) => {
              row.forEach((value, kx) => {
                sum +=
                  (value ?? 0) * weights[((f * shape.kernel[0] + ky) * shape.kernel[1] + kx) * perGroup + c];
              });
            });
          }
          expect(arena.f32[out / 4 + i]).toBe(Math.fround(sum * scales[f]));
        }
        arena.release(mark);
      }),
      { numRuns: 80 },
    );
  });
});

describe('pooling', () => {
  const pool = (shape: Shape, image: Int8Array, mode: number): number[] => {
    const { arena } = kernels;
    const mark = arena.mark();
    const [oh, ow] = outputs(shape);
    const [input, out] = [arena.alloc(image.length), arena.alloc(oh * ow * shape.channels)];
    arena.i8.set(image, input);
    kernels.pooling(...windowArguments(shape), mode, input, out);
    const result = [...arena.i8.subarray(out, out + oh * ow * shape.channels)];
    arena.release(mark);
    return result;
  };
  const ONE: Shape = {
    height: 1,
    width: 4,
    channels: 1,
    kernel: [1, 2],
    stride: [1, 2],
    pad: [0, 0],
    dilation: [1, 1],
    filters: 1,
    groups: 1,
  };

  it('rounds means to nearest even', () => {
    expect(pool(ONE, Int8Array.of(1, 2, 3, 4), POOL_MEAN)).toEqual([2, 4]);
    expect(pool(ONE, Int8Array.of(-1, -2, -127, -128), POOL_MEAN)).toEqual([-2, -128]);
    expect(pool(ONE, Int8Array.of(-1, -2, -127, -128), POOL_MAX)).toEqual([-1, -127]);
  });

  it('counts only pixels inside the image, and gives 0 where there is none', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), (shape, seed) => {
        const image = noise(seed, shape.height * shape.width * shape.channels);
        const [largest, mean] = [pool(shape, image, POOL_MAX), pool(shape, image, POOL_MEAN)];
        const [, ow] = outputs(shape);
        largest.forEach((value, i) => {
          const [c, pixel] = [i % shape.channels, Math.floor(i / shape.channels)];
          const inside = taps(image, shape, Math.floor(pixel / ow), pixel % ow, c)
            .flat()
            .filter((tap) => tap !== undefined);
          if (inside.length === 0) {
            expect([value, mean[i]]).toEqual([0, 0]);
            return;
          }
          expect(value).toBe(inside.reduce((a, b) => Math.max(a, b)));
          const exact = inside.reduce((a, b) => a + b) / inside.length;
          expect(Math.abs(mean[i] - exact)).toBeLessThanOrEqual(0.5);
          if (Math.abs(mean[i] - exact) === 0.5) expect(Math.abs(mean[i] % 2)).toBe(0);
        });
      }),
      { numRuns: 80 },
    );
  });
});
