/**
 * The peers of benchmarks/formats.mjs, installed beside this file from their own lock file: ONNX Runtime (native, one
 * thread), whose QuantizeLinear, DequantizeLinear and Cast know INT4 in blocks, fp16 and fp8; and @petamoriken/float16.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Installs the peers unless they are there; install scripts would fetch libraries for graphics cards. */
export function installPeers() {
  if (existsSync(`${folder}node_modules/onnxruntime-node`)) return;
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const stdio = ['ignore', 'ignore', 'inherit'];
  const result = spawnSync('npm', args, { cwd: folder, stdio, shell: process.platform === 'win32' });
  if (result.status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${result.status}`);
}

/** The libraries and their versions. */
export function openPeers() {
  const load = createRequire(import.meta.url);
  const version = (name) => load(`./node_modules/${name}/package.json`).version;
  return {
    ort: load('onnxruntime-node'),
    ortVersion: version('onnxruntime-node'),
    float16: load('@petamoriken/float16'),
    float16Version: version('@petamoriken/float16'),
  };
}

/** Numbers of element types in ONNX. */
export const ONNX_TYPES = { float32: 1, int8: 3, float16: 10, float8e4m3fn: 17, int4: 22 };

// A protocol buffer is a run of fields: number and wire type, then a varint or sized bytes.
const varint = (value) => {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
};
const integer = (field, value) => [...varint(field * 8), ...varint(value)];
const sized = (field, bytes) => [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
const text = (field, value) => sized(field, [...Buffer.from(value)]);

const value = (field, { name, type, dims }) => {
  const shape = dims.flatMap((dim) => sized(1, integer(1, dim)));
  return sized(field, [...text(1, name), ...sized(2, sized(1, [...integer(1, type), ...sized(2, shape)]))]);
};

/** A constant of the graph; its bytes are too many to be spread. */
const tensor = ({ name, type, dims, bytes }) => {
  const head = Buffer.from([
    ...dims.flatMap((dim) => integer(1, dim)),
    ...integer(2, type),
    ...text(8, name),
  ]);
  const raw = Buffer.concat([head, Buffer.from([...varint(9 * 8 + 2), ...varint(bytes.length)]), bytes]);
  return Buffer.concat([Buffer.from([...varint(5 * 8 + 2), ...varint(raw.length)]), raw]);
};

const node = ({ op, inputs, output, attributes = {} }) =>
  sized(1, [
    ...inputs.flatMap((name) => text(1, name)),
    ...text(2, output),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(([name, number]) =>
      sized(5, [...text(1, name), ...integer(3, number), ...integer(20, 2)]),
    ),
  ]);

/**
 * A session on one thread that runs operators as they stand. Inputs and outputs: `{ name, type, dims }`; constants have
 * `bytes` beside.
 */
export function onnxSession(ort, { nodes, inputs, outputs, constants = [] }) {
  const graph = Buffer.concat([
    Buffer.from([...nodes.flatMap(node), ...text(2, 'benchmark')]),
    ...constants.map(tensor),
    Buffer.from([
      ...inputs.flatMap((input) => value(11, input)),
      ...outputs.flatMap((output) => value(12, output)),
    ]),
  ]);
  const model = Buffer.concat([
    Buffer.from([...integer(1, 10), ...varint(7 * 8 + 2), ...varint(graph.length)]),
    graph,
    Buffer.from(sized(8, [...text(1, ''), ...integer(2, 21)])),
  ]);
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 3,
  });
}
