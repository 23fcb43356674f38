/**
 * The configuration of a decoder that was built here, from its graph: what an artefact does not store as a record is
 * still in its shapes, attributes and rotary table. The result is proved by building the graph again from it: the two
 * must be equal, so a model that is not exactly what `buildDecoder` makes is refused, never taken for something near it.
 */
import {
  type AttributeValue,
  BitloomError,
  type GraphNode,
  type Model,
  type SectionSource,
} from '@bitloom/ir';
import { buildDecoder, ROPE_TABLE } from './build-decoder.js';
import type { DecoderConfig, Positions } from './decoder-config.js';
import { recoverRope } from './recover-rope.js';

/**
 * The configuration of a model in float32.
 *
 * @throws BitloomError `export-unsupported` for a model that is quantised, without weights, or no decoder that
 *   `buildDecoder` makes
 */
export function recoverDecoderConfig(model: Model, sections: SectionSource): DecoderConfig {
  requireFloatWeights(model);
  const config = readConfig(model, sections);
  const built = buildDecoder(config, { name: model.name });
  if (canonicalGraph(built) !== canonicalGraph(model)) {
    throw notADecoder(model, 'the graph that its shapes and attributes give', 'another graph');
  }
  return config;
}

/** @throws BitloomError `export-unsupported` for packed codes and for shapes without weights */
export function requireFloatWeights({ name, constants }: Model): void {
  const other = constants.find(
    ({ type, components }) => type.kind !== 'dense' || components.data === undefined,
  );
  if (other === undefined) return;
  const shapeOnly = Object.keys(other.components).length === 0;
  throw new BitloomError({
    code: 'export-unsupported',
    message: shapeOnly ? 'the model has shapes but no weights' : 'the model is quantised already',
    where: `model '${name}', constant '${other.name}'`,
    expected: 'float32 weights',
    got: shapeOnly ? 'no weights' : 'packed codes',
    hint: 'export from the checkpoint the model was made from',
  });
}

function readConfig(model: Model, sections: SectionSource): DecoderConfig {
  const shapes = new Map<string, readonly unknown[]>(
    model.constants.map(({ name, type }) => [name, type.shape]),
  );
  const nodes = new Map<string, GraphNode>(
    (model.functions[0]?.nodes ?? []).map((node) => [node.name, node]),
  );
  /** Size of an axis of a constant. */
  const size = (constant: string, axis: number): number => {
    const value = shapes.get(constant)?.[axis];
    if (typeof value === 'number') return value;
    throw notADecoder(model, `a constant '${constant}'`, 'none of fixed shape');
  };
  const attribute = <T extends AttributeValue>(
    node: string,
    name: string,
    is: (value: unknown) => value is T,
  ): T => {
    const value = nodes.get(node)?.attributes[name];
    if (is(value)) return value;
    throw notADecoder(
      model,
      `a node '${node}' with '${name}'`,
      nodes.has(node) ? 'no such attribute' : 'no such node',
    );
  };
  const has = (name: string): boolean => shapes.has(name);
  const headDim = attribute('layers.0.attention', 'headDim', isNumber);
  const activation = nodes.get('layers.0.activation')?.op;
  if (activation !== 'silu' && activation !== 'gelu' && activation !== 'relu') {
    throw notADecoder(model, 'silu, gelu or relu in the feed-forward block', activation ?? 'no activation');
  }
  let layers = 0;
  while (has(`layers.${layers}.q.weight`)) layers++;
  const readPositions = (): { positions: Positions; maxPositions: number } => {
    if (!has(ROPE_TABLE)) {
      const offset = attribute('positions', 'offset', isNumber);
      return { positions: { kind: 'learned', offset }, maxPositions: size('positions.weight', 0) - offset };
    }
    const rotated = Array.from({ length: layers }, (_, layer) => nodes.has(`layers.${layer}.q_rope`));
    const layout = attribute(`layers.${Math.max(0, rotated.indexOf(true))}.q_rope`, 'layout', isString);
    if (layout !== 'interleaved' && layout !== 'half') {
      throw notADecoder(model, 'interleaved pairs or halves in rotary positions', layout);
    }
    const maxPositions = size(ROPE_TABLE, 0);
    const rope = recoverRope(model.name, sections, ROPE_TABLE, maxPositions, headDim);
    const some = rotated.includes(false) ? { rotated } : {};
    return { positions: { kind: 'rope', layout, ...rope, ...some }, maxPositions };
  };
  const ofLayers = (name: string): readonly (number | undefined)[] =>
    Array.from({ length: layers }, (_, layer) => {
      const value = nodes.get(`layers.${layer}.attention`)?.attributes[name];
      return typeof value === 'number' ? value : undefined;
    });
  const windows = ofLayers('window').map((window) => window ?? 0);
  const scales = ofLayers('scale').map((scale) => scale ?? Number.NaN);
  const usualScale = Math.fround(1 / Math.sqrt(headDim));
  const isAfter = nodes.get('layers.0.attention_norm')?.inputs[0] === '(layers.0.attention_add)';
  const hasFinalNorm = nodes.has('norm');
  const norm = hasFinalNorm ? 'norm' : 'layers.0.attention_norm';
  return {
    family: model.family,
    vocabSize: size('embedding.weight', 0),
    layers,
    width: size('layers.0.q.weight', 1),
    ...(has('project_in.weight') ? { embeddingWidth: size('embedding.weight', 1) } : {}),
    heads: attribute('layers.0.attention', 'heads', isNumber),
    kvHeads: attribute('layers.0.attention', 'kvHeads', isNumber),
    headDim,
    hiddenWidth: size('layers.0.up.weight', 0),
    norm: {
      kind: nodes.get(norm)?.op === 'rmsNorm' ? 'rms' : 'layer',
      epsilon: attribute(norm, 'epsilon', isNumber),
      ...(isAfter ? { place: 'after' } : {}),
      ...(hasFinalNorm ? {} : { final: false }),
    },
    ...(has('layers.0.q_norm.weight') ? { headNorms: true } : {}),
    ...(windows.some((window) => window !== 0) ? { windows } : {}),
    ...(scales.every((scale) => scale === usualScale) ? {} : { scoreScales: scales }),
    ...readPositions(),
    biases: {
      qkv: has('layers.0.q.bias'),
      output: has('layers.0.o.bias'),
      feedForward: has('layers.0.up.bias'),
    },
    feedForward: { gated: has('layers.0.gate.weight'), activation },
    tiedEmbeddings: !has('head.weight'),
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

/** What a decoder computes, as text: the same for equal graphs, whatever the order of keys. */
function canonicalGraph({ functions, constants, states }: Model): string {
  return JSON.stringify({ functions, constants, states }, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function notADecoder(model: Model, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'export-unsupported',
    message: 'the configuration of this model cannot be recovered from its graph',
    where: `model '${model.name}'`,
    expected,
    got,
    hint: 'export from the checkpoint the model was made from',
  });
}
