/**
 * The convolutions of ResNet-50, one image, against ONNX Runtime: INT8 against its QLinearConv with channels last, which
 * is the layout of ours too and needs no turning of pixels, and float32 against its Conv, whichever of two levels of
 * optimisation is faster. Ours gives the int32 sums, QLinearConv the sums scaled to bytes, which must be what ours round
 * to, within one. The rows at the end are all 53 layers of the network together.
 */
import { compareKernels } from '../lib/compare.mjs';
import { fillRandom, place, randomWords, requireClose } from '../lib/data.mjs';
import { ONNX_TYPES } from '../lib/onnx.mjs';
import { RESNET50 } from '../lib/resnet50.mjs';
import { row } from '../lib/rows.mjs';

export const seconds = 120;

/** Positional arguments of our convolutions before the operands. */
function shapeOf({ size, channels, filters, kernel, stride, pad, outSize }) {
  const square = (value) => [value, value];
  return [
    1,
    ...square(size),
    channels,
    ...square(outSize),
    ...square(kernel),
    ...square(stride),
    ...square(pad),
    ...square(1),
    filters,
    1,
  ];
}

/** [outer, pixels, channels] to [outer, channels, pixels], or back with the counts exchanged. */
function turned(array, outer, pixels, channels) {
  const out = new array.constructor(array.length);
  for (let o = 0; o < outer; o += 1) {
    const at = o * pixels * channels;
    for (let p = 0; p < pixels; p += 1) {
      for (let c = 0; c < channels; c += 1) out[at + c * pixels + p] = array[at + p * channels + c];
    }
  }
  return out;
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const window = ({ kernel, stride, pad }) => ({
  kernel_shape: [kernel, kernel],
  strides: [stride, stride],
  pads: [pad, pad, pad, pad],
});

function integerOperands({ size, channels, filters, kernel }) {
  const random = randomWords();
  return {
    x: fillRandom(new Uint8Array(size * size * channels), random).map((value) => value & 127),
    w: fillRandom(new Int8Array(filters * kernel * kernel * channels), random),
  };
}

/** Factor that makes bytes of the sums: few leave the range. */
function outputScale({ kernel, channels }) {
  return 1 / (Math.sqrt(kernel * kernel * channels) * 127 * 1.5);
}

function quantizedConv(ort, layer, { x, w }, threads) {
  const { size, channels, filters, kernel, outSize } = layer;
  const { uint8, int8, float32 } = ONNX_TYPES;
  const scalar = (name, type, array) => ({ name, type, dims: [], bytes: bytesOf(array) });
  const session = ort.open(
    {
      nodes: [
        {
          op: 'QLinearConv',
          domain: 'com.microsoft',
          inputs: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'],
          output: 'y',
          attributes: { ...window(layer), channels_last: 1 },
        },
      ],
      inputs: [{ name: 'x', type: uint8, dims: [1, size, size, channels] }],
      constants: [
        scalar('xs', float32, Float32Array.of(1)),
        scalar('xz', uint8, Uint8Array.of(0)),
        {
          name: 'w',
          type: int8,
          dims: [filters, channels, kernel, kernel],
          bytes: bytesOf(turned(w, filters, kernel * kernel, channels)),
        },
        scalar('ws', float32, Float32Array.of(outputScale(layer))),
        scalar('wz', int8, Int8Array.of(0)),
        scalar('ys', float32, Float32Array.of(1)),
        scalar('yz', uint8, Uint8Array.of(128)),
      ],
      outputs: [{ name: 'y', type: uint8, dims: [1, outSize, outSize, filters] }],
    },
    { x },
    { threads },
  );
  return { ...session, name: `${ort.name} QLinearConv`, result: () => session.outputs.y };
}

/** Int32 sums as bytes around 128. */
function requantized(sums, layer) {
  const scale = outputScale(layer);
  return Float32Array.from(sums, (sum) => Math.min(255, Math.max(0, Math.round(sum * scale) + 128)));
}

function floatOperands({ size, channels, filters, kernel }) {
  const random = randomWords();
  return {
    x: fillRandom(new Float32Array(size * size * channels), random),
    w: fillRandom(new Float32Array(filters * kernel * kernel * channels), random),
  };
}

/** The faster of two sessions: with blocks of channels, turned at both ends, or without. */
function floatConv(ort, layer, { x, w }, threads) {
  const { size, channels, filters, kernel, outSize } = layer;
  const { float32 } = ONNX_TYPES;
  const sessions = ['all', 'basic'].map((optimization) => {
    const session = ort.open(
      {
        nodes: [{ op: 'Conv', inputs: ['x', 'w'], output: 'y', attributes: window(layer) }],
        inputs: [{ name: 'x', type: float32, dims: [1, channels, size, size] }],
        constants: [
          {
            name: 'w',
            type: float32,
            dims: [filters, channels, kernel, kernel],
            bytes: bytesOf(turned(w, filters, kernel * kernel, channels)),
          },
        ],
        outputs: [{ name: 'y', type: float32, dims: [1, filters, outSize, outSize] }],
      },
      { x: turned(x, 1, size * size, channels) },
      { threads, optimization },
    );
    session.run();
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      session.run();
      return performance.now() - start;
    });
    return { session, time: Math.min(...times) };
  });
  sessions.sort((a, b) => a.time - b.time);
  const [{ session }, ...slower] = sessions;
  for (const other of slower) other.session.close();
  return { ...session, name: `${ort.name} Conv`, result: () => session.outputs.y };
}

const KINDS = [
  {
    name: 'INT8',
    kernel: 'convolutionInt8',
    view: 'i32',
    unit: 'GOPS',
    limit: 'int8',
    operands: integerOperands,
    theirs: quantizedConv,
    check(got, expected, layer) {
      requireClose(`conv INT8 ${layer.name}`, requantized(got, layer), expected, 1);
    },
  },
  {
    name: 'float32',
    kernel: 'convolutionF32',
    view: 'f32',
    unit: 'GFLOPS',
    limit: 'float32',
    operands: floatOperands,
    theirs: floatConv,
    check(got, expected, layer) {
      const { outSize, filters, kernel, channels } = layer;
      const products = kernel * kernel * channels;
      const ours = turned(got, 1, outSize * outSize, filters);
      requireClose(`conv float32 ${layer.name}`, ours, expected, 4 * products * 2 ** -24 * products);
    },
  },
];

function convCase(context, kind, layer, threads) {
  return {
    name: `conv ${kind.name} ${layer.name}, ${threads} T`,
    unit: kind.unit,
    scale: 1e9,
    threads,
    // For the sum of all layers.
    fields: { kind: kind.name, times: layer.times, operations: layer.operations },
    async open() {
      const operands = kind.operands(layer);
      const ort = await context.onnxRuntime();
      const limits = await context.limits();
      const length = layer.outSize * layer.outSize * layer.filters;
      return compareKernels(context, {
        threads,
        work: layer.operations,
        make(kernels) {
          const { arena } = kernels;
          const at = [place(arena, operands.x), place(arena, operands.w), arena.alloc(4 * length)];
          const out = at[2] / 4;
          const shape = shapeOf(layer);
          return {
            run: () => kernels[kind.kernel](...shape, ...at),
            result: () => arena[kind.view].subarray(out, out + length),
          };
        },
        peer: ort && kind.theirs(ort, layer, operands, threads),
        check: (got, expected) => kind.check(got, expected, layer),
        limit: limits.product(kind.limit, threads),
      });
    },
  };
}

export async function cases(context) {
  return KINDS.flatMap((kind) =>
    context.threads.flatMap((threads) => RESNET50.map((layer) => convCase(context, kind, layer, threads))),
  );
}

/** Operations of all layers by the time they take together, each as often as the network has it. */
export function summary(rows) {
  const groups = new Map();
  for (const one of rows) {
    const key = `${one.kind}, ${one.threads} T, ${one.backend}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, layers]) => {
    const [{ unit, peerName, limitName, threads, backend }] = layers;
    const total = (field) =>
      layers.some((layer) => layer[field] === null || layer[field] === undefined)
        ? undefined
        : layers.reduce((sum, { times, operations }) => sum + times * operations, 0) /
          layers.reduce((sum, layer) => sum + (layer.times * layer.operations) / layer[field], 0);
    const figure = (best, middle, name) => best && { best, median: middle ?? best, name };
    return row({
      name: `conv ResNet-50, all layers, ${key}`,
      unit,
      ours: figure(total('ours'), total('oursMedian')),
      peer: figure(total('peer'), total('peerMedian'), peerName),
      limit: figure(total('limit'), undefined, limitName),
      threads,
      backend,
    });
  });
}
