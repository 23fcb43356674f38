/**
 * A decoder as a GGUF file: which metadata, which tensors under which names, each matrix in the type asked for or, where
 * its rows are no whole blocks, in a stand-in that is noted. Weights are read, turned and encoded a piece at a time,
 * when the file is written. The mate of `gguf.ts`, which reads what this writes.
 *
 * Matrices and embeddings get the type; norms, biases and rotary divisors stay float32, as llama.cpp wants them.
 *
 * Not for: bytes of the file (`gguf/writer.ts`), or mixtures of types.
 */
import { BitloomError, type SectionSource } from '@bitloom/ir';
import { type DecoderConfig, isBuiltAsLlama } from '../decoder/decoder-config.js';
import { decoderParameters, type Parameter } from '../decoder/parameters.js';
import { recoverDecoderConfig, requireFloatWeights } from '../decoder/recover-config.js';
import { ropeFactors } from '../decoder/rope-factors.js';
import { halvesFirst, pairsFirst } from '../decoder/rotary-order.js';
import type { GgufValue } from '../gguf/metadata.js';
import { float32, string, uint32 } from '../gguf/metadata-values.js';
import { fittingType, type GgufStorageType, ggufStorageType } from '../gguf/storage-types.js';
import type { GgufContent, GgufTensorInput } from '../gguf/writer.js';
import { ggufTokenizerMetadata } from '../tokenizers/gguf-tokenizer-writer.js';
import { fromTable } from './checkpoint.js';
import { type ExportedTensor, type ExportSource, exportTokenizer } from './export-source.js';
import { GGUF_ARCHITECTURES, GGUF_ROPE_FACTORS, GGUF_TENSORS } from './gguf-architectures.js';

export interface GgufExportOptions {
  /** Type of the matrices, in either case: see `GGUF_STORAGE_TYPES`. */
  readonly type: string;
  /** Value of `general.name`; default: the model's. */
  readonly name?: string;
}

/** A GGUF file that is laid out and not written yet. */
export interface GgufExport {
  readonly content: GgufContent;
  readonly architecture: string;
  readonly tensors: readonly ExportedTensor[];
  /** What a person should know: stand-ins by tensor, what the format cannot say. */
  readonly notes: readonly string[];
}

/** Elements encoded at once. */
const PIECE = 1 << 18;

/**
 * Lays a model out as a GGUF file. Weights are read when its chunks are.
 *
 * @throws BitloomError `export-type-unknown`, `export-unsupported` for decoders that no architecture here can hold, for
 *   models that are quantised or have no weights and for tokenizers GGUF has no form for, `tokenizer-record-invalid`;
 *   from the chunks `quantize-not-finite`, `quantize-scale-overflow`, `export-value-outside` and what the sections throw
 */
export function exportGguf(source: ExportSource, options: GgufExportOptions): GgufExport {
  const type = ggufStorageType(options.type);
  const { model, sections } = source;
  requireFloatWeights(model);
  const config = source.config ?? recoverDecoderConfig(model, sections);
  const architecture = architectureOf(config, model.name);
  const notes: string[] = [];
  const inputs: GgufTensorInput[] = [];
  const tensors: ExportedTensor[] = [];
  const add = (
    name: string,
    shape: readonly number[],
    stored: GgufStorageType,
    chunks: () => Iterable<Uint8Array>,
    isFallback = false,
  ): void => {
    const { blockElements, blockBytes } = stored.encoding;
    const byteLength = (shape.reduce((a, b) => a * b, 1) / blockElements) * blockBytes;
    inputs.push({ name, shape, type: stored.name, chunks });
    tensors.push({ name, shape, type: stored.name, byteLength, isFallback });
  };
  const float = ggufStorageType('F32');
  for (const parameter of decoderParameters(config)) {
    const name = fromTable(GGUF_TENSORS, parameter.name);
    const rowLength = parameter.shape[parameter.shape.length - 1];
    const isMatrix = parameter.role === 'linear' || parameter.role === 'embedding';
    const stored = isMatrix ? fittingType(type, rowLength) : float;
    const isFallback = isMatrix && stored.name !== type.name;
    if (isFallback) {
      notes.push(
        `tensor '${name}': rows of ${rowLength} are no whole blocks of ${type.encoding.blockElements}, ${stored.name} instead of ${type.name}`,
      );
    }
    const chunks = (): Iterable<Uint8Array> =>
      encodePieces(config, architecture, parameter, name, stored, sections);
    add(name, parameter.shape, stored, chunks, isFallback);
  }
  const factors = config.positions.kind === 'rope' ? factorsOf(config) : undefined;
  if (factors !== undefined) add(GGUF_ROPE_FACTORS, [factors.length], float, () => [float.encode(factors)]);
  const tokenizer = ggufTokenizerMetadata(exportTokenizer(source), config.vocabSize);
  notes.push(...tokenizer.notes);
  const metadata = new Map([
    ...generalMetadata(architecture, options.name ?? model.name, type, tensors),
    ...decoderMetadata(config, architecture),
    ...tokenizer.pairs,
    ...chatMetadata(model.text?.chatTemplate),
  ]);
  return { content: { metadata, tensors: inputs }, architecture, tensors, notes };
}

/** The architecture of the family's name where that holds the decoder, else any that does. */
function architectureOf(config: DecoderConfig, model: string): string {
  const { norm, positions, feedForward } = config;
  const isRotary = isBuiltAsLlama(config) && config.windows === undefined;
  const names = [config.family, ...GGUF_ARCHITECTURES.keys()];
  const found = names.find((name) => {
    const architecture = GGUF_ARCHITECTURES.get(name);
    const hasItsNorms = architecture?.headNorms === (config.headNorms === true);
    return isRotary && hasItsNorms && architecture.allows(config.biases);
  });
  if (found !== undefined) return found;
  const parts = [
    `${norm.kind} norm${norm.place === 'after' ? ' after each block' : ''}`,
    `${positions.kind} positions`,
    `${feedForward.gated ? 'gated ' : ''}${feedForward.activation}`,
    ...(config.headNorms === true ? ['norms of heads'] : []),
    ...(config.windows === undefined ? [] : ['sliding windows']),
  ];
  throw new BitloomError({
    code: 'export-unsupported',
    message: 'GGUF files of this kind of decoder are not written',
    where: `model '${model}'`,
    expected: `a decoder that is ${[...GGUF_ARCHITECTURES.keys()].join(' or ')}: RMS norm, rotary positions, gated SiLU`,
    got: `family ${config.family}: ${parts.join(', ')}`,
    hint: 'keep it as a bitloom model, or as the checkpoint it is',
  });
}

function factorsOf({ positions, headDim }: DecoderConfig): Float32Array<ArrayBuffer> | undefined {
  if (positions.kind !== 'rope' || positions.scaling.kind === 'linear') return undefined;
  return ropeFactors(headDim, positions.theta, positions.scaling);
}

type Pairs = readonly (readonly [string, GgufValue])[];

function generalMetadata(
  architecture: string,
  name: string,
  type: GgufStorageType,
  tensors: readonly ExportedTensor[],
): Pairs {
  const hasBlocks = tensors.some((tensor) => ggufStorageType(tensor.type).encoding.blockElements > 1);
  return [
    ['general.architecture', string(architecture)],
    ['general.name', string(name)],
    ['general.file_type', uint32(type.fileType)],
    ...(hasBlocks ? [['general.quantization_version', uint32(2)] as const] : []),
  ];
}

function decoderMetadata(config: DecoderConfig, architecture: string): Pairs {
  const { positions, width, heads, headDim } = config;
  const pairs: [string, GgufValue][] = [
    ['vocab_size', uint32(config.vocabSize)],
    ['context_length', uint32(config.maxPositions)],
    ['embedding_length', uint32(width)],
    ['block_count', uint32(config.layers)],
    ['feed_forward_length', uint32(config.hiddenWidth)],
    ['attention.head_count', uint32(heads)],
    ['attention.head_count_kv', uint32(config.kvHeads)],
    ['attention.layer_norm_rms_epsilon', float32(config.norm.epsilon)],
  ];
  if (headDim * heads !== width) {
    pairs.push(['attention.key_length', uint32(headDim)], ['attention.value_length', uint32(headDim)]);
  }
  if (positions.kind === 'rope') {
    pairs.push(['rope.dimension_count', uint32(headDim)], ['rope.freq_base', float32(positions.theta)]);
    if (positions.scaling.kind === 'linear') {
      pairs.push(
        ['rope.scaling.type', string('linear')],
        ['rope.scaling.factor', float32(positions.scaling.factor)],
      );
    }
  }
  return pairs.map(([key, value]) => [`${architecture}.${key}`, value] as const);
}

function chatMetadata(template: string | undefined): Pairs {
  return template === undefined ? [] : [['tokenizer.chat_template', string(template)]];
}

/** The bytes of a parameter, whole rows at a time. */
function* encodePieces(
  config: DecoderConfig,
  architecture: string,
  parameter: Parameter,
  tensor: string,
  type: GgufStorageType,
  sections: SectionSource,
): Generator<Uint8Array, void, void> {
  const { name, shape } = parameter;
  // A vector is one value per row when its order changes, and one row otherwise: biases turn as the rows they belong to.
  const turn = turned(config, architecture, name);
  const rowLength = shape.length > 1 || turn === undefined ? shape[shape.length - 1] : 1;
  const rows = shape.reduce((a, b) => a * b, 1) / rowLength;
  const unit = turn === undefined ? 1 : config.headDim;
  const step = Math.max(1, Math.floor(PIECE / (rowLength * unit))) * unit;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes = new Uint8Array(sections.read(name, 4 * row * rowLength, 4 * count * rowLength));
    const values = new Float32Array(bytes.buffer, 0, count * rowLength);
    const ordered = turn === undefined ? values : turn(values, config.headDim, rowLength);
    yield encodeValues(type, ordered, tensor, row * rowLength);
  }
}

type Turn = (values: Float32Array, headDim: number, rowLength: number) => Float32Array<ArrayBuffer>;

/** How the rows of a query or key part move, where model and architecture turn other pairs. */
function turned({ positions }: DecoderConfig, architecture: string, parameter: string): Turn | undefined {
  if (positions.kind !== 'rope' || !/\.(?:q|k)\.(?:weight|bias)$/.test(parameter)) return undefined;
  const wanted = GGUF_ARCHITECTURES.get(architecture)?.layout;
  if (positions.layout === wanted) return undefined;
  return wanted === 'interleaved' ? pairsFirst : halvesFirst;
}

/** Encodes a piece; an error of a value says which tensor it is in. `first` is the piece's first element. */
function encodeValues(
  type: GgufStorageType,
  values: Float32Array,
  tensor: string,
  first: number,
): Uint8Array {
  try {
    return type.encode(values);
  } catch (error) {
    if (!(error instanceof BitloomError) || error.where === undefined) throw error;
    const { code, expected, got, hint } = error;
    const [message] = error.message.split('; where: ');
    const where = `tensor '${tensor}' from element ${first}, ${error.where}`;
    throw new BitloomError({ code, message, where, expected, got, hint, cause: error });
  }
}
