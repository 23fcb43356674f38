/**
 * Speed of quantisers and conversions in GB/s of float32 (4 bytes per element: what goes in when encoding, what comes
 * out when decoding), on one thread, beside plain loops, beside peers from npm and beside what a copy of the same
 * float32 array costs in the same run.
 *
 *   npm run build && node benchmarks/formats.mjs [--elements 1048576] [--seconds 20] [--no-peers]
 *
 * Every line is the best of many short samples, interleaved with all the others, because other work on the machine only
 * ever makes a sample slower. Every result is checked against the definition before it is timed, and one value of each
 * timed result is summed, so nothing is optimised away. `into` means that the caller gives the array for the result;
 * otherwise it is made anew, which for large arrays costs as much as the arithmetic. The peers are installed under
 * benchmarks/peers/formats at the first run.
 */
import { cpus, loadavg } from 'node:os';
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

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const elements = option('elements', 2 ** 20);
const seconds = option('seconds', 20);
const cols = 4096;
const rows = Math.max(1, Math.round(elements / cols));
const count = rows * cols;
const shape = { rows, cols, bits: 4, groupSize: 32 };

/** Normally distributed values, the same in every run. */
function gaussian(length) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length },
    () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random()),
  );
}

const values = gaussian(count);
const tensor = { data: values, shape: [rows, cols] };
const target = new Float32Array(count);
const halves = new Uint16Array(count);
const cases = [];

/** A line of the table; `run` returns an array, of which one element is consumed. */
function bench(section, name, run) {
  cases.push({ section, name, run, best: Number.POSITIVE_INFINITY, samples: 0 });
}

function requireEqual(name, got, expected) {
  const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  if (!bytes(got).equals(bytes(expected))) throw new Error(`${name} differs from the definition`);
}

// The limits of the machine.
bench('limit', 'copy into', () => {
  target.set(values);
  return target;
});
bench('limit', 'copy to a new array', () => values.slice());

// Plain loops, as one writes them: no options, no checks, no rows that end within a group.

/** INT4 in groups of 32 with float32 scales rounded to fp16 by a table of the package. */
function plainInt4(x) {
  const groups = x.length / 32;
  const quotients = new Float32Array(groups);
  for (let g = 0; g < groups; g += 1) {
    let amax = 0;
    for (let i = g * 32; i < g * 32 + 32; i += 1) amax = Math.max(amax, Math.abs(x[i]));
    quotients[g] = amax / 7;
  }
  const scales = encodeFp16Array(quotients);
  const factors = decodeFp16Array(scales);
  const codes = new Uint8Array(x.length / 2);
  for (let g = 0; g < groups; g += 1) {
    // What is divided by infinity has the code 0.
    const scale = factors[g] || Number.POSITIVE_INFINITY;
    for (let i = g * 32; i < g * 32 + 32; i += 2) {
      const low = Math.fround(Math.fround(Math.max(-7, Math.min(7, x[i] / scale))) + 12582912);
      const high = Math.fround(Math.fround(Math.max(-7, Math.min(7, x[i + 1] / scale))) + 12582912);
      codes[i >> 1] = ((low - 12582912) & 15) | ((high - 12582912) << 4);
    }
  }
  return { codes, scales };
}

function plainInt4Back({ codes, scales }, out) {
  const factors = decodeFp16Array(scales);
  for (let i = 0; i < out.length; i += 2) {
    const scale = factors[i >> 5];
    const byte = codes[i >> 1];
    out[i] = ((byte << 28) >> 28) * scale;
    out[i + 1] = ((byte << 24) >> 28) * scale;
  }
  return out;
}

const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
/** MXFP4 by the rule floor: thresholds for the elements. */
function plainMxfp4(x) {
  const blocks = x.length / 32;
  const scales = new Uint8Array(blocks);
  const codes = new Uint8Array(x.length / 2);
  const float = new Float32Array(1);
  const word = new Int32Array(float.buffer);
  // Between neighbours the even code takes the middle.
  const upper = (size) => (size <= 2.5 ? 4 : size < 3.5 ? 5 : size <= 5 ? 6 : 7);
  const lower = (size) => (size <= 0.25 ? 0 : size < 0.75 ? 1 : size <= 1.25 ? 2 : 3);
  const code = (value) => {
    const size = Math.abs(value);
    const magnitude = size < 1.75 ? lower(size) : upper(size);
    return value < 0 || Object.is(value, -0) ? magnitude | 8 : magnitude;
  };
  for (let block = 0; block < blocks; block += 1) {
    const start = block * 32;
    float[0] = 0;
    for (let i = start; i < start + 32; i += 1) float[0] = Math.max(float[0], Math.abs(x[i]));
    const exponent = Math.max(0, (word[0] >> 23) - 2);
    scales[block] = exponent;
    const factor = 2 ** (127 - exponent);
    for (let i = start; i < start + 32; i += 2)
      codes[i >> 1] = code(x[i] * factor) | (code(x[i + 1] * factor) << 4);
  }
  return { codes, scales };
}

function plainMxfp4Back({ codes, scales }, out) {
  const table = Float32Array.from({ length: 16 }, (_, k) => (k < 8 ? FP4[k] : -FP4[k - 8]));
  for (let block = 0; block < scales.length; block += 1) {
    const scale = 2 ** (scales[block] - 127);
    for (let i = block * 32; i < block * 32 + 32; i += 2) {
      const byte = codes[i >> 1];
      out[i] = table[byte & 15] * scale;
      out[i + 1] = table[byte >> 4] * scale;
    }
  }
  return out;
}

// INT4, groups of 32.
{
  const expected = packCanonical(quantizeGroups(values, shape));
  requireEqual('quantizeGroupsPacked', quantizeGroupsPacked(values, shape).codes, expected.codes);
  requireEqual('the plain INT4 loop', plainInt4(values).codes, expected.codes);
  const { weights } = preset('W4A8');
  const quantized = quantize(tensor, weights);
  requireEqual('quantize W4A8', quantized.components.codes, expected.codes);
  const back = dequantizeCanonical(expected);
  requireEqual('dequantizeGroupsPacked', dequantizeGroupsPacked(expected), back);
  requireEqual('dequantize W4A8', dequantize(quantized), back);
  requireEqual('the plain INT4 loop back', plainInt4Back(expected, new Float32Array(count)), back);
  const encode = 'float32 -> INT4, groups of 32';
  bench(encode, 'quantize(W4A8)', () => quantize(tensor, weights).components.codes);
  bench(encode, 'quantizeGroupsPacked', () => quantizeGroupsPacked(values, shape).codes);
  bench(
    encode,
    'definition: quantizeGroups + packCanonical',
    () => packCanonical(quantizeGroups(values, shape)).codes,
  );
  bench(encode, 'plain loop', () => plainInt4(values).codes);
  const decode = 'INT4, groups of 32 -> float32';
  bench(decode, 'dequantize(W4A8)', () => dequantize(quantized));
  bench(decode, 'dequantize(W4A8) into', () => dequantize(quantized, target));
  bench(decode, 'definition: dequantizeCanonical', () => dequantizeCanonical(expected));
  bench(decode, 'plain loop into', () => plainInt4Back(expected, target));
}

// MXFP4.
{
  const scheme = mxScheme('fp4_e2m1');
  const expected = quantizeScaled(tensor, scheme);
  requireEqual('quantize MXFP4', quantize(tensor, scheme).components.codes, expected.components.codes);
  requireEqual('quantizeMx', quantizeMx(tensor, 'fp4_e2m1').components.codes, expected.components.codes);
  requireEqual('the plain MXFP4 loop', plainMxfp4(values).codes, expected.components.codes);
  const back = dequantizeScaled(expected);
  requireEqual('dequantize MXFP4', dequantize(expected), back);
  requireEqual(
    'the plain MXFP4 loop back',
    plainMxfp4Back(expected.components, new Float32Array(count)),
    back,
  );
  const encode = 'float32 -> MXFP4';
  bench(encode, 'quantize(MXFP4)', () => quantize(tensor, scheme).components.codes);
  bench(encode, 'quantizeMx', () => quantizeMx(tensor, 'fp4_e2m1').components.codes);
  bench(encode, 'definition: quantizeScaled', () => quantizeScaled(tensor, scheme).components.codes);
  bench(encode, 'plain loop', () => plainMxfp4(values).codes);
  const decode = 'MXFP4 -> float32';
  bench(decode, 'dequantize(MXFP4)', () => dequantize(expected));
  bench(decode, 'dequantize(MXFP4) into', () => dequantize(expected, target));
  bench(decode, 'definition: dequantizeScaled into', () => dequantizeScaled(expected, target));
  bench(decode, 'plain loop into', () => plainMxfp4Back(expected.components, target));
}

// Other presets.
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
  requireEqual(name, quantized.components.codes, quantizeScaled(tensor, weights).components.codes);
  bench('quantize', name, () => quantize(tensor, weights).components.codes);
  bench('dequantize into', name, () => dequantize(quantized, target));
}

// 16-bit floats.
{
  const codes = encodeFp16Array(values);
  bench('16-bit floats', 'float32 -> fp16, encodeFp16Array into', () => encodeFp16Array(values, halves));
  bench('16-bit floats', 'fp16 -> float32, decodeFp16Array into', () => decodeFp16Array(codes, target));
  bench('16-bit floats', 'float32 -> bf16, encodeBf16Array into', () => encodeBf16Array(values, halves));
}

let versions = '';
if (!process.argv.includes('--no-peers')) {
  const { installPeers, onnxSession, ONNX_TYPES: T, openPeers } = await import('./peers/formats/peers.mjs');
  installPeers();
  const { ort, ortVersion, float16, float16Version } = openPeers();
  versions = `, onnxruntime-node ${ortVersion}, @petamoriken/float16 ${float16Version}`;
  const dims = [rows, cols];
  const x = { name: 'x', type: T.float32, dims };
  const s = { name: 's', type: T.float32, dims: [rows, cols / 32] };
  const y = { name: 'y', type: T.float32, dims };
  const inBlocks = { axis: 1, block_size: 32 };
  const groups = quantizeGroups(values, shape);
  const feeds = {
    x: new ort.Tensor('float32', values, dims),
    s: new ort.Tensor('float32', decodeFp16Array(groups.scales), s.dims),
  };
  const session = async (section, name, description, check) => {
    const opened = await onnxSession(ort, description);
    const wanted = Object.fromEntries(description.inputs.map((input) => [input.name, feeds[input.name]]));
    check((await opened.run(wanted)).y.data);
    bench(section, `ONNX Runtime: ${name}`, async () => (await opened.run(wanted)).y.data);
  };
  const back = dequantizeCanonical(packCanonical(groups));
  await session(
    'float32 -> INT4, groups of 32',
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
    (data) =>
      requireEqual(
        'ONNX Runtime there and back',
        data,
        back.map((value) => value + 0),
      ),
  );
  bench('float32 -> INT4, groups of 32', 'quantizeGroupsPacked + dequantizeGroupsPacked', () =>
    dequantizeGroupsPacked(quantizeGroupsPacked(values, shape)),
  );
  await session(
    'INT4, groups of 32 -> float32',
    'DequantizeLinear',
    {
      nodes: [{ op: 'DequantizeLinear', inputs: ['q', 's'], output: 'y', attributes: inBlocks }],
      inputs: [s],
      outputs: [y],
      constants: [{ name: 'q', type: T.int4, dims, bytes: packCanonical(groups).codes }],
    },
    (data) => requireEqual('ONNX Runtime back', data, back),
  );
  await session(
    'quantize',
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
    () => {},
  );
  const cast = (name, type, element) =>
    session(
      element,
      `Cast to ${name} and back`,
      {
        nodes: [
          { op: 'Cast', inputs: ['x'], output: 'm', attributes: { to: type } },
          { op: 'Cast', inputs: ['m'], output: 'y', attributes: { to: T.float32 } },
        ],
        inputs: [x],
        outputs: [y],
      },
      () => {},
    );
  await cast('fp16', T.float16, '16-bit floats');
  await cast('fp8_e4m3fn, no scale', T.float8e4m3fn, 'quantize');
  bench('16-bit floats', 'encodeFp16Array + decodeFp16Array', () => decodeFp16Array(encodeFp16Array(values)));
  const array = new float16.Float16Array(count);
  bench('16-bit floats', 'float32 -> fp16, @petamoriken/float16 into', () => {
    array.set(values);
    return array;
  });
}

console.log(
  `${cpus()[0].model.trim()}, node ${process.version}${versions}, load ${loadavg()
    .map((x) => x.toFixed(2))
    .join(' ')}`,
);
console.log(
  `${rows} x ${cols} normally distributed float32 (${((count * 4) / 2 ** 20).toFixed(1)} MiB), one thread`,
);
let sum = 0;
const end = performance.now() + seconds * 1000;
while (performance.now() < end) {
  // In another order each time: what ran before leaves its arrays in the caches.
  const order = cases.map((entry) => ({ entry, at: Math.random() })).sort((a, b) => a.at - b.at);
  for (const { entry } of order) {
    // Slow lines are sampled less often, so that the fast ones get their many samples.
    if (entry.samples > 3 && entry.best > 20 && Math.random() > 20 / entry.best) continue;
    const before = performance.now();
    const result = await entry.run();
    entry.best = Math.min(entry.best, performance.now() - before);
    entry.samples += 1;
    sum += Number(result[result.length >> 1]) || 0;
  }
}
const gigabytes = (best) => (count * 4) / best / 1e6;
const limit = gigabytes(cases[0].best);
for (const section of new Set(cases.map((entry) => entry.section))) {
  console.log(`\n${section}`);
  for (const { name, best, samples } of cases.filter((entry) => entry.section === section)) {
    const speed = gigabytes(best);
    const share = `${((100 * speed) / limit).toFixed(0)} %`.padStart(6);
    console.log(
      `  ${name.padEnd(64)} ${speed.toFixed(2).padStart(6)} GB/s ${share} of copy into, ${samples} samples`,
    );
  }
}
console.log(
  `\nload ${loadavg()
    .map((x) => x.toFixed(2))
    .join(' ')}, sum ${sum.toFixed(3)}`,
);
