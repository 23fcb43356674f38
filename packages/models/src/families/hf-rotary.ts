/**
 * Configurations of decoders with rotary positions: Llama and what was built after it. Where a key is absent, what counts
 * is the default of the class in transformers; null may mean something else.
 */
import type { BitloomError } from '@bitloom/ir';
import type { RopeScaling } from '@bitloom/kernels';
import {
  type DecoderConfig,
  invalidConfig,
  type Positions,
  unsupportedModel,
} from '../decoder/decoder-config.js';
import { isJsonObject } from '../json/strict-json.js';
import { byLayer } from './by-layer.js';
import { ConfigReader } from './config-reader.js';
import { activation } from './hf-activation.js';

export function readLlama(config: ConfigReader): DecoderConfig {
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
export function readMistral(config: ConfigReader): DecoderConfig {
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

export function readQwen2(config: ConfigReader): DecoderConfig {
  const biases = { qkv: true, output: false, feedForward: false };
  const shared = readRotaryDecoder(config, 'qwen2', biases, { kvHeads: 32 });
  return {
    ...shared,
    ...readWindows(config, shared.layers),
    maxPositions: config.integer('max_position_embeddings', 32768),
  };
}

/** A head is as wide as it is said to be: 128 where nothing is said, unlike in Qwen2. */
export function readQwen3(config: ConfigReader): DecoderConfig {
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

/** Mistral with a window in some layers only: those that `layer_types` names, all where it names none. */
export function readMinistral(config: ConfigReader): DecoderConfig {
  const mistral = readMistral(config);
  const types = readLayerTypes(config, mistral.layers);
  const { windows, ...full } = mistral;
  if (types === undefined) return { ...mistral, family: 'ministral' };
  const chosen = types.map((isSliding, layer) => (isSliding ? (windows?.[layer] ?? 0) : 0));
  if (types.includes(true) && windows === undefined) throw noWindow(config);
  return { ...full, ...windowsOf(chosen), family: 'ministral' };
}

/** Query, key and value are one map here, and gate and up: see the tables of names. */
export function readPhi3(config: ConfigReader): DecoderConfig {
  const biases = { qkv: false, output: false, feedForward: false };
  const shared = readRotaryDecoder(config, 'phi3', biases, { epsilon: 1e-5 });
  const window = config.value('sliding_window') === undefined ? 0 : readWindow(config);
  return {
    ...shared,
    ...windowsOf(byLayer(shared.layers, () => window)),
    maxPositions: config.integer('max_position_embeddings', 4096),
  };
}

export function readSeedOss(config: ConfigReader): DecoderConfig {
  const biases = {
    qkv: config.flag('attention_bias', true),
    output: config.flag('attention_out_bias', false),
    feedForward: config.flag('mlp_bias', false),
  };
  return {
    ...readRotaryDecoder(config, 'seed_oss', biases, { kvHeads: 8, headDim: 128 }),
    maxPositions: config.integer('max_position_embeddings', 524288),
  };
}

/** Some layers turn no heads; a window, where one is used, is in these. */
export function readSmolLm3(config: ConfigReader): DecoderConfig {
  const bias = config.flag('attention_bias', false);
  const biases = { qkv: bias, output: bias, feedForward: config.flag('mlp_bias', false) };
  const defaults = { kvHeads: 4, theta: 2e6, tied: true };
  const shared = readRotaryDecoder(config, 'smollm3', biases, defaults);
  const interval = config.integer('no_rope_layer_interval', 4);
  const listed = config.value('no_rope_layers');
  const isFlag = (flag: unknown): boolean => flag === 0 || flag === 1;
  if (
    listed !== undefined &&
    !(Array.isArray(listed) && listed.length === shared.layers && listed.every(isFlag))
  )
    throw invalidConfig(config.where, 'no_rope_layers', `0 or 1 for each of ${shared.layers} layers`, listed);
  const rotated = byLayer(shared.layers, (layer) =>
    Array.isArray(listed) ? listed[layer] === 1 : (layer + 1) % interval !== 0,
  );
  const isUsed = config.flag('use_sliding_window', false) && config.value('sliding_window') !== undefined;
  const types = readLayerTypes(config, shared.layers) ?? rotated.map((isRotated) => isUsed && !isRotated);
  if (types.includes(true) && !isUsed) throw noWindow(config);
  const window = isUsed ? readWindow(config) : 0;
  return {
    ...shared,
    positions: rotated.includes(false) ? { ...shared.positions, rotated } : shared.positions,
    ...windowsOf(types.map((isSliding) => (isSliding ? window : 0))),
    maxPositions: config.integer('max_position_embeddings', 32768),
  };
}

/** Rotary positions under LayerNorm, without a gate. */
export function readStarcoder2(config: ConfigReader): DecoderConfig {
  const bias = config.flag('use_bias', true);
  const shared = readRotaryDecoder(
    config,
    'starcoder2',
    { qkv: bias, output: bias, feedForward: bias },
    { kvHeads: 2, tied: true, activation: 'gelu_pytorch_tanh' },
  );
  const window = config.value('sliding_window') === undefined ? 0 : readWindow(config);
  return {
    ...shared,
    norm: { kind: 'layer', epsilon: config.float('norm_epsilon', 1e-5) },
    feedForward: { ...shared.feedForward, gated: false },
    ...windowsOf(byLayer(shared.layers, () => window)),
    maxPositions: config.integer('max_position_embeddings', 4096),
  };
}

function readWindow(config: ConfigReader): number {
  const window = config.integer('sliding_window', 4096);
  if (window >= 1) return window;
  throw invalidConfig(config.where, 'sliding_window', 'a number of tokens, or null', window);
}

function windowsOf(windows: readonly number[]): Pick<DecoderConfig, 'windows'> {
  return windows.some((window) => window > 0) ? { windows } : {};
}

/** Windows of Qwen by layer: as `layer_types` says, else from the layer `max_window_layers` on. */
function readWindows(config: ConfigReader, layers: number): Pick<DecoderConfig, 'windows'> {
  const isUsed = config.flag('use_sliding_window', false);
  const window = isUsed && !config.isNull('sliding_window') ? readWindow(config) : undefined;
  const types = readLayerTypes(config, layers);
  if (types === undefined) {
    if (window === undefined) return {};
    const first = config.integer('max_window_layers', 28);
    return windowsOf(byLayer(layers, (layer) => (layer < first ? 0 : window)));
  }
  if (types.includes(true) && window === undefined) throw noWindow(config);
  return windowsOf(types.map((isSliding) => (isSliding ? (window ?? 0) : 0)));
}

/** Whether each layer has a window, where `layer_types` says so. */
function readLayerTypes(config: ConfigReader, layers: number): readonly boolean[] | undefined {
  const types = config.value('layer_types');
  if (types === undefined) return undefined;
  if (!Array.isArray(types) || types.length !== layers)
    throw invalidConfig(config.where, 'layer_types', `the kinds of ${layers} layers`, types);
  return types.map((type) => {
    if (type === 'full_attention' || type === 'sliding_attention') return type === 'sliding_attention';
    const expected = 'full_attention or sliding_attention';
    throw unsupportedModel(config.where, 'a kind of layer (layer_types)', expected, type);
  });
}

function noWindow(config: ConfigReader): BitloomError {
  const what = 'layers with a sliding window of no length (layer_types)';
  return unsupportedModel(config.where, what, 'a window that is used, of a length', 'none');
}

type RotaryPositions = Extract<Positions, { kind: 'rope' }>;

/** What stands in a configuration of rotary decoders when nothing is said; null is `heads` and `width / heads`. */
interface RotaryDefaults {
  readonly kvHeads?: number;
  readonly headDim?: number;
  readonly epsilon?: number;
  readonly theta?: number;
  readonly tied?: boolean;
  readonly activation?: string;
}

function readRotaryDecoder(
  config: ConfigReader,
  family: string,
  biases: DecoderConfig['biases'],
  defaults: RotaryDefaults = {},
): Omit<DecoderConfig, 'maxPositions'> & { readonly positions: RotaryPositions } {
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
    norm: { kind: 'rms', epsilon: config.float('rms_norm_eps', defaults.epsilon ?? 1e-6) },
    positions: { kind: 'rope', layout: 'half', ...readRope(config, defaults.theta) },
    biases,
    feedForward: { gated: true, activation: activation(config, 'hidden_act', defaults.activation ?? 'silu') },
    tiedEmbeddings: config.flag('tie_word_embeddings', defaults.tied ?? false),
  };
}

/** Base and scaling of rotary positions, in either form of the keys. */
function readRope(config: ConfigReader, base = 10000): { theta: number; scaling: RopeScaling } {
  // Where a file has both, transformers 5 takes the older key.
  const key = config.value('rope_scaling') === undefined ? 'rope_parameters' : 'rope_scaling';
  const parameters = config.value(key);
  if (parameters === undefined) return { theta: config.float('rope_theta', base), scaling: { kind: 'none' } };
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
    rope.value('rope_theta') === undefined ? config.float('rope_theta', base) : rope.float('rope_theta');
  const type = rope.value('rope_type') ?? rope.value('type') ?? 'default';
  if (type === 'default') return { theta, scaling: { kind: 'none' } };
  if (type !== 'linear' && type !== 'llama3')
    throw unsupportedModel(rope.where, 'rotary scaling (rope_type)', 'default, linear or llama3', type);
  const factor = rope.float('factor');
  if (type === 'linear') return { theta, scaling: { kind: 'linear', factor } };
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
