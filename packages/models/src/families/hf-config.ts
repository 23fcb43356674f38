/**
 * The `config.json` of a Hugging Face folder as a decoder configuration: Llama, Mistral, Qwen2, Qwen3, OPT and GPT-2, in
 * the key names of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). Every key that changes what the model
 * computes is either understood or refused.
 *
 * Source of names, defaults and meaning: the configuration classes of huggingface/transformers.
 */
import type { RopeScaling } from '@bitloom/kernels';
import {
  checkDecoderConfig,
  type DecoderConfig,
  invalidConfig,
  MAX_LAYERS,
  unsupportedModel,
} from '../decoder/decoder-config.js';
import { isJsonObject, type JsonObject } from '../json/strict-json.js';
import { ConfigReader } from './config-reader.js';
import { unknownArchitecture } from './gguf.js';

/** `gelu` by itself is the exact form with the error function, which is not the tanh form. */
const ACTIVATIONS: Readonly<Record<string, 'silu' | 'gelu' | 'relu'>> = {
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
  gelu_new: 'gelu',
  gelu_pytorch_tanh: 'gelu',
};

function activation(config: ConfigReader, key: string, fallback: string): 'silu' | 'gelu' | 'relu' {
  const value = config.value(key) ?? fallback;
  const known =
    typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
  if (known !== undefined) return known;
  throw unsupportedModel(config.where, `an activation (${key})`, Object.keys(ACTIVATIONS).join(', '), value);
}

interface Family {
  /** `model_type` of its configurations. */
  readonly type: string;
  readonly read: (config: ConfigReader) => DecoderConfig;
}

/** By the name of the class in transformers that computes logits. */
const FAMILIES: Readonly<Record<string, Family>> = {
  LlamaForCausalLM: { type: 'llama', read: readLlama },
  MistralForCausalLM: { type: 'mistral', read: readMistral },
  Qwen2ForCausalLM: { type: 'qwen2', read: readQwen2 },
  Qwen3ForCausalLM: { type: 'qwen3', read: readQwen3 },
  OPTForCausalLM: { type: 'opt', read: readOpt },
  GPT2LMHeadModel: { type: 'gpt2', read: readGpt2 },
};

/**
 * The decoder that a `config.json` describes.
 * @param where what errors call the document
 * @throws BitloomError `model-architecture-unknown`, `model-unsupported`, `model-config-invalid`
 */
export function readHfConfig(json: JsonObject, where: string): DecoderConfig {
  const config = familyOf(json, where).read(new ConfigReader(json, where));
  checkDecoderConfig(config, where);
  return config;
}

/**
 * The family by the class and the type, which must not contradict each other: transformers goes by the type, others by
 * the class. Where a file names no class, the type alone decides; the tensors are checked against it all the same.
 */
function familyOf(json: JsonObject, where: string): Family {
  const { architectures, model_type: type } = json;
  const listed = Array.isArray(architectures) ? architectures : [];
  const given = [
    ...listed.map(String),
    ...(type === undefined || type === null ? [] : [`model_type ${String(type)}`]),
  ];
  const known = Object.entries(FAMILIES).find(([name, family]) =>
    listed.length === 0 ? family.type === type : listed.length === 1 && listed[0] === name,
  );
  if (known !== undefined && (type === undefined || type === null || type === known[1].type)) return known[1];
  throw unknownArchitecture(where, Object.keys(FAMILIES).join(', '), given.join(', ') || 'model_type null');
}

function readLlama(config: ConfigReader): DecoderConfig {
  const bias = config.flag('attention_bias', false);
  return {
    ...readRotaryDecoder(config, 'llama', {
      qkv: bias,
      output: bias,
      feedForward: config.flag('mlp_bias', false),
    }),
    maxPositions: config.integer('max_position_embeddings', 2048),
  };
}

/** A file that says nothing of the window has the one of the first model of the family; null is none. */
function readMistral(config: ConfigReader): DecoderConfig {
  const shared = readRotaryDecoder(
    config,
    'mistral',
    { qkv: false, output: false, feedForward: false },
    { kvHeads: 8 },
  );
  const window = config.isNull('sliding_window') ? 0 : readWindow(config);
  return {
    ...shared,
    ...windowsOf(byLayer(shared.layers, () => window)),
    maxPositions: config.integer('max_position_embeddings', 131072),
  };
}

function readQwen2(config: ConfigReader): DecoderConfig {
  const biases = { qkv: true, output: false, feedForward: false };
  const shared = readRotaryDecoder(config, 'qwen2', biases, { kvHeads: 32 });
  return {
    ...shared,
    ...readWindows(config, shared.layers),
    maxPositions: config.integer('max_position_embeddings', 32768),
  };
}

/** A head is as wide as it is said to be: 128 where nothing is said, unlike in Qwen2. */
function readQwen3(config: ConfigReader): DecoderConfig {
  const bias = config.flag('attention_bias', false);
  const biases = { qkv: bias, output: bias, feedForward: false };
  const shared = readRotaryDecoder(config, 'qwen3', biases, { kvHeads: 32, headDim: 128 });
  return {
    ...shared,
    headNorms: true,
    ...readWindows(config, shared.layers),
    maxPositions: config.integer('max_position_embeddings', 32768),
  };
}

function readWindow(config: ConfigReader): number {
  const window = config.integer('sliding_window', 4096);
  if (window >= 1) return window;
  throw invalidConfig(config.where, 'sliding_window', 'a number of tokens, or null', window);
}

/** Something of each layer, of as many as there may be: how many there are is checked afterwards. */
function byLayer(layers: number, of: (layer: number) => number): number[] {
  return Array.from({ length: Math.min(layers, MAX_LAYERS) }, (_, layer) => of(layer));
}

function windowsOf(windows: readonly number[]): Pick<DecoderConfig, 'windows'> {
  return windows.some((window) => window > 0) ? { windows } : {};
}

/** Windows of Qwen by layer: as `layer_types` says, else from the layer `max_window_layers` on. */
function readWindows(config: ConfigReader, layers: number): Pick<DecoderConfig, 'windows'> {
  const isUsed = config.flag('use_sliding_window', false);
  const window = isUsed && !config.isNull('sliding_window') ? readWindow(config) : undefined;
  const types = config.value('layer_types');
  if (types === undefined) {
    if (window === undefined) return {};
    const first = config.integer('max_window_layers', 28);
    return windowsOf(byLayer(layers, (layer) => (layer < first ? 0 : window)));
  }
  if (!Array.isArray(types) || types.length !== layers)
    throw invalidConfig(config.where, 'layer_types', `the kinds of ${layers} layers`, types);
  const windows = types.map((type) => {
    if (type === 'full_attention') return 0;
    if (type === 'sliding_attention' && window !== undefined) return window;
    if (type !== 'sliding_attention')
      throw unsupportedModel(
        config.where,
        'a kind of layer (layer_types)',
        'full_attention or sliding_attention',
        type,
      );
    throw unsupportedModel(
      config.where,
      'layers with a sliding window of no length (layer_types)',
      'use_sliding_window and sliding_window',
      'none',
    );
  });
  return windowsOf(windows);
}

/** What stands in a configuration of rotary decoders when nothing is said; null is `heads` and `width / heads`. */
interface RotaryDefaults {
  readonly kvHeads?: number;
  readonly headDim?: number;
}

function readRotaryDecoder(
  config: ConfigReader,
  family: string,
  biases: DecoderConfig['biases'],
  defaults: RotaryDefaults = {},
): Omit<DecoderConfig, 'maxPositions'> {
  const [width, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')];
  const orDefault = (key: string, named: number | undefined, computed: number): number =>
    config.integer(key, config.isNull(key) ? computed : (named ?? computed));
  config.only('partial_rotary_factor', 1, 'partial rotary positions');
  return {
    family,
    vocabSize: config.integer('vocab_size'),
    layers: config.integer('num_hidden_layers'),
    width,
    heads,
    kvHeads: orDefault('num_key_value_heads', defaults.kvHeads, heads),
    headDim: orDefault('head_dim', defaults.headDim, width / heads),
    hiddenWidth: config.integer('intermediate_size'),
    norm: { kind: 'rms', epsilon: config.float('rms_norm_eps', 1e-6) },
    positions: { kind: 'rope', layout: 'half', ...readRope(config) },
    biases,
    feedForward: { gated: true, activation: activation(config, 'hidden_act', 'silu') },
    tiedEmbeddings: config.flag('tie_word_embeddings', false),
  };
}

/** Base and scaling of rotary positions, in either form of the keys. */
function readRope(config: ConfigReader): { theta: number; scaling: RopeScaling } {
  // Where a file has both, transformers 5 takes the older key.
  const key = config.value('rope_scaling') === undefined ? 'rope_parameters' : 'rope_scaling';
  const parameters = config.value(key);
  if (parameters === undefined)
    return { theta: config.float('rope_theta', 10000), scaling: { kind: 'none' } };
  if (!isJsonObject(parameters)) throw invalidConfig(config.where, key, 'an object', parameters);
  const rope = new ConfigReader(parameters, `${config.where}, ${key}`);
  rope.only('partial_rotary_factor', 1, 'partial rotary positions');
  // Nested parameters are those of one kind of layer each.
  const nested = rope.keys().find((name) => isJsonObject(rope.value(name)));
  if (nested !== undefined) {
    const what = 'rotary positions that differ between kinds of layers';
    throw unsupportedModel(rope.where, what, 'the same in all layers', nested);
  }
  if (rope.value('mrope_section') !== undefined)
    throw unsupportedModel(rope.where, 'rotary positions of several axes', 'one', 'mrope_section');
  const theta =
    rope.value('rope_theta') === undefined ? config.float('rope_theta', 10000) : rope.float('rope_theta');
  const type = rope.value('rope_type') ?? rope.value('type') ?? 'default';
  if (type === 'default') return { theta, scaling: { kind: 'none' } };
  const factor = rope.float('factor');
  if (type === 'linear') return { theta, scaling: { kind: 'linear', factor } };
  if (type === 'llama3') {
    const scaling: RopeScaling = {
      kind: 'llama3',
      factor,
      lowFreqFactor: rope.float('low_freq_factor'),
      highFreqFactor: rope.float('high_freq_factor'),
      // Beside the parameters it has precedence; where nobody says it, the model was made for no more.
      originalMaxPositions: config.integer(
        'original_max_position_embeddings',
        rope.integer('original_max_position_embeddings', config.integer('max_position_embeddings', 0)),
      ),
    };
    return { theta, scaling };
  }
  throw unsupportedModel(rope.where, 'rotary scaling (rope_type)', 'default, linear or llama3', type);
}

/**
 * 350M normalises after each block and has no normalisation at the end, whatever else is said; its embeddings are
 * narrower than the model.
 */
function readOpt(config: ConfigReader): DecoderConfig {
  const width = config.integer('hidden_size');
  config.only('layer_norm_elementwise_affine', true, 'normalisation without weights');
  const isAfter = !config.flag('do_layer_norm_before', true);
  const hasNoFinal = config.flag('_remove_final_layer_norm', false) || isAfter;
  const embeddingWidth = config.integer('word_embed_proj_dim', width);
  const bias = config.flag('enable_bias', true);
  const heads = config.integer('num_attention_heads');
  return {
    family: 'opt',
    vocabSize: config.integer('vocab_size'),
    layers: config.integer('num_hidden_layers'),
    width,
    heads,
    kvHeads: heads,
    headDim: width / heads,
    hiddenWidth: config.integer('ffn_dim'),
    norm: {
      kind: 'layer',
      epsilon: 1e-5,
      ...(isAfter ? { place: 'after' } : {}),
      ...(hasNoFinal ? { final: false } : {}),
    },
    positions: { kind: 'learned', offset: 2 },
    biases: { qkv: bias, output: bias, feedForward: bias },
    feedForward: { gated: false, activation: activation(config, 'activation_function', 'relu') },
    ...(embeddingWidth === width ? {} : { embeddingWidth }),
    tiedEmbeddings: config.flag('tie_word_embeddings', true),
    maxPositions: config.integer('max_position_embeddings', 2048),
  };
}

/** `reorder_and_upcast_attn` says in which precision and order a GPU computes; in float32 it changes nothing. */
function readGpt2(config: ConfigReader): DecoderConfig {
  config.only('add_cross_attention', false, 'cross-attention');
  const [width, heads] = [config.integer('n_embd', 768), config.integer('n_head', 12)];
  const layers = config.integer('n_layer', 12);
  const isScaled = config.flag('scale_attn_weights', true);
  const isScaledByLayer = config.flag('scale_attn_by_inverse_layer_idx', false);
  const scale = isScaled ? 1 / Math.sqrt(width / heads) : 1;
  const scoreScales = byLayer(layers, (layer) => (isScaledByLayer ? scale / (layer + 1) : scale));
  return {
    family: 'gpt2',
    vocabSize: config.integer('vocab_size', 50257),
    layers,
    width,
    heads,
    kvHeads: heads,
    headDim: width / heads,
    hiddenWidth: config.integer('n_inner', 4 * width),
    norm: { kind: 'layer', epsilon: config.float('layer_norm_epsilon', 1e-5) },
    positions: { kind: 'learned', offset: 0 },
    biases: { qkv: true, output: true, feedForward: true },
    ...(isScaled && !isScaledByLayer ? {} : { scoreScales }),
    feedForward: { gated: false, activation: activation(config, 'activation_function', 'gelu_new') },
    tiedEmbeddings: config.flag('tie_word_embeddings', true),
    maxPositions: config.integer('n_positions', 1024),
  };
}
