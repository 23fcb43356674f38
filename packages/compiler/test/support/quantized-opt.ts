/**
 * A quantised OPT-shaped graph written by hand, shape-only: LayerNorm, learned positions, biases, ReLU, and an
 * embedding that is also the head. Beside the Llama shape it covers the rest of the ops of this path.
 */
import {
  type ConstantDecl,
  dense,
  type Expression,
  FP16,
  FP32,
  type GraphFunction,
  type GraphNode,
  integerNumerics,
  intFormat,
  type Model,
  type StateDecl,
  symbol,
  type ValueType,
} from '@bitloom/ir';
import type { LlamaShape } from './quantized-llama.js';

export type OptShape = Omit<LlamaShape, 'kvHeads'>;

export function quantizedOpt({ layers, width, ffn, heads, vocab, context, bits }: OptShape): Model {
  const headDim = width / heads;
  const constants: ConstantDecl[] = [];
  const states: StateDecl[] = [];
  const constant = (name: string, type: ValueType): void => {
    constants.push({ name, type, components: {} });
  };
  const weight = (name: string, rows: number, cols: number, width8 = bits): void => {
    const scale = { format: FP16, block: [1, 32], direction: 'multiply', rule: 'amax' } as const;
    constant(name, {
      kind: 'quantized',
      shape: [rows, cols],
      element: intFormat(width8),
      scales: [scale],
      layout: 'canonical',
    });
  };
  const vector = (name: string, length: number): void => constant(name, dense('f32', [length]));
  weight('embed', vocab, width, 8);
  constant('positions', dense('f32', [context + 2, width]));
  for (let l = 0; l < layers; l++) {
    for (const part of ['keys', 'values']) {
      const scale = { format: FP32, block: [1, 1, 0], direction: 'multiply', rule: 'amax/127' } as const;
      const type = {
        kind: 'quantized',
        shape: [heads, context, headDim],
        element: intFormat(8),
        scales: [scale],
        layout: 'rows',
      } as const;
      states.push({ name: `L${l}.${part}`, purpose: 'kv-cache', type });
    }
    for (const name of ['q', 'k', 'v', 'o']) weight(`L${l}.${name}`, width, width);
    weight(`L${l}.up`, ffn, width);
    weight(`L${l}.down`, width, ffn);
    for (const name of ['q', 'k', 'v', 'o', 'down', 'norm1', 'norm1.weight', 'norm2', 'norm2.weight'])
      vector(`L${l}.${name}.bias`, width);
    vector(`L${l}.up.bias`, ffn);
  }
  vector('norm.weight.bias', width);
  vector('norm.bias', width);

  const build = (name: string, seq: Expression): GraphFunction => {
    const nodes: GraphNode[] = [];
    const stateUpdates: Record<string, string> = {};
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
    const place = node('embedding', [node('positions', ['tokens'], { offset: 2 }), 'positions']);
    let x = node('add', [node('embedding', ['tokens', 'embed']), place]);
    for (let l = 0; l < layers; l++) {
      const quantize = (value: string): string => node('quantize', [value], { bits: 8 }, l);
      const linear = (value: string, part: string): string =>
        node('linear', [value, `L${l}.${part}`, `L${l}.${part}.bias`], {}, l);
      const norm = (value: string, part: string): string =>
        node('layerNorm', [value, `L${l}.${part}.weight.bias`, `L${l}.${part}.bias`], { epsilon: 1e-5 }, l);
      const first = quantize(norm(x, 'norm1'));
      const q = linear(first, 'q');
      const keys = node('stateAppend', [`L${l}.keys`, linear(first, 'k')], {}, l);
      const values = node('stateAppend', [`L${l}.values`, linear(first, 'v')], {}, l);
      stateUpdates[`L${l}.keys`] = keys;
      stateUpdates[`L${l}.values`] = values;
      const scale = Math.fround(1 / Math.sqrt(headDim));
      const mixed = node('attention', [q, keys, values], { heads, kvHeads: heads, headDim, scale }, l);
      x = node('add', [x, linear(quantize(mixed), 'o')], {}, l);
      const active = node('relu', [linear(quantize(norm(x, 'norm2')), 'up')], {}, l);
      x = node('add', [x, linear(quantize(active), 'down')], {}, l);
    }
    if (name === 'prefill') x = node('takeLast', [x]);
    const last = node(
      'quantize',
      [node('layerNorm', [x, 'norm.weight.bias', 'norm.bias'], { epsilon: 1e-5 })],
      { bits: 8 },
    );
    const logits = node('linear', [last, 'embed']);
    return {
      name,
      inputs: [{ name: 'tokens', type: dense('i32', [seq]) }],
      outputs: [logits],
      nodes,
      bindings: name === 'decode' ? { seq: 1 } : {},
      stateUpdates,
    };
  };
  return {
    kind: 'model',
    name: 'hand-made opt',
    family: 'opt',
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
