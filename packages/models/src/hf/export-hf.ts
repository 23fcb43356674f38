/**
 * A decoder as a Hugging Face folder with its tokenizer: in float32, or with linear layers in one of the quantised
 * formats, rounded to nearest. The mate of `families/gguf-export.ts` for folders. Float weights are read when they are
 * written; quantised ones are made in memory, which bounds the size of a model.
 *
 * Not for: how a format packs its codes (`quantization/`), or for writing folders (`./node`).
 */
import { BitloomError } from '@bitloom/ir';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderParameters } from '../decoder/parameters.js';
import { recoverDecoderConfig, requireFloatWeights } from '../decoder/recover-config.js';
import { type ExportedTensor, type ExportSource, exportTokenizer } from '../families/export-source.js';
import type { PiecewiseFile } from '../safetensors/writer.js';
import { hfTokenizerFiles } from '../tokenizers/hf-json-writer.js';
import {
  QUANTIZED_HF_FORMATS,
  type QuantizedHfFormat,
  type QuantizedHfModule,
  type QuantizedHfOptions,
  quantizedHfSteps,
} from './quantization/write-quantized-hf.js';
import { runSteps, type Steps, type WatchOptions, watchSteps } from './steps.js';
import { type HfLlamaOptions, hfLlamaInPieces, hfTensorName } from './write-hf-llama.js';

/** Types of linear layers: float32, or a quantised format. */
export const HF_STORAGE_TYPES: readonly string[] = /* @__PURE__ */ ['f32', ...QUANTIZED_HF_FORMATS];

export interface HfExportOptions extends Omit<QuantizedHfOptions, 'format' | 'bosId' | 'eosIds'> {
  /** One of `HF_STORAGE_TYPES`, in either case. */
  readonly type: string;
}

/** A folder that is made and not written yet. */
export interface HfExport {
  readonly files: Readonly<Record<string, Uint8Array | PiecewiseFile>>;
  readonly tensors: readonly ExportedTensor[];
  /** What a person should know: layers that stay float, what the folder lacks. */
  readonly notes: readonly string[];
}

/**
 * The files of a folder.
 *
 * @throws BitloomError `export-type-unknown`, `export-unsupported` for models that are quantised or have no weights,
 *   `model-unsupported` for decoders that none of Llama, Mistral, Qwen2 and Qwen3 is, and what `writeQuantizedHf` throws
 */
export function exportHf(source: ExportSource, options: HfExportOptions): HfExport {
  return runSteps(exportSteps(source, options));
}

/**
 * As {@link exportHf}, with a turn for everything else after each tensor that is quantised.
 *
 * @throws BitloomError `write-cancelled`, and as {@link exportHf}
 */
export async function exportHfAsync(
  source: ExportSource,
  options: HfExportOptions,
  watch: WatchOptions = {},
): Promise<HfExport> {
  return watchSteps(exportSteps(source, options), watch);
}

function* exportSteps(source: ExportSource, options: HfExportOptions): Steps<HfExport> {
  const { type, ...settings } = options;
  const format = formatOf(type);
  requireFloatWeights(source.model);
  const config = source.config ?? recoverDecoderConfig(source.model, source.sections);
  const record = exportTokenizer(source);
  const text: HfLlamaOptions = {
    ...settings,
    ...(record?.bosId === undefined ? {} : { bosId: record.bosId }),
    eosIds: record?.eosIds ?? [],
  };
  if (format !== undefined) requireRoom(config, source.model.name);
  const written: Pick<HfExport, 'files'> & { modules: readonly QuantizedHfModule[] } =
    format === undefined
      ? { files: hfLlamaInPieces(config, source.sections, text), modules: [] }
      : yield* quantizedHfSteps(config, source.sections, { ...settings, ...text, format });
  const modules = new Map(written.modules.map((module) => [`${module.module}.weight`, module]));
  const tensors = decoderParameters(config).map((parameter): ExportedTensor => {
    const name = hfTensorName(parameter.name);
    const values = parameter.shape.reduce((a, b) => a * b, 1);
    const module = modules.get(name);
    const isFallback = module?.kept !== undefined;
    const isFloat = module === undefined || isFallback;
    return {
      name,
      shape: parameter.shape,
      type: isFloat ? 'F32' : (format ?? 'F32'),
      byteLength: isFloat ? 4 * values : (module.bitsPerWeight * values) / 8,
      isFallback,
    };
  });
  const notes = written.modules.flatMap(({ module, kept, note }) => {
    if (kept !== undefined) return [`layer '${module}': float32, because ${kept}`];
    return note === undefined ? [] : [`layer '${module}': ${note}`];
  });
  const { bits = 8 } = settings;
  if (format === 'int-quantized' && bits < 8) {
    notes.push(
      `int-quantized stores a byte for each code: ${bits} bits save no room; pack-quantized packs them`,
    );
  }
  if (record === undefined)
    notes.push('the model has no tokenizer: the folder takes and gives token ids only');
  const tokenizer = record === undefined ? {} : hfTokenizerFiles(record, source.model.text?.chatTemplate);
  return { files: { ...written.files, ...tokenizer }, tensors, notes };
}

/** Most bytes of a quantised file, with a byte for each element of a linear layer: it is made in memory twice over. */
const MAX_QUANTIZED = 2 ** 32;

function requireRoom(config: DecoderConfig, model: string): void {
  const bytes = decoderParameters(config).reduce((sum, { name, shape, role }) => {
    const values = shape.reduce((a, b) => a * b, 1);
    return sum + (role === 'linear' && name !== 'head.weight' ? values : 4 * values);
  }, 0);
  if (bytes <= MAX_QUANTIZED) return;
  throw new BitloomError({
    code: 'export-unsupported',
    message: 'the model is too large for a quantised folder, which is made in memory',
    where: `model '${model}'`,
    expected: `at most ${MAX_QUANTIZED} bytes with a byte for each weight of a linear layer`,
    got: `${bytes} bytes`,
    hint: 'export it as GGUF or in float32: these are written in pieces',
  });
}

/** The quantised format of a type; undefined: float32. */
function formatOf(type: string): QuantizedHfFormat | undefined {
  const lower = type.toLowerCase();
  const format = QUANTIZED_HF_FORMATS.find((known) => known === lower);
  if (format !== undefined || lower === 'f32') return format;
  throw new BitloomError({
    code: 'export-type-unknown',
    message: 'linear layers cannot be written in this type',
    where: 'Hugging Face folder',
    expected: HF_STORAGE_TYPES.join(', '),
    got: JSON.stringify(type),
    hint: 'choose one of these types',
  });
}
