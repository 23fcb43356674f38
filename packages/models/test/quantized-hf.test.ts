/** Quantised Hugging Face folders: what is written opens, and means exactly the codes and scales it was made from. */
import { dequantizePacked, type RoundToNearestRule, roundToNearest } from '@bitloom/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bundleCheckpoint } from '../src/bundle.js';
import { memoryFolder } from '../src/bytes/folder.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import type { DecoderConfig } from '../src/decoder/decoder-config.js';
import { decoderParameters } from '../src/decoder/parameters.js';
import type { Checkpoint } from '../src/families/checkpoint.js';
import { hfCheckpoint } from '../src/families/hf-checkpoint.js';
import { type QuantizedHfOptions, writeQuantizedHf } from '../src/hf/quantization/write-quantized-hf.js';
import { hfLlamaTensors, writeHfLlama } from '../src/hf/write-hf-llama.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { readSafetensors } from '../src/safetensors/reader.js';
import { type SafetensorsEntry, writeSafetensors } from '../src/safetensors/writer.js';
import { zooEntry } from '../src/zoo/zoo.js';
import { runForward } from './evaluate.js';
import { damage, damageArbitrary, expectBitloomError, toleratesOrRejects } from './support.js';

/** A small Llama whose sizes every format holds. */
const SMALL: DecoderConfig = {
  ...zooEntry('llama2-7b').config,
  vocabSize: 10,
  layers: 2,
  width: 64,
  heads: 2,
  kvHeads: 1,
  headDim: 32,
  hiddenWidth: 96,
  maxPositions: 16,
};
const small = randomDecoder(SMALL);

const open = (files: Readonly<Record<string, Uint8Array>>): Promise<Checkpoint> =>
  hfCheckpoint(memoryFolder(files, 'folder'));

/** Entries of a folder's safetensors file, and the folder written with changed ones. */
async function entriesOf(files: Readonly<Record<string, Uint8Array>>): Promise<SafetensorsEntry[]> {
  const file = await readSafetensors(fromBytes(files['model.safetensors'], 'model.safetensors'));
  return [...file.tensors.values()].map(({ name, shape, encoding, offset, byteLength }) => ({
    name,
    shape,
    dtype: encoding.name as SafetensorsEntry['dtype'],
    data: files['model.safetensors'].slice(offset, offset + byteLength),
  }));
}
async function changed(
  files: Readonly<Record<string, Uint8Array>>,
  change: (entries: SafetensorsEntry[]) => SafetensorsEntry[],
  quantization: object = {},
): Promise<Record<string, Uint8Array>> {
  const json = JSON.parse(new TextDecoder().decode(files['config.json']));
  const merged = { ...json, quantization_config: { ...json.quantization_config, ...quantization } };
  return {
    'config.json': new TextEncoder().encode(JSON.stringify(merged)),
    'model.safetensors': writeSafetensors(change(await entriesOf(files))),
  };
}
const edit =
  (name: string, by: Partial<SafetensorsEntry> | undefined) =>
  (entries: SafetensorsEntry[]): SafetensorsEntry[] =>
    entries.flatMap((entry) =>
      entry.name !== name ? [entry] : by === undefined ? [] : [{ ...entry, ...by }],
    );

const Q = 'model.layers.0.self_attn.q_proj';
const same = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.compare(
    Buffer.from(a.buffer, a.byteOffset, a.byteLength),
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;

const CASES: [string, QuantizedHfOptions, RoundToNearestRule][] = [
  ['gptq', { format: 'gptq', groupSize: 32 }, { rule: 'gptq-symmetric', bits: 4, groupSize: 32 }],
  [
    'gptq 3 bits',
    { format: 'gptq_v2', bits: 3, groupSize: 64, symmetric: false },
    { rule: 'gptq-asymmetric', bits: 3, groupSize: 64 },
  ],
  [
    'gptq 2 bits with a short last group',
    { format: 'gptq', bits: 2, groupSize: 40, symmetric: false },
    { rule: 'gptq-asymmetric', bits: 2, groupSize: 40 },
  ],
  [
    'gptq 8 bits, bf16 scales',
    { format: 'gptq_v2', bits: 8, groupSize: 16, scaleFormat: 'bf16' },
    { rule: 'gptq-symmetric', bits: 8, groupSize: 16, scaleFormat: 'bf16' },
  ],
  ['awq', { format: 'awq', groupSize: 32 }, { rule: 'awq-symmetric', groupSize: 32 }],
  [
    'awq asymmetric',
    { format: 'awq', groupSize: 16, symmetric: false },
    { rule: 'awq-asymmetric', groupSize: 16 },
  ],
  [
    'pack-quantized',
    { format: 'pack-quantized', groupSize: 32 },
    { rule: 'compressed-symmetric', bits: 4, scaling: { strategy: 'group', groupSize: 32 } },
  ],
  [
    'pack-quantized 5 bits asymmetric',
    { format: 'pack-quantized', bits: 5, groupSize: 16, symmetric: false, scaleFormat: 'bf16' },
    {
      rule: 'compressed-asymmetric',
      bits: 5,
      scaling: { strategy: 'group', groupSize: 16 },
      scaleFormat: 'bf16',
    },
  ],
  [
    'pack-quantized by channel',
    { format: 'pack-quantized', bits: 8, strategy: { strategy: 'channel' }, symmetric: false },
    { rule: 'compressed-asymmetric', bits: 8, scaling: { strategy: 'channel' } },
  ],
  [
    'pack-quantized in blocks, asymmetric',
    { format: 'pack-quantized', strategy: { strategy: 'block', blockShape: [24, 40] }, symmetric: false },
    { rule: 'compressed-asymmetric', bits: 4, scaling: { strategy: 'block', blockShape: [24, 40] } },
  ],
  [
    'int-quantized',
    { format: 'int-quantized' },
    { rule: 'compressed-symmetric', bits: 8, scaling: { strategy: 'channel' } },
  ],
  [
    'int-quantized, one scale',
    { format: 'int-quantized', strategy: { strategy: 'tensor' }, symmetric: false },
    { rule: 'compressed-asymmetric', bits: 8, scaling: { strategy: 'tensor' } },
  ],
  ['float-quantized', { format: 'float-quantized' }, { rule: 'fp8', scaling: { strategy: 'channel' } }],
  [
    'float-quantized in blocks',
    { format: 'float-quantized', strategy: { strategy: 'block', blockShape: [20, 24] }, scaleFormat: 'fp16' },
    { rule: 'fp8', scaling: { strategy: 'block', blockShape: [20, 24] }, scaleFormat: 'fp16' },
  ],
  [
    'float-quantized, one scale',
    { format: 'float-quantized', strategy: { strategy: 'tensor' } },
    { rule: 'fp8', scaling: { strategy: 'tensor' } },
  ],
  ['nvfp4', { format: 'nvfp4-pack-quantized' }, { rule: 'nvfp4' }],
  ['mxfp4', { format: 'mxfp4-pack-quantized' }, { rule: 'mxfp4' }],
  ['hqq', { format: 'hqq', groupSize: 32 }, { rule: 'hqq', bits: 4, groupSize: 32, axis: 1 }],
  [
    'hqq axis 0, 3 bits',
    { format: 'hqq', bits: 3, groupSize: 32, axis: 0 },
    { rule: 'hqq', bits: 3, groupSize: 32, axis: 0 },
  ],
  [
    'hqq 2 bits',
    { format: 'hqq', bits: 2, groupSize: 128, axis: 1 },
    { rule: 'hqq', bits: 2, groupSize: 128, axis: 1 },
  ],
  [
    'hqq 1 bit',
    { format: 'hqq', bits: 1, groupSize: 64, axis: 0 },
    { rule: 'hqq', bits: 1, groupSize: 64, axis: 0 },
  ],
  [
    'hqq 6 bits, fp32',
    { format: 'hqq', bits: 6, groupSize: 32, scaleFormat: 'fp32' },
    { rule: 'hqq', bits: 6, groupSize: 32, axis: 1, scaleFormat: 'fp32' },
  ],
];

describe('a quantised folder', () => {
  it.each(CASES)('%s: opens with the values of its codes, bit for bit', async (_, options, rule) => {
    const { files, modules } = writeQuantizedHf(SMALL, small.sections, options);
    expect(modules).toHaveLength(14);
    expect(modules.filter(({ kept }) => kept !== undefined)).toEqual([]);
    const bundle = bundleCheckpoint(await open(files), { name: 'small', format: 'safetensors' });
    expect(bundle.config).toEqual({ ...SMALL, positions: { ...SMALL.positions, layout: 'half' } });
    expect(bundle.model.metadata.quantization).toBeTypeOf('string');
    for (const { parameter, values, shape } of hfLlamaTensors(SMALL, small.sections)) {
      const isFloat = parameter.role !== 'linear' || parameter.name === 'head.weight';
      const wanted = isFloat
        ? values
        : dequantizePacked(roundToNearest(values, { rows: shape[0], cols: shape[1] }, rule));
      const bytes = new Uint8Array(bundle.sections.read(parameter.name));
      expect(same(new Float32Array(bytes.buffer), wanted), parameter.name).toBe(true);
    }
  });

  it.each(CASES)('%s: gives the same values in any pieces', async (_, options) => {
    const checkpoint = await open(writeQuantizedHf(SMALL, small.sections, options).files);
    const weights = checkpoint.weights(16);
    const whole = new Map(
      [...weights].map(([name, view]) => [name, view.read(0, view.shape[0] * (view.shape[1] ?? 1))]),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('layers.0.q.weight', 'layers.1.k.weight', 'layers.1.down.weight'),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (name, from, length) => {
          const values = whole.get(name) ?? new Float32Array(0);
          const start = Math.floor(from * values.length);
          const count = Math.floor(length * (values.length - start));
          const part = weights.get(name)?.read(start, count) ?? new Float32Array(0);
          expect(same(part, values.slice(start, start + count))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has logits near those of the float model', async () => {
    const tokens = [1, 5, 2, 7];
    const reference = runForward(small, tokens).logits;
    const spread = Math.max(...reference) - Math.min(...reference);
    for (const options of [
      { format: 'pack-quantized', bits: 8, groupSize: 32 },
      { format: 'gptq', bits: 8, groupSize: 32 },
      { format: 'hqq', bits: 8, groupSize: 32 },
    ] as const) {
      const { files } = writeQuantizedHf(SMALL, small.sections, options);
      const bundle = bundleCheckpoint(await open(files), { name: 'small', format: 'safetensors' });
      const { logits } = runForward(bundle, tokens);
      const error = Math.max(...logits.map((value, i) => Math.abs(value - reference[i])));
      expect(error / spread, options.format).toBeLessThan(0.05);
    }
  });

  it('keeps layers float that the format does not hold, and says so', async () => {
    const ragged = { ...SMALL, hiddenWidth: 43 };
    const model = randomDecoder(ragged);
    for (const [format, field, entry] of [
      ['awq', 'modules_to_not_convert', 'mlp.gate_proj'],
      ['hqq', 'skip_modules', 'lm_head'],
      ['pack-quantized', 'ignore', 'model.layers.0.mlp.down_proj'],
      ['nvfp4-pack-quantized', 'ignore', 'model.layers.1.mlp.down_proj'],
    ] as const) {
      const { files, modules } = writeQuantizedHf(ragged, model.sections, { format, groupSize: 32 });
      const config = JSON.parse(new TextDecoder().decode(files['config.json']));
      expect(config.quantization_config[field], format).toContain(entry);
      if (format !== 'hqq')
        expect(modules.find(({ kept }) => kept !== undefined)?.kept, format).toContain('43');
      expect(modules.some(({ kept }) => kept === undefined)).toBe(true);
      const view = (await open(files)).weights(16).get('layers.0.down.weight');
      expect(view?.read(0, 4)).toHaveLength(4);
    }
    const gptq = writeQuantizedHf(ragged, model.sections, { format: 'gptq', groupSize: 32 });
    const config = JSON.parse(new TextDecoder().decode(gptq.files['config.json']));
    expect(config.quantization_config.modules_in_block_to_quantize).toEqual([
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj'],
    ]);
    await open(gptq.files);
    const none = { format: 'awq', groupSize: 48 } as const;
    const error = await expectBitloomError(
      () => writeQuantizedHf(ragged, model.sections, none),
      'export-settings',
    );
    expect(error).toMatchObject({ where: "layer 'model.layers.0.self_attn.q_proj', cols" });
    const odd = { format: 'hqq', groupSize: 5 } as const;
    const whole = await expectBitloomError(
      () => writeQuantizedHf(SMALL, small.sections, odd),
      'export-settings',
    );
    expect(whole.message).toContain('a divisor of the 64 · 64 elements; got: 5;');
    expect(whole.hint).toContain('--group-size 32');
    const wide = { format: 'awq' } as const;
    const awq = await expectBitloomError(
      () => writeQuantizedHf(SMALL, small.sections, wide),
      'export-settings',
    );
    expect(awq.hint).toContain('--group-size 64');
    await expectBitloomError(
      () => writeQuantizedHf(SMALL, small.sections, { format: 'gptq', groupSize: 0 }),
      'model-config-invalid',
    );
    await expectBitloomError(
      () => writeQuantizedHf(SMALL, small.sections, { format: 'awq_gemv' as 'awq' }),
      'model-unsupported',
    );
    await expectBitloomError(
      () => writeQuantizedHf(SMALL, small.sections, { format: 'gptq', bits: 5 }),
      'packing-bits',
    );
  });

  it('has the configuration its tool writes', () => {
    const configOf = (options: QuantizedHfOptions): unknown =>
      JSON.parse(
        new TextDecoder().decode(writeQuantizedHf(SMALL, small.sections, options).files['config.json']),
      ).quantization_config;
    expect(configOf({ format: 'gptq', groupSize: 32 })).toEqual({
      bits: 4,
      checkpoint_format: 'gptq',
      desc_act: false,
      group_size: 32,
      lm_head: false,
      pack_dtype: 'int32',
      quant_method: 'gptq',
      static_groups: false,
      sym: true,
      true_sequential: true,
    });
    expect(configOf({ format: 'nvfp4-pack-quantized' })).toMatchObject({
      quant_method: 'compressed-tensors',
      format: 'nvfp4-pack-quantized',
      ignore: ['lm_head'],
      config_groups: {
        group_0: {
          targets: ['Linear'],
          weights: { num_bits: 4, type: 'float', strategy: 'tensor_group', group_size: 16, symmetric: true },
        },
      },
    });
  });
});

describe('tensors of a quantised folder', () => {
  it.each([
    [2, 'gptq', 'gptq_v2'],
    [3, 'gptq', 'gptq_v2'],
    [4, 'gptq_v2', 'gptq'],
    [8, 'gptq_v2', 'gptq'],
  ] as const)('of %i bits in %s are not read as %s', async (bits, format, other) => {
    const { files } = writeQuantizedHf(SMALL, small.sections, { format, bits, groupSize: 32 });
    await open(files);
    const error = await expectBitloomError(
      async () => open(await changed(files, (entries) => entries, { checkpoint_format: other })),
      'packing-zero-range',
    );
    const [middle, got] = [2 ** (bits - 1), 2 ** (bits - 1) + (other === 'gptq' ? 1 : -1)];
    expect(error.where).toContain(Q);
    expect(error).toMatchObject({ expected: `${middle}, as sym true says` });
    expect(error.got).toBe(`${got} with checkpoint_format ${other}`);
    expect(error.hint).toContain(`look like checkpoint_format ${format}:`);
  });

  it('of asymmetric GPTQ are not read as symmetric', async () => {
    const { files } = writeQuantizedHf(SMALL, small.sections, {
      format: 'gptq',
      groupSize: 32,
      symmetric: false,
    });
    const as = async (sym: unknown): Promise<unknown> =>
      open(await changed(files, (entries) => entries, { sym }));
    await expectBitloomError(() => as(true), 'packing-zero-range');
    await as(null);
  });

  it('of GPTQ with one zero point beside the middle are refused, by module', async () => {
    const { files } = writeQuantizedHf(SMALL, small.sections, { format: 'gptq', groupSize: 32 });
    const name = 'model.layers.1.mlp.up_proj';
    const spoil = (entries: SafetensorsEntry[]): SafetensorsEntry[] => {
      const data =
        entries.find((entry) => entry.name === `${name}.qzeros`)?.data.slice() ?? new Uint8Array(0);
      data[data.length - 1] ^= 0x10;
      return edit(`${name}.qzeros`, { data })(entries);
    };
    const error = await expectBitloomError(
      async () => open(await changed(files, spoil)),
      'packing-zero-range',
    );
    expect(error.where).toContain(name);
    expect(error.got).toMatch(/^7 /);
  });

  const gptq = writeQuantizedHf(SMALL, small.sections, { format: 'gptq', groupSize: 32 }).files;
  const packed = writeQuantizedHf(SMALL, small.sections, { format: 'pack-quantized', groupSize: 32 }).files;
  const hqq = writeQuantizedHf(SMALL, small.sections, { format: 'hqq', groupSize: 32 }).files;
  const nvfp4 = writeQuantizedHf(SMALL, small.sections, { format: 'nvfp4-pack-quantized' }).files;

  it.each<
    [string, Readonly<Record<string, Uint8Array>>, string, Partial<SafetensorsEntry> | undefined, string]
  >([
    ['no scales', gptq, `${Q}.scales`, undefined, 'model-tensor-missing'],
    ['no codes', gptq, `${Q}.qweight`, undefined, 'model-tensor-missing'],
    ['codes of another shape', gptq, `${Q}.qweight`, { shape: [64, 8] }, 'model-tensor-shape'],
    ['zero points as bytes', gptq, `${Q}.qzeros`, { dtype: 'U8', shape: [2, 32] }, 'model-tensor-type'],
    ['scales as integers', gptq, `${Q}.scales`, { dtype: 'I8', shape: [2, 128] }, 'model-tensor-type'],
    [
      'a group past the last',
      gptq,
      `${Q}.g_idx`,
      { data: new Uint8Array(256).fill(1) },
      'packing-group-index',
    ],
    [
      'another order without desc_act',
      gptq,
      `${Q}.g_idx`,
      { data: new Uint8Array(256) },
      'packing-group-index',
    ],
    ['an extra tensor', gptq, `${Q}.g_idx`, { name: `${Q}.other` }, 'model-tensor-extra'],
    ['no packed weight', packed, `${Q}.weight_packed`, undefined, 'model-tensor-missing'],
    ['no shape', packed, `${Q}.weight_shape`, undefined, 'model-tensor-missing'],
    [
      'another shape than its own',
      packed,
      `${Q}.weight_shape`,
      { data: new Uint8Array(16) },
      'model-tensor-shape',
    ],
    ['a width of no layout', packed, `${Q}.weight_packed`, { shape: [128, 4] }, 'packing-length'],
    [
      'an HQQ width that differs',
      hqq,
      `${Q}.nbits`,
      { data: Uint8Array.of(3, 0, 0, 0) },
      'model-config-invalid',
    ],
    ['no HQQ width', hqq, `${Q}.nbits`, undefined, 'model-tensor-missing'],
    [
      'an HQQ axis that differs',
      hqq,
      `${Q}.axis`,
      { data: Uint8Array.of(0, 0, 0, 0) },
      'model-config-invalid',
    ],
    ['quantised HQQ scales', hqq, `${Q}.quant_scale`, { data: Uint8Array.of(1) }, 'model-unsupported'],
    [
      'another HQQ packing',
      hqq,
      `${Q}.packing`,
      { data: Uint8Array.from('8bit_u8', (c) => c.charCodeAt(0)) },
      'model-config-invalid',
    ],
    ['HQQ words for bytes', hqq, `${Q}.W_q`, { dtype: 'I32', shape: [16, 32] }, 'model-tensor-type'],
    ['no global scale', nvfp4, `${Q}.weight_global_scale`, undefined, 'model-tensor-missing'],
  ])('are refused with %s', async (_, files, name, change, code) => {
    const bad = await changed(files, edit(name, change));
    await expectBitloomError(() => open(bad), code);
  });

  it.each<[string, Readonly<Record<string, Uint8Array>>, string, Uint8Array, string]>([
    ['an infinite scale', gptq, `${Q}.scales`, new Uint8Array(256).fill(0x7c), 'packing-scale-not-finite'],
    ['a global scale of 0', nvfp4, `${Q}.weight_global_scale`, new Uint8Array(4), 'packing-scale-not-finite'],
  ])('are refused with %s when the weight is read, by name', async (_, files, name, data, code) => {
    const checkpoint = await open(await changed(files, edit(name, { data })));
    const error = await expectBitloomError(
      () => checkpoint.weights(16).get('layers.0.q.weight')?.read(0, 8),
      code,
    );
    expect(error.where).toContain(Q);
    expect(checkpoint.weights(16).get('layers.1.q.weight')?.read(0, 8)).toHaveLength(8);
  });

  it('may have columns in another order, when the configuration says so', async () => {
    // Groups of alternate columns; scales 1 and 2 by group, zero points 8, codes 9: values 1 and 2.
    const groupIndex = Int32Array.from({ length: 64 }, (_, k) => k % 2);
    const scales = Uint16Array.from({ length: 128 }, (_, i) => (i < 64 ? 0x3c00 : 0x4000));
    const change = (entries: SafetensorsEntry[]): SafetensorsEntry[] =>
      entries.map((entry) => {
        if (entry.name === `${Q}.g_idx`) return { ...entry, data: new Uint8Array(groupIndex.buffer) };
        if (entry.name === `${Q}.scales`) return { ...entry, data: new Uint8Array(scales.buffer) };
        if (entry.name === `${Q}.qweight`) return { ...entry, data: entry.data.map(() => 0x99) };
        return entry;
      });
    const checkpoint = await open(await changed(gptq, change, { desc_act: true }));
    const view = checkpoint.weights(16).get('layers.0.q.weight');
    expect([...(view?.read(64 * 33, 6) ?? [])]).toEqual([1, 2, 1, 2, 1, 2]);
    await expectBitloomError(
      async () => open(await changed(gptq, edit(`${Q}.g_idx`, undefined), { desc_act: true })),
      'model-tensor-missing',
    );
    // Without an index, columns are in order.
    await open(await changed(gptq, edit(`${Q}.g_idx`, undefined)));
  });

  it('may have biases of zeros that the model does not have, in GPTQ', async () => {
    const bias = (value: number): SafetensorsEntry => ({
      name: `${Q}.bias`,
      dtype: 'F16',
      shape: [64],
      data: new Uint8Array(128).fill(value),
    });
    await open(await changed(gptq, (entries) => [...entries, bias(0)]));
    await expectBitloomError(
      async () => open(await changed(gptq, (entries) => [...entries, bias(1)])),
      'model-tensor-extra',
    );
  });

  it('may have scales of activations and caches, when the configuration says so', async () => {
    const scale = (name: string): SafetensorsEntry => ({
      name,
      dtype: 'F32',
      shape: [1],
      data: new Uint8Array(4),
    });
    const more = [scale(`${Q}.input_scale`), scale('model.layers.0.self_attn.k_scale')];
    const add = (entries: SafetensorsEntry[]): SafetensorsEntry[] => [...entries, ...more];
    await expectBitloomError(async () => open(await changed(packed, add)), 'model-tensor-extra');
    const json = JSON.parse(new TextDecoder().decode(packed['config.json'])).quantization_config;
    const activations = { num_bits: 8, type: 'int', strategy: 'tensor', symmetric: true, dynamic: false };
    const checkpoint = await open(
      await changed(packed, add, {
        config_groups: { group_0: { ...json.config_groups.group_0, input_activations: activations } },
        kv_cache_scheme: activations,
      }),
    );
    expect(checkpoint.facts?.quantizationNote).toContain('KV cache');
  });

  it('of symmetric AWQ must have the middle for zero points', async () => {
    const awq = writeQuantizedHf(SMALL, small.sections, { format: 'awq', groupSize: 32 }).files;
    const checkpoint = await open(await changed(awq, edit(`${Q}.qzeros`, { data: new Uint8Array(64) })));
    await expectBitloomError(
      () => checkpoint.weights(16).get('layers.0.q.weight')?.read(0, 8),
      'packing-zero-range',
    );
  });

  it('of HQQ may lie under a float type', async () => {
    const viewed = await changed(hqq, (entries) =>
      entries.map((entry) => {
        if (entry.name.endsWith('.view_as_float')) return { ...entry, data: Uint8Array.of(1) };
        if (!entry.name.endsWith('.W_q')) return entry;
        return { ...entry, dtype: 'F16' as const, shape: [entry.shape[0], entry.shape[1] / 2] };
      }),
    );
    const [plain, other] = await Promise.all([open(hqq), open(viewed)]);
    for (const [start, count] of [
      [0, 4096],
      [1, 3],
      [63, 130],
    ]) {
      const read = (checkpoint: Checkpoint): Float32Array =>
        checkpoint.weights(16).get('layers.0.q.weight')?.read(start, count) ?? new Float32Array(0);
      expect(same(read(plain), read(other))).toBe(true);
    }
  });

  it('of an embedding and a head are quantised where a target says so', async () => {
    const json = JSON.parse(new TextDecoder().decode(packed['config.json'])).quantization_config;
    const [group] = [json.config_groups.group_0];
    const plain = {
      ...group,
      format: 'int-quantized',
      targets: ['Embedding', 're:lm_head$'],
      weights: { ...group.weights, num_bits: 8, strategy: 'channel', group_size: null },
    };
    const groups = { group_0: group, group_1: plain };
    const config = { format: 'mixed-precision', ignore: [], config_groups: groups };
    const files = await changed(
      packed,
      (entries) =>
        entries.flatMap((entry): SafetensorsEntry[] => {
          if (!['model.embed_tokens.weight', 'lm_head.weight'].includes(entry.name)) return [entry];
          const scales = Float32Array.from({ length: 10 }, (_, i) => i + 1);
          return [
            { ...entry, dtype: 'I8', data: new Uint8Array(640).fill(3) },
            {
              name: `${entry.name}_scale`,
              dtype: 'F32',
              shape: [10, 1],
              data: new Uint8Array(scales.buffer),
            },
          ];
        }),
      config,
    );
    const weights = (await open(files)).weights(16);
    for (const name of ['embedding.weight', 'head.weight']) {
      expect([...(weights.get(name)?.read(127, 2) ?? [])]).toEqual([6, 9]);
    }
  });

  it('of GPT-2 give query, key and value from one GPTQ weight', async () => {
    const config: DecoderConfig = {
      ...zooEntry('gpt2').config,
      vocabSize: 6,
      layers: 1,
      width: 32,
      heads: 2,
      kvHeads: 2,
      headDim: 16,
      hiddenWidth: 64,
      maxPositions: 8,
    };
    const entries: SafetensorsEntry[] = [];
    const add = (name: string, dtype: SafetensorsEntry['dtype'], shape: number[], data: Uint8Array): void => {
      entries.push({ name, dtype, shape, data });
    };
    const zeros = (name: string, ...shape: number[]): void =>
      add(name, 'F32', shape, new Uint8Array(4 * shape.reduce((a, b) => a * b)));
    for (const [name, inputs, outputs] of [
      ['attn.c_attn', 32, 96],
      ['attn.c_proj', 32, 32],
      ['mlp.c_fc', 32, 64],
      ['mlp.c_proj', 64, 32],
    ] as const) {
      const module = `h.0.${name}`;
      // Code of every input of output n is n modulo 16; zero points 0 (stored 15), scales 1.
      const words = Int32Array.from(
        { length: (inputs / 8) * outputs },
        (_, i) => 0x11111111 * ((i % outputs) % 16),
      );
      add(`${module}.qweight`, 'I32', [inputs / 8, outputs], new Uint8Array(words.buffer));
      add(`${module}.qzeros`, 'I32', [1, outputs / 8], new Uint8Array(outputs / 2).fill(0xff));
      const scales = new Uint16Array(outputs).fill(0x3c00);
      add(`${module}.scales`, 'F16', [1, outputs], new Uint8Array(scales.buffer));
      zeros(`${module}.bias`, outputs);
    }
    for (const name of ['h.0.ln_1', 'h.0.ln_2', 'ln_f']) {
      zeros(`${name}.weight`, 32);
      zeros(`${name}.bias`, 32);
    }
    zeros('wte.weight', 6, 32);
    zeros('wpe.weight', 8, 32);
    const json = {
      architectures: ['GPT2LMHeadModel'],
      n_embd: 32,
      n_head: 2,
      n_layer: 1,
      n_inner: 64,
      n_positions: 8,
      vocab_size: 6,
      quantization_config: { quant_method: 'gptq', bits: 4, group_size: -1, desc_act: false },
    };
    const checkpoint = await open({
      'config.json': new TextEncoder().encode(JSON.stringify(json)),
      'model.safetensors': writeSafetensors(entries),
    });
    const weights = checkpoint.weights(8);
    for (const { name, shape } of decoderParameters(config))
      expect(weights.get(name)?.shape, name).toEqual(shape);
    // Row r of k is output 32 + r of c_attn.
    for (const [part, first] of [
      ['q', 0],
      ['k', 32],
      ['v', 64],
    ] as const) {
      expect(weights.get(`layers.0.${part}.weight`)?.read(5 * 32, 1)[0]).toBe((first + 5) % 16);
    }
  });

  it('open with typed errors only, however the files are damaged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(gptq, packed, hqq, nvfp4),
        fc.constantFrom('config.json' as const, 'model.safetensors' as const),
        damageArbitrary(6000),
        (files, name, how) =>
          toleratesOrRejects(async () => {
            const checkpoint = await open({ ...files, [name]: damage(files[name], how) });
            for (const view of checkpoint.weights(16).values()) view.read(0, Math.min(8, view.shape[0]));
          }),
      ),
      { numRuns: 200 },
    );
  });

  it('of a float folder are not read as quantised', async () => {
    const float = { ...writeHfLlama(SMALL, small.sections) };
    const withConfig = await changed(float, (entries) => entries, {
      quant_method: 'compressed-tensors',
      ...JSON.parse(new TextDecoder().decode(packed['config.json'])).quantization_config,
    });
    await expectBitloomError(() => open(withConfig), 'model-tensor-missing');
    // For GPTQ the names decide: a folder that quantises nothing is a float folder.
    await open(
      await changed(float, (entries) => entries, { quant_method: 'gptq', bits: 4, group_size: 128 }),
    );
  });
});
