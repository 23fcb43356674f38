/**
 * A GGUF file as a decoder: architecture `llama`. Its query and key rows are stored for interleaved rotation, and a
 * long-context scaling may come as divisors of the frequencies (`rope_freqs.weight`).
 *
 * Source of keys and names: the GGUF specification and llama.cpp's loader for this architecture.
 */
import { BitloomError } from '@bitloom/ir';
import type { RopeScaling } from '@bitloom/kernels';
import {
  checkDecoderConfig,
  type DecoderConfig,
  invalidConfig,
  unsupportedModel,
} from '../decoder/decoder-config.js';
import type { GgufMetadata } from '../gguf/metadata.js';
import type { GgufFile } from '../gguf/reader.js';
import { readFloatsAsync } from '../tensors/tensor-file.js';
import { type Checkpoint, checkpointOf, fromTable } from './checkpoint.js';

const TENSORS: Readonly<Record<string, string>> = {
  'embedding.weight': 'token_embd.weight',
  'attention_norm.weight': 'blk.{}.attn_norm.weight',
  'q.weight': 'blk.{}.attn_q.weight',
  'k.weight': 'blk.{}.attn_k.weight',
  'v.weight': 'blk.{}.attn_v.weight',
  'o.weight': 'blk.{}.attn_output.weight',
  'q.bias': 'blk.{}.attn_q.bias',
  'k.bias': 'blk.{}.attn_k.bias',
  'v.bias': 'blk.{}.attn_v.bias',
  'o.bias': 'blk.{}.attn_output.bias',
  'ffn_norm.weight': 'blk.{}.ffn_norm.weight',
  'gate.weight': 'blk.{}.ffn_gate.weight',
  'up.weight': 'blk.{}.ffn_up.weight',
  'down.weight': 'blk.{}.ffn_down.weight',
  'norm.weight': 'output_norm.weight',
  'head.weight': 'output.weight',
};
const ROPE_FACTORS = 'rope_freqs.weight';

/**
 * The decoder in a GGUF file.
 * @throws BitloomError `model-architecture-unknown`, `model-unsupported`, `model-config-invalid`, the `gguf-metadata-`
 *   errors, `model-tensor-missing`, `model-tensor-extra`, `model-tensor-shape`
 */
export async function ggufCheckpoint(file: GgufFile): Promise<Checkpoint> {
  const architecture = file.metadata.string('general.architecture');
  if (architecture !== 'llama') throw unknownArchitecture(file.name, 'llama', architecture);
  const config = await readConfig(file);
  checkDecoderConfig(config, file.name);
  return checkpointOf(
    file,
    config,
    (parameter, shape) => ({ tensor: fromTable(TENSORS, parameter), shape }),
    (tensor) => tensor === ROPE_FACTORS,
  );
}

/** The error of a kind of model that no reader knows. */
export function unknownArchitecture(where: string, known: string, got: string): BitloomError {
  return new BitloomError({
    code: 'model-architecture-unknown',
    message: `no reader for the architecture ${JSON.stringify(got)}`,
    where,
    expected: known,
    got: JSON.stringify(got),
    hint: 'it is never run as another one; choose a model of a known architecture',
  });
}

async function readConfig(file: GgufFile): Promise<DecoderConfig> {
  const { metadata, tensors } = file;
  const integer = (key: string): number => metadata.integer(`llama.${key}`);
  const optional = (key: string): number | undefined => metadata.optionalInteger(`llama.${key}`);
  const [width, heads] = [integer('embedding_length'), integer('attention.head_count')];
  const headDim = optional('attention.key_length') ?? width / heads;
  requireOnly(file, 'experts', 'none', optional('expert_count') ?? 0, 0);
  requireOnly(
    file,
    'value heads of another width',
    String(headDim),
    optional('attention.value_length') ?? headDim,
    headDim,
  );
  requireOnly(
    file,
    'partial rotary positions',
    String(headDim),
    optional('rope.dimension_count') ?? headDim,
    headDim,
  );
  const embedding = tensors.get('token_embd.weight');
  const vocabSize = embedding?.shape[0] ?? optional('vocab_size');
  if (vocabSize === undefined)
    throw invalidConfig(file.name, 'vocabulary size', 'token_embd.weight', 'neither');
  const has = (part: string): boolean => tensors.has(`blk.0.${part}`);
  return {
    family: 'llama',
    vocabSize,
    layers: integer('block_count'),
    width,
    heads,
    kvHeads: optional('attention.head_count_kv') ?? heads,
    headDim,
    hiddenWidth: integer('feed_forward_length'),
    norm: { kind: 'rms', epsilon: metadata.float('llama.attention.layer_norm_rms_epsilon') },
    positions: {
      kind: 'rope',
      theta: metadata.optionalFloat('llama.rope.freq_base') ?? 10000,
      layout: 'interleaved',
      scaling: await readScaling(file),
    },
    biases: { qkv: has('attn_q.bias'), output: has('attn_output.bias'), feedForward: false },
    feedForward: { gated: true, activation: 'silu' },
    tiedEmbeddings: !tensors.has('output.weight'),
    maxPositions: integer('context_length'),
  };
}

function requireOnly(file: GgufFile, what: string, expected: string, got: number, wanted: number): void {
  if (got !== wanted) throw unsupportedModel(file.name, what, expected, got);
}

async function readScaling(file: GgufFile): Promise<RopeScaling> {
  const { metadata, tensors } = file;
  const factors = tensors.get(ROPE_FACTORS);
  const linear = readLinearScaling(metadata);
  if (factors === undefined) return linear;
  if (linear.kind !== 'none') {
    throw unsupportedModel(
      file.name,
      'two kinds of rotary scaling at once',
      'one',
      `${ROPE_FACTORS} and a factor`,
    );
  }
  if (factors.shape.length !== 1 || factors.shape[0] > 65536) {
    throw invalidConfig(file.name, ROPE_FACTORS, 'one row of at most 65536', factors.shape);
  }
  return { kind: 'factors', factors: Array.from(await readFloatsAsync(factors)) };
}

function readLinearScaling(metadata: GgufMetadata): RopeScaling {
  const type = metadata.optionalString('llama.rope.scaling.type') ?? 'linear';
  if (type === 'none') return { kind: 'none' };
  if (type !== 'linear') throw unsupportedModel(metadata.file, 'rotary scaling', 'none or linear', type);
  const factor =
    metadata.optionalFloat('llama.rope.scaling.factor') ??
    metadata.optionalFloat('llama.rope.scale_linear') ??
    1;
  return factor === 1 || factor === 0 ? { kind: 'none' } : { kind: 'linear', factor };
}
