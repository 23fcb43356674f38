/** Convolutions for training, their gradients, and pooling of floats, NHWC. Slow and obvious; they define the result. */
import type { Arena } from '../arena.js';
import type { ConvolutionKernels, ConvolutionShape, PoolingShape } from '../interface/convolutions.js';
import { POOL_MAX } from '../interface/windows.js';

const f = Math.fround;

/** One tap inside the image: indices of its pixels among all pixels, and the tap's number ky · kernelWidth + kx. */
interface Tap {
  /** Of the images [images, height, width]. */
  readonly input: number;
  /** Of the outputs [images, outHeight, outWidth]. */
  readonly out: number;
  readonly tap: number;
}

type Geometry = readonly [...PoolingShape] | readonly [...ConvolutionShape];

/** Every tap inside the image in the order of images, output pixels, ky, kx. */
function* taps(shape: Geometry): Generator<Tap> {
  const [images, height, width, , outHeight, outWidth, kernelHeight, kernelWidth, ...placing] = shape;
  const [strideHeight, strideWidth, padTop, padLeft, dilationHeight, dilationWidth] = placing;
  for (let out = 0; out < images * outHeight * outWidth; out += 1) {
    const [x, row] = [out % outWidth, Math.floor(out / outWidth)];
    const [y, image] = [row % outHeight, Math.floor(row / outHeight)];
    for (let tap = 0; tap < kernelHeight * kernelWidth; tap += 1) {
      const atY = y * strideHeight - padTop + Math.floor(tap / kernelWidth) * dilationHeight;
      const atX = x * strideWidth - padLeft + (tap % kernelWidth) * dilationWidth;
      if (atY < 0 || atX < 0 || atY >= height || atX >= width) continue;
      yield { input: (image * height + atY) * width + atX, out, tap };
    }
  }
}

/** Calls `visit` with the element indices of every product: input, weights, out. */
function products(
  shape: ConvolutionShape,
  visit: (input: number, weights: number, out: number) => void,
): void {
  const channels = shape[3];
  const [filters, groups] = [shape[14], shape[15]];
  const perGroup = channels / groups;
  const allTaps = shape[6] * shape[7];
  for (const { input, out, tap } of taps(shape)) {
    for (let filter = 0; filter < filters; filter += 1) {
      const first = Math.floor((filter * groups) / filters) * perGroup;
      for (let c = 0; c < perGroup; c += 1) {
        visit(input * channels + first + c, (filter * allTaps + tap) * perGroup + c, out * filters + filter);
      }
    }
  }
}

/** Elements of input, weights and outputs. */
function sizes(shape: ConvolutionShape): readonly [input: number, weights: number, out: number] {
  const [images, height, width, channels, outHeight, outWidth, kernelHeight, kernelWidth] = shape;
  const [filters, groups] = [shape[14], shape[15]];
  return [
    images * height * width * channels,
    (filters * kernelHeight * kernelWidth * channels) / groups,
    images * outHeight * outWidth * filters,
  ];
}

const shapeOf = (args: readonly number[]): ConvolutionShape => {
  const [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q] = args;
  return [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q];
};

export function convolutionKernels(arena: Arena): ConvolutionKernels {
  /** The three kernels of one type of number: which operand (0 input, 1 weights, 2 outputs) is the result. */
  const kernel =
    (type: 'i8' | 'f32', result: 0 | 1 | 2) =>
    (...args: number[]): void => {
      const shape = shapeOf(args);
      const [first, second, out] = args.slice(16);
      const pointers = [
        [out, second, first],
        [first, out, second],
        [first, second, out],
      ][result];
      const [left, right] = [0, 1, 2].filter((operand) => operand !== result);
      if (type === 'i8') {
        const { i8, i32 } = arena;
        i32.fill(0, out / 4, out / 4 + sizes(shape)[result]);
        products(shape, (...at) => {
          i32[out / 4 + at[result]] += i8[pointers[left] + at[left]] * i8[pointers[right] + at[right]];
        });
        return;
      }
      const { f32 } = arena;
      f32.fill(0, out / 4, out / 4 + sizes(shape)[result]);
      products(shape, (...at) => {
        f32[out / 4 + at[result]] += f(
          f32[pointers[left] / 4 + at[left]] * f32[pointers[right] / 4 + at[right]],
        );
      });
    };

  /** Windows of one output pixel: the taps inside the image, in order. */
  function* windows(shape: PoolingShape): Generator<readonly [out: number, inputs: readonly number[]]> {
    const [images, , , , outHeight, outWidth] = shape;
    const inputs = Array.from({ length: images * outHeight * outWidth }, (): number[] => []);
    for (const { input, out } of taps(shape)) inputs[out].push(input);
    yield* inputs.entries();
  }

  return {
    convolutionInt8: kernel('i8', 2),
    convolutionInputGradientInt8: kernel('i8', 0),
    convolutionWeightGradientInt8: kernel('i8', 1),
    convolutionF32: kernel('f32', 2),
    convolutionInputGradientF32: kernel('f32', 0),
    convolutionWeightGradientF32: kernel('f32', 1),

    poolingF32(...args) {
      const { f32 } = arena;
      const [channels, mode, input, out] = [args[3], args[14], args[15] / 4, args[16] / 4];
      for (const [pixel, inputs] of windows(poolingShapeOf(args))) {
        for (let c = 0; c < channels; c += 1) {
          let [sum, largest] = [0, Number.NEGATIVE_INFINITY];
          for (const at of inputs) {
            const value = f32[input + at * channels + c];
            sum = f(sum + value);
            if (value > largest) largest = value;
          }
          const pooled = mode === POOL_MAX ? largest : f(sum / inputs.length);
          f32[out + pixel * channels + c] = inputs.length === 0 ? 0 : pooled;
        }
      }
    },

    poolingGradientF32(...args) {
      const { f32 } = arena;
      const [images, height, width, channels] = args;
      const [mode, input, gradient, out] = [args[14], args[15] / 4, args[16] / 4, args[17] / 4];
      f32.fill(0, out, out + images * height * width * channels);
      for (const [pixel, inputs] of windows(poolingShapeOf(args))) {
        for (let c = 0; c < channels; c += 1) {
          const value = f32[gradient + pixel * channels + c];
          if (mode === POOL_MAX) {
            let [largest, first] = [Number.NEGATIVE_INFINITY, -1];
            for (const at of inputs) {
              const candidate = f32[input + at * channels + c];
              if (candidate > largest) [largest, first] = [candidate, at];
            }
            if (first >= 0) f32[out + first * channels + c] += value;
          } else {
            for (const at of inputs) f32[out + at * channels + c] += f(value / inputs.length);
          }
        }
      }
    },
  };
}

const poolingShapeOf = (args: readonly number[]): PoolingShape => {
  const [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p] = args;
  return [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p];
};
