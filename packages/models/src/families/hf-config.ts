/**
 * The `config.json` of a Hugging Face folder as a decoder configuration: which family it is, and the families with learned
 * positions (OPT, GPT-2); those with rotary ones are in `hf-rotary.ts`. In the key names of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). Every key that changes what the model
 * computes is either understood or refused.
 *
 * Source of names, defaults and meaning: the configuration classes of huggingface/transformers.
 */
import { checkDecoderConfig, type DecoderConfig } from '../decoder/decoder-config.js';
import type { JsonObject } from '../json/strict-json.js';
import { byLayer } from './by-layer.js';
import { ConfigReader } from './config-reader.js';
import { unknownArchitecture } from './gguf.js';
import { activation } from './hf-activation.js';
import {
  readLlama,
  readMinistral,
  readMistral,
  readPhi3,
  readQwen2,
  readQwen3,
  readSeedOss,
  readSmolLm3,
  readStarcoder2,
} from './hf-rotary.js';

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
  MinistralForCausalLM: { type: 'ministral', read: readMinistral },
  Phi3ForCausalLM: { type: 'phi3', read: readPhi3 },
  SeedOssForCausalLM: { type: 'seed_oss', read: readSeedOss },
  SmolLM3ForCausalLM: { type: 'smollm3', read: readSmolLm3 },
  Starcoder2ForCausalLM: { type: 'starcoder2', read: readStarcoder2 },
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
