/**
 * One generator per kernel: random shapes, and operands that are parts of the pools. Results go to `pools.out`; what a
 * kernel continues or overwrites lies there as well, and the soak fills it alike for every backend. A generator returns
 * the arguments and the number of bytes of results.
 */

import { FLAG_CONTINUE, FLAG_FINISH, POOL_MAX, POOL_MEAN } from '@bitloom/kernels';
import { MOST_SHIFT } from './pools.mjs';

const flags = (random) => random.pick([0, FLAG_CONTINUE, FLAG_FINISH, FLAG_CONTINUE | FLAG_FINISH]);

/** A matrix of rows x cols floats in the pools: pointer, batch stride, row stride; strides may repeat rows. */
function source(pools, random, batch, rows, cols) {
  const row = random.bits() % 8 === 0 ? 0 : (cols + random.integer(0, 3)) * 4;
  const at = pools.floats(random, batch * rows * (cols + 3));
  return [at, random.bits() % 8 === 0 ? 0 : rows * row, row];
}

function vectorShape(random) {
  return [random.integer(1, 2), random.integer(0, 4), random.size(200)];
}

const unary = (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  return {
    args: [batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * row, row],
    bytes: batch * rows * row,
  };
};

const binary = (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  const operands = [source(pools, random, batch, rows, cols), source(pools, random, batch, rows, cols)];
  return {
    args: [batch, rows, cols, ...operands.flat(), pools.out, rows * row, row],
    bytes: batch * rows * row,
  };
};

const norm = (bias) => (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  const weight = pools.floats(random, cols + 1);
  const biases = bias ? [random.bits() % 2 === 0 ? 0 : pools.floats(random, cols + 1)] : [];
  return {
    args: [
      ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), weight, ...biases],
      ...[pools.out, rows * row, row, 1e-5],
    ],
    bytes: batch * rows * row,
  };
};

/** One call in so many is large enough to be divided over threads. */
const isLarge = (random) => random.bits() % 400 === 0;

/** Strides of a matrix [rows, K] of elements of `bytes` bytes, row-major or transposed. */
function strides(random, rows, K, bytes) {
  return random.bits() % 2 === 0 ? [K * bytes, bytes] : [bytes, rows * bytes];
}

/** Sizes and two operands of a product of bytes. */
function byteProduct(random, a, b) {
  const [M, N, K] = [random.size(12), random.size(40), random.size(130)];
  return {
    ...{ M, N, K },
    operands: [a(M * K), ...strides(random, M, K, 1), b(N * K), ...strides(random, N, K, 1)],
  };
}

/** A ShiftQuant product without its output. */
function shiftProduct(pools, random) {
  const [bitsA, bitsB] = [random.pick([4, 6]), random.pick([4, 6])];
  const narrow = (bits) => (count) => pools.narrow(random, bits, count);
  const { M, N, K, operands } = byteProduct(random, narrow(bitsA), narrow(bitsB));
  return { M, N, args: [bitsA, bitsB, MOST_SHIFT, M, N, K, ...operands, pools.shifts(random, K)] };
}

/** A training convolution: its common arguments and the elements of input, weights and output. */
function layer(random) {
  const w = window(random);
  const [images, groups, perGroup] = [random.integer(0, 2), random.integer(1, 3), random.integer(1, 9)];
  const channels = groups * perGroup;
  const filters = groups * random.integer(1, 9);
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

function heads(random) {
  if (isLarge(random))
    return { batch: 4, div: 2, M: random.integer(8, 12), tokens: random.integer(300, 400), dim: 64 };
  return {
    batch: random.integer(0, 4),
    div: random.integer(1, 2),
    M: random.integer(0, 4),
    tokens: random.size(80),
    dim: random.size(80),
  };
}

export const CASES = {
  silu: unary,
  gelu: unary,
  relu: unary,
  copy: unary,
  add: binary,
  mul: binary,
  siluMul: binary,
  rmsNorm: norm(false),
  layerNorm: norm(true),
  l1Norm: norm(true),

  quantizeRows(pools, random) {
    const [batch, rows, cols] = vectorShape(random);
    const padTo = random.bits() % 2 === 0 ? 0 : cols + random.integer(0, 8);
    const row = Math.max(cols, padTo);
    const scales = pools.out + Math.ceil((batch * rows * row) / 64) * 64;
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * row, row],
        ...[padTo, scales, rows * 4, 4],
      ],
      bytes: scales - pools.out + batch * rows * 4,
    };
  },

  rope(pools, random) {
    const [batch, rows, half] = [random.integer(1, 3), random.integer(0, 4), random.size(64)];
    const cols = half * 2;
    const table = pools.floats(random, rows * cols);
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), table, cols * 4],
        ...[pools.out, rows * cols * 4, cols * 4, random.integer(0, 1)],
      ],
      bytes: batch * rows * cols * 4,
    };
  },

  embedGroups(pools, random) {
    const [bits, group, rows, cols] = [
      random.integer(2, 8),
      random.integer(1, 64),
      random.integer(0, 5),
      random.size(150),
    ];
    const rowBytes = Math.ceil((cols * bits) / 8);
    const groups = Math.ceil(cols / group);
    return {
      args: [
        ...[bits, group, rows, cols, pools.ids(random, rows), pools.codes(random, 16 * rowBytes), rowBytes],
        ...[pools.halves(random, 16 * groups), groups * 2, pools.out, cols * 4],
      ],
      bytes: rows * cols * 4,
    };
  },

  embedF32(pools, random) {
    const [rows, cols] = [random.integer(0, 5), random.size(150)];
    return {
      args: [
        rows,
        cols,
        pools.ids(random, rows),
        pools.floats(random, 16 * cols),
        cols * 4,
        pools.out,
        cols * 4,
      ],
      bytes: rows * cols * 4,
    };
  },

  gemmGroups(pools, random) {
    const matrices = isLarge(random) ? pools.largeMatrices : pools.matrices;
    const { bits, rows, cols, groupSize, at } = random.pick(matrices);
    const [M, N] = [random.size(9), random.integer(0, rows)];
    const x = pools.codes(random, M * (cols + 32));
    const scale = random.bits() % 2 === 0 ? 0 : 4;
    return {
      args: [
        ...[
          bits,
          groupSize,
          M,
          N,
          cols,
          x,
          cols + random.integer(0, 3),
          pools.positives(random, M + 1),
          scale,
        ],
        ...[at, pools.out, N * 4, flags(random)],
      ],
      bytes: M * N * 4,
    };
  },

  gemmSparse(pools, random) {
    const { bits, rows, cols, groupSize, at } = random.pick(pools.sparseMatrices);
    const [M, N] = [random.size(5), random.integer(0, rows)];
    const x = pools.codes(random, M * (cols + 32));
    return {
      args: [
        ...[bits, groupSize, M, N, cols, x, cols + random.integer(0, 3), pools.positives(random, M + 1), 4],
        ...[at, pools.out, N * 4, flags(random)],
      ],
      bytes: M * N * 4,
    };
  },

  gemmF32(pools, random) {
    const [M, N, K] = isLarge(random)
      ? [random.integer(40, 64), random.integer(100, 200), random.integer(100, 150)]
      : [random.size(12), random.size(50), random.size(100)];
    const row = K * 4;
    return {
      args: [M, N, K, pools.floats(random, M * K), row, pools.floats(random, N * K), row, pools.out, N * 4],
      bytes: M * N * 4,
      close: 4 * K * 2 ** -24 * K * 9,
    };
  },

  matmulF32(pools, random) {
    const [M, N, K] = [random.size(12), random.size(50), random.size(100)];
    return {
      args: [
        ...[M, N, K, pools.floats(random, M * K), ...strides(random, M, K, 4), pools.floats(random, N * K)],
        ...[...strides(random, N, K, 4), pools.out, N * 4, random.pick([0, FLAG_CONTINUE])],
      ],
      bytes: M * N * 4,
      close: 4 * (K + 1) * 2 ** -24 * (K + 1) * 9,
    };
  },

  gemmInt8(pools, random) {
    const { M, N, K, operands } = byteProduct(
      random,
      (count) => pools.codes(random, count),
      (count) => (random.bits() % 2 === 0 ? pools.codes(random, count) : pools.narrow(random, 6, count)),
    );
    return {
      args: [M, N, K, ...operands, pools.out, N * 4, random.pick([0, FLAG_CONTINUE])],
      bytes: M * N * 4,
    };
  },

  gemmInt8Scaled(pools, random) {
    const codes = (count) => pools.codes(random, count);
    const { M, N, K, operands } = byteProduct(random, codes, codes);
    const maybe = (pointer) => (random.bits() % 3 === 0 ? 0 : pointer);
    return {
      args: [
        ...[M, N, K, ...operands, maybe(pools.positives(random, M)), maybe(pools.positives(random, N))],
        ...[pools.out, N * 4],
      ],
      bytes: M * N * 4,
    };
  },

  gemmShift(pools, random) {
    const { M, N, args } = shiftProduct(pools, random);
    return { args: [...args, pools.out, N * 4], bytes: M * N * 4 };
  },

  gemmShiftScaled(pools, random) {
    const { M, N, args } = shiftProduct(pools, random);
    return { args: [...args, 0.0123, pools.out, N * 4], bytes: M * N * 4 };
  },

  mlsIntegers(pools, random) {
    const [exponentBits, mantissaBits] = random.pick([
      [2, 1],
      [2, 4],
      [0, 3],
    ]);
    const [rows, cols] = [random.integer(0, 4), random.size(200)];
    return {
      args: [exponentBits, mantissaBits, rows, cols, pools.codes(random, rows * cols), cols, pools.out, cols],
      bytes: rows * cols,
    };
  },

  gemmMls(pools, random) {
    const codes = (count) => pools.codes(random, count);
    const { M, N, K, operands } = byteProduct(random, codes, codes);
    const group = random.pick([4, 16, 50, 64]);
    const groups = Math.ceil(K / group);
    const [a, aM, aK, b, bN, bK] = operands;
    return {
      args: [
        ...[group, 0, M, N, K, a, aM, aK, pools.scaleCodes(random, M * groups), groups * 2, 2],
        ...[b, bN, bK, pools.scaleCodes(random, N * groups), groups * 2, 2, 0.5, pools.out, N * 4],
      ],
      bytes: M * N * 4,
    };
  },

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

  attentionScores(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    return {
      args: [
        ...[batch, M, tokens, dim, pools.codes(random, batch * M * dim), M * dim, dim],
        ...[
          pools.positives(random, batch * M),
          M * 4,
          4,
          pools.codes(random, kv * tokens * dim),
          tokens * dim,
          dim,
        ],
        ...[pools.positives(random, kv * tokens), tokens * 4, div, pools.out, M * tokens * 4, tokens * 4],
      ],
      bytes: batch * M * tokens * 4,
    };
  },

  softmaxQuantize(pools, random) {
    const { batch, div, M, tokens } = heads(random);
    // The source is scratch: it lies behind the results and counts as one.
    const codes = Math.ceil((batch * M * tokens) / 64) * 64;
    const scales = pools.out + codes;
    const src = scales + Math.ceil((batch * M * 4) / 64) * 64;
    const row = tokens * 4;
    return {
      args: [
        ...[
          batch,
          M,
          tokens,
          src,
          M * row,
          row,
          pools.positives(random, Math.ceil(batch / div) * tokens),
          row,
          div,
        ],
        ...[
          random.integer(0, tokens),
          random.integer(0, 1),
          0.125,
          pools.out,
          M * tokens,
          tokens,
          0,
          scales,
          M * 4,
          4,
        ],
      ],
      bytes: src - pools.out + batch * M * row,
      floatsFrom: src - pools.out,
    };
  },

  attentionMix(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const acc = pools.out;
    const out = acc + batch * M * dim * 4;
    return {
      args: [
        ...[batch, M, dim, tokens, pools.codes(random, batch * M * tokens), M * tokens, tokens],
        ...[
          pools.positives(random, batch * M),
          M * 4,
          4,
          pools.codes(random, kv * tokens * dim),
          tokens * dim,
          dim,
          div,
        ],
        ...[acc, M * dim * 4, dim * 4, out, M * dim * 4, dim * 4, flags(random)],
      ],
      bytes: batch * M * dim * 8,
    };
  },

  attentionScoresF32(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const row = dim * 4;
    return {
      args: [
        ...[batch, M, tokens, dim, pools.floats(random, batch * M * dim), M * row, row],
        ...[
          pools.floats(random, kv * tokens * dim),
          tokens * row,
          row,
          div,
          pools.out,
          M * tokens * 4,
          tokens * 4,
        ],
      ],
      bytes: batch * M * tokens * 4,
    };
  },

  softmaxF32(pools, random) {
    const { batch, M, tokens } = heads(random);
    const row = tokens * 4;
    return {
      args: [
        ...[batch, M, tokens, pools.floats(random, batch * M * tokens), M * row, row],
        ...[random.integer(0, tokens), random.integer(0, 1), 0.25, pools.out, M * row, row],
      ],
      bytes: batch * M * row,
    };
  },

  attentionMixF32(pools, random) {
    const { batch, div, M, tokens, dim } = heads(random);
    const kv = Math.ceil(batch / div);
    const row = dim * 4;
    return {
      args: [
        ...[batch, M, dim, tokens, pools.floats(random, batch * M * tokens), M * tokens * 4, tokens * 4],
        ...[pools.floats(random, kv * tokens * dim), tokens * row, row, div, pools.out, M * row, row],
      ],
      bytes: batch * M * row,
    };
  },

  maskScores(pools, random) {
    const [batch, rows, cols, position] = [
      random.integer(0, 3),
      random.integer(0, 6),
      random.size(90),
      random.size(90),
    ];
    const [blockRows, blockCols] = [random.integer(1, 16), random.integer(1, 16)];
    const blocks = Math.ceil(cols / blockCols);
    const blockBytes = blocks * (Math.ceil((position + rows) / blockRows) + 1);
    const mask = random.bits() % 2 === 0 ? 0 : pools.ids(random, batch * blockBytes);
    return {
      args: [
        ...[batch, rows, cols, pools.out, rows * cols * 4, cols * 4, position, random.integer(0, 80)],
        ...[mask, blockBytes, blocks, blockRows, blockCols],
      ],
      bytes: batch * rows * cols * 4,
    };
  },

  convolution(pools, random) {
    const w = window(random);
    const [groups, perGroup, filters] = [random.integer(1, 3), random.integer(1, 8), random.integer(1, 8)];
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

  l1NormInt8(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(260)];
    const maybe = (pointer) => (random.bits() % 2 === 0 ? 0 : pointer);
    return {
      args: [
        ...[rows, cols, pools.codes(random, rows * cols), cols, maybe(pools.words(random, cols))],
        ...[maybe(pools.codes(random, cols)), random.pick([0.5, 8, 20, 300]), pools.out, cols],
      ],
      bytes: rows * cols,
    };
  },

  argMax(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(300)];
    return { args: [rows, cols, pools.floats(random, rows * cols), cols * 4, pools.out], bytes: rows * 4 };
  },

  softmaxStatistics(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(300)];
    return {
      args: [rows, cols, pools.floats(random, rows * cols), cols * 4, 0.7, pools.out],
      bytes: rows * 8,
    };
  },
};

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
