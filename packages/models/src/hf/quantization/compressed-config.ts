/**
 * The configuration of compressed-tensors: groups of targets with the arguments of their weights, what to ignore, and
 * the storage format, of the whole or of each group (`mixed-precision`). Arguments are read strictly: a key that is
 * not known here may change what the stored weights mean.
 */
import type { CompressedStrategy } from '@bitloom/formats';
import { invalidConfig, unsupportedModel } from '../../decoder/decoder-config.js';
import type { ConfigReader } from '../../families/config-reader.js';
import { isJsonObject } from '../../json/strict-json.js';
import type { CompressedGroup, CompressedRecord, CompressedScheme } from './quantization-record.js';
import { PatternBudget, TargetRules } from './target-rules.js';

const FORMATS = [
  'pack-quantized',
  'int-quantized',
  'float-quantized',
  'naive-quantized',
  'nvfp4-pack-quantized',
  'mxfp4-pack-quantized',
] as const;
type Format = (typeof FORMATS)[number];

/** Keys of the arguments of a quantisation. */
const ARGUMENT_KEYS: ReadonlySet<string> = new Set([
  'num_bits',
  'type',
  'symmetric',
  'group_size',
  'strategy',
  'block_structure',
  'dynamic',
  'actorder',
  'scale_dtype',
  'zp_dtype',
  'observer',
  'observer_kwargs',
]);

const GROUP_KEYS: ReadonlySet<string> = new Set([
  'targets',
  'weights',
  'input_activations',
  'output_activations',
  'format',
]);

/**
 * Reads a configuration of compressed-tensors.
 * @throws BitloomError `model-unsupported`, `model-config-invalid`
 */
export function readCompressedConfig(config: ConfigReader): CompressedRecord {
  config.choice('quant_method', ['compressed-tensors'], 'compressed-tensors');
  // transformers nests the quantisation where there is sparsity as well.
  const inner = config.object('quantization_config') ?? config;
  for (const reader of new Set([config, inner])) {
    requireDense(reader);
    requireEmpty(reader, 'transform_config', 'transforms of weights');
  }
  inner.choice('quantization_status', ['compressed'], 'compressed');
  const budget = new PatternBudget(inner.where);
  const groupsConfig = inner.object('config_groups');
  if (groupsConfig === undefined) throw invalidConfig(inner.where, 'config_groups', 'an object', undefined);
  const notes: string[] = [];
  const groups = groupsConfig.keys().map((name): CompressedGroup => {
    const group = groupsConfig.object(name);
    if (group === undefined) throw invalidConfig(groupsConfig.where, name, 'an object', null);
    return readGroup(name, group, inner, budget, notes);
  });
  const kvCache = readCacheScheme(config, inner, notes);
  return {
    method: 'compressed-tensors',
    groups,
    ignore: new TargetRules(inner.strings('ignore'), budget, inner.where),
    kvCache,
    notes: [...new Set(notes)],
  };
}

function readGroup(
  name: string,
  group: ConfigReader,
  config: ConfigReader,
  budget: PatternBudget,
  notes: string[],
): CompressedGroup {
  requireKnownKeys(group, GROUP_KEYS);
  const targets = new TargetRules(group.strings('targets'), budget, group.where);
  const inputs = readActivations(group, 'input_activations');
  const outputs = readActivations(group, 'output_activations');
  const activations = inputs || outputs;
  if (activations)
    notes.push('activations are quantised at run time by the tool that made it, and stay float here');
  const weights = group.object('weights');
  if (weights === undefined) return { name, targets, activations };
  const own = group.value('format');
  const format = own === undefined ? config.choice('format', FORMATS) : group.choice('format', FORMATS);
  requireSameFormat(config, format);
  return { name, targets, activations, scheme: readScheme(weights, format) };
}

/** The format of the whole is that of every group, or says that groups differ. */
function requireSameFormat(config: ConfigReader, group: Format): void {
  const whole = config.value('format');
  if (whole === undefined || whole === group || whole === 'mixed-precision') return;
  // The older name of a format: plain codes, of whichever type the arguments say.
  const plain: readonly unknown[] = ['naive-quantized', 'int-quantized', 'float-quantized'];
  const isNaive = whole === 'naive-quantized' || group === 'naive-quantized';
  if (isNaive && plain.includes(whole) && plain.includes(group)) return;
  throw invalidConfig(config.where, 'format', `${group}, as its group says, or mixed-precision`, whole);
}

/** Whether the KV cache was quantised; how is of no concern to weights, but must be sane and said once. */
function readCacheScheme(outer: ConfigReader, inner: ConfigReader, notes: string[]): boolean {
  const [scheme, other] = [inner, outer].map((config) => config.object('kv_cache_scheme'));
  if (scheme === undefined) {
    if (other === undefined) return false;
    const expected = 'none, or the same in the quantisation_config inside';
    throw invalidConfig(outer.where, 'kv_cache_scheme', expected, outer.value('kv_cache_scheme'));
  }
  requireKnownKeys(scheme, ARGUMENT_KEYS);
  const type = scheme.choice('type', ['int', 'float'], 'int');
  const bits = scheme.integer('num_bits', 8);
  if (bits < 2 || bits > 16) throw invalidConfig(scheme.where, 'num_bits', '2 to 16', bits);
  notes.push(
    `the KV cache is quantised at run time by the tool that made it (${type} of ${bits} bits), and stays float here`,
  );
  return true;
}

/** Whether activations are quantised; how is of no concern to weights, but must be sane. */
function readActivations(group: ConfigReader, key: string): boolean {
  const activations = group.object(key);
  if (activations === undefined) return false;
  requireKnownKeys(activations, ARGUMENT_KEYS);
  return true;
}

function readScheme(weights: ConfigReader, format: Format): CompressedScheme {
  requireKnownKeys(weights, ARGUMENT_KEYS);
  weights.only('dynamic', false, 'weights quantised at run time');
  const type = weights.choice('type', ['int', 'float'], 'int');
  const bits = weights.integer('num_bits', 8);
  const symmetric = weights.flag('symmetric', true);
  const actorder = readActorder(weights);
  const refuse = (what: string, expected: string, got: unknown): never => {
    throw unsupportedModel(weights.where, `${what} in ${format}`, expected, got);
  };
  if (format === 'nvfp4-pack-quantized' || format === 'mxfp4-pack-quantized') {
    const groupSize = format === 'nvfp4-pack-quantized' ? 16 : 32;
    if (type !== 'float' || bits !== 4) refuse('weights', 'floats of 4 bits', `${type} of ${bits} bits`);
    if (!symmetric) refuse('zero points', 'symmetric weights', 'asymmetric ones');
    if (actorder) refuse('columns in another order', 'none', 'actorder');
    weights.choice('strategy', ['tensor_group', 'group'], 'group');
    if (weights.integer('group_size') !== groupSize) {
      refuse('groups of another size', String(groupSize), weights.value('group_size'));
    }
    return { format, groupSize };
  }
  const scaling = readStrategy(weights);
  if (actorder && scaling.strategy !== 'group')
    refuse('columns in another order', 'the strategy group', scaling.strategy);
  const isFloat = format === 'float-quantized' || (format === 'naive-quantized' && type === 'float');
  if (isFloat) {
    if (type !== 'float' || bits !== 8) refuse('weights', 'floats of 8 bits', `${type} of ${bits} bits`);
    if (!symmetric) refuse('zero points', 'symmetric weights', 'asymmetric ones');
    if (actorder) refuse('columns in another order', 'none', 'actorder');
    return { format: 'float-quantized', scaling };
  }
  if (type !== 'int' || bits < 2 || bits > 8)
    refuse('weights', 'integers of 2 to 8 bits', `${type} of ${bits} bits`);
  return {
    format: format === 'pack-quantized' ? format : 'int-quantized',
    bits,
    symmetric,
    scaling,
    reordered: actorder,
  };
}

/** Whether `actorder` gives columns groups of their own; the ordering `weight` leaves no trace in a file. */
function readActorder(weights: ConfigReader): boolean {
  const value = weights.value('actorder') ?? false;
  if (typeof value === 'boolean') return value;
  return ['group', 'dynamic'].includes(weights.choice('actorder', ['group', 'dynamic', 'weight', 'static']));
}

function readStrategy(weights: ConfigReader): CompressedStrategy {
  const size = weights.value('group_size');
  const groupSize = size === -1 || size === undefined ? undefined : weights.integer('group_size');
  // Without a strategy the group size says it.
  const fallback = groupSize !== undefined ? 'group' : size === -1 ? 'channel' : 'tensor';
  const strategy = weights.choice('strategy', ['tensor', 'channel', 'group', 'block'], fallback);
  if (strategy === 'group') {
    if (groupSize !== undefined && groupSize >= 1) return { strategy, groupSize };
    throw invalidConfig(weights.where, 'group_size', 'a positive integer', size);
  }
  if (groupSize !== undefined && groupSize > 0) {
    throw invalidConfig(weights.where, 'group_size', `none with the strategy ${strategy}`, size);
  }
  if (strategy !== 'block') return { strategy };
  return { strategy, blockShape: readBlockShape(weights) };
}

/** Two positive integers; older files write them as a string, 128x128. */
function readBlockShape(weights: ConfigReader): [number, number] {
  const value = weights.value('block_structure');
  const parts = typeof value === 'string' ? value.split('x').map(Number) : value;
  if (Array.isArray(parts) && parts.length === 2) {
    const [rows, cols] = parts;
    const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && Number(size) >= 1;
    if (isSize(rows) && isSize(cols)) return [rows, cols];
  }
  throw invalidConfig(weights.where, 'block_structure', 'two positive integers', value);
}

function requireKnownKeys(config: ConfigReader, known: ReadonlySet<string>): void {
  const unknown = config.keys().find((key) => !known.has(key));
  if (unknown === undefined) return;
  throw unsupportedModel(
    config.where,
    `the argument ${unknown}`,
    [...known].join(', '),
    config.value(unknown),
  );
}

function requireDense(config: ConfigReader): void {
  const value = config.value('sparsity_config');
  if (value === undefined || (isJsonObject(value) && Object.keys(value).length === 0)) return;
  const sparsity = config.object('sparsity_config');
  if (sparsity === undefined) return;
  sparsity.only('format', 'dense', 'weights stored as sparse');
}

function requireEmpty(config: ConfigReader, key: string, what: string): void {
  const value = config.value(key);
  if (value === undefined || (isJsonObject(value) && Object.keys(value).length === 0)) return;
  throw unsupportedModel(config.where, `${what} (${key})`, 'none', value);
}
