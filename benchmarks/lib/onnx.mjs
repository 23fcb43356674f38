/**
 * ONNX models of a few nodes, written as protocol buffers, and sessions of ONNX Runtime that run them without the event
 * loop in between: the binding is called directly, on arrays made before, so that a short operator is not charged for a
 * turn of the loop or for the pages of its result.
 *
 * Not for: reading ONNX (`@bitloom/models`).
 *
 * Source of field numbers: onnx.proto of the ONNX project.
 */
import { peerRequire } from './peers.mjs';

/** Numbers of element types in ONNX. */
export const ONNX_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  float16: 10,
  float8e4m3fn: 17,
  int4: 22,
};
const TYPE_NAMES = { 1: 'float32', 2: 'uint8', 3: 'int8', 6: 'int32' };

// A protocol buffer is a run of fields: number and wire type, then a varint or sized bytes.
function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
const integer = (field, value) => Buffer.from([...varint(field * 8), ...varint(value)]);
const sized = (field, ...parts) => {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(bytes.length)]), bytes]);
};
const text = (field, value) => sized(field, Buffer.from(value));

function valueInfo(field, { name, type, dims }) {
  const shape = dims.map((dim) => sized(1, integer(1, dim)));
  return sized(field, text(1, name), sized(2, sized(1, integer(1, type), sized(2, ...shape))));
}

function tensor({ name, type, dims, bytes }) {
  return sized(5, ...dims.map((dim) => integer(1, dim)), integer(2, type), text(8, name), sized(9, bytes));
}

/** Attribute types are 2 (integer), 3 (string) and 7 (integers). */
function attribute([name, value]) {
  if (Array.isArray(value)) {
    return sized(5, text(1, name), ...value.map((item) => integer(8, item)), integer(20, 7));
  }
  if (typeof value === 'string') return sized(5, text(1, name), text(4, value), integer(20, 3));
  return sized(5, text(1, name), integer(3, value), integer(20, 2));
}

function node({ op, domain, inputs, output, attributes = {} }) {
  return sized(
    1,
    ...inputs.map((name) => text(1, name)),
    text(2, output),
    text(4, op),
    ...(domain === undefined ? [] : [text(7, domain)]),
    ...Object.entries(attributes).map(attribute),
  );
}

/** The bytes of a model. Inputs and outputs: `{ name, type, dims }`; constants have `bytes` beside. */
export function encodeOnnx({ nodes, inputs, outputs, constants = [] }) {
  const graph = sized(
    7,
    ...nodes.map(node),
    text(2, 'benchmark'),
    ...constants.map(tensor),
    ...inputs.map((input) => valueInfo(11, input)),
    ...outputs.map((output) => valueInfo(12, output)),
  );
  const imports = ['', ...new Set(nodes.flatMap(({ domain }) => domain ?? []))].map((domain) =>
    sized(8, text(1, domain), integer(2, domain === '' ? 21 : 1)),
  );
  return Buffer.concat([integer(1, 10), graph, ...imports]);
}

/** Its threads were seen to spin for 30 to 50 ms after a call. */
const REST_MS = 70;

/** ONNX Runtime: its version and a maker of sessions. `versions` as `installPeer` gives them. */
export function openOnnxRuntime(versions) {
  const load = peerRequire('onnxruntime-node');
  const ort = load('onnxruntime-node');
  // The public `run` waits for a turn of the event loop before each call; the binding under it does not.
  const folder = load.resolve('onnxruntime-node').replace(/dist[\\/]index\.js$/, '');
  const { binding, initOrt } = load(`${folder}dist/binding.js`);
  return {
    name: `onnxruntime-node ${versions['onnxruntime-node']}`,
    /**
     * @param feeds typed arrays by name of the input
     * @returns `{ run, outputs, restMs, close }`: `outputs` are the typed arrays that each `run()` fills, by name
     */
    open(description, feeds, { threads, optimization = 'all' }) {
      initOrt();
      const session = new binding.InferenceSession();
      const bytes = encodeOnnx(description);
      session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionProviders: ['cpu'],
        graphOptimizationLevel: optimization,
        logSeverityLevel: 3,
      });
      const given = Object.fromEntries(
        description.inputs.map(({ name, type, dims }) => [
          name,
          new ort.Tensor(TYPE_NAMES[type], feeds[name], dims),
        ]),
      );
      const results = Object.fromEntries(
        description.outputs.map(({ name, type, dims }) => {
          const length = dims.reduce((a, b) => a * b, 1);
          const Values = { 1: Float32Array, 2: Uint8Array, 3: Int8Array, 6: Int32Array }[type];
          return [name, new ort.Tensor(TYPE_NAMES[type], new Values(length), dims)];
        }),
      );
      return {
        outputs: Object.fromEntries(Object.entries(results).map(([name, result]) => [name, result.data])),
        run: () => session.run(given, results, {}),
        restMs: threads > 1 ? REST_MS : 0,
        close: () => session.dispose(),
      };
    },
  };
}
