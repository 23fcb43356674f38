/**
 * Quantisers and conversions in GB/s of float32 (4 bytes per element: what goes in when encoding, what comes out when
 * decoding), on one thread, against ONNX Runtime, @petamoriken/float16, plain loops and the definition. The limit is a
 * copy of the same float32 array. Every result is checked against the definition before it is timed. `into` means that
 * the caller gives the array for the result; otherwise it is made anew, which costs as much as the arithmetic.
 */
import {
  decodeFp16Array,
  dequantize,
  dequantizeCanonical,
  dequantizeGroupsPacked,
  dequantizeScaled,
  encodeBf16Array,
  encodeFp16Array,
  mxScheme,
  packCanonical,
  preset,
  quantize,
  quantizeGroups,
  quantizeGroupsPacked,
  quantizeMx,
  quantizeScaled,
} from '@bitloom/formats';
import { randomWords } from '../lib/data.mjs';
import { ONNX_TYPES as T } from '../lib/onnx.mjs';
import { peerRequire } from '../lib/peers.mjs';
import { plainInt4, plainInt4Back, plainMxfp4, plainMxfp4Back } from '../lib/plain-loops.mjs';
import { ONLY } from '../lib/run.mjs';
import { callable } from '../lib/sample.mjs';

export const seconds = 60;

const ROWS = 256;
const COLS = 4096;
const COUNT = ROWS * COLS;
const GROUPS = { rows: ROWS, cols: COLS, bits: 4, groupSize: 32 };
const DIMS = [ROWS, COLS];

function gaussian(length) {
  const random = randomWords();
  const uniform = () => (random() + 0.5) / 2 ** 32;
  return Float32Array.from(
    { length },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function requireEqual(name, got, expected) {
  const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  if (!bytes(got).equals(bytes(expected))) throw new Error(`${name} differs from the definition`);
}

/** A function that gives an array, as a contender. */
const arrays = (run, name) => ({
  ...callable(() => {
    const result = run();
    return Number(result[result.length >> 1]) || 0;
  }, 4 * COUNT),
  name,
});

export async function cases(context) {
  const values = gaussian(COUNT);
  const tensor = { data: values, shape: DIMS };
  const target = new Float32Array(COUNT);
  const other = new Float32Array(COUNT);
  const halves = new Uint16Array(COUNT);
  const copy = () => {
    target.set(values);
    return target;
  };
  /** `check` runs before ours is timed. `peer` is `[name, run]`, or undefined. */
  const line = (name, run, peer, check = () => {}) => ({
    name: `formats ${name}`,
    unit: 'GB/s',
    scale: 1e9,
    async open() {
      check();
      const [peerName, theirs] = (await peer?.()) ?? [];
      return {
        ours: { [ONLY]: arrays(run) },
        ...(theirs && { peer: arrays(theirs.run ?? theirs, peerName) }),
        limit: arrays(copy, 'copy of the float32 array'),
        close: () => theirs?.close?.(),
      };
    },
  });
  const plain = (run) => () => ['plain loop', run];
  const definition = (run) => () => ['definition', run];

  /** ONNX Runtime on one thread, operators as they stand. `check` gets its result. */
  const onnx = (name, description, feeds, check) => async () => {
    const ort = await context.onnxRuntime();
    if (ort === undefined) return undefined;
    const session = ort.open(description, feeds, { threads: 1, optimization: 'disabled' });
    const run = () => {
      session.run();
      return session.outputs.y;
    };
    check?.(run());
    return [`${ort.name} ${name}`, { run, close: session.close }];
  };
  const x = { name: 'x', type: T.float32, dims: DIMS };
  const s = { name: 's', type: T.float32, dims: [ROWS, COLS / 32] };
  const y = { name: 'y', type: T.float32, dims: DIMS };
  const inBlocks = { axis: 1, block_size: 32 };
  const cast = (type, name) =>
    onnx(
      `Cast to ${name} and back`,
      {
        nodes: [
          { op: 'Cast', inputs: ['x'], output: 'm', attributes: { to: type } },
          { op: 'Cast', inputs: ['m'], output: 'y', attributes: { to: T.float32 } },
        ],
        inputs: [x],
        outputs: [y],
      },
      { x: values },
    );

  const groups = quantizeGroups(values, GROUPS);
  const int4 = packCanonical(groups);
  const int4Back = dequantizeCanonical(int4);
  const w4 = preset('W4A8').weights;
  const quantized4 = quantize(tensor, w4);
  const scales = decodeFp16Array(groups.scales);
  const mx = mxScheme('fp4_e2m1');
  const mx4 = quantizeScaled(tensor, mx);
  const mx4Back = dequantizeScaled(mx4);
  const quantizeInt4 = () => quantize(tensor, w4).components.codes;
  const quantizeMx4 = () => quantize(tensor, mx).components.codes;

  const lines = [
    line(
      'quantize W4A8',
      quantizeInt4,
      plain(() => plainInt4(values).codes),
      () => {
        requireEqual('quantize W4A8', quantizeInt4(), int4.codes);
        requireEqual('the plain INT4 loop', plainInt4(values).codes, int4.codes);
      },
    ),
    line(
      'quantizeGroupsPacked INT4',
      () => quantizeGroupsPacked(values, GROUPS).codes,
      definition(() => packCanonical(quantizeGroups(values, GROUPS)).codes),
      () => requireEqual('quantizeGroupsPacked', quantizeGroupsPacked(values, GROUPS).codes, int4.codes),
    ),
    line(
      'dequantize W4A8',
      () => dequantize(quantized4),
      definition(() => dequantizeCanonical(int4)),
      () => requireEqual('dequantize W4A8', dequantize(quantized4), int4Back),
    ),
    line(
      'dequantize W4A8 into, plain loop',
      () => dequantize(quantized4, target),
      plain(() => plainInt4Back(int4, other)),
      () => requireEqual('the plain INT4 loop back', plainInt4Back(int4, other), int4Back),
    ),
    line(
      'dequantize W4A8 into',
      () => dequantize(quantized4, target),
      onnx(
        'DequantizeLinear',
        {
          nodes: [{ op: 'DequantizeLinear', inputs: ['q', 's'], output: 'y', attributes: inBlocks }],
          inputs: [s],
          outputs: [y],
          constants: [{ name: 'q', type: T.int4, dims: DIMS, bytes: int4.codes }],
        },
        { s: scales },
        (data) => requireEqual('ONNX Runtime back', data, int4Back),
      ),
    ),
    line(
      'INT4 in groups of 32 and back',
      () => dequantizeGroupsPacked(quantizeGroupsPacked(values, GROUPS)),
      onnx(
        'QuantizeLinear + DequantizeLinear (scales given)',
        {
          nodes: [
            {
              op: 'QuantizeLinear',
              inputs: ['x', 's'],
              output: 'q',
              attributes: { ...inBlocks, output_dtype: T.int4 },
            },
            { op: 'DequantizeLinear', inputs: ['q', 's'], output: 'y', attributes: inBlocks },
          ],
          inputs: [x, s],
          outputs: [y],
        },
        { x: values, s: scales },
        (data) =>
          requireEqual(
            'ONNX Runtime there and back',
            data,
            // It has no negative zero.
            int4Back.map((value) => value + 0),
          ),
      ),
    ),
    line(
      'quantize MXFP4',
      quantizeMx4,
      plain(() => plainMxfp4(values).codes),
      () => {
        requireEqual('quantize MXFP4', quantizeMx4(), mx4.components.codes);
        requireEqual('the plain MXFP4 loop', plainMxfp4(values).codes, mx4.components.codes);
      },
    ),
    line(
      'quantizeMx MXFP4',
      () => quantizeMx(tensor, 'fp4_e2m1').components.codes,
      definition(() => quantizeScaled(tensor, mx).components.codes),
      () => requireEqual('quantizeMx', quantizeMx(tensor, 'fp4_e2m1').components.codes, mx4.components.codes),
    ),
    line(
      'dequantize MXFP4',
      () => dequantize(mx4),
      definition(() => dequantizeScaled(mx4, other)),
      () => requireEqual('dequantize MXFP4', dequantize(mx4), mx4Back),
    ),
    line(
      'dequantize MXFP4 into',
      () => dequantize(mx4, target),
      plain(() => plainMxfp4Back(mx4.components, other)),
      () => requireEqual('the plain MXFP4 loop back', plainMxfp4Back(mx4.components, other), mx4Back),
    ),
  ];

  /** Peers of other presets when quantising. */
  const peers = {
    W8A8: onnx(
      'QuantizeLinear to INT8 in blocks of 32 (scales given)',
      {
        nodes: [
          {
            op: 'QuantizeLinear',
            inputs: ['x', 's'],
            output: 'y',
            attributes: { ...inBlocks, output_dtype: T.int8 },
          },
        ],
        inputs: [x, s],
        outputs: [{ ...y, type: T.int8 }],
      },
      { x: values, s: scales },
    ),
    FP8: cast(T.float8e4m3fn, 'fp8_e4m3fn, no scale,'),
  };
  for (const name of [
    'W8A8',
    'W4A16',
    'W3A16',
    'MXFP8',
    'MXFP6',
    'MXINT8',
    'FP8',
    'FP8_BLOCK',
    'NVFP4',
    'MLS<2,4>',
  ]) {
    const { weights } = preset(name);
    const quantized = quantize(tensor, weights);
    lines.push(
      line(
        `quantize ${name}`,
        () => quantize(tensor, weights).components.codes,
        peers[name],
        () =>
          requireEqual(name, quantized.components.codes, quantizeScaled(tensor, weights).components.codes),
      ),
      line(`dequantize ${name} into`, () => dequantize(quantized, target)),
    );
  }

  const codes = encodeFp16Array(values);
  /** Undefined with ONNX Runtime, in whose folder it is installed. */
  const petamoriken = async () => {
    if ((await context.onnxRuntime()) === undefined) return undefined;
    const { Float16Array } = peerRequire('onnxruntime-node')('@petamoriken/float16');
    const array = new Float16Array(COUNT);
    return [
      '@petamoriken/float16',
      () => {
        array.set(values);
        return array;
      },
    ];
  };
  return [
    ...lines,
    line('float32 -> fp16 into', () => encodeFp16Array(values, halves), petamoriken),
    line(
      'float32 -> fp16 -> float32',
      () => decodeFp16Array(encodeFp16Array(values)),
      cast(T.float16, 'fp16'),
    ),
    line('fp16 -> float32 into', () => decodeFp16Array(codes, target)),
    line('float32 -> bf16 into', () => encodeBf16Array(values, halves)),
  ];
}
