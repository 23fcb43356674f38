import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHfConfig } from '../src/families/hf-config.js';
import type { JsonObject, JsonValue } from '../src/json/strict-json.js';
import { dataPath, expectBitloomError, hasData, toleratesOrRejects } from './support.js';

/** Folders that transformers 5 wrote; see their README. */
const FIXTURES = fileURLToPath(new URL('../../runtime/test/fixtures/families', import.meta.url));
const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 172,
  num_attention_heads: 8,
  num_hidden_layers: 5,
  vocab_size: 512,
} satisfies JsonObject;
const QWEN2 = { ...LLAMA, architectures: ['Qwen2ForCausalLM'], num_key_value_heads: 2 };
const QWEN3 = { ...QWEN2, architectures: ['Qwen3ForCausalLM'] };
const SMOLLM3 = { ...QWEN2, architectures: ['SmolLM3ForCausalLM'] };
const PHI3 = { ...QWEN2, architectures: ['Phi3ForCausalLM'] };
const MISTRAL = { ...LLAMA, architectures: ['MistralForCausalLM'] };
const OPT = {
  architectures: ['OPTForCausalLM'],
  hidden_size: 64,
  ffn_dim: 128,
  num_attention_heads: 8,
  num_hidden_layers: 2,
  vocab_size: 100,
} satisfies JsonObject;
const GPT2 = {
  architectures: ['GPT2LMHeadModel'],
  n_embd: 64,
  n_head: 8,
  n_layer: 2,
  vocab_size: 100,
} satisfies JsonObject;

const read = (json: JsonObject): ReturnType<typeof readHfConfig> => readHfConfig(json, 'config.json');

describe('config.json', () => {
  it('fills in what transformers takes for granted', () => {
    expect(read(LLAMA)).toMatchObject({
      kvHeads: 8,
      headDim: 8,
      norm: { kind: 'rms', epsilon: 1e-6 },
      positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
      tiedEmbeddings: false,
      maxPositions: 2048,
    });
    expect(read(QWEN2).biases).toEqual({ qkv: true, output: false, feedForward: false });
    expect(read(OPT)).toMatchObject({
      positions: { kind: 'learned', offset: 2 },
      tiedEmbeddings: true,
      maxPositions: 2048,
    });
    expect(read(GPT2)).toMatchObject({ hiddenWidth: 256, feedForward: { gated: false, activation: 'gelu' } });
    expect(read({ ...GPT2, n_inner: null }).hiddenWidth).toBe(256);
    expect(read({ ...LLAMA, attention_bias: true, mlp_bias: true }).biases).toEqual({
      qkv: true,
      output: true,
      feedForward: true,
    });
    expect(read({ ...LLAMA, head_dim: 16, num_key_value_heads: 2 })).toMatchObject({
      headDim: 16,
      kvHeads: 2,
    });
  });

  it('reads rotary positions in both forms of the keys alike', () => {
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const scalings: JsonObject[] = [
      { rope_type: 'llama3', ...llama3 },
      { rope_type: 'linear', factor: 4 },
    ];
    for (const scaling of scalings) {
      const form4 = read({ ...LLAMA, rope_theta: 500000, rope_scaling: scaling });
      const form5 = read({ ...LLAMA, rope_parameters: { rope_theta: 500000, ...scaling } });
      expect(form5).toEqual(form4);
      expect(form4.positions).toMatchObject({ theta: 500000, scaling: { kind: scaling.rope_type } });
    }
    const old = read({ ...LLAMA, rope_scaling: { type: 'linear', factor: 4 } });
    expect(old.positions).toMatchObject({ theta: 10000, scaling: { kind: 'linear', factor: 4 } });
    const plain = read({ ...LLAMA, rope_parameters: { rope_theta: 1e6, rope_type: 'default' } });
    expect(plain.positions).toMatchObject({ theta: 1e6, scaling: { kind: 'none' } });
  });

  it.each(readdirSync(FIXTURES).filter((name) => existsSync(`${FIXTURES}/${name}/config.json`)))(
    'reads %s in the keys of transformers 4 alike',
    (name) => {
      const json: JsonObject = JSON.parse(readFileSync(`${FIXTURES}/${name}/config.json`, 'utf8'));
      const { rope_parameters: rope, layer_types: _, dtype, transformers_version: __, ...form4 } = json;
      const { rope_theta, ...scaling } = (rope ?? {}) as JsonObject;
      const hasWindows = read(json).windows !== undefined;
      const old: JsonObject = {
        ...form4,
        torch_dtype: dtype,
        ...(rope === undefined
          ? {}
          : { rope_theta, rope_scaling: scaling.rope_type === 'default' ? null : scaling }),
        // Kinds of layers that no number of full layers gives are only there in form 5.
        ...(/layertypes|mixed/.test(name) && hasWindows ? { layer_types: json.layer_types } : {}),
      };
      expect(read(old)).toEqual(read(json));
    },
  );

  it.each<[string, JsonObject]>([
    ['an unknown architecture', { ...LLAMA, architectures: ['MixtralForCausalLM'] }],
    ['an encoder', { ...LLAMA, architectures: ['BertModel'] }],
    ['a head of another task', { ...LLAMA, architectures: ['LlamaForSequenceClassification'] }],
    ['no architecture and an unknown type', { ...LLAMA, architectures: undefined, model_type: 'mixtral' }],
    ['an empty list and an unknown type', { ...LLAMA, architectures: [], model_type: 'gemma2' }],
    ['a type that contradicts the class', { ...LLAMA, model_type: 'mixtral' }],
    ['several classes', { ...LLAMA, architectures: ['LlamaForCausalLM', 'MixtralForCausalLM'] }],
    ['a prototype name', { ...LLAMA, architectures: ['constructor'] }],
    ['a class in another shape', { ...LLAMA, architectures: 'MixtralForCausalLM', model_type: 'mixtral' }],
  ] as [string, JsonObject][])('names %s and never runs it as another', async (_, json) => {
    const error = await expectBitloomError(() => read(json), 'model-architecture-unknown');
    const { architectures, model_type: type } = json;
    const named = Array.isArray(architectures) ? architectures.at(-1) : undefined;
    expect(error.got).toContain(String(named ?? type));
  });

  it('names what says nothing of itself', async () => {
    const error = await expectBitloomError(() => read({ hidden_size: 64 }), 'model-architecture-unknown');
    expect(error.got).toContain('null');
  });

  it('goes by the type where no class is given', () => {
    const { architectures: _, ...typed } = { ...LLAMA, model_type: 'llama' };
    expect(read(typed)).toEqual(read(LLAMA));
    expect(read({ ...typed, architectures: null })).toEqual(read(LLAMA));
    expect(read({ ...OPT, architectures: [], model_type: 'opt' })).toEqual(read(OPT));
  });

  it('reads windows by layer', () => {
    const windows = (json: JsonObject): readonly number[] | undefined => read(json).windows;
    // A file that says nothing has the window of the first Mistral; null is none.
    expect(windows(MISTRAL)).toEqual([4096, 4096, 4096, 4096, 4096]);
    expect(windows({ ...MISTRAL, sliding_window: 7 })).toEqual([7, 7, 7, 7, 7]);
    expect(windows({ ...MISTRAL, sliding_window: null })).toBeUndefined();
    for (const qwen of [QWEN2, QWEN3]) {
      expect(windows({ ...qwen, sliding_window: 7, max_window_layers: 2 })).toBeUndefined();
      const used = { ...qwen, use_sliding_window: true, sliding_window: 7 };
      expect(windows(used)).toBeUndefined();
      expect(windows({ ...used, max_window_layers: 3 })).toEqual([0, 0, 0, 7, 7]);
      expect(windows({ ...used, sliding_window: null, max_window_layers: 3 })).toBeUndefined();
      const full = 'full_attention';
      const layer_types = [full, 'sliding_attention', full, full, full];
      expect(windows({ ...used, max_window_layers: 3, layer_types })).toEqual([0, 7, 0, 0, 0]);
    }
  });

  it('reads what distinguishes the families', () => {
    expect(read({ ...MISTRAL, head_dim: 12 })).toMatchObject({ family: 'mistral', kvHeads: 8, headDim: 12 });
    expect(read({ ...MISTRAL, num_key_value_heads: null, head_dim: null })).toMatchObject({
      kvHeads: 8,
      headDim: 8,
    });
    expect(read(QWEN3)).toMatchObject({ family: 'qwen3', headDim: 128, headNorms: true });
    expect(read({ ...QWEN3, head_dim: null }).headDim).toBe(8);
    expect(read({ ...QWEN3, attention_bias: true }).biases).toEqual({
      qkv: true,
      output: true,
      feedForward: false,
    });
    expect(read({ ...OPT, do_layer_norm_before: false, word_embed_proj_dim: 32 })).toMatchObject({
      norm: { place: 'after', final: false },
      embeddingWidth: 32,
    });
    expect(read({ ...OPT, word_embed_proj_dim: 64 }).embeddingWidth).toBeUndefined();
    expect(read({ ...OPT, _remove_final_layer_norm: true }).norm).toEqual({
      kind: 'layer',
      epsilon: 1e-5,
      final: false,
    });
    expect(read({ ...GPT2, scale_attn_by_inverse_layer_idx: true }).scoreScales).toEqual([
      1 / Math.sqrt(8),
      1 / Math.sqrt(8) / 2,
    ]);
    expect(read({ ...GPT2, scale_attn_weights: false }).scoreScales).toEqual([1, 1]);
  });

  it('reads which layers turn heads', () => {
    const rotated = (json: JsonObject): unknown => {
      const { positions } = read({ ...SMOLLM3, ...json });
      return positions.kind === 'rope' && [positions.theta, positions.rotated];
    };
    expect(rotated({})).toEqual([2e6, [true, true, true, false, true]]);
    expect(rotated({ no_rope_layers: [0, 1, 1, 1, 1] })).toEqual([2e6, [false, true, true, true, true]]);
    expect(rotated({ no_rope_layers: [1, 1, 1, 1, 1], rope_theta: 5 })).toEqual([5, undefined]);
    const windows = { use_sliding_window: true, sliding_window: 3 };
    expect(read({ ...SMOLLM3, ...windows }).windows).toEqual([0, 0, 0, 3, 0]);
  });

  it('takes the context of llama3 scaling as transformers does', () => {
    const rope = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const original = (json: JsonObject): unknown => {
      const { positions } = read({ ...LLAMA, max_position_embeddings: 512, ...json });
      return positions.kind === 'rope' && positions.scaling;
    };
    expect(original({ rope_parameters: rope })).toMatchObject({ originalMaxPositions: 512 });
    const named = { ...rope, original_max_position_embeddings: 64 };
    expect(original({ rope_scaling: named })).toMatchObject({ originalMaxPositions: 64 });
    expect(original({ rope_scaling: named, original_max_position_embeddings: 32 })).toMatchObject({
      originalMaxPositions: 32,
    });
  });

  it.each<[string, JsonObject]>([
    ['yarn scaling', { ...LLAMA, rope_scaling: { rope_type: 'yarn', factor: 4 } }],
    ['dynamic scaling in form 5', { ...LLAMA, rope_parameters: { rope_type: 'dynamic', factor: 4 } }],
    ['partial rotary positions', { ...LLAMA, partial_rotary_factor: 0.5 }],
    ['another activation', { ...LLAMA, hidden_act: 'gelu' }],
    ['longrope scaling', { ...LLAMA, rope_scaling: { rope_type: 'longrope', short_factor: [], factor: 4 } }],
    [
      'rotary positions by kind of layer',
      { ...LLAMA, rope_parameters: { full_attention: { rope_theta: 1 } } },
    ],
    ['rotary positions of several axes', { ...QWEN2, rope_scaling: { type: 'default', mrope_section: [2] } }],
    ['sliding layers of no length', { ...QWEN2, layer_types: Array(5).fill('sliding_attention') }],
    ['Phi-3 with part of a head turned', { ...PHI3, rope_parameters: { partial_rotary_factor: 0.75 } }],
    ['Phi-3 with a long context', { ...PHI3, rope_scaling: { type: 'longrope', long_factor: [1] } }],
    ['SmolLM3 with a window of no length', { ...SMOLLM3, layer_types: Array(5).fill('sliding_attention') }],
    ['another kind of layer', { ...QWEN3, layer_types: Array(5).fill('chunked_attention') }],
    ['OPT with normalisation without weights', { ...OPT, layer_norm_elementwise_affine: false }],
    ['OPT with exact GELU', { ...OPT, activation_function: 'gelu' }],
    ['GPT-2 with exact GELU', { ...GPT2, activation_function: 'gelu' }],
    ['GPT-2 with cross-attention', { ...GPT2, add_cross_attention: true }],
  ])('refuses %s', async (_, json) => {
    await expectBitloomError(() => read(json), 'model-unsupported');
  });

  it.each<[string, JsonObject]>([
    ['no size', { architectures: ['LlamaForCausalLM'] }],
    ['a size in words', { ...LLAMA, hidden_size: '64' }],
    ['heads that do not divide the width', { ...LLAMA, num_attention_heads: 7 }],
    ['key heads that do not divide the heads', { ...LLAMA, num_key_value_heads: 3 }],
    ['a vocabulary of 2^40', { ...LLAMA, vocab_size: 2 ** 40 }],
    ['a window of nothing', { ...MISTRAL, sliding_window: 0 }],
    ['a window in words', { ...MISTRAL, sliding_window: 'all' }],
    ['rotated layers of too few', { ...SMOLLM3, no_rope_layers: [1] }],
    ['rotated layers in words', { ...SMOLLM3, no_rope_layers: Array(5).fill('yes') }],
    ['kinds of too few layers', { ...QWEN2, layer_types: ['full_attention'] }],
    ['layers without number', { ...MISTRAL, num_hidden_layers: 2 ** 40 }],
    ['a flag in words', { ...LLAMA, tie_word_embeddings: 'yes' }],
    ['scaling that is no object', { ...LLAMA, rope_scaling: 'linear' }],
    ['scaling without a factor', { ...LLAMA, rope_scaling: { rope_type: 'linear' } }],
    ['an infinite epsilon', { ...LLAMA, rms_norm_eps: Number.POSITIVE_INFINITY }],
  ])('refuses %s', async (_, json) => {
    await expectBitloomError(() => read(json), 'model-config-invalid');
  });

  it('throws only typed errors, whatever a key holds', async () => {
    const others = ['Ministral', 'Phi3', 'SeedOss', 'SmolLM3', 'Starcoder2'].map((name) => ({
      ...QWEN2,
      architectures: [`${name}ForCausalLM`],
    }));
    const documents: JsonObject[] = [LLAMA, MISTRAL, QWEN2, QWEN3, OPT, GPT2, ...others];
    const keys = [
      ...new Set(documents.flatMap((json) => Object.keys(json))),
      'rope_scaling',
      'rope_parameters',
      'layer_types',
      'sliding_window',
      'use_sliding_window',
      'max_window_layers',
      'no_rope_layers',
      'no_rope_layer_interval',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...documents),
        fc.constantFrom(...keys),
        fc.jsonValue(),
        (json, key, value) => toleratesOrRejects(() => read({ ...json, [key]: value as JsonValue })),
      ),
      { numRuns: 500 },
    );
  });
});

describe.skipIf(!hasData)('real config.json files', () => {
  it.each([
    ['llama-gqa-untied', { family: 'llama', kvHeads: 2, tiedEmbeddings: false, hiddenWidth: 260 }],
    ['llama-tied-rope-scaled', { headDim: 20, tiedEmbeddings: true, norm: { kind: 'rms', epsilon: 1e-6 } }],
    ['opt-relu-bias', { family: 'opt', feedForward: { gated: false, activation: 'relu' } }],
    ['gpt2', { family: 'gpt2', positions: { kind: 'learned', offset: 0 }, maxPositions: 256 }],
    ['qwen2-bias', { family: 'qwen2', biases: { qkv: true, output: false, feedForward: false } }],
  ])('%s', (folder, expected) => {
    const json: JsonObject = JSON.parse(
      readFileSync(dataPath('witness-models', folder, 'config.json'), 'utf8'),
    );
    expect(read(json)).toMatchObject(expected);
  });
});
