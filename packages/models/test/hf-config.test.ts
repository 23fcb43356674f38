import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHfConfig } from '../src/families/hf-config.js';
import type { JsonObject, JsonValue } from '../src/json/strict-json.js';
import { dataPath, expectBitloomError, hasData, toleratesOrRejects } from './support.js';

const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 172,
  num_attention_heads: 8,
  num_hidden_layers: 5,
  vocab_size: 512,
} satisfies JsonObject;
const QWEN2 = { ...LLAMA, architectures: ['Qwen2ForCausalLM'] };
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

  it.each<[string, JsonObject]>([
    ['an unknown architecture', { ...LLAMA, architectures: ['MixtralForCausalLM'] }],
    ['an encoder', { ...LLAMA, architectures: ['BertModel'] }],
    ['no architecture', { model_type: 'llama' }],
    ['a prototype name', { ...LLAMA, architectures: ['constructor'] }],
  ])('names %s and never runs it as another', async (_, json) => {
    const error = await expectBitloomError(() => read(json), 'model-architecture-unknown');
    expect(error.got).toContain(Array.isArray(json.architectures) ? String(json.architectures[0]) : 'llama');
  });

  it.each<[string, JsonObject]>([
    ['yarn scaling', { ...LLAMA, rope_scaling: { rope_type: 'yarn', factor: 4 } }],
    ['dynamic scaling in form 5', { ...LLAMA, rope_parameters: { rope_type: 'dynamic', factor: 4 } }],
    ['partial rotary positions', { ...LLAMA, partial_rotary_factor: 0.5 }],
    ['another activation', { ...LLAMA, hidden_act: 'gelu' }],
    ['a sliding window', { ...QWEN2, use_sliding_window: true }],
    ['sliding layers', { ...QWEN2, layer_types: ['full_attention', 'sliding_attention'] }],
    ['OPT with normalisation after', { ...OPT, do_layer_norm_before: false }],
    ['OPT with projected embeddings', { ...OPT, word_embed_proj_dim: 32 }],
    ['GPT-2 with exact GELU', { ...GPT2, activation_function: 'gelu' }],
    ['GPT-2 with attention scaled by layer', { ...GPT2, scale_attn_by_inverse_layer_idx: true }],
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
    ['a flag in words', { ...LLAMA, tie_word_embeddings: 'yes' }],
    ['scaling that is no object', { ...LLAMA, rope_scaling: 'linear' }],
    ['scaling without a factor', { ...LLAMA, rope_scaling: { rope_type: 'linear' } }],
    ['an infinite epsilon', { ...LLAMA, rms_norm_eps: Number.POSITIVE_INFINITY }],
  ])('refuses %s', async (_, json) => {
    await expectBitloomError(() => read(json), 'model-config-invalid');
  });

  it('throws only typed errors, whatever a key holds', async () => {
    const documents: JsonObject[] = [LLAMA, QWEN2, OPT, GPT2];
    const keys = [
      ...new Set(documents.flatMap((json) => Object.keys(json))),
      'rope_scaling',
      'rope_parameters',
      'layer_types',
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
