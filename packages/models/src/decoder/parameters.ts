/**
 * The parameters a decoder has: name, shape and role, in a fixed order. Builder, readers, writers and the random
 * model all go by this list.
 *
 * Names are bitloom's own: `layers.3.q.weight`. Weights of linear maps are [outputs, inputs].
 */
import type { DecoderConfig } from './decoder-config.js';

export type ParameterRole = 'embedding' | 'positions' | 'norm' | 'linear' | 'bias';

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: ParameterRole;
}

/** Linear maps of a layer with their sizes. */
function layerLinears(
  config: DecoderConfig,
): { part: string; outputs: number; inputs: number; bias: boolean }[] {
  const { width, hiddenWidth, biases } = config;
  const q = config.heads * config.headDim;
  const kv = config.kvHeads * config.headDim;
  const attention = [
    { part: 'q', outputs: q, inputs: width, bias: biases.qkv },
    { part: 'k', outputs: kv, inputs: width, bias: biases.qkv },
    { part: 'v', outputs: kv, inputs: width, bias: biases.qkv },
    { part: 'o', outputs: width, inputs: q, bias: biases.output },
  ];
  const gate = { part: 'gate', outputs: hiddenWidth, inputs: width, bias: biases.feedForward };
  return [
    ...attention,
    ...(config.feedForward.gated ? [gate] : []),
    { part: 'up', outputs: hiddenWidth, inputs: width, bias: biases.feedForward },
    { part: 'down', outputs: width, inputs: hiddenWidth, bias: biases.feedForward },
  ];
}

/** Every learned parameter, in order. A tied output projection is not listed again. */
export function decoderParameters(config: DecoderConfig): Parameter[] {
  const { width, vocabSize, maxPositions, positions, headDim, embeddingWidth = width } = config;
  const out: Parameter[] = [
    { name: 'embedding.weight', shape: [vocabSize, embeddingWidth], role: 'embedding' },
  ];
  if (config.embeddingWidth !== undefined)
    out.push({ name: 'project_in.weight', shape: [width, embeddingWidth], role: 'linear' });
  if (positions.kind === 'learned') {
    out.push({
      name: 'positions.weight',
      shape: [maxPositions + positions.offset, width],
      role: 'positions',
    });
  }
  const norm = (name: string): void => {
    out.push({ name: `${name}.weight`, shape: [width], role: 'norm' });
    if (config.norm.kind === 'layer') out.push({ name: `${name}.bias`, shape: [width], role: 'bias' });
  };
  const linears = layerLinears(config);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `layers.${layer}`;
    norm(`${prefix}.attention_norm`);
    for (const { part, outputs, inputs, bias } of linears) {
      if (part === 'gate' || (part === 'up' && !config.feedForward.gated)) norm(`${prefix}.ffn_norm`);
      out.push({ name: `${prefix}.${part}.weight`, shape: [outputs, inputs], role: 'linear' });
      if (bias) out.push({ name: `${prefix}.${part}.bias`, shape: [outputs], role: 'bias' });
      if (config.headNorms === true && (part === 'q' || part === 'k'))
        out.push({ name: `${prefix}.${part}_norm.weight`, shape: [headDim], role: 'norm' });
    }
  }
  if (config.norm.final !== false) norm('norm');
  if (config.embeddingWidth !== undefined)
    out.push({ name: 'project_out.weight', shape: [embeddingWidth, width], role: 'linear' });
  if (!config.tiedEmbeddings)
    out.push({ name: 'head.weight', shape: [vocabSize, embeddingWidth], role: 'linear' });
  return out;
}

/** Number of learned values. */
export function parameterCount(config: DecoderConfig): number {
  return decoderParameters(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
