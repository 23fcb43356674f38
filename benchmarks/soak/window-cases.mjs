/** Generators of convolutions and pooling. */
import { POOL_MAX, POOL_MEAN } from '@bitloom/kernels';
import { isLarge } from './shapes.mjs';

/** Sizes of a window over an image, in the order of the kernels. */
function window(random) {
  const one = () => ({
    size: random.integer(1, 12),
    taps: random.integer(1, 3),
    stride: random.integer(1, 3),
    pad: random.integer(0, 2),
    dilation: random.integer(1, 2),
  });
  const [y, x] = [one(), one()];
  const out = ({ size, taps, stride, pad, dilation }) =>
    Math.max(0, Math.floor((size + 2 * pad - dilation * (taps - 1) - 1) / stride) + 1);
  const [outHeight, outWidth] = [out(y), out(x)];
  return {
    height: y.size,
    width: x.size,
    outHeight,
    outWidth,
    taps: y.taps * x.taps,
    sizes: [
      ...[outHeight, outWidth, y.taps, x.taps, y.stride, x.stride, y.pad, x.pad, y.dilation, x.dilation],
    ],
  };
}

/** As {@link window}, of an image so large that a call is divided over threads. */
function largeWindow(random) {
  const size = random.integer(18, 24);
  return {
    ...{ height: size, width: size, outHeight: size, outWidth: size, taps: 9 },
    sizes: [size, size, 3, 3, 1, 1, 1, 1, 1, 1],
  };
}

/** A training convolution: its common arguments and the elements of input, weights and output. */
function layer(random) {
  const large = isLarge(random);
  const w = large ? largeWindow(random) : window(random);
  const [images, groups, perGroup] = large
    ? [random.integer(1, 2), random.integer(1, 2), random.integer(12, 16)]
    : [random.integer(0, 2), random.integer(1, 3), random.integer(1, 9)];
  const channels = groups * perGroup;
  const filters = groups * (large ? random.integer(12, 16) : random.integer(1, 9));
  const pixels = images * w.outHeight * w.outWidth;
  return {
    args: [images, w.height, w.width, channels, ...w.sizes, filters, groups],
    input: images * w.height * w.width * channels,
    weights: filters * w.taps * perGroup,
    output: pixels * filters,
    products: Math.max(w.taps * channels, w.taps * filters, pixels),
  };
}

/** A convolution or a gradient: which two of input, weights and output it reads, and which it makes. */
const convolutionOf = (left, right, made, isFloat) => (pools, random) => {
  const shape = layer(random);
  const operand = (count) => (isFloat ? pools.floats(random, count) : pools.codes(random, count));
  return {
    args: [...shape.args, operand(shape[left]), operand(shape[right]), pools.out],
    bytes: shape[made] * 4,
    ...(isFloat ? { close: 4 * shape.products * 2 ** -24 * shape.products * 9 } : {}),
  };
};

function poolingShape(random) {
  const w = window(random);
  const [images, channels] = [random.integer(0, 2), random.size(40)];
  return {
    args: [images, w.height, w.width, channels, ...w.sizes, random.pick([POOL_MAX, POOL_MEAN])],
    input: images * w.height * w.width * channels,
    output: images * w.outHeight * w.outWidth * channels,
  };
}

export const WINDOW_CASES = {
  convolutionInt8: convolutionOf('input', 'weights', 'output', false),

  convolutionInputGradientInt8: convolutionOf('output', 'weights', 'input', false),

  convolutionWeightGradientInt8: convolutionOf('input', 'output', 'weights', false),

  convolutionF32: convolutionOf('input', 'weights', 'output', true),

  convolutionInputGradientF32: convolutionOf('output', 'weights', 'input', true),

  convolutionWeightGradientF32: convolutionOf('input', 'output', 'weights', true),

  poolingF32(pools, random) {
    const { args, input, output } = poolingShape(random);
    return { args: [...args, pools.floats(random, input), pools.out], bytes: output * 4 };
  },

  poolingGradientF32(pools, random) {
    const { args, input, output } = poolingShape(random);
    return {
      args: [...args, pools.floats(random, input), pools.floats(random, output), pools.out],
      bytes: input * 4,
    };
  },

  convolution(pools, random) {
    const large = isLarge(random);
    const w = large ? largeWindow(random) : window(random);
    const [groups, perGroup, filters] = large
      ? [random.integer(1, 2), random.integer(12, 16), random.integer(12, 16)]
      : [random.integer(1, 3), random.integer(1, 8), random.integer(1, 8)];
    const channels = groups * perGroup;
    const count = groups * filters;
    return {
      args: [
        ...[
          w.height,
          w.width,
          channels,
          ...w.sizes,
          count,
          groups,
          pools.codes(random, w.height * w.width * channels),
        ],
        ...[pools.codes(random, count * w.taps * perGroup), pools.positives(random, count), pools.out],
      ],
      bytes: w.outHeight * w.outWidth * count * 4,
    };
  },

  pooling(pools, random) {
    const w = window(random);
    const channels = random.size(40);
    return {
      args: [
        ...[w.height, w.width, channels, ...w.sizes, random.pick([POOL_MAX, POOL_MEAN])],
        ...[pools.codes(random, w.height * w.width * channels), pools.out],
      ],
      bytes: w.outHeight * w.outWidth * channels,
    };
  },
};
