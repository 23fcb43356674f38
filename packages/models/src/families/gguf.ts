/**
 * A GGUF file as a decoder: architectures `llama` (Mistral's too), whose query and key rows are stored for interleaved
 * rotation, and `qwen2` and `qwen3`, whose rows turn in halves. A long-context scaling may come as divisors of the frequencies
 * (`rope_freqs.weight`).
 *
 * Source of keys and names: the GGUF specification and llama.cpp's loaders for these architectures.
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
import {
  GGUF_ARCHITECTURES,
  GGUF_ROPE_FACTORS,
  GGUF_TENSORS,
  type GgufArchitecture,
} from './gguf-architectures.js';

/**
 * The decoder in a GGUF file.
 * @throws BitloomError `model-architecture-unknown`, `model-unsupported`, `model-config-invalid`, the `gguf-metadata-`
 *   errors, `model-tensor-missing`, `model-tensor-extra`, `model-tensor-shape`
 */
export async function ggufCheckpoint(file: GgufFile): Promise<Checkpoint> {
  const architecture = file.metadata.string('general.architecture');
  const known = GGUF_ARCHITECTURES.get(architecture);
  if (known === undefined) {
    throw unknownArchitecture(file.name, [...GGUF_ARCHITECTURES.keys()].join(', '), architecture);
  }
  const config = await readConfig(file, architecture, known);
  checkDecoderConfig(config, file.name);
  return checkpointOf(
    file,
    config,
    (parameter, shape) => ({ tensor: fromTable(GGUF_TENSORS, parameter), shape }),
    (tensor) => tensor === GGUF_ROPE_FACTORS,
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

async function readConfig(
  file: GgufFile,
  architecture: string,
  { layout, headNorms }: GgufArchitecture,
): Promise<DecoderConfig> {
  const { metadata, tensors } = file;
  const integer = (key: string): number => metadata.integer(`${architecture}.${key}`);
  const optional = (key: string): number | undefined => metadata.optionalInteger(`${architecture}.${key}`);
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
  const maxPositions = integer('context_length');
  const window = optional('attention.sliding_window') ?? 0;
  if (window < maxPositions) requireOnly(file, 'a sliding window', 'none', window, 0);
  const embedding = tensors.get('token_embd.weight');
  const vocabSize = embedding?.shape[0] ?? optional('vocab_size');
  if (vocabSize === undefined)
    throw invalidConfig(file.name, 'vocabulary size', 'token_embd.weight', 'neither');
  const has = (part: string): boolean => tensors.has(`blk.0.${part}`);
  return {
    family: architecture,
    vocabSize,
    layers: integer('block_count'),
    width,
    heads,
    kvHeads: optional('attention.head_count_kv') ?? heads,
    headDim,
    hiddenWidth: integer('feed_forward_length'),
    norm: { kind: 'rms', epsilon: metadata.float(`${architecture}.attention.layer_norm_rms_epsilon`) },
    positions: {
      kind: 'rope',
      theta: metadata.optionalFloat(`${architecture}.rope.freq_base`) ?? 10000,
      layout,
      scaling: await readScaling(file, architecture),
    },
    ...(headNorms ? { headNorms } : {}),
    biases: { qkv: has('attn_q.bias'), output: has('attn_output.bias'), feedForward: false },
    feedForward: { gated: true, activation: 'silu' },
    tiedEmbeddings: !tensors.has('output.weight'),
    maxPositions,
  };
}

function requireOnly(file: GgufFile, what: string, expected: string, got: number, wanted: number): void {
  if (got !== wanted) throw unsupportedModel(file.name, what, expected, got);
}

async function readScaling(file: GgufFile, architecture: string): Promise<RopeScaling> {
  const { metadata, tensors } = file;
  const factors = tensors.get(GGUF_ROPE_FACTORS);
  const linear = readLinearScaling(metadata, architecture);
  if (factors === undefined) return linear;
  if (linear.kind !== 'none') {
    throw unsupportedModel(
      file.name,
      'two kinds of rotary scaling at once',
      'one',
      `${GGUF_ROPE_FACTORS} and a factor`,
    );
  }
  if (factors.shape.length !== 1 || factors.shape[0] > 65536) {
    throw invalidConfig(file.name, GGUF_ROPE_FACTORS, 'one row of at most 65536', factors.shape);
  }
  return { kind: 'factors', factors: Array.from(await readFloatsAsync(factors)) };
}

function readLinearScaling(metadata: GgufMetadata, architecture: string): RopeScaling {
  const type = metadata.optionalString(`${architecture}.rope.scaling.type`) ?? 'linear';
  if (type === 'none') return { kind: 'none' };
  if (type !== 'linear') throw unsupportedModel(metadata.file, 'rotary scaling', 'none or linear', type);
  const factor =
    metadata.optionalFloat(`${architecture}.rope.scaling.factor`) ??
    metadata.optionalFloat(`${architecture}.rope.scale_linear`) ??
    1;
  return factor === 1 || factor === 0 ? { kind: 'none' } : { kind: 'linear', factor };
}
