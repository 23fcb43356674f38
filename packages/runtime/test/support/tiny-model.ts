/**
 * A small decoder with seeded weights, written out node by node, so that the interpreter is tested against a graph
 * that no reader made, and against plain float64 arithmetic over the same numbers.
 */
import {
  type ConstantDecl,
  dense,
  type Expression,
  FLOAT_NUMERICS,
  type GraphFunction,
  type GraphNode,
  type ModelBundle,
  type SectionSource,
  symbol,
} from '@bitloom/ir';

export interface TinyShape {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly layers: number;
  readonly context: number;
  /** `llama`: RMSNorm, rotary positions, gated SiLU. `opt`: LayerNorm, learned positions + 2, ReLU, biases. */
  readonly style: 'llama' | 'opt';
  readonly tied: boolean;
  readonly layout: 'interleaved' | 'half';
  readonly seed: number;
}

export const TINY: TinyShape = {
  width: 24,
  heads: 6,
  kvHeads: 2,
  headDim: 4,
  hidden: 20,
  vocabulary: 40,
  layers: 2,
  context: 48,
  style: 'llama',
  tied: true,
  layout: 'half',
  seed: 1,
};

/** Uniform numbers in [-1, 1) from a 32-bit mix; enough for weights. */
export function noise(seed: number, count: number, scale = 1, offset = 0): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return offset + scale * (((z ^ (z >>> 15)) >>> 0) / 2 ** 31 - 1);
  });
}

export interface TinyModel extends ModelBundle {
  readonly shape: TinyShape;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export function tinyModel(overrides: Partial<TinyShape> = {}): TinyModel {
  const shape = { ...TINY, ...overrides };
  const { width, heads, kvHeads, headDim, hidden, vocabulary, layers, context, style } = shape;
  const weights = new Map<string, Float32Array>();
  const constants: ConstantDecl[] = [];
  const constant = (name: string, dims: number[], scale: number, offset = 0): string => {
    const count = dims.reduce((a, b) => a * b, 1);
    weights.set(name, noise(shape.seed * 7919 + constants.length * 104729, count, scale, offset));
    constants.push({ name, type: dense('f32', dims), components: { data: name } });
    return name;
  };
  constant('embed', [vocabulary, width], 1);
  if (style === 'opt') constant('positions', [context + 2, width], 0.5);
  if (style === 'llama') {
    constant('rope', [context, headDim / 2, 2], 0);
    weights.set('rope', ropeTable(context, headDim));
  }
  if (!shape.tied) constant('head', [vocabulary, width], 1);
  for (let layer = 0; layer < layers; layer += 1) {
    const linear = (name: string, n: number, k: number): void => {
      constant(`${layer}.${name}`, [n, k], 1.5 / Math.sqrt(k));
      if (style === 'opt') constant(`${layer}.${name}.bias`, [n], 0.2);
    };
    const norm = (name: string): void => {
      constant(`${layer}.${name}`, [width], 0.3, 1);
      if (style === 'opt') constant(`${layer}.${name}.bias`, [width], 0.2);
    };
    norm('norm1');
    linear('q', heads * headDim, width);
    linear('k', kvHeads * headDim, width);
    linear('v', kvHeads * headDim, width);
    linear('o', width, heads * headDim);
    norm('norm2');
    if (style === 'llama') linear('gate', hidden, width);
    linear('up', hidden, width);
    linear('down', width, hidden);
  }
  constant('norm', [width], 0.3, 1);
  if (style === 'opt') constant('norm.bias', [width], 0.2);

  const states = Array.from({ length: layers }, (_, layer) =>
    ['keys', 'values'].map((name) => ({
      name: `${layer}.${name}`,
      type: dense('f32', [kvHeads, context, headDim]),
      purpose: 'kv-cache' as const,
    })),
  ).flat();
  const model = {
    kind: 'model' as const,
    name: 'tiny',
    family: style,
    numerics: FLOAT_NUMERICS,
    symbols: [
      { name: 'seq', min: 1, max: context, perSlot: true },
      { name: 'past', min: 0, max: context - 1, perSlot: true },
    ],
    constants,
    states,
    functions: [
      tinyFunction(shape, 'forward', symbol('seq'), false),
      tinyFunction(shape, 'prefill', symbol('seq'), true),
      tinyFunction(shape, 'decode', 1, false),
    ],
    metadata: {},
  };
  return { model, sections: memorySections(weights), shape, weights };
}

function tinyFunction(shape: TinyShape, name: string, seq: Expression, last: boolean): GraphFunction {
  const nodes: GraphNode[] = [];
  const { heads, kvHeads, headDim, style } = shape;
  const node = (
    op: string,
    label: string,
    inputs: string[],
    attributes: GraphNode['attributes'] = {},
  ): string => {
    nodes.push({ name: label, op, inputs, outputs: [`%${label}`], attributes });
    return `%${label}`;
  };
  const linear = (label: string, x: string): string =>
    node('linear', label, style === 'opt' ? [x, label, `${label}.bias`] : [x, label]);
  const norm = (label: string, x: string): string =>
    style === 'opt'
      ? node('layerNorm', label, [x, label, `${label}.bias`], { epsilon: 1e-5 })
      : node('rmsNorm', label, [x, label], { epsilon: 1e-5 });
  let x = node('embedding', 'embed', ['ids', 'embed']);
  if (style === 'opt') {
    const at = node('positions', 'at', ['ids'], { offset: 2 });
    x = node('add', 'place', [x, node('embedding', 'place.rows', [at, 'positions'])]);
  }
  const stateUpdates: Record<string, string> = {};
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const n1 = norm(`${layer}.norm1`, x);
    let q = linear(`${layer}.q`, n1);
    let k = linear(`${layer}.k`, n1);
    const v = linear(`${layer}.v`, n1);
    if (style === 'llama') {
      q = node('rope', `${layer}.q.rope`, [q, 'rope'], { headDim, layout: shape.layout });
      k = node('rope', `${layer}.k.rope`, [k, 'rope'], { headDim, layout: shape.layout });
    }
    const keys = node('stateAppend', `${layer}.keys.append`, [`${layer}.keys`, k]);
    const values = node('stateAppend', `${layer}.values.append`, [`${layer}.values`, v]);
    stateUpdates[`${layer}.keys`] = keys;
    stateUpdates[`${layer}.values`] = values;
    const mixed = node('attention', `${layer}.attention`, [q, keys, values], {
      heads,
      kvHeads,
      headDim,
      scale: Math.fround(1 / Math.sqrt(headDim)),
    });
    x = node('add', `${layer}.add1`, [x, linear(`${layer}.o`, mixed)]);
    const n2 = norm(`${layer}.norm2`, x);
    const up = linear(`${layer}.up`, n2);
    const active =
      style === 'llama'
        ? node('mul', `${layer}.gated`, [node('silu', `${layer}.silu`, [linear(`${layer}.gate`, n2)]), up])
        : node('relu', `${layer}.relu`, [up]);
    x = node('add', `${layer}.add2`, [x, linear(`${layer}.down`, active)]);
  }
  if (last) x = node('takeLast', 'last', [x]);
  x = norm('norm', x);
  const logits = node('linear', 'logits', [x, shape.tied ? 'embed' : 'head']);
  return {
    name,
    inputs: [{ name: 'ids', type: dense('i32', [seq]) }],
    outputs: [logits],
    nodes,
    bindings: {},
    stateUpdates,
  };
}

function ropeTable(positions: number, headDim: number): Float32Array {
  const table = new Float32Array(positions * headDim);
  for (let p = 0; p < positions; p += 1) {
    for (let i = 0; i < headDim / 2; i += 1) {
      const angle = p * 100 ** (-i / (headDim / 2));
      table[p * headDim + 2 * i] = Math.cos(angle);
      table[p * headDim + 2 * i + 1] = Math.sin(angle);
    }
  }
  return table;
}

export function memorySections(weights: ReadonlyMap<string, Float32Array>): SectionSource {
  const bytes = (section: string): Uint8Array => {
    const values = weights.get(section);
    if (values === undefined) throw new Error(`no section ${section}`);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
  return {
    has: (section) => weights.has(section),
    byteLength: (section) => bytes(section).length,
    read: (section, offset = 0, length) => {
      const all = bytes(section);
      return all.subarray(offset, offset + (length ?? all.length - offset));
    },
  };
}

/** The logits of every token, [tokens][vocabulary], in float64 and without a cache. */
export function referenceLogits({ shape, weights }: TinyModel, ids: readonly number[]): number[][] {
  const get = (name: string): Float32Array => weights.get(name) ?? new Float32Array(0);
  const { width, heads, kvHeads, headDim, style } = shape;
  const matrix = (label: string, rows: number[][]): number[][] => {
    const w = get(label);
    const bias = get(`${label}.bias`);
    const k = rows[0].length;
    return rows.map((row) =>
      Array.from({ length: w.length / k }, (_, n) =>
        row.reduce((sum, value, i) => sum + value * w[n * k + i], bias.length > 0 ? bias[n] : 0),
      ),
    );
  };
  const norm = (label: string, rows: number[][]): number[][] =>
    rows.map((row) => {
      const mean = style === 'opt' ? row.reduce((a, b) => a + b, 0) / row.length : 0;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
      const bias = get(`${label}.bias`);
      return row.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * get(label)[i] + (bias[i] ?? 0));
    });
  const rotate = (rows: number[][]): number[][] =>
    rows.map((row, t) => {
      const out = [...row];
      for (let h = 0; h < row.length; h += headDim) {
        for (let i = 0; i < headDim / 2; i += 1) {
          const [first, second] = shape.layout === 'half' ? [i, i + headDim / 2] : [2 * i, 2 * i + 1];
          const [cos, sin] = get('rope').subarray(t * headDim + 2 * i);
          out[h + first] = row[h + first] * cos - row[h + second] * sin;
          out[h + second] = row[h + first] * sin + row[h + second] * cos;
        }
      }
      return out;
    });
  const attend = (q: number[][], k: number[][], v: number[][]): number[][] =>
    q.map((row, t) => {
      const out = new Array<number>(row.length).fill(0);
      for (let h = 0; h < heads; h += 1) {
        const kv = Math.floor((h * kvHeads) / heads) * headDim;
        const scores = k.slice(0, t + 1).map((key) => {
          let dot = 0;
          for (let i = 0; i < headDim; i += 1) dot += row[h * headDim + i] * key[kv + i];
          return dot / Math.sqrt(headDim);
        });
        const max = Math.max(...scores);
        const weightsOf = scores.map((score) => Math.exp(score - max));
        const sum = weightsOf.reduce((a, b) => a + b, 0);
        for (let i = 0; i < headDim; i += 1) {
          out[h * headDim + i] = weightsOf.reduce((acc, p, at) => acc + (p / sum) * v[at][kv + i], 0);
        }
      }
      return out;
    });
  const plus = (a: number[][], b: number[][]): number[][] =>
    a.map((row, t) => row.map((v, i) => v + b[t][i]));
  let x = ids.map((id, t) =>
    Array.from(
      { length: width },
      (_, i) => get('embed')[id * width + i] + (get('positions')[(t + 2) * width + i] ?? 0),
    ),
  );
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const n1 = norm(`${layer}.norm1`, x);
    let q = matrix(`${layer}.q`, n1);
    let k = matrix(`${layer}.k`, n1);
    if (style === 'llama') [q, k] = [rotate(q), rotate(k)];
    x = plus(x, matrix(`${layer}.o`, attend(q, k, matrix(`${layer}.v`, n1))));
    const n2 = norm(`${layer}.norm2`, x);
    const up = matrix(`${layer}.up`, n2);
    const gate = style === 'llama' ? matrix(`${layer}.gate`, n2) : up;
    const active = up.map((row, t) =>
      row.map((v, i) =>
        style === 'llama' ? (gate[t][i] / (1 + Math.exp(-gate[t][i]))) * v : Math.max(0, v),
      ),
    );
    x = plus(x, matrix(`${layer}.down`, active));
  }
  return matrix(shape.tied ? 'embed' : 'head', norm('norm', x));
}
