/** A one-layer language model by hand, float or W8A8, shape-only or with sections. Made anew by each call. */
import {
  type ConstantDecl,
  dense,
  type Expression,
  FLOAT_NUMERICS,
  FP16,
  FP32,
  type GraphFunction,
  type GraphNode,
  integerNumerics,
  intFormat,
  type Model,
  type QuantizedType,
  symbol,
  type ValueType,
} from '../../src/index.js';

const [WIDTH, HEADS, KV_HEADS, HEAD_DIM, VOCAB, CONTEXT] = [16, 4, 2, 4, 32, 24];

export interface TinyModelOptions {
  readonly isInteger?: boolean;
  readonly hasSections?: boolean;
}

/** An int8 matrix with fp16 scales of groups of 8. */
export function int8Matrix(rows: number, cols: number): QuantizedType {
  return {
    kind: 'quantized',
    shape: [rows, cols],
    element: intFormat(8),
    scales: [{ format: FP16, block: [1, 8], direction: 'multiply', rule: 'amax/127' }],
    layout: 'canonical',
  };
}

/** An int8 cache [heads, tokens, headDim] with one float32 scale per head and token. */
export function int8Cache(): QuantizedType {
  return {
    kind: 'quantized',
    shape: [KV_HEADS, CONTEXT, HEAD_DIM],
    element: intFormat(8),
    scales: [{ format: FP32, block: [1, 1, 0], direction: 'multiply', rule: 'amax/127' }],
    layout: 'rows',
  };
}

function node(
  name: string,
  op: string,
  inputs: readonly string[],
  attributes: GraphNode['attributes'] = {},
  isInLayer = true,
): GraphNode {
  return { name, op, inputs, outputs: [`%${name}`], attributes, ...(isInLayer ? { layer: 0 } : {}) };
}

function entry(name: string, rows: Expression, isInteger: boolean): GraphFunction {
  const eight = { bits: 8 };
  const quantize = (to: string, from: string): GraphNode[] =>
    isInteger ? [node(to, 'quantize', [from], eight)] : [];
  const x = (to: string, from: string): string => (isInteger ? `%${to}` : from);
  const rope = { headDim: HEAD_DIM, layout: 'half' };
  const heads = { heads: HEADS, kvHeads: KV_HEADS, headDim: HEAD_DIM, scale: 0.5 };
  return {
    name,
    inputs: [{ name: 'tokens', type: dense('i32', [symbol('seq')]) }],
    outputs: ['%logits'],
    nodes: [
      node('embed', 'embedding', ['tokens', 'embedding'], {}, false),
      node('norm', 'rmsNorm', ['%embed', 'norm.weight'], { epsilon: 1e-5 }),
      ...quantize('normCodes', '%norm'),
      node('q', 'linear', [x('normCodes', '%norm'), 'q.weight']),
      node('k', 'linear', [x('normCodes', '%norm'), 'k.weight', 'k.bias']),
      node('qRope', 'rope', ['%q', 'rope'], rope),
      node('kRope', 'rope', ['%k', 'rope'], rope),
      node('keep', 'stateAppend', ['keys', '%kRope']),
      node('keepV', 'stateAppend', ['values', '%k']),
      node('mix', 'attention', ['%qRope', '%keep', '%keepV'], heads),
      node('sum', 'add', ['%embed', '%mix']),
      node('last', 'takeLast', ['%sum'], {}, false),
      ...quantize('lastCodes', '%last'),
      node('logits', 'linear', [x('lastCodes', '%last'), 'head.weight'], {}, false),
    ],
    bindings: rows === 1 ? { seq: 1 } : {},
    stateUpdates: { keys: '%keep', values: '%keepV' },
  };
}

export function tinyModel({ isInteger = false, hasSections = false }: TinyModelOptions = {}): Model {
  const constant = (name: string, type: ValueType): ConstantDecl => {
    const parts = type.kind === 'dense' ? ['data'] : ['codes', 'scales'];
    const components = Object.fromEntries(parts.map((part) => [part, `${name}.${part}`]));
    return { name, type, components: hasSections ? components : {} };
  };
  const matrix = (rows: number, cols: number): ValueType =>
    isInteger ? int8Matrix(rows, cols) : dense('f32', [rows, cols]);
  const cache = isInteger ? int8Cache() : dense('f32', [KV_HEADS, CONTEXT, HEAD_DIM]);
  return {
    kind: 'model',
    name: 'tiny',
    family: 'made up',
    numerics: isInteger ? integerNumerics('W8A8') : FLOAT_NUMERICS,
    symbols: [
      { name: 'seq', min: 1, max: CONTEXT, perSlot: true },
      { name: 'past', min: 0, max: CONTEXT - 1, perSlot: true },
    ],
    constants: [
      constant('embedding', matrix(VOCAB, WIDTH)),
      constant('norm.weight', dense('f32', [WIDTH])),
      constant('q.weight', matrix(WIDTH, WIDTH)),
      constant('k.weight', matrix(KV_HEADS * HEAD_DIM, WIDTH)),
      constant('k.bias', dense('f32', [KV_HEADS * HEAD_DIM])),
      constant('rope', dense('f32', [CONTEXT, HEAD_DIM / 2, 2])),
      constant('head.weight', matrix(VOCAB, WIDTH)),
    ],
    states: [
      { name: 'keys', type: cache, purpose: 'kv-cache' },
      { name: 'values', type: cache, purpose: 'kv-cache' },
    ],
    functions: [entry('prefill', symbol('seq'), isInteger), entry('decode', 1, isInteger)],
    text: { tokenizer: { kind: 'words' }, bosId: 1, eosIds: [2, 3] },
    metadata: { parameters: 1234, source: 'made up' },
  };
}
