/**
 * A quantised Llama-shaped graph written by hand, shape-only: what `compression` makes of a model. The compiler's
 * tests use it so that they do not depend on rooms further down.
 */
import {
  dense,
  type Expression,
  FP16,
  FP32,
  type GraphFunction,
  type GraphNode,
  integerNumerics,
  intFormat,
  type Model,
  type QuantizedType,
  symbol,
} from '@bitloom/ir';

export interface LlamaShape {
  readonly layers: number;
  readonly width: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  readonly context: number;
  readonly bits: 4 | 8;
}

export const STORIES: LlamaShape = {
  layers: 5,
  width: 64,
  ffn: 172,
  heads: 8,
  kvHeads: 4,
  vocab: 512,
  context: 512,
  bits: 8,
};
export const LLAMA2_7B: LlamaShape = {
  layers: 32,
  width: 4096,
  ffn: 11008,
  heads: 32,
  kvHeads: 32,
  vocab: 32000,
  context: 4096,
  bits: 4,
};

function weightType(rows: number, cols: number, bits: number): QuantizedType {
  return {
    kind: 'quantized',
    shape: [rows, cols],
    element: intFormat(bits),
    scales: [{ format: FP16, block: [1, 32], direction: 'multiply', rule: `amax/${2 ** (bits - 1) - 1}` }],
    layout: 'canonical',
  };
}

export function quantizedLlama(shape: LlamaShape): Model {
  const { layers, width, ffn, heads, kvHeads, vocab, context, bits } = shape;
  const headDim = width / heads;
  const constants: Model['constants'][number][] = [];
  const states: Model['states'][number][] = [];
  const constant = (name: string, type: Model['constants'][number]['type']): string => {
    constants.push({ name, type, components: {} });
    return name;
  };
  constant('embed', weightType(vocab, width, 8));
  constant('rope', dense('f32', [context, headDim / 2, 2]));
  const weights = Array.from({ length: layers }, (_, l) => {
    for (const part of ['keys', 'values']) {
      states.push({
        name: `L${l}.${part}`,
        purpose: 'kv-cache',
        type: {
          kind: 'quantized',
          shape: [kvHeads, context, headDim],
          element: intFormat(8),
          scales: [{ format: FP32, block: [1, 1, 0], direction: 'multiply', rule: 'amax/127' }],
          layout: 'rows',
        },
      });
    }
    return {
      attentionNorm: constant(`L${l}.attention_norm`, dense('f32', [width])),
      q: constant(`L${l}.q`, weightType(width, width, bits)),
      k: constant(`L${l}.k`, weightType(kvHeads * headDim, width, bits)),
      v: constant(`L${l}.v`, weightType(kvHeads * headDim, width, bits)),
      o: constant(`L${l}.o`, weightType(width, width, bits)),
      ffnNorm: constant(`L${l}.ffn_norm`, dense('f32', [width])),
      gate: constant(`L${l}.gate`, weightType(ffn, width, bits)),
      up: constant(`L${l}.up`, weightType(ffn, width, bits)),
      down: constant(`L${l}.down`, weightType(width, ffn, bits)),
    };
  });
  constant('norm', dense('f32', [width]));
  constant('head', weightType(vocab, width, 8));

  const build = (name: string, seq: Expression): GraphFunction => {
    const nodes: GraphNode[] = [];
    const updates: Record<string, string> = {};
    const node = (
      op: string,
      inputs: string[],
      attributes: GraphNode['attributes'] = {},
      layer?: number,
    ): string => {
      const output = `v${nodes.length}`;
      nodes.push({
        name: `${op}.${nodes.length}`,
        op,
        inputs,
        outputs: [output],
        attributes,
        ...(layer === undefined ? {} : { layer }),
      });
      return output;
    };
    let x = node('embedding', ['tokens', 'embed']);
    weights.forEach((w, l) => {
      const quantize = (value: string): string => node('quantize', [value], { bits: 8 }, l);
      const linear = (value: string, weight: string): string => node('linear', [value, weight], {}, l);
      const rope = (value: string): string =>
        node('rope', [value, 'rope'], { headDim, layout: 'interleaved' }, l);
      const normed = quantize(node('rmsNorm', [x, w.attentionNorm], { epsilon: 1e-5 }, l));
      const q = rope(linear(normed, w.q));
      const k = rope(linear(normed, w.k));
      const v = linear(normed, w.v);
      const keys = node('stateAppend', [`L${l}.keys`, k], {}, l);
      const values = node('stateAppend', [`L${l}.values`, v], {}, l);
      updates[`L${l}.keys`] = keys;
      updates[`L${l}.values`] = values;
      const mixed = node(
        'attention',
        [q, keys, values],
        { heads, kvHeads, headDim, scale: Math.fround(1 / Math.sqrt(headDim)) },
        l,
      );
      x = node('add', [x, linear(quantize(mixed), w.o)], {}, l);
      const gated = quantize(node('rmsNorm', [x, w.ffnNorm], { epsilon: 1e-5 }, l));
      const gate = node('silu', [linear(gated, w.gate)], {}, l);
      const up = linear(gated, w.up);
      x = node('add', [x, linear(quantize(node('mul', [gate, up], {}, l)), w.down)], {}, l);
    });
    if (name === 'prefill') x = node('takeLast', [x]);
    const logits = node('linear', [
      node('quantize', [node('rmsNorm', [x, 'norm'], { epsilon: 1e-5 })], { bits: 8 }),
      'head',
    ]);
    return {
      name,
      inputs: [{ name: 'tokens', type: dense('i32', [seq]) }],
      outputs: [logits],
      nodes,
      bindings: name === 'decode' ? { seq: 1 } : {},
      stateUpdates: updates,
    };
  };
  return {
    kind: 'model',
    name: 'hand-made llama',
    family: 'llama',
    numerics: integerNumerics(`W${bits}A8`),
    symbols: [
      { name: 'seq', min: 1, max: context, perSlot: true },
      { name: 'past', min: 0, max: context - 1, perSlot: true },
    ],
    constants,
    states,
    functions: [build('prefill', symbol('seq')), build('decode', 1), build('forward', symbol('seq'))],
    metadata: {},
  };
}
