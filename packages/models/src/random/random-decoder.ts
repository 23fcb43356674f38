/**
 * A decoder with random weights of any configuration, for demonstrations and benchmarks. The same seed gives the same
 * bits everywhere; nothing is stored, every read makes the numbers it needs.
 */
import type { ModelBundle } from '@bitloom/ir';
import { type BuildOptions, buildDecoder, decoderContext, ROPE_TABLE } from '../decoder/build-decoder.js';
import { checkDecoderConfig, type DecoderConfig } from '../decoder/decoder-config.js';
import { decoderParameters, type Parameter } from '../decoder/parameters.js';
import { ropeWeights, type Weights, weightSections } from '../decoder/weights.js';
import { fillNormal } from './counter-random.js';

export interface RandomOptions extends Omit<BuildOptions, 'name' | 'shapeOnly'> {
  /** Default `random <family>`. */
  readonly name?: string;
  /** Any 32-bit integer; default 1. */
  readonly seed?: number;
}

/**
 * A model with seeded random weights: linear maps and embeddings normal with a deviation that keeps activations near
 * one, normalisation weights around one, biases small.
 * @throws BitloomError `model-config-invalid`
 */
export function randomDecoder(config: DecoderConfig, options: RandomOptions = {}): ModelBundle {
  checkDecoderConfig(config, 'configuration');
  const { seed = 1, name = `random ${config.family}`, ...build } = options;
  const weights = new Map<string, Weights>(
    decoderParameters(config).map((parameter, stream) => [
      parameter.name,
      randomWeights(parameter, seed, stream),
    ]),
  );
  const { positions, headDim } = config;
  const context = decoderContext(config, build.context);
  if (positions.kind === 'rope') {
    weights.set(ROPE_TABLE, ropeWeights(context, headDim, positions.theta, positions.scaling));
  }
  const model = buildDecoder(config, { ...build, name, metadata: { ...build.metadata, seed } });
  return { model, sections: weightSections(weights) };
}

function randomWeights({ shape, role }: Parameter, seed: number, stream: number): Weights {
  const inputs = shape[shape.length - 1];
  const mean = role === 'norm' ? 1 : 0;
  const deviation = { embedding: 1, positions: 0.1, norm: 0.05, bias: 0.02, linear: 1 / Math.sqrt(inputs) }[
    role
  ];
  return {
    shape,
    read(start, count) {
      const out = new Float32Array(count);
      fillNormal(out, seed, stream, start, deviation);
      if (mean !== 0) for (let i = 0; i < count; i++) out[i] += mean;
      return out;
    },
  };
}
