/**
 * Builds the graph of a decoder-only transformer from its configuration: entries `prefill` (logits of the last
 * token), `decode` (one token) and `forward` (logits of every token), over one key and one value cache per layer.
 */
import {
  type ConstantDecl,
  dense,
  type Expression,
  FLOAT_NUMERICS,
  type GraphFunction,
  type GraphNode,
  type Model,
  type StateDecl,
  symbol,
  type TextInterface,
} from '@bitloom/ir';
import type { DecoderConfig } from './decoder-config.js';
import { invalidConfig } from './decoder-config.js';
import { decoderParameters, parameterCount } from './parameters.js';

/** Name of the table of rotary angles, [context, headDim / 2, 2]: (cos, sin). */
export const ROPE_TABLE = 'rope';

export interface BuildOptions {
  readonly name: string;
  /** Longest sequence to make room for; default and most: what the model was made for. */
  readonly context?: number;
  /** No weights behind the constants. */
  readonly shapeOnly?: boolean;
  readonly text?: TextInterface;
  /** Facts for people. */
  readonly metadata?: Readonly<Record<string, string | number>>;
}

/** The context a model is built with. @throws BitloomError `model-config-invalid` */
export function decoderContext(config: DecoderConfig, context = config.maxPositions): number {
  if (Number.isInteger(context) && context >= 1 && context <= config.maxPositions) return context;
  throw invalidConfig('options', 'context', `an integer from 1 to ${config.maxPositions}`, context);
}

/**
 * The model graph of a configuration, in float32. The section of each constant has the constant's name.
 * @throws BitloomError `model-config-invalid` for a context the model does not have
 */
export function buildDecoder(config: DecoderConfig, options: BuildOptions): Model {
  const context = decoderContext(config, options.context);
  const constant = (name: string, shape: readonly number[]): ConstantDecl => ({
    name,
    type: dense('f32', shape),
    components: options.shapeOnly === true ? {} : { data: name },
  });
  const constants = decoderParameters(config).map(({ name, shape }) => constant(name, shape));
  if (config.positions.kind === 'rope')
    constants.push(constant(ROPE_TABLE, [context, config.headDim / 2, 2]));
  const states: StateDecl[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of ['keys', 'values']) {
      states.push({
        name: `layers.${layer}.${part}`,
        type: dense('f32', [config.kvHeads, context, config.headDim]),
        purpose: 'kv-cache',
      });
    }
  }
  const seq = symbol('seq');
  const facts = { ...options.metadata, parameters: parameterCount(config) };
  return {
    kind: 'model',
    name: options.name,
    family: config.family,
    numerics: FLOAT_NUMERICS,
    symbols: [
      { name: 'seq', min: 1, max: context, perSlot: true },
      { name: 'past', min: 0, max: context - 1, perSlot: true },
    ],
    constants,
    states,
    functions: [
      buildEntry(config, context, 'prefill', seq),
      buildEntry(config, context, 'decode', 1),
      buildEntry(config, context, 'forward', seq),
    ],
    ...(options.text === undefined ? {} : { text: options.text }),
    metadata: Object.fromEntries(Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function buildEntry(config: DecoderConfig, context: number, name: string, seq: Expression): GraphFunction {
  const nodes: GraphNode[] = [];
  const stateUpdates: Record<string, string> = {};
  let layer: number | undefined;
  /** Adds a node named after what it does; its value has the same name in parentheses. */
  const node = (
    op: string,
    label: string,
    inputs: readonly string[],
    attributes: GraphNode['attributes'] = {},
  ): string => {
    const full = layer === undefined ? label : `layers.${layer}.${label}`;
    nodes.push({
      name: full,
      op,
      inputs,
      outputs: [`(${full})`],
      attributes,
      ...(layer === undefined ? {} : { layer }),
    });
    return `(${full})`;
  };
  const parameter = (part: string, kind: 'weight' | 'bias'): string =>
    layer === undefined ? `${part}.${kind}` : `layers.${layer}.${part}.${kind}`;
  const linear = (part: string, x: string, bias: boolean): string =>
    node('linear', part, [x, parameter(part, 'weight'), ...(bias ? [parameter(part, 'bias')] : [])]);
  const norm = (part: string, x: string): string => {
    const { kind, epsilon } = config.norm;
    return kind === 'rms'
      ? node('rmsNorm', part, [x, parameter(part, 'weight')], { epsilon })
      : node('layerNorm', part, [x, parameter(part, 'weight'), parameter(part, 'bias')], { epsilon });
  };
  const rotate = (part: string, x: string): string => {
    if (config.positions.kind !== 'rope') return x;
    const { layout, rotated } = config.positions;
    if (rotated !== undefined && layer !== undefined && !rotated[layer]) return x;
    return node('rope', `${part}_rope`, [x, ROPE_TABLE], { headDim: config.headDim, layout });
  };
  const append = (part: 'keys' | 'values', x: string): string => {
    const state = `layers.${layer}.${part}`;
    const value = node('stateAppend', `${part}_append`, [state, x]);
    stateUpdates[state] = value;
    return value;
  };

  /** Queries or keys with their heads normalised and turned. */
  const prepare = (part: 'q' | 'k', x: string): string => {
    if (config.headNorms !== true) return rotate(part, x);
    const { epsilon } = config.norm;
    const weight = parameter(`${part}_norm`, 'weight');
    return rotate(part, node('rmsNorm', `${part}_norm`, [x, weight], { epsilon, headDim }));
  };

  const { heads, kvHeads, headDim, biases, feedForward, windows, scoreScales } = config;
  const isAfter = config.norm.place === 'after';
  const before = (part: string, x: string): string => (isAfter ? x : norm(part, x));
  const after = (part: string, x: string): string => (isAfter ? norm(part, x) : x);
  let x = node('embedding', 'embedding', ['tokens', 'embedding.weight']);
  if (config.embeddingWidth !== undefined) x = linear('project_in', x, false);
  if (config.positions.kind === 'learned') {
    const rows = node('positions', 'positions', ['tokens'], { offset: config.positions.offset });
    x = node('add', 'embedding_add', [
      x,
      node('embedding', 'position_embedding', [rows, 'positions.weight']),
    ]);
  }
  for (layer = 0; layer < config.layers; layer++) {
    const attentionInput = before('attention_norm', x);
    const q = prepare('q', linear('q', attentionInput, biases.qkv));
    const k = prepare('k', linear('k', attentionInput, biases.qkv));
    const v = linear('v', attentionInput, biases.qkv);
    const mixed = node('attention', 'attention', [q, append('keys', k), append('values', v)], {
      heads,
      kvHeads,
      headDim,
      scale: Math.fround(scoreScales?.[layer] ?? 1 / Math.sqrt(headDim)),
      ...windowAttribute(windows?.[layer] ?? 0, context),
    });
    x = after('attention_norm', node('add', 'attention_add', [x, linear('o', mixed, biases.output)]));
    const ffnInput = before('ffn_norm', x);
    const inner = feedForward.gated
      ? node('mul', 'gated', [
          node(feedForward.activation, 'activation', [linear('gate', ffnInput, biases.feedForward)]),
          linear('up', ffnInput, biases.feedForward),
        ])
      : node(feedForward.activation, 'activation', [linear('up', ffnInput, biases.feedForward)]);
    x = after('ffn_norm', node('add', 'ffn_add', [x, linear('down', inner, biases.feedForward)]));
  }
  layer = undefined;
  if (name === 'prefill') x = node('takeLast', 'last', [x]);
  const weight = config.tiedEmbeddings ? 'embedding.weight' : 'head.weight';
  if (config.norm.final !== false) x = norm('norm', x);
  if (config.embeddingWidth !== undefined) x = linear('project_out', x, false);
  const logits = node('linear', 'head', [x, weight]);
  return {
    name,
    inputs: [{ name: 'tokens', type: dense('i32', [seq]) }],
    outputs: [logits],
    nodes,
    bindings: name === 'decode' ? { seq: 1 } : {},
    stateUpdates,
  };
}

/** A window that no sequence outgrows hides nothing, and is none. */
function windowAttribute(window: number, context: number): { readonly window?: number } {
  return window === 0 || window >= context ? {} : { window };
}
