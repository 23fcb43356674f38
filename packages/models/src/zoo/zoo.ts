/**
 * The shape-only zoo: well-known models as configurations, with where each figure was read. No weights; what these
 * models are for is cost: compile, simulate, compare with published numbers.
 *
 * A published figure is quoted from the `config.json` of the model, or of a copy or fine-tune that keeps it unchanged
 * where the original is behind a licence form. `parameters` is the count its makers state, or the sum of its tensors;
 * the test counts ours against it.
 */
import { BitloomError, type Model } from '@bitloom/ir';
import { buildDecoder } from '../decoder/build-decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';

export interface ZooEntry {
  readonly id: string;
  readonly title: string;
  readonly config: DecoderConfig;
  /** Learned values in all. */
  readonly parameters: number;
  /** Which figures were read where. */
  readonly sources: readonly { readonly figures: string; readonly source: string }[];
}

/** What the Llama models share. */
const LLAMA = {
  family: 'llama',
  norm: { kind: 'rms', epsilon: 1e-5 },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
} as const;

const LLAMA2_ROPE = { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } } as const;

function llama3Rope(factor: number): DecoderConfig['positions'] {
  return {
    kind: 'rope',
    theta: 500000,
    layout: 'half',
    scaling: { kind: 'llama3', factor, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
  };
}

/** What OPT models share (125M and 6.7B; 350M normalises after its blocks and is not one of them). */
const OPT = {
  family: 'opt',
  norm: { kind: 'layer', epsilon: 1e-5 },
  positions: { kind: 'learned', offset: 2 },
  biases: { qkv: true, output: true, feedForward: true },
  feedForward: { gated: false, activation: 'relu' },
  tiedEmbeddings: true,
  vocabSize: 50272,
  maxPositions: 2048,
} as const;

const OPT_CODE =
  'huggingface/transformers modeling_opt.py: LayerNorm of the framework (1e-5), position table of 2048 + 2 rows, lm_head tied';

/** What the Qwen models share. Their configurations name windows and do not use them. */
const QWEN = {
  norm: { kind: 'rms', epsilon: 1e-6 },
  positions: { kind: 'rope', theta: 1e6, layout: 'half', scaling: { kind: 'none' } },
  feedForward: { gated: true, activation: 'silu' },
  headDim: 128,
} as const;

const QWEN2 = { ...QWEN, family: 'qwen2', biases: { qkv: true, output: false, feedForward: false } } as const;

const QWEN3 = {
  ...QWEN,
  family: 'qwen3',
  headNorms: true,
  biases: { qkv: false, output: false, feedForward: false },
} as const;

const QWEN_LIST = 'as listed in citsjtu2020/LLM-Prof sglang/Model_Config.md (commit 8434c8d)';

const ENTRIES: readonly ZooEntry[] = [
  {
    id: 'llama2-7b',
    title: 'LLaMA2-7B',
    config: {
      ...LLAMA,
      vocabSize: 32000,
      layers: 32,
      width: 4096,
      heads: 32,
      kvHeads: 32,
      headDim: 128,
      hiddenWidth: 11008,
      positions: LLAMA2_ROPE,
      tiedEmbeddings: false,
      maxPositions: 4096,
    },
    parameters: 6_738_415_616,
    sources: [
      {
        figures: 'all',
        source: 'config.json of meta-llama/Llama-2-7b-hf, as saved again in anatal/stack-llama-2',
      },
    ],
  },
  {
    id: 'llama2-13b',
    title: 'LLaMA2-13B',
    config: {
      ...LLAMA,
      vocabSize: 32000,
      layers: 40,
      width: 5120,
      heads: 40,
      kvHeads: 40,
      headDim: 128,
      hiddenWidth: 13824,
      positions: LLAMA2_ROPE,
      tiedEmbeddings: false,
      maxPositions: 4096,
    },
    parameters: 13_015_864_320,
    sources: [
      {
        figures: 'all but rope theta',
        source: 'config.json of NousResearch/Llama-2-13b-chat-hf (commit aad3c0b)',
      },
      {
        figures: 'rope theta',
        source: 'config.json of compressed-llm/llama-2-13b-chat-gptq (commit 3dc38c8)',
      },
    ],
  },
  {
    id: 'llama3.1-8b',
    title: 'LLaMA-3.1-8B',
    config: {
      ...LLAMA,
      vocabSize: 128256,
      layers: 32,
      width: 4096,
      heads: 32,
      kvHeads: 8,
      headDim: 128,
      hiddenWidth: 14336,
      positions: llama3Rope(8),
      tiedEmbeddings: false,
      maxPositions: 131072,
    },
    parameters: 8_030_261_248,
    sources: [
      {
        figures: 'all',
        source: 'config.json of mlx-community/Meta-Llama-3.1-8B-bf16 and of NbAiLab/nb-llama-3.1-8B',
      },
    ],
  },
  {
    id: 'llama3.2-1b',
    title: 'LLaMA-3.2-1B',
    config: {
      ...LLAMA,
      vocabSize: 128256,
      layers: 16,
      width: 2048,
      heads: 32,
      kvHeads: 8,
      headDim: 64,
      hiddenWidth: 8192,
      positions: llama3Rope(32),
      tiedEmbeddings: true,
      maxPositions: 131072,
    },
    parameters: 1_235_814_400,
    sources: [
      {
        figures: 'all',
        source: 'config.json of unsloth/Llama-3.2-1B, as duplicated in Emm9625/Llama-3.2-1B-chatml',
      },
    ],
  },
  {
    id: 'opt-125m',
    title: 'OPT-125M',
    config: { ...OPT, layers: 12, width: 768, heads: 12, kvHeads: 12, headDim: 64, hiddenWidth: 3072 },
    parameters: 125_239_296,
    sources: [
      {
        figures: 'sizes, activation, order of normalisation',
        source: 'config.json of inverse-scaling/opt-125m_eval',
      },
      { figures: 'epsilon, position offset, tying', source: OPT_CODE },
    ],
  },
  {
    id: 'opt-6.7b',
    title: 'OPT-6.7B',
    config: { ...OPT, layers: 32, width: 4096, heads: 32, kvHeads: 32, headDim: 128, hiddenWidth: 16384 },
    parameters: 6_658_473_984,
    sources: [
      {
        figures: 'sizes, activation, order of normalisation',
        source: 'config.json of facebook/opt-6.7b, as saved again in iproskurina/opt-6.7b-GPTQ-4bit-g128',
      },
      { figures: 'epsilon, position offset, tying', source: OPT_CODE },
    ],
  },
  {
    id: 'tinyllama-1.1b',
    title: 'TinyLlama-1.1B',
    config: {
      ...LLAMA,
      vocabSize: 32000,
      layers: 22,
      width: 2048,
      heads: 32,
      kvHeads: 4,
      headDim: 64,
      hiddenWidth: 5632,
      positions: LLAMA2_ROPE,
      tiedEmbeddings: false,
      maxPositions: 2048,
    },
    parameters: 1_100_048_384,
    sources: [
      {
        figures: 'all',
        source:
          'config.json of TinyLlama/TinyLlama-1.1B-Chat-v1.0, as saved again in devmaid/tinyllama-colorist',
      },
    ],
  },
  {
    id: 'gpt2',
    title: 'GPT-2 (124M)',
    config: {
      family: 'gpt2',
      vocabSize: 50257,
      layers: 12,
      width: 768,
      heads: 12,
      kvHeads: 12,
      headDim: 64,
      hiddenWidth: 3072,
      norm: { kind: 'layer', epsilon: 1e-5 },
      positions: { kind: 'learned', offset: 0 },
      biases: { qkv: true, output: true, feedForward: true },
      feedForward: { gated: false, activation: 'gelu' },
      tiedEmbeddings: true,
      maxPositions: 1024,
    },
    parameters: 124_439_808,
    sources: [
      { figures: 'sizes and epsilon', source: 'metadata of ggml-org/llama.cpp models/ggml-vocab-gpt-2.gguf' },
      {
        figures: 'tanh form of GELU, biases, tying',
        source:
          'config.json of openai-community/gpt2-large (the same family) and huggingface/transformers GPT2Config',
      },
    ],
  },
  {
    id: 'qwen2.5-1.5b',
    title: 'Qwen2.5-1.5B',
    config: {
      ...QWEN2,
      vocabSize: 151936,
      layers: 28,
      width: 1536,
      heads: 12,
      kvHeads: 2,
      hiddenWidth: 8960,
      tiedEmbeddings: true,
      maxPositions: 131072,
    },
    parameters: 1_543_714_304,
    sources: [
      {
        figures: 'sizes, base, epsilon, biases',
        source: 'config.json of Qwen/Qwen2.5-1.5B, as its sizes stand in several public engines',
      },
      {
        figures: 'context, tying',
        source: 'model card of Qwen/Qwen2.5-Coder-1.5B (1.54B parameters, 131072 tokens, tied embeddings)',
      },
    ],
  },
  {
    id: 'qwen2.5-7b',
    title: 'Qwen2.5-7B',
    config: {
      ...QWEN2,
      vocabSize: 152064,
      layers: 28,
      width: 3584,
      heads: 28,
      kvHeads: 4,
      hiddenWidth: 18944,
      tiedEmbeddings: false,
      maxPositions: 131072,
    },
    parameters: 7_615_616_512,
    sources: [{ figures: 'all', source: `config.json of Qwen/Qwen2.5-7B, ${QWEN_LIST}` }],
  },
  {
    id: 'qwen3-4b',
    title: 'Qwen3-4B',
    config: {
      ...QWEN3,
      vocabSize: 151936,
      layers: 36,
      width: 2560,
      heads: 32,
      kvHeads: 8,
      hiddenWidth: 9728,
      tiedEmbeddings: true,
      maxPositions: 40960,
    },
    parameters: 4_022_468_096,
    sources: [{ figures: 'all', source: `config.json of Qwen/Qwen3-4B, ${QWEN_LIST}` }],
  },
  {
    id: 'qwen3-8b',
    title: 'Qwen3-8B',
    config: {
      ...QWEN3,
      vocabSize: 151936,
      layers: 36,
      width: 4096,
      heads: 32,
      kvHeads: 8,
      hiddenWidth: 12288,
      tiedEmbeddings: false,
      maxPositions: 40960,
    },
    parameters: 8_190_735_360,
    sources: [{ figures: 'all', source: `config.json of Qwen/Qwen3-8B, ${QWEN_LIST}` }],
  },
  {
    id: 'mistral-7b',
    title: 'Mistral-7B v0.1',
    config: {
      ...LLAMA,
      family: 'mistral',
      vocabSize: 32000,
      layers: 32,
      width: 4096,
      heads: 32,
      kvHeads: 8,
      headDim: 128,
      hiddenWidth: 14336,
      windows: Array.from({ length: 32 }, () => 4096),
      positions: LLAMA2_ROPE,
      tiedEmbeddings: false,
      maxPositions: 32768,
    },
    parameters: 7_241_732_096,
    sources: [
      {
        figures: 'all',
        source: 'config.json of mistralai/Mistral-7B-v0.1, as transformers 4.37 prints it in public notes',
      },
    ],
  },
];

/** Every model of the zoo by id. */
export const ZOO: ReadonlyMap<string, ZooEntry> = new Map(ENTRIES.map((entry) => [entry.id, entry]));

/** @throws BitloomError `zoo-unknown` */
export function zooEntry(id: string): ZooEntry {
  const entry = ZOO.get(id);
  if (entry !== undefined) return entry;
  throw new BitloomError({
    code: 'zoo-unknown',
    message: 'no model of that name is in the zoo',
    expected: [...ZOO.keys()].join(', '),
    got: JSON.stringify(id),
    hint: 'give one of these names, or the path of a model',
  });
}

/**
 * A model of the zoo as a graph without weights.
 * @param context longest sequence to make room for; default: what the model was made for
 * @throws BitloomError `zoo-unknown`, `model-config-invalid`
 */
export function zooModel(id: string, context?: number): Model {
  const { config, title, sources } = zooEntry(id);
  return buildDecoder(config, {
    name: id,
    shapeOnly: true,
    ...(context === undefined ? {} : { context }),
    metadata: { source: sources.map((part) => `${part.figures}: ${part.source}`).join('; '), title },
  });
}
