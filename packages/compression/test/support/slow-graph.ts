/**
 * A second reading of the model graph, in float64, without a plan, a cache or a kernel: values are arrays of rows
 * and every op is a few lines. Integer arithmetic is imitated by rounding to the same codes. Slow and obvious; tests
 * compare the engines with it.
 */
import { dequantize } from '@bitloom/formats';
import {
  findFunction,
  floatAttribute,
  type GraphNode,
  integerAttribute,
  type ModelBundle,
  optionalIntegerAttribute,
  stringAttribute,
} from '@bitloom/ir';

type Rows = number[][];

/** Logits of every token of one sequence, [tokens][vocabulary], from the entry `forward`. */
export function slowLogits(bundle: ModelBundle, ids: readonly number[]): Rows {
  const fn = findFunction(bundle.model, 'forward');
  if (fn === undefined) throw new Error('no entry forward');
  const values = new Map<string, Rows>([[fn.inputs[0].name, ids.map((id) => [id])]]);
  const constants = new Map<string, Rows>();
  const get = (name: string): Rows => {
    const known = values.get(name) ?? constants.get(name);
    if (known !== undefined) return known;
    const loaded = loadConstant(bundle, name);
    constants.set(name, loaded);
    return loaded;
  };
  const largest = LARGEST[bundle.model.numerics.kvCache];
  for (const node of fn.nodes) values.set(node.outputs[0], evaluateNode(node, get, largest));
  return get(fn.outputs[0]);
}

function loadConstant({ model, sections }: ModelBundle, name: string): Rows {
  const found = model.constants.find((constant) => constant.name === name);
  if (found === undefined) throw new Error(`no constant ${name}`);
  const { type, components } = found;
  const shape = type.shape as number[];
  const read = (component: string): ArrayBuffer =>
    Uint8Array.from(sections.read(components[component])).buffer;
  if (type.kind === 'dense') {
    const cols = shape.length === 3 ? shape[1] * shape[2] : shape[shape.length - 1];
    // A mask is a row for each head, with the columns of its blocks before it.
    if (type.dtype === 'u8') {
      const bytes = Float64Array.from(new Uint8Array(read('data')));
      return cut(bytes, cols).map((row) => [shape[2], ...row]);
    }
    return cut(new Float32Array(read('data')), cols);
  }
  const parts = Object.keys(components).map((component) => [component, new Uint8Array(read(component))]);
  return cut(dequantize({ type: { ...type, shape }, components: Object.fromEntries(parts) }), shape[1]);
}

function cut(flat: Float32Array | Float64Array, cols: number): Rows {
  return Array.from({ length: flat.length / cols }, (_, row) => [
    ...flat.subarray(row * cols, (row + 1) * cols),
  ]);
}

/** Largest code of a cache; a float cache has none. */
const LARGEST = { f32: undefined, 'int8-per-token-head': 127, 'int4-per-token-head': 7 } as const;

/** A row rounded to codes up to `largest` times their scale. */
function rounded(row: readonly number[], largest = 127): number[] {
  const amax = Math.fround(row.reduce((max, v) => Math.max(max, Math.abs(v)), 0));
  if (amax === 0) return row.map(() => 0);
  const scale = Math.fround(amax / largest);
  return row.map((v) => Math.max(-largest, Math.min(largest, nearestEven(v * (largest / amax)))) * scale);
}

function nearestEven(value: number): number {
  const up = Math.round(value);
  return Math.abs(value % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const UNARY: Readonly<Record<string, (x: number) => number>> = {
  silu: (x) => x * sigmoid(x),
  gelu: (x) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
  relu: (x) => Math.max(0, x),
};

function evaluateNode(node: GraphNode, get: (name: string) => Rows, largest: number | undefined): Rows {
  const [a, b, c] = node.inputs;
  if (Object.hasOwn(UNARY, node.op)) return get(a).map((row) => row.map(UNARY[node.op]));
  switch (node.op) {
    case 'embedding':
      return get(a).map(([id]) => get(b)[id]);
    case 'positions':
      return get(a).map((_, t) => [t + integerAttribute(node, 'offset')]);
    case 'linear':
      return get(a).map((x) => get(b).map((w, n) => dot(x, w) + (c === undefined ? 0 : get(c)[0][n])));
    case 'quantize':
      return get(a).map((row) => rounded(row));
    case 'rmsNorm':
      return get(a).map((whole) => {
        const width = optionalIntegerAttribute(node, 'headDim') ?? whole.length;
        return cut(Float64Array.from(whole), width).flatMap((row) => {
          const r = 1 / Math.sqrt(dot(row, row) / row.length + floatAttribute(node, 'epsilon'));
          return row.map((v, i) => v * r * get(b)[0][i]);
        });
      });
    case 'layerNorm':
      return get(a).map((row) => {
        const mean = row.reduce((sum, v) => sum + v, 0) / row.length;
        const d = row.map((v) => v - mean);
        const r = 1 / Math.sqrt(dot(d, d) / row.length + floatAttribute(node, 'epsilon'));
        return d.map((v, i) => v * r * get(b)[0][i] + (c === undefined ? 0 : get(c)[0][i]));
      });
    case 'rope':
      return get(a).map((row, t) => rotate(row, get(b)[t], node));
    case 'stateAppend':
      return get(b);
    case 'attention':
      return attend(node, get(a), get(b), get(c), largest, node.inputs.slice(3).map(get)[0]);
    case 'takeLast':
      return get(a).slice(-1);
    case 'add':
      return get(a).map((row, t) => row.map((v, i) => v + (get(b)[t] ?? get(b)[0])[i]));
    case 'mul':
      return get(a).map((row, t) => row.map((v, i) => v * (get(b)[t] ?? get(b)[0])[i]));
    default:
      throw new Error(`no slow reading of ${node.op}`);
  }
}

function rotate(row: readonly number[], angles: readonly number[], node: GraphNode): number[] {
  const width = integerAttribute(node, 'headDim');
  const half = stringAttribute(node, 'layout') === 'half';
  const out = [...row];
  for (let head = 0; head < row.length; head += width) {
    for (let i = 0; i < width / 2; i += 1) {
      const [first, second] = half ? [head + i, head + i + width / 2] : [head + 2 * i, head + 2 * i + 1];
      const [cos, sin] = [angles[2 * i], angles[2 * i + 1]];
      out[first] = row[first] * cos - row[second] * sin;
      out[second] = row[first] * sin + row[second] * cos;
    }
  }
  return out;
}

function attend(node: GraphNode, q: Rows, k: Rows, v: Rows, largest: number | undefined, mask?: Rows): Rows {
  const heads = integerAttribute(node, 'heads');
  const kvHeads = integerAttribute(node, 'kvHeads');
  const width = integerAttribute(node, 'headDim');
  const scale = floatAttribute(node, 'scale');
  const window = optionalIntegerAttribute(node, 'window');
  const head = (row: readonly number[], h: number): number[] => row.slice(h * width, (h + 1) * width);
  const query = (row: readonly number[], h: number): number[] =>
    largest === undefined ? head(row, h) : rounded(head(row, h));
  const kept = (row: readonly number[], h: number): number[] =>
    largest === undefined ? head(row, h) : rounded(head(row, h), largest);
  return q.map((row, t) =>
    Array.from({ length: heads }, (_, h) => {
      const kv = Math.floor((h * kvHeads) / heads);
      const isSeen = (_: unknown, p: number): boolean => {
        if (p > t || p <= t - (window ?? Number.POSITIVE_INFINITY)) return false;
        if (mask === undefined) return true;
        const line = Math.floor(t / integerAttribute(node, 'maskRows'));
        const [columns, ...own] = mask.length === 1 ? mask[0] : mask[h];
        return own[line * columns + Math.floor(p / integerAttribute(node, 'maskCols'))] !== 0;
      };
      const scores = k.filter(isSeen).map((key) => dot(query(row, h), kept(key, kv)) * scale);
      const max = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - max));
      const total = weights.reduce((sum, w) => sum + w, 0);
      let p = weights.map((w) => w / total);
      let values = v.filter(isSeen).map((value) => kept(value, kv));
      if (largest !== undefined) {
        // The scales of the values go into the probabilities, which are rounded together.
        const scales = v
          .filter(isSeen)
          .map((value) => Math.max(...value.slice(kv * width, (kv + 1) * width).map(Math.abs)) / largest);
        values = values.map((value, at) => value.map((x) => (scales[at] === 0 ? 0 : x / scales[at])));
        p = rounded(p.map((w, at) => w * scales[at]));
      }
      return Array.from({ length: width }, (_, i) => p.reduce((sum, w, at) => sum + w * values[at][i], 0));
    }).flat(),
  );
}
