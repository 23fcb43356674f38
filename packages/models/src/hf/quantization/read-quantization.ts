/**
 * `quantization_config` (or, as compressed-tensors once called it, `compression_config`) of a `config.json`. A method,
 * version, width or variant that is not understood is refused; so is everything that changes the stored weights.
 * Quantisation of activations and of the KV cache at run time does not, and becomes a note.
 *
 * Source of keys and defaults: the configuration classes of AutoGPTQ, GPTQModel, AutoAWQ, compressed-tensors, HQQ, and
 * `quantization_config.py` of huggingface/transformers.
 */
import { GPTQ_BITS } from '@bitloom/formats';
import { invalidConfig, unsupportedModel } from '../../decoder/decoder-config.js';
import { ConfigReader } from '../../families/config-reader.js';
import { isJsonObject, type JsonObject } from '../../json/strict-json.js';
import { readCompressedConfig } from './compressed-config.js';
import type {
  AwqRecord,
  GptqRecord,
  HqqParameters,
  HqqRecord,
  QuantizationRecord,
} from './quantization-record.js';

const METHODS: Readonly<Record<string, (config: ConfigReader) => QuantizationRecord>> = {
  gptq: readGptqConfig,
  awq: readAwqConfig,
  'compressed-tensors': readCompressedConfig,
  hqq: readHqqConfig,
};

/**
 * The record of a configuration; undefined for float weights.
 * @param json the whole `config.json`
 * @throws BitloomError `model-unsupported`, `model-config-invalid`
 */
export function readQuantization(json: JsonObject, where: string): QuantizationRecord | undefined {
  const config = new ConfigReader(json, where);
  const current = config.object('quantization_config');
  const older = config.object('compression_config');
  if (current !== undefined && older !== undefined) {
    throw invalidConfig(where, 'compression_config', 'none beside quantization_config', older.keys());
  }
  if (older !== undefined) return readCompressedConfig(older);
  if (current === undefined) return undefined;
  const method = current.value('quant_method');
  const read = typeof method === 'string' && Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (read !== undefined) return read(current);
  throw unsupportedModel(
    current.where,
    'a method of quantisation (quant_method)',
    Object.keys(METHODS).join(', '),
    method,
  );
}

/** −1, or a positive integer. */
function groupSizeOf(config: ConfigReader, key: string): number {
  if (config.value(key) === -1) return -1;
  const size = config.integer(key);
  if (size >= 1) return size;
  throw invalidConfig(config.where, key, '-1 or a positive integer', size);
}

function bitsOf(config: ConfigReader, key: string, known: readonly number[]): number {
  const bits = config.integer(key);
  if (known.includes(bits)) return bits;
  throw unsupportedModel(config.where, `this width (${key})`, `${known.join(', ')} bits`, bits);
}

/** Refuses a key that must be absent, empty or false. */
function requireNone(config: ConfigReader, key: string, what: string): void {
  const value = config.value(key);
  const isEmpty = isJsonObject(value)
    ? Object.keys(value).length === 0
    : value === undefined || value === false;
  if (!isEmpty) throw unsupportedModel(config.where, `${what} (${key})`, 'none', value);
}

function readGptqConfig(config: ConfigReader): GptqRecord {
  requireNone(config, 'is_marlin_format', 'weights in the order of one kernel');
  requireNone(config, 'dynamic', 'settings by module');
  requireNone(config, 'adapter', 'an adapter');
  config.choice('pack_dtype', ['int32'], 'int32');
  // GPTQModel writes `format` beside the older key, or alone.
  const names = ['gptq', 'gptq_v2'] as const;
  const format = config.choice('checkpoint_format', names, config.choice('format', names, 'gptq'));
  if (config.value('format') !== undefined && config.value('format') !== format) {
    throw invalidConfig(
      config.where,
      'format',
      `the same as checkpoint_format, ${format}`,
      config.value('format'),
    );
  }
  return {
    method: 'gptq',
    bits: bitsOf(config, 'bits', GPTQ_BITS),
    groupSize: groupSizeOf(config, 'group_size'),
    version: format === 'gptq_v2' ? 2 : 1,
    // A file that does not say it promises nothing: tools before AutoGPTQ wrote no such key.
    symmetric: config.flag('sym', false),
    reordered: config.value('desc_act') === undefined ? undefined : config.flag('desc_act', false),
    notes: [],
  };
}

function readAwqConfig(config: ConfigReader): AwqRecord {
  const version = config.value('version') ?? config.value('format') ?? 'gemm';
  // AutoAWQ writes it in either case.
  if (typeof version !== 'string' || version.toLowerCase() !== 'gemm') {
    throw unsupportedModel(config.where, 'a version of AWQ', 'gemm', version);
  }
  config.choice('backend', ['autoawq', 'auto'], 'autoawq');
  requireNone(config, 'dynamic', 'settings by module');
  const [bits, size] = [
    config.value('bits') === undefined ? 'w_bit' : 'bits',
    config.value('group_size') === undefined ? 'q_group_size' : 'group_size',
  ];
  return {
    method: 'awq',
    bits: bitsOf(config, bits, [4]),
    groupSize: groupSizeOf(config, size),
    symmetric: !config.flag('zero_point', true),
    notes: [],
  };
}

function readHqqConfig(config: ConfigReader): HqqRecord {
  const quantConfig = config.object('quant_config');
  if (quantConfig === undefined) throw invalidConfig(config.where, 'quant_config', 'an object', undefined);
  config.strings('skip_modules');
  if (quantConfig.value('weight_quant_params') !== undefined) {
    return { method: 'hqq', parameters: readHqqParameters(quantConfig), notes: [] };
  }
  const parameters = new Map<string, HqqParameters>();
  for (const key of quantConfig.keys()) {
    const entry = quantConfig.object(key);
    if (entry !== undefined) parameters.set(key, readHqqParameters(entry));
  }
  return { method: 'hqq', parameters, notes: [] };
}

function readHqqParameters(config: ConfigReader): HqqParameters {
  requireNone(config, 'scale_quant_params', 'quantised scales');
  requireNone(config, 'zero_quant_params', 'quantised zero points');
  requireNone(config, 'offload_meta', 'scales and zero points in one tensor');
  const weights = config.object('weight_quant_params');
  if (weights === undefined) throw invalidConfig(config.where, 'weight_quant_params', 'an object', undefined);
  weights.only('channel_wise', true, 'one scale for all weights');
  const groupSize = weights.integer('group_size');
  if (groupSize < 1) throw invalidConfig(weights.where, 'group_size', 'a positive integer', groupSize);
  const axis = weights.integer('axis', 0);
  if (axis !== 0 && axis !== 1) throw invalidConfig(weights.where, 'axis', '0 or 1', axis);
  return { bits: bitsOf(weights, 'nbits', [1, 2, 3, 4, 5, 6, 8]), groupSize, axis };
}
