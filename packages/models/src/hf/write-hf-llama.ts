/**
 * Writes a decoder built as Llama's are (Llama, Mistral, Qwen2, Qwen3) as a Hugging Face folder: `config.json` and
 * `model.safetensors`, float32. Query and key rows are put in rotate-half order where the source has them interleaved, as
 * Hugging Face wants them.
 */
import { BitloomError, type SectionSource } from '@bitloom/ir';
import { type DecoderConfig, isBuiltAsLlama, unsupportedModel } from '../decoder/decoder-config.js';
import { decoderParameters, type Parameter } from '../decoder/parameters.js';
import { halvesFirst } from '../decoder/rotary-order.js';
import { fromTable } from '../families/checkpoint.js';
import { LLAMA_NAMES } from '../families/hf-checkpoint.js';
import {
  f32Entry,
  type PiecewiseFile,
  type SafetensorsEntry,
  type SafetensorsShape,
  safetensorsInPieces,
  writeSafetensors,
} from '../safetensors/writer.js';

export interface HfLlamaOptions {
  /** Keys of transformers 4 (`rope_theta`, `rope_scaling`) or 5 (`rope_parameters`). Default 5. */
  readonly form?: 4 | 5;
  readonly bosId?: number;
  readonly eosIds?: readonly number[];
}

/** Files of the folder by name. */
export type HfFiles = Readonly<Record<'config.json' | 'model.safetensors', Uint8Array>>;

/**
 * The files of a Hugging Face folder.
 * @param sections float32 weights by parameter name, as `openModel` gives them
 * @throws BitloomError `model-unsupported` for configurations that no class has
 */
export function writeHfLlama(
  config: DecoderConfig,
  sections: SectionSource,
  options: HfLlamaOptions = {},
): HfFiles {
  const entries: SafetensorsEntry[] = [];
  for (const { tensor, shape, values } of hfLlamaTensors(config, sections)) {
    entries.push(f32Entry(tensor, shape, values));
  }
  return hfFiles(hfLlamaConfig(config, options), entries);
}

/** A configuration and tensors as the files of a folder. */
export function hfFiles(
  config: Readonly<Record<string, unknown>>,
  entries: readonly SafetensorsEntry[],
): HfFiles {
  return { 'config.json': configFile(config), 'model.safetensors': writeSafetensors(entries, METADATA) };
}

const METADATA = { format: 'pt' };

function configFile(config: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(config, undefined, 2)}\n`);
}

/**
 * The files of {@link writeHfLlama}, the weights read when they are written, a tensor at a time.
 * @throws BitloomError as {@link writeHfLlama}
 */
export function hfLlamaInPieces(
  config: DecoderConfig,
  sections: SectionSource,
  options: HfLlamaOptions,
): { 'config.json': Uint8Array; 'model.safetensors': PiecewiseFile } {
  const json = configFile(hfLlamaConfig(config, options));
  const tensors = decoderParameters(config).map(
    ({ name, shape }): SafetensorsShape => ({ name: hfTensorName(name), dtype: 'F32', shape }),
  );
  function* data(): Generator<Uint8Array> {
    for (const { values } of hfLlamaTensors(config, sections)) yield new Uint8Array(values.buffer);
  }
  return { 'config.json': json, 'model.safetensors': safetensorsInPieces(tensors, data, METADATA) };
}

/** A parameter under the name and in the order that Hugging Face wants. */
export interface HfTensor {
  readonly parameter: Parameter;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/**
 * The parameters of a Llama, one after the other, so that only one of them need be in memory.
 * @throws BitloomError `model-unsupported` for learned positions
 */
export function* hfLlamaTensors(config: DecoderConfig, sections: SectionSource): Generator<HfTensor> {
  const { positions } = config;
  if (positions.kind !== 'rope')
    throw unsupportedModel('configuration', 'learned positions', 'rotary', 'learned');
  for (const parameter of decoderParameters(config)) {
    const { name, shape } = parameter;
    const bytes = new Uint8Array(sections.read(name));
    const stored = new Float32Array(bytes.buffer);
    const rotated = /\.(?:q|k)\.(?:weight|bias)$/.test(name) && positions.layout === 'interleaved';
    const values = rotated ? halvesFirst(stored, config.headDim, shape[1] ?? 1) : stored;
    yield { parameter, tensor: hfTensorName(name), shape, values };
  }
}

/** The name Hugging Face has for a parameter of a Llama. */
export function hfTensorName(parameter: string): string {
  return parameter === 'head.weight'
    ? 'lm_head.weight'
    : `model.${fromTable(LLAMA_NAMES.tensors, parameter)}`;
}

/** A class of transformers: which decoders it is, and the keys that only it has. */
interface HfClass {
  readonly name: string;
  readonly type: string;
  readonly fits: (config: DecoderConfig) => boolean;
  readonly keys: (config: DecoderConfig) => Readonly<Record<string, unknown>>;
}

/** The first that fits is written; that of the family's own name before the others. */
const HF_CLASSES: readonly HfClass[] = [
  {
    name: 'LlamaForCausalLM',
    type: 'llama',
    fits: ({ headNorms, windows, biases }) =>
      headNorms === undefined && windows === undefined && biases.qkv === biases.output,
    keys: ({ biases }) => ({ attention_bias: biases.qkv, mlp_bias: biases.feedForward }),
  },
  {
    name: 'MistralForCausalLM',
    type: 'mistral',
    fits: ({ headNorms, windows = [], biases }) =>
      headNorms === undefined &&
      windows.every((window) => window === windows[0]) &&
      !(biases.qkv || biases.output || biases.feedForward),
    keys: ({ windows = [] }) => ({ sliding_window: windows[0] || null }),
  },
  {
    name: 'Qwen2ForCausalLM',
    type: 'qwen2',
    fits: ({ headNorms, biases, windows }) =>
      headNorms === undefined && biases.qkv && !biases.output && !biases.feedForward && hasOneWindow(windows),
    keys: ({ windows }) => windowKeys(windows),
  },
  {
    name: 'Qwen3ForCausalLM',
    type: 'qwen3',
    fits: ({ headNorms, biases, windows }) =>
      headNorms === true && biases.qkv === biases.output && !biases.feedForward && hasOneWindow(windows),
    keys: ({ biases, windows }) => ({ attention_bias: biases.qkv, ...windowKeys(windows) }),
  },
];

/** Whether the layers that have a window have the same. */
function hasOneWindow(windows: readonly number[] = []): boolean {
  return new Set(windows.filter((window) => window > 0)).size <= 1;
}

function windowKeys(windows: readonly number[] = []): Readonly<Record<string, unknown>> {
  const window = Math.max(0, ...windows);
  if (window === 0) return { use_sliding_window: false };
  const layer_types = windows.map((one) => (one === 0 ? 'full_attention' : 'sliding_attention'));
  return { layer_types, sliding_window: window, use_sliding_window: true };
}

/**
 * The `config.json` of a decoder that is built as Llama's are.
 * @throws BitloomError `model-unsupported` for what no class has
 */
export function hfLlamaConfig(config: DecoderConfig, options: HfLlamaOptions): Record<string, unknown> {
  const { positions, norm } = config;
  const family = HF_CLASSES.find(({ type }) => type === config.family);
  const known = [...(family === undefined ? [] : [family]), ...HF_CLASSES];
  const found = known.find((one) => isBuiltAsLlama(config) && one.fits(config));
  if (found === undefined) {
    const expected = HF_CLASSES.map(({ type }) => type).join(', ');
    throw unsupportedModel(
      'configuration',
      `something that none of ${expected} has`,
      expected,
      config.family,
    );
  }
  const eosIds = options.eosIds ?? [];
  return {
    architectures: [found.name],
    ...found.keys(config),
    bos_token_id: options.bosId ?? null,
    eos_token_id: eosIds.length > 1 ? eosIds : (eosIds[0] ?? null),
    head_dim: config.headDim,
    hidden_act: 'silu',
    hidden_size: config.width,
    intermediate_size: config.hiddenWidth,
    max_position_embeddings: config.maxPositions,
    model_type: found.type,
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.kvHeads,
    rms_norm_eps: norm.epsilon,
    tie_word_embeddings: config.tiedEmbeddings,
    vocab_size: config.vocabSize,
    ...ropeKeys(positions, options.form ?? 5),
  };
}

function ropeKeys(positions: DecoderConfig['positions'], form: 4 | 5): Record<string, unknown> {
  if (positions.kind !== 'rope') return {};
  const { theta, scaling } = positions;
  const scalingKeys = ((): Record<string, unknown> | undefined => {
    switch (scaling.kind) {
      case 'none':
        return undefined;
      case 'linear':
        return { rope_type: 'linear', factor: scaling.factor };
      case 'llama3':
        return {
          rope_type: 'llama3',
          factor: scaling.factor,
          low_freq_factor: scaling.lowFreqFactor,
          high_freq_factor: scaling.highFreqFactor,
          original_max_position_embeddings: scaling.originalMaxPositions,
        };
      case 'factors':
        throw new BitloomError({
          code: 'model-unsupported',
          message: 'a Hugging Face Llama configuration has no place for divisors of the rotary frequencies',
          where: 'rope scaling',
          expected: 'none, linear or llama3',
          got: `${scaling.factors.length} divisors`,
          hint: 'give the rule the divisors were made by (llama3 with its factors) in the configuration',
        });
    }
  })();
  if (form === 4) return { rope_theta: theta, rope_scaling: scalingKeys ?? null };
  return { rope_parameters: { rope_theta: theta, ...(scalingKeys ?? { rope_type: 'default' }) } };
}
