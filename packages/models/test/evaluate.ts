/**
 * Runs an entry of a model graph in float64, plainly and without a cache: slow, independent of every other room, and
 * good enough to tell whether a reader put each tensor where it belongs.
 */
import {
  evaluate,
  floatAttribute,
  type GraphNode,
  integerAttribute,
  type ModelBundle,
  opSpec,
  optionalIntegerAttribute,
  stringAttribute,
  type ValueType,
} from '@bitloom/ir';

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Logits of every token, [tokens, vocab] row-major, and the vocabulary size. */
export function runForward(
  bundle: ModelBundle,
  ids: readonly number[],
): { logits: Float64Array; vocab: number } {
  const { model, sections } = bundle;
  const fn = model.functions.find((candidate) => candidate.name === 'forward');
  if (fn === undefined) throw new Error('no entry forward');
  const sizes = { seq: ids.length, past: 0 };
  const values = new Map<string, Tensor>([['tokens', { shape: [ids.length], data: Float64Array.from(ids) }]]);
  for (const { name, type } of model.constants) {
    const bytes = sections.read(name).slice();
    values.set(name, {
      shape: type.shape.map((dim) => evaluate(dim, sizes)),
      data: Float64Array.from(new Float32Array(bytes.buffer)),
    });
  }
  const get = (name: string): Tensor => {
    const tensor = values.get(name);
    if (tensor === undefined) throw new Error(`no value ${name}`);
    return tensor;
  };
  for (const node of fn.nodes) {
    const inputs = node.inputs.map((name) =>
      name.startsWith('layers.') && !values.has(name) ? undefined : get(name),
    );
    values.set(
      node.outputs[0],
      run(
        node,
        inputs.filter((tensor) => tensor !== undefined),
      ),
    );
  }
  const logits = get(fn.outputs[0]);
  return { logits: logits.data, vocab: logits.shape[1] };
}

/** Checks every node of every entry against the op table. */
export function inferTypes(bundle: Pick<ModelBundle, 'model'>): Map<string, ValueType> {
  const { model } = bundle;
  let types = new Map<string, ValueType>();
  for (const fn of model.functions) {
    types = new Map(
      [...model.constants, ...model.states, ...fn.inputs].map(({ name, type }) => [name, type]),
    );
    for (const node of fn.nodes) {
      const operands = node.inputs.map((name) => {
        const type = types.get(name);
        if (type === undefined) throw new Error(`${fn.name}: ${node.name} reads ${name} before it is made`);
        return type;
      });
      const spec = opSpec(node.op);
      const least = spec.inputs.filter((name) => !name.endsWith('?')).length;
      if (operands.length < least || operands.length > spec.inputs.length)
        throw new Error(`${node.name}: operands`);
      for (const attribute of Object.keys(node.attributes)) {
        if (!Object.hasOwn(spec.attributes, attribute))
          throw new Error(`${node.name}: attribute ${attribute}`);
      }
      if (types.has(node.outputs[0])) throw new Error(`${node.outputs[0]} is made twice`);
      types.set(node.outputs[0], spec.infer(operands, node)[0]);
    }
    for (const output of fn.outputs) if (!types.has(output)) throw new Error(`no output ${output}`);
  }
  return types;
}

function rowsOf(tensor: Tensor): number {
  return tensor.data.length / tensor.shape[tensor.shape.length - 1];
}

function map(tensor: Tensor, f: (value: number, index: number) => number): Tensor {
  return { shape: tensor.shape, data: tensor.data.map(f) };
}

function run(node: GraphNode, inputs: readonly Tensor[]): Tensor {
  const [a, b, c] = inputs;
  switch (node.op) {
    case 'embedding': {
      const width = b.shape[1];
      const data = new Float64Array(a.data.length * width);
      a.data.forEach((id, t) => void data.set(b.data.subarray(id * width, (id + 1) * width), t * width));
      return { shape: [a.data.length, width], data };
    }
    case 'positions':
      return map(a, (_, t) => t + integerAttribute(node, 'offset'));
    case 'linear': {
      const [outputs, inputsPerRow] = b.shape;
      const rows = rowsOf(a);
      const data = new Float64Array(rows * outputs);
      for (let t = 0; t < rows; t++) {
        for (let n = 0; n < outputs; n++) {
          let sum = c === undefined ? 0 : c.data[n];
          for (let k = 0; k < inputsPerRow; k++)
            sum += a.data[t * inputsPerRow + k] * b.data[n * inputsPerRow + k];
          data[t * outputs + n] = sum;
        }
      }
      return { shape: [rows, outputs], data };
    }
    case 'rmsNorm':
    case 'layerNorm': {
      const width = b.data.length;
      const data = new Float64Array(a.data.length);
      for (let start = 0; start < data.length; start += width) {
        const row = a.data.subarray(start, start + width);
        const mean = node.op === 'layerNorm' ? row.reduce((x, y) => x + y, 0) / width : 0;
        const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / width;
        const scale = 1 / Math.sqrt(variance + floatAttribute(node, 'epsilon'));
        for (let i = 0; i < width; i++)
          data[start + i] = (row[i] - mean) * scale * b.data[i] + (c?.data[i] ?? 0);
      }
      return { shape: a.shape, data };
    }
    case 'rope': {
      const headDim = integerAttribute(node, 'headDim');
      const half = headDim / 2;
      const isHalf = stringAttribute(node, 'layout') === 'half';
      const data = new Float64Array(a.data.length);
      for (let head = 0; head < data.length; head += headDim) {
        const position = Math.floor(head / a.shape[1]);
        for (let i = 0; i < half; i++) {
          const [x, y] = isHalf ? [head + i, head + i + half] : [head + 2 * i, head + 2 * i + 1];
          const at = (position * half + i) * 2;
          const [cos, sin] = [b.data[at], b.data[at + 1]];
          data[x] = a.data[x] * cos - a.data[y] * sin;
          data[y] = a.data[x] * sin + a.data[y] * cos;
        }
      }
      return { shape: a.shape, data };
    }
    case 'stateAppend':
      // Nothing is cached, so the state after the call is what was appended.
      return a;
    case 'attention':
      return attend(node, a, b, c);
    case 'add':
      return map(a, (value, i) => value + b.data[i % b.data.length]);
    case 'mul':
      return map(a, (value, i) => value * b.data[i % b.data.length]);
    case 'silu':
      return map(a, (value) => value / (1 + Math.exp(-value)));
    case 'relu':
      return map(a, (value) => Math.max(0, value));
    case 'gelu':
      return map(a, (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))));
    default:
      throw new Error(`op ${node.op}`);
  }
}

function attend(node: GraphNode, q: Tensor, keys: Tensor, values: Tensor): Tensor {
  const [heads, kvHeads, headDim] = ['heads', 'kvHeads', 'headDim'].map((name) =>
    integerAttribute(node, name),
  );
  const scale = floatAttribute(node, 'scale');
  const window = optionalIntegerAttribute(node, 'window') ?? Number.POSITIVE_INFINITY;
  const [qRow, kvRow] = [heads * headDim, kvHeads * headDim];
  const data = new Float64Array(q.data.length);
  for (let t = 0; t < q.data.length / qRow; t++) {
    for (let head = 0; head < heads; head++) {
      const kv = Math.floor((head * kvHeads) / heads) * headDim;
      const query = q.data.subarray(t * qRow + head * headDim, t * qRow + (head + 1) * headDim);
      const scores = Array.from({ length: t + 1 }, (_, p) =>
        p <= t - window
          ? Number.NEGATIVE_INFINITY
          : scale * query.reduce((sum, x, i) => sum + x * keys.data[p * kvRow + kv + i], 0),
      );
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((x, y) => x + y, 0);
      for (let p = 0; p <= t; p++) {
        for (let i = 0; i < headDim; i++) {
          data[t * qRow + head * headDim + i] += (weights[p] / total) * values.data[p * kvRow + kv + i];
        }
      }
    }
  }
  return { shape: q.shape, data };
}
