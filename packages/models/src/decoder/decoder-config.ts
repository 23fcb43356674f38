/**
 * A decoder-only transformer as plain data. What distinguishes Llama from OPT stands here as values, so one builder
 * makes every graph and no code asks for a family's name.
 */
import { BitloomError } from '@bitloom/ir';
import type { RopeScaling } from '@bitloom/kernels';
import { describe } from '../json/strict-json.js';

/** How a model knows positions. */
export type Positions =
  /** Rotation of query and key heads. `interleaved` turns elements (2i, 2i+1), `half` turns (i, i + headDim/2). */
  | {
      readonly kind: 'rope';
      readonly theta: number;
      readonly layout: 'interleaved' | 'half';
      readonly scaling: RopeScaling;
      /** By layer, whether heads are turned. Absent: in every layer. */
      readonly rotated?: readonly boolean[];
    }
  /** A learned row per position; position p is row p + offset of a table of maxPositions + offset rows. */
  | { readonly kind: 'learned'; readonly offset: number };

export interface DecoderConfig {
  /** Name of the family, for people. */
  readonly family: string;
  readonly vocabSize: number;
  readonly layers: number;
  /** Width of the residual stream. */
  readonly width: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads`. */
  readonly kvHeads: number;
  /** Width of a head; heads * headDim need not be `width`. */
  readonly headDim: number;
  /** Width inside the feed-forward block. */
  readonly hiddenWidth: number;
  /**
   * Normalisation before attention, before the feed-forward block, and at the end. `place` `after`: instead after each
   * block's sum with what went into it. `final` false: none at the end.
   */
  readonly norm: {
    readonly kind: 'rms' | 'layer';
    readonly epsilon: number;
    readonly place?: 'after';
    readonly final?: false;
  };
  /** RMS normalisation of each query and key head by itself, before rotation; all heads share a weight [headDim]. */
  readonly headNorms?: true;
  readonly positions: Positions;
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly feedForward: boolean };
  /** By layer, how many tokens up to its own a token sees; 0: all. Absent: all in every layer. */
  readonly windows?: readonly number[];
  /** By layer, what multiplies the scores. Absent: 1 / sqrt(headDim) in every layer. */
  readonly scoreScales?: readonly number[];
  /** `gated`: down(activation(gate(x)) * up(x)); otherwise down(activation(up(x))). `gelu` is the tanh form. */
  readonly feedForward: { readonly gated: boolean; readonly activation: 'silu' | 'gelu' | 'relu' };
  /** Width of the token embedding and of the output projection, where linear maps stand between them and `width`. */
  readonly embeddingWidth?: number;
  /** Whether the output projection is the token embedding. */
  readonly tiedEmbeddings: boolean;
  /** Longest sequence. */
  readonly maxPositions: number;
}

/** Largest value of any size: keeps every product of three of them a safe integer. */
const MAX_SIZE = 2 ** 24;
/** Most layers. */
export const MAX_LAYERS = 4096;

/**
 * Checks a configuration that came from a file.
 * @param where what errors call it
 * @throws BitloomError `model-config-invalid`
 */
export function checkDecoderConfig(config: DecoderConfig, where: string): void {
  const { heads, kvHeads, headDim, norm, positions, layers } = config;
  const size = (field: keyof DecoderConfig, most = MAX_SIZE): void => {
    const value = config[field];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return;
    throw invalidConfig(where, field, `an integer from 1 to ${most}`, value);
  };
  for (const field of ['vocabSize', 'width', 'hiddenWidth', 'maxPositions'] as const) size(field);
  size('layers', MAX_LAYERS);
  for (const field of ['heads', 'kvHeads', 'headDim'] as const) size(field, 2 ** 16);
  if (heads * headDim > MAX_SIZE)
    throw invalidConfig(where, 'heads * headDim', `at most ${MAX_SIZE}`, heads * headDim);
  if (heads % kvHeads !== 0)
    throw invalidConfig(where, 'kvHeads', `a divisor of the ${heads} heads`, kvHeads);
  if (!(norm.epsilon > 0 && norm.epsilon < 1))
    throw invalidConfig(where, 'norm epsilon', 'between 0 and 1', norm.epsilon);
  if (config.embeddingWidth !== undefined) size('embeddingWidth');
  const { windows, scoreScales } = config;
  if (windows !== undefined) {
    const isWindow = (window: number): boolean => Number.isSafeInteger(window) && window >= 0;
    if (windows.length !== layers || !windows.every(isWindow))
      throw invalidConfig(where, 'windows', `a number of tokens for each of ${layers} layers`, windows);
  }
  if (scoreScales !== undefined && (scoreScales.length !== layers || !scoreScales.every(Number.isFinite)))
    throw invalidConfig(where, 'score scales', `a number for each of ${layers} layers`, scoreScales);
  if (positions.kind === 'learned') {
    if (Number.isInteger(positions.offset) && positions.offset >= 0 && positions.offset <= 1024) return;
    throw invalidConfig(where, 'position offset', 'an integer from 0 to 1024', positions.offset);
  }
  const { rotated } = positions;
  if (rotated !== undefined && (rotated.length !== layers || !rotated.includes(true)))
    throw invalidConfig(
      where,
      'rotated layers',
      `yes or no for each of ${layers} layers, not all no`,
      rotated,
    );
  if (headDim % 2 !== 0)
    throw invalidConfig(where, 'headDim', 'even, because rotary positions turn pairs', headDim);
  if (!(positions.theta > 0 && Number.isFinite(positions.theta))) {
    throw invalidConfig(where, 'rope theta', 'a positive number', positions.theta);
  }
}

/**
 * Whether a decoder is built as Llama's are: rotary positions, RMS norms before the blocks and at the end, gated SiLU,
 * scores scaled as usual, embeddings as wide as the model. Biases, norms of heads and windows are left to the caller.
 */
export function isBuiltAsLlama(config: DecoderConfig): boolean {
  const { norm, positions, feedForward } = config;
  return (
    norm.kind === 'rms' &&
    norm.place === undefined &&
    norm.final === undefined &&
    positions.kind === 'rope' &&
    positions.rotated === undefined &&
    feedForward.gated &&
    feedForward.activation === 'silu' &&
    config.scoreScales === undefined &&
    config.embeddingWidth === undefined
  );
}

/** The error of a configuration value. */
export function invalidConfig(where: string, field: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'model-config-invalid',
    message: `the model's configuration has an impossible ${field}`,
    where,
    expected,
    got: describe(got),
    hint: 'the file is damaged, or describes a model of another kind',
  });
}

/** The error of a model that is sound but of a kind that is not implemented: never run as something else. */
export function unsupportedModel(where: string, what: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'model-unsupported',
    message: `this model uses ${what}, which is not implemented`,
    where,
    expected,
    got: describe(got),
    hint: 'choose a model without it; running it as if it had not would give wrong text',
  });
}
