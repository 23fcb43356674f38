/**
 * The `config.json` of a Hugging Face folder as a decoder configuration: Llama, Qwen2, OPT and GPT-2, in the key names
 * of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). Every key that changes what the model
 * computes is either understood or refused.
 *
 * Source of names, defaults and meaning: the configuration classes of huggingface/transformers.
 */
import type { RopeScaling } from '@bitloom/kernels';
import {
  checkDecoderConfig,
  type DecoderConfig,
  invalidConfig,
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

const FAMILIES: Readonly<Record<string, (config: ConfigReader) => DecoderConfig>> = {
  LlamaForCausalLM: readLlama,
  Qwen2ForCausalLM: readQwen2,
  OPTForCausalLM: readOpt,
  GPT2LMHeadModel: readGpt2,
};

/**
 * The decoder that a `config.json` describes.
 * @param where what errors call the document
 * @throws BitloomError `model-architecture-unknown`, `model-unsupported`, `model-config-invalid`
 */
export function readHfConfig(json: JsonObject, where: string): DecoderConfig {
  const reader = new ConfigReader(json, where);
  const { architectures } = json;
  const name = Array.isArray(architectures) ? architectures[0] : undefined;
  const read = typeof name === 'string' && Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
  if (read === undefined) {
    const got = typeof name === 'string' ? name : `model_type ${JSON.stringify(json.model_type ?? null)}`;
    throw unknownArchitecture(where, Object.keys(FAMILIES).join(', '), got);
  }
  const config = read(reader);
  checkDecoderConfig(config, where);
  return config;
}

function readLlama(config: ConfigReader): DecoderConfig {
  config.only('partial_rotary_factor', 1, 'partial rotary positions');
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

function readQwen2(config: ConfigReader): DecoderConfig {
  config.only('use_sliding_window', false, 'a sliding window');
  const types = config.value('layer_types');
  const other = Array.isArray(types) ? types.find((type) => type !== 'full_attention') : types;
  if (other !== undefined)
    throw unsupportedModel(config.where, 'a kind of layer (layer_types)', 'full_attention', other);
  return {
    ...readRotaryDecoder(config, 'qwen2', { qkv: true, output: false, feedForward: false }),
    maxPositions: config.integer('max_position_embeddings', 32768),
  };
}

function readRotaryDecoder(
  config: ConfigReader,
  family: string,
  biases: DecoderConfig['biases'],
): Omit<DecoderConfig, 'maxPositions'> {
  const [width, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')];
  return {
    family,
    vocabSize: config.integer('vocab_size'),
    layers: config.integer('num_hidden_layers'),
    width,
    heads,
    kvHeads: config.integer('num_key_value_heads', heads),
    headDim: config.integer('head_dim', width / heads),
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
  const form5 = config.value('rope_parameters');
  const form4 = config.value('rope_scaling');
  const parameters = form5 ?? form4;
  if (parameters === undefined)
    return { theta: config.float('rope_theta', 10000), scaling: { kind: 'none' } };
  const key = form5 === undefined ? 'rope_scaling' : 'rope_parameters';
  if (!isJsonObject(parameters)) throw invalidConfig(config.where, key, 'an object', parameters);
  const rope = new ConfigReader(parameters, `${config.where}, ${key}`);
  rope.only('partial_rotary_factor', 1, 'partial rotary positions');
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
      originalMaxPositions: rope.integer('original_max_position_embeddings'),
    };
    return { theta, scaling };
  }
  throw unsupportedModel(rope.where, 'rotary scaling (rope_type)', 'default, linear or llama3', type);
}

function readOpt(config: ConfigReader): DecoderConfig {
  const width = config.integer('hidden_size');
  config.only('do_layer_norm_before', true, 'normalisation after each block');
  config.only('word_embed_proj_dim', width, 'embeddings of another width');
  config.only('_remove_final_layer_norm', false, 'no final normalisation');
  config.only('layer_norm_elementwise_affine', true, 'normalisation without weights');
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
    norm: { kind: 'layer', epsilon: 1e-5 },
    positions: { kind: 'learned', offset: 2 },
    biases: { qkv: bias, output: bias, feedForward: bias },
    feedForward: { gated: false, activation: activation(config, 'activation_function', 'relu') },
    tiedEmbeddings: config.flag('tie_word_embeddings', true),
    maxPositions: config.integer('max_position_embeddings', 2048),
  };
}

function readGpt2(config: ConfigReader): DecoderConfig {
  config.only('add_cross_attention', false, 'cross-attention');
  config.only('scale_attn_weights', true, 'unscaled attention');
  config.only('scale_attn_by_inverse_layer_idx', false, 'attention scaled by layer');
  const [width, heads] = [config.integer('n_embd', 768), config.integer('n_head', 12)];
  return {
    family: 'gpt2',
    vocabSize: config.integer('vocab_size', 50257),
    layers: config.integer('n_layer', 12),
    width,
    heads,
    kvHeads: heads,
    headDim: width / heads,
    hiddenWidth: config.integer('n_inner', 4 * width),
    norm: { kind: 'layer', epsilon: config.float('layer_norm_epsilon', 1e-5) },
    positions: { kind: 'learned', offset: 0 },
    biases: { qkv: true, output: true, feedForward: true },
    feedForward: { gated: false, activation: activation(config, 'activation_function', 'gelu_new') },
    tiedEmbeddings: config.flag('tie_word_embeddings', true),
    maxPositions: config.integer('n_positions', 1024),
  };
}
