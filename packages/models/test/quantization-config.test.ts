import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressedGroupOf } from '../src/hf/quantization/quantized-modules.js';
import { readQuantization } from '../src/hf/quantization/read-quantization.js';
import type { JsonObject, JsonValue } from '../src/json/strict-json.js';
import { expectBitloomError, toleratesOrRejects } from './support.js';

const read = (quantization_config: JsonValue): ReturnType<typeof readQuantization> =>
  readQuantization({ quantization_config }, 'config.json');

const GPTQ = {
  quant_method: 'gptq',
  bits: 4,
  group_size: 128,
  desc_act: false,
  sym: true,
} satisfies JsonObject;
const AWQ = {
  quant_method: 'awq',
  bits: 4,
  group_size: 128,
  zero_point: true,
  version: 'gemm',
} satisfies JsonObject;
const WEIGHTS = {
  num_bits: 4,
  type: 'int',
  symmetric: true,
  strategy: 'group',
  group_size: 128,
  dynamic: false,
  observer: 'minmax',
  observer_kwargs: {},
  actorder: null,
  block_structure: null,
} satisfies JsonObject;
const GROUP = { targets: ['Linear'], weights: WEIGHTS, input_activations: null, output_activations: null };
const COMPRESSED = {
  quant_method: 'compressed-tensors',
  format: 'pack-quantized',
  quantization_status: 'compressed',
  config_groups: { group_0: GROUP },
  ignore: ['lm_head'],
  kv_cache_scheme: null,
} satisfies JsonObject;
const HQQ_WEIGHTS = { nbits: 4, group_size: 64, axis: 1, channel_wise: true } satisfies JsonObject;
const HQQ = {
  quant_method: 'hqq',
  quant_config: { weight_quant_params: HQQ_WEIGHTS, scale_quant_params: null, zero_quant_params: null },
  skip_modules: ['lm_head'],
} satisfies JsonObject;
const compressed = (weights: JsonObject, rest: JsonObject = {}): JsonObject => ({
  ...COMPRESSED,
  config_groups: { group_0: { ...GROUP, weights: { ...WEIGHTS, ...weights } } },
  ...rest,
});

describe('quantization_config', () => {
  it('is absent for float weights', () => {
    expect(readQuantization({}, 'config.json')).toBeUndefined();
    expect(readQuantization({ quantization_config: null }, 'config.json')).toBeUndefined();
  });

  it('gptq: width, groups and version, under the keys of AutoGPTQ and GPTQModel', () => {
    expect(read(GPTQ)).toEqual({
      method: 'gptq',
      bits: 4,
      groupSize: 128,
      version: 1,
      symmetric: true,
      reordered: false,
      notes: [],
    });
    expect(read({ ...GPTQ, checkpoint_format: 'gptq_v2' })).toMatchObject({ version: 2 });
    expect(read({ ...GPTQ, format: 'gptq_v2', group_size: -1 })).toMatchObject({ version: 2, groupSize: -1 });
    expect(read({ ...GPTQ, desc_act: null })).toMatchObject({ reordered: undefined });
    expect(read({ ...GPTQ, sym: null })).toMatchObject({ symmetric: false });
  });

  it('awq: in both spellings of its keys', () => {
    expect(read(AWQ)).toEqual({ method: 'awq', bits: 4, groupSize: 128, symmetric: false, notes: [] });
    const older = { quant_method: 'awq', w_bit: 4, q_group_size: 64, zero_point: false, version: 'GEMM' };
    expect(read(older)).toMatchObject({ groupSize: 64, symmetric: true });
  });

  it('hqq: for all modules, or by kind', () => {
    expect(read(HQQ)).toMatchObject({ parameters: { bits: 4, groupSize: 64, axis: 1 } });
    const byKind = read({ ...HQQ, quant_config: { 'self_attn.q_proj': HQQ.quant_config } });
    expect(
      byKind?.method === 'hqq' && 'get' in byKind.parameters && byKind.parameters.get('self_attn.q_proj'),
    ).toEqual({
      bits: 4,
      groupSize: 64,
      axis: 1,
    });
  });

  it.each<[string, JsonObject, object]>([
    [
      'packed groups',
      {},
      { format: 'pack-quantized', bits: 4, scaling: { strategy: 'group', groupSize: 128 } },
    ],
    [
      'a strategy by the group size -1',
      { strategy: null, group_size: -1 },
      { scaling: { strategy: 'channel' } },
    ],
    [
      'a strategy by no group size',
      { strategy: null, group_size: null },
      { scaling: { strategy: 'tensor' } },
    ],
    ['a strategy by a group size', { strategy: null }, { scaling: { strategy: 'group', groupSize: 128 } }],
    ['columns in another order', { actorder: 'group' }, { reordered: true }],
    ['the ordering of weights', { actorder: 'weight' }, { reordered: false }],
    ['an ordering of older files', { actorder: true }, { reordered: true }],
    ['zero points', { symmetric: false }, { symmetric: false }],
  ])('compressed-tensors: %s', (_, weights, expected) => {
    const record = read(compressed(weights));
    expect(record?.method === 'compressed-tensors' && record.groups[0].scheme).toMatchObject(expected);
  });

  it.each<[string, JsonObject, object]>([
    [
      'float-quantized',
      { type: 'float', num_bits: 8, strategy: 'block', group_size: null, block_structure: [128, 128] },
      { format: 'float-quantized', scaling: { strategy: 'block', blockShape: [128, 128] } },
    ],
    [
      'naive-quantized',
      { type: 'float', num_bits: 8, strategy: 'block', group_size: null, block_structure: '64x32' },
      { format: 'float-quantized', scaling: { strategy: 'block', blockShape: [64, 32] } },
    ],
    [
      'naive-quantized',
      { num_bits: 8, strategy: 'channel', group_size: null },
      { format: 'int-quantized', bits: 8 },
    ],
    [
      'nvfp4-pack-quantized',
      { type: 'float', strategy: 'tensor_group', group_size: 16 },
      { format: 'nvfp4-pack-quantized', groupSize: 16 },
    ],
    [
      'mxfp4-pack-quantized',
      { type: 'float', group_size: 32, scale_dtype: 'torch.uint8' },
      { format: 'mxfp4-pack-quantized', groupSize: 32 },
    ],
  ])('compressed-tensors: %s', (format, weights, expected) => {
    const record = read(compressed(weights, { format }));
    expect(record?.method === 'compressed-tensors' && record.groups[0].scheme).toMatchObject(expected);
  });

  it('compressed-tensors: under its older key, and nested beside a dense sparsity', () => {
    const { quant_method: _, ...older } = COMPRESSED;
    expect(readQuantization({ compression_config: older }, 'config.json')?.method).toBe('compressed-tensors');
    const nested = {
      quant_method: 'compressed-tensors',
      sparsity_config: { format: 'dense', sparsity_structure: 'unstructured' },
      quantization_config: COMPRESSED,
    };
    expect(read(nested)?.method).toBe('compressed-tensors');
  });

  it('compressed-tensors: groups have formats of their own where the whole says so', () => {
    const groups = { a: { ...GROUP, format: 'int-quantized' } };
    for (const format of ['mixed-precision', 'naive-quantized', null]) {
      const record = read({ ...COMPRESSED, format, config_groups: groups });
      expect(record).toMatchObject({ groups: [{ scheme: { format: 'int-quantized' } }] });
    }
  });

  it('compressed-tensors: quantised activations and caches are notes', () => {
    const activations = { num_bits: 8, type: 'int', strategy: 'token', dynamic: true, symmetric: true };
    const record = read({
      ...COMPRESSED,
      config_groups: { group_0: { ...GROUP, input_activations: activations } },
      kv_cache_scheme: { num_bits: 8, type: 'float' },
    });
    expect(record?.notes).toHaveLength(2);
    expect(record?.notes.join()).toContain('activations');
    expect(record?.notes.join()).toContain(
      'KV cache is quantised at run time by the tool that made it (float of 8',
    );
    expect(record).toMatchObject({ kvCache: true, groups: [{ activations: true }] });
  });

  it('compressed-tensors: the most exact target wins, ignored modules first', async () => {
    const record = read({
      ...COMPRESSED,
      config_groups: {
        all: GROUP,
        q: { ...GROUP, targets: ['re:.*q_proj$'] },
        one: { ...GROUP, targets: ['model.layers.3.self_attn.q_proj'] },
      },
      ignore: ['lm_head', 're:.*layers\\.0\\..*'],
    });
    if (record?.method !== 'compressed-tensors') throw new Error('not read');
    const groupOf = (name: string): string | undefined =>
      compressedGroupOf(record, { name, className: 'Linear' }, 'test')?.name;
    expect(groupOf('model.layers.1.mlp.up_proj')).toBe('all');
    expect(groupOf('model.layers.1.self_attn.q_proj')).toBe('q');
    expect(groupOf('model.layers.3.self_attn.q_proj')).toBe('one');
    expect(groupOf('model.layers.0.self_attn.q_proj')).toBeUndefined();
    expect(groupOf('lm_head')).toBeUndefined();
    const twice = read({ ...COMPRESSED, config_groups: { a: GROUP, b: GROUP } });
    if (twice?.method !== 'compressed-tensors') throw new Error('not read');
    await expectBitloomError(
      () => compressedGroupOf(twice, { name: 'x', className: 'Linear' }, 'test'),
      'model-config-invalid',
    );
  });

  it.each<[string, JsonValue, string]>([
    ['a method that is not known', { quant_method: 'bitsandbytes' }, 'model-unsupported'],
    ['no method', {}, 'model-unsupported'],
    ['a method called constructor', { quant_method: 'constructor' }, 'model-unsupported'],
    ['something that is no object', 'gptq', 'model-config-invalid'],
    ['gptq in 5 bits', { ...GPTQ, bits: 5 }, 'model-unsupported'],
    ['gptq without a width', { ...GPTQ, bits: null }, 'model-config-invalid'],
    ['gptq in groups of 0', { ...GPTQ, group_size: 0 }, 'model-config-invalid'],
    ['gptq in groups of -2', { ...GPTQ, group_size: -2 }, 'model-config-invalid'],
    ['gptq for marlin', { ...GPTQ, checkpoint_format: 'marlin' }, 'model-unsupported'],
    ['gptq for marlin, older', { ...GPTQ, is_marlin_format: true }, 'model-unsupported'],
    [
      'gptq in two versions',
      { ...GPTQ, checkpoint_format: 'gptq', format: 'gptq_v2' },
      'model-config-invalid',
    ],
    ['gptq by module', { ...GPTQ, dynamic: { '.*': { bits: 8 } } }, 'model-unsupported'],
    ['gptq with an adapter', { ...GPTQ, adapter: { name: 'lora' } }, 'model-unsupported'],
    ['gptq in words of 16 bits', { ...GPTQ, pack_dtype: 'int16' }, 'model-unsupported'],
    ['awq gemv', { ...AWQ, version: 'gemv' }, 'model-unsupported'],
    ['awq of llm-awq', { ...AWQ, backend: 'llm-awq' }, 'model-unsupported'],
    ['awq in 8 bits', { ...AWQ, bits: 8 }, 'model-unsupported'],
    ['hqq without parameters', { ...HQQ, quant_config: null }, 'model-config-invalid'],
    [
      'hqq with quantised zero points',
      { ...HQQ, quant_config: { ...HQQ.quant_config, zero_quant_params: { nbits: 8 } } },
      'model-unsupported',
    ],
    [
      'hqq in 1.58 bits',
      { ...HQQ, quant_config: { weight_quant_params: { ...HQQ_WEIGHTS, nbits: 1.58 } } },
      'model-config-invalid',
    ],
    [
      'hqq along axis 2',
      { ...HQQ, quant_config: { weight_quant_params: { ...HQQ_WEIGHTS, axis: 2 } } },
      'model-config-invalid',
    ],
    ['no groups', { ...COMPRESSED, config_groups: null }, 'model-config-invalid'],
    ['a preset for a group', { ...COMPRESSED, config_groups: { W4A16: ['Linear'] } }, 'model-config-invalid'],
    ['a format that is not known', { ...COMPRESSED, format: 'marlin-24' }, 'model-unsupported'],
    ['mixed formats without their own', { ...COMPRESSED, format: 'mixed-precision' }, 'model-unsupported'],
    [
      'a format that is not that of its group',
      { ...COMPRESSED, config_groups: { a: { ...GROUP, format: 'int-quantized' } } },
      'model-config-invalid',
    ],
    ['a cache that is no object', { ...COMPRESSED, kv_cache_scheme: 'fp8' }, 'model-config-invalid'],
    ['a cache of 1 bit', { ...COMPRESSED, kv_cache_scheme: { num_bits: 1 } }, 'model-config-invalid'],
    ['a cache with a twist', { ...COMPRESSED, kv_cache_scheme: { twist: 1 } }, 'model-unsupported'],
    [
      'a cache in the outer configuration only',
      {
        quant_method: 'compressed-tensors',
        kv_cache_scheme: { num_bits: 8, type: 'float' },
        quantization_config: COMPRESSED,
      },
      'model-config-invalid',
    ],
    [
      'sparse weights',
      { ...COMPRESSED, sparsity_config: { format: 'sparse-24-bitmask' } },
      'model-unsupported',
    ],
    ['transforms', { ...COMPRESSED, transform_config: { config_groups: {} } }, 'model-unsupported'],
    ['weights that are frozen', { ...COMPRESSED, quantization_status: 'frozen' }, 'model-unsupported'],
    ['an argument that is not known', compressed({ twist: 1 }), 'model-unsupported'],
    ['a strategy of activations', compressed({ strategy: 'token' }), 'model-unsupported'],
    ['weights quantised at run time', compressed({ dynamic: true }), 'model-unsupported'],
    ['a group strategy without a size', compressed({ group_size: null }), 'model-config-invalid'],
    ['a size without a group strategy', compressed({ strategy: 'channel' }), 'model-config-invalid'],
    [
      'an order of columns without groups',
      compressed({ strategy: 'channel', group_size: null, actorder: 'group' }),
      'model-unsupported',
    ],
    ['integers of 9 bits', compressed({ num_bits: 9 }), 'model-unsupported'],
    [
      'floats of 4 bits in plain',
      compressed({ type: 'float' }, { format: 'float-quantized' }),
      'model-unsupported',
    ],
    [
      'nvfp4 in groups of 32',
      compressed({ type: 'float', group_size: 32 }, { format: 'nvfp4-pack-quantized' }),
      'model-unsupported',
    ],
    [
      'a block of 0',
      compressed({ strategy: 'block', group_size: null, block_structure: [0, 1] }),
      'model-config-invalid',
    ],
    ['a pattern with look-ahead', { ...COMPRESSED, ignore: ['re:(?!x).*'] }, 'model-unsupported'],
    ['a target that is no string', { ...COMPRESSED, ignore: [1] }, 'model-config-invalid'],
  ])('refuses %s', async (_, config, code) => {
    await expectBitloomError(() => read(config), code);
  });

  it('refuses both keys at once', async () => {
    await expectBitloomError(
      () => readQuantization({ quantization_config: GPTQ, compression_config: COMPRESSED }, 'config.json'),
      'model-config-invalid',
    );
  });

  it('throws only typed errors, whatever any key holds', async () => {
    const noise = fc.jsonValue({ maxDepth: 3 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    const replace = (value: JsonValue, path: number[], by: JsonValue): JsonValue => {
      if (value === null || typeof value !== 'object' || path.length === 0) return by;
      const [first, ...rest] = path;
      if (Array.isArray(value)) {
        return value.map((item, i) => (i === first % value.length ? replace(item, rest, by) : item));
      }
      const keys = Object.keys(value);
      const chosen = keys[first % Math.max(1, keys.length)];
      return Object.fromEntries(
        keys.map((key) => [key, key === chosen ? replace(value[key], rest, by) : value[key]]),
      );
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<JsonObject>(GPTQ, AWQ, COMPRESSED, HQQ),
        fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 5 }),
        noise,
        (config, path, by) => toleratesOrRejects(() => read(replace(config, path, by))),
      ),
      { numRuns: 2000 },
    );
  });
});
