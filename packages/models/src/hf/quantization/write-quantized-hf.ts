/**
 * Writes a decoder of the Llama family as a quantised Hugging Face folder: linear layers rounded to nearest by the rule
 * of the tool whose format it is, everything else float32, and the `quantization_config` that the tool would write. A
 * layer whose size the format cannot hold stays float, and the report and the configuration both say so.
 *
 * Not for: better codes than the nearest (GPTQ, AWQ, HQQ search for them), or for formats of other programs (GGUF).
 */
import {
  type CompressedStrategy,
  type PackedLinear,
  type RoundToNearestRule,
  roundToNearest,
} from '@bitloom/formats';
import { BitloomError, type SectionSource } from '@bitloom/ir';
import { type DecoderConfig, invalidConfig, unsupportedModel } from '../../decoder/decoder-config.js';
import { decoderParameters } from '../../decoder/parameters.js';
import { f32Entry, type SafetensorsEntry } from '../../safetensors/writer.js';
import { runSteps, type Steps } from '../steps.js';
import {
  type HfFiles,
  type HfLlamaOptions,
  hfFiles,
  hfLlamaConfig,
  hfLlamaTensors,
} from '../write-hf-llama.js';
import { fitsNothing, type Unfit } from './fits-nothing.js';
import {
  awqEntries,
  fp4Entries,
  fp8Entries,
  gptqEntries,
  hqqEntries,
  packQuantizedEntries,
  plainIntegerEntries,
} from './write-entries.js';

/** Formats that are written, by the names their tools give them. */
export const QUANTIZED_HF_FORMATS = [
  'gptq',
  'gptq_v2',
  'awq',
  'pack-quantized',
  'int-quantized',
  'float-quantized',
  'nvfp4-pack-quantized',
  'mxfp4-pack-quantized',
  'hqq',
] as const;

export type QuantizedHfFormat = (typeof QUANTIZED_HF_FORMATS)[number];

export interface QuantizedHfOptions extends HfLlamaOptions {
  readonly format: QuantizedHfFormat;
  /** Width of integers; default 4, and 8 for int-quantized. */
  readonly bits?: number;
  /** Columns of a group; default 128, 64 for HQQ; prescribed by NVFP4 and MXFP4. */
  readonly groupSize?: number;
  /** Without zero points; default true. HQQ always has them. */
  readonly symmetric?: boolean;
  /** HQQ: along which axis weights are grouped; default 1, as in transformers. */
  readonly axis?: 0 | 1;
  /** int-quantized and float-quantized: what shares a scale; default channel. pack-quantized: default group. */
  readonly strategy?: CompressedStrategy;
  /** Format of scales; default fp16 for GPTQ, AWQ and HQQ, fp32, that of the float weights, for compressed-tensors. */
  readonly scaleFormat?: 'fp16' | 'bf16' | 'fp32';
}

/** What became of a linear layer. */
export interface QuantizedHfModule {
  readonly module: string;
  /** Bits of its weight with scales and zero points, per element; 32 for float. */
  readonly bitsPerWeight: number;
  /** Why it is float, where it is. */
  readonly kept?: string;
  /** What became of it other than the settings say at first sight. */
  readonly note?: string;
}

export interface QuantizedHf {
  readonly files: HfFiles;
  readonly modules: readonly QuantizedHfModule[];
}

/** How a format is written. */
interface FormatWriter {
  rule(options: QuantizedHfOptions): RoundToNearestRule;
  entries(module: string, packed: PackedLinear): SafetensorsEntry[];
  /** `quantization_config`, given the full names of linear layers that stay float. */
  config(
    options: QuantizedHfOptions,
    kept: readonly string[],
    written: readonly string[],
  ): Record<string, unknown>;
}

/** Layer that no tool quantises unless told to. */
const HEAD = 'lm_head';

/**
 * The files of a quantised Hugging Face folder.
 * @param sections float32 weights by parameter name, as `openModel` gives them
 * @throws BitloomError `model-unsupported` for configurations that Llama does not have, `model-config-invalid`,
 *   `export-settings` for settings that fit no layer, `quantize-not-finite`, `packing-bits`, `packing-scale-not-finite`
 */
export function writeQuantizedHf(
  config: DecoderConfig,
  sections: SectionSource,
  options: QuantizedHfOptions,
): QuantizedHf {
  return runSteps(quantizedHfSteps(config, sections, options));
}

/**
 * As {@link writeQuantizedHf}, with a step after each tensor.
 * @throws BitloomError as {@link writeQuantizedHf}
 */
export function* quantizedHfSteps(
  config: DecoderConfig,
  sections: SectionSource,
  options: QuantizedHfOptions,
): Steps<QuantizedHf> {
  checkOptions(options);
  const writer = FORMATS[options.format];
  const json = hfLlamaConfig(config, options);
  const rule = writer.rule(options);
  const entries: SafetensorsEntry[] = [];
  const modules: QuantizedHfModule[] = [];
  const unfit: Unfit[] = [];
  const total = decoderParameters(config).length;
  let done = 0;
  for (const { parameter, tensor, shape, values } of hfLlamaTensors(config, sections)) {
    const module = tensor.replace(/\.weight$/, '');
    const packed =
      parameter.role === 'linear' && module !== HEAD
        ? packModule(module, shape, values, rule, writer)
        : undefined;
    if (packed !== undefined && 'kept' in packed) unfit.push({ module, shape, error: packed.error });
    if (packed === undefined || 'kept' in packed) entries.push(f32Entry(tensor, shape, values));
    else entries.push(...packed.entries);
    if (packed !== undefined) modules.push(reportOf(module, packed, values.length));
    done += 1;
    yield { done, total };
  }
  const kept = modules.filter((module) => module.kept !== undefined).map(({ module }) => module);
  const written = modules.filter((module) => module.kept === undefined).map(({ module }) => module);
  if (written.length === 0) throw fitsNothing(options.format, options.groupSize, unfit);
  const quantization = writer.config(options, [...kept, HEAD], written);
  return { files: hfFiles({ ...json, quantization_config: quantization }, entries), modules };
}

/** @throws BitloomError `model-unsupported`, `model-config-invalid` */
function checkOptions({ format, groupSize = 1 }: QuantizedHfOptions): void {
  if (!Object.hasOwn(FORMATS, format)) {
    throw unsupportedModel('options', 'a quantised format', QUANTIZED_HF_FORMATS.join(', '), format);
  }
  if (Number.isSafeInteger(groupSize) && groupSize >= 1) return;
  throw invalidConfig('options', 'groupSize', 'a positive integer', groupSize);
}

type PackedModule =
  | { readonly entries: SafetensorsEntry[]; readonly note?: string }
  | { readonly kept: string; readonly error: BitloomError };

function packModule(
  module: string,
  shape: readonly number[],
  values: Float32Array,
  rule: RoundToNearestRule,
  writer: FormatWriter,
): PackedModule {
  const [rows, cols] = shape;
  try {
    const packed = roundToNearest(values, { rows, cols }, rule);
    const note = groupNote(packed);
    return { entries: writer.entries(module, packed), ...(note === undefined ? {} : { note }) };
  } catch (error) {
    // A size that the format does not have is no fault of the model; everything else is for the caller.
    if (!(error instanceof BitloomError) || error.code !== 'packing-shape') throw error;
    return { kept: `${error.where} must be ${error.expected}, and is ${error.got}`, error };
  }
}

/** Groups that are not as long as their setting says, because rows end before. */
function groupNote({ cols, groups }: PackedLinear): string | undefined {
  if (groups.kind !== 'columns' || cols % groups.groupSize === 0) return undefined;
  if (cols < groups.groupSize)
    return `rows of ${cols} are shorter than a group of ${groups.groupSize}: one group per row`;
  return `groups of ${groups.groupSize}, the last of each row holds ${cols % groups.groupSize}`;
}

function reportOf(module: string, packed: PackedModule, elements: number): QuantizedHfModule {
  if ('kept' in packed) return { module, bitsPerWeight: 32, kept: packed.kept };
  const { entries, note } = packed;
  const bytes = entries.reduce((sum, { data }) => sum + data.byteLength, 0);
  return { module, bitsPerWeight: (8 * bytes) / elements, ...(note === undefined ? {} : { note }) };
}

/** The last two parts of a module's name, which are the same in every layer: `self_attn.q_proj`. */
function kindOf(module: string): string {
  return module.split('.').slice(-2).join('.');
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function gptqWriter(version: 1 | 2): FormatWriter {
  return {
    rule: ({ bits = 4, groupSize = 128, symmetric = true, scaleFormat }) => ({
      rule: symmetric ? 'gptq-symmetric' : 'gptq-asymmetric',
      bits,
      groupSize,
      ...(scaleFormat === undefined ? {} : { scaleFormat }),
    }),
    entries: (module, packed) => gptqEntries(module, packed, version),
    config: ({ bits = 4, groupSize = 128, symmetric = true }, kept, written) => ({
      bits,
      checkpoint_format: version === 2 ? 'gptq_v2' : 'gptq',
      desc_act: false,
      group_size: groupSize,
      lm_head: false,
      // Without this key readers expect all linear layers of a block to be quantised.
      ...(kept.length === 1 ? {} : { modules_in_block_to_quantize: [unique(written.map(kindOf))] }),
      pack_dtype: 'int32',
      quant_method: 'gptq',
      static_groups: false,
      sym: symmetric,
      true_sequential: true,
    }),
  };
}

const AWQ_WRITER: FormatWriter = {
  rule: ({ groupSize = 128, symmetric = true, scaleFormat }) => ({
    rule: symmetric ? 'awq-symmetric' : 'awq-asymmetric',
    groupSize,
    ...(scaleFormat === undefined ? {} : { scaleFormat }),
  }),
  entries: awqEntries,
  config: ({ groupSize = 128, symmetric = true }, kept) => ({
    bits: 4,
    group_size: groupSize,
    modules_to_not_convert: unique(kept.map(kindOf)),
    quant_method: 'awq',
    version: 'gemm',
    zero_point: !symmetric,
  }),
};

const HQQ_WRITER: FormatWriter = {
  rule: ({ bits = 4, groupSize = 64, axis = 1, scaleFormat }) => ({
    rule: 'hqq',
    bits,
    groupSize,
    axis,
    ...(scaleFormat === undefined ? {} : { scaleFormat }),
  }),
  entries: hqqEntries,
  config: ({ bits = 4, groupSize = 64, axis = 1 }, kept) => ({
    quant_config: {
      offload_meta: false,
      scale_quant_params: null,
      weight_quant_params: {
        axis,
        channel_wise: true,
        group_size: groupSize,
        nbits: bits,
        optimize: false,
        round_zero: bits === 4,
        view_as_float: false,
      },
      zero_quant_params: null,
    },
    quant_method: 'hqq',
    skip_modules: unique(kept.map(kindOf)),
  }),
};

/** Arguments of weights that differ between the formats of compressed-tensors. */
interface WeightArguments {
  readonly num_bits: number;
  readonly type: 'int' | 'float';
  readonly strategy: string;
  readonly symmetric?: boolean;
  readonly group_size?: number;
  readonly block_structure?: readonly number[];
  readonly scale_dtype?: string;
  readonly zp_dtype?: string;
}

function compressedConfig(
  format: string,
  weights: WeightArguments,
  kept: readonly string[],
): Record<string, unknown> {
  return {
    config_groups: {
      group_0: {
        format,
        input_activations: null,
        output_activations: null,
        targets: ['Linear'],
        weights: {
          actorder: null,
          block_structure: null,
          dynamic: false,
          group_size: null,
          observer: 'memoryless_minmax',
          observer_kwargs: {},
          scale_dtype: null,
          symmetric: true,
          zp_dtype: null,
          ...weights,
        },
      },
    },
    format,
    global_compression_ratio: null,
    ignore: kept,
    kv_cache_scheme: null,
    quant_method: 'compressed-tensors',
    quantization_status: 'compressed',
    sparsity_config: {},
    transform_config: {},
  };
}

/** A strategy as the arguments of weights. */
function strategyArguments(
  scaling: CompressedStrategy,
): Pick<WeightArguments, 'strategy' | 'group_size' | 'block_structure'> {
  if (scaling.strategy === 'group') return { strategy: 'group', group_size: scaling.groupSize };
  if (scaling.strategy === 'block') return { strategy: 'block', block_structure: scaling.blockShape };
  return { strategy: scaling.strategy };
}

function compressedIntegerWriter(
  format: 'pack-quantized' | 'int-quantized',
  defaultBits: number,
  entries: FormatWriter['entries'],
): FormatWriter {
  const scalingOf = ({ strategy, groupSize }: QuantizedHfOptions): CompressedStrategy => {
    if (strategy !== undefined) return strategy;
    if (format === 'int-quantized' && groupSize === undefined) return { strategy: 'channel' };
    return { strategy: 'group', groupSize: groupSize ?? 128 };
  };
  return {
    rule: (options) => ({
      rule: options.symmetric === false ? 'compressed-asymmetric' : 'compressed-symmetric',
      bits: options.bits ?? defaultBits,
      scaling: scalingOf(options),
      ...(options.scaleFormat === undefined ? {} : { scaleFormat: options.scaleFormat }),
    }),
    entries,
    config: (options, kept) =>
      compressedConfig(
        format,
        {
          num_bits: options.bits ?? defaultBits,
          type: 'int',
          ...strategyArguments(scalingOf(options)),
          ...(options.symmetric === false ? { symmetric: false, zp_dtype: 'torch.int8' } : {}),
        },
        kept,
      ),
  };
}

const FP8_WRITER: FormatWriter = {
  rule: ({ strategy = { strategy: 'channel' }, scaleFormat }) => ({
    rule: 'fp8',
    scaling: strategy,
    ...(scaleFormat === undefined ? {} : { scaleFormat }),
  }),
  entries: fp8Entries,
  config: ({ strategy = { strategy: 'channel' } }, kept) =>
    compressedConfig('float-quantized', { num_bits: 8, type: 'float', ...strategyArguments(strategy) }, kept),
};

function fp4Writer(rule: 'nvfp4' | 'mxfp4'): FormatWriter {
  const isNvfp4 = rule === 'nvfp4';
  return {
    rule: () => ({ rule }),
    entries: fp4Entries,
    config: (_options, kept) =>
      compressedConfig(
        `${rule}-pack-quantized`,
        {
          num_bits: 4,
          type: 'float',
          strategy: isNvfp4 ? 'tensor_group' : 'group',
          group_size: isNvfp4 ? 16 : 32,
          scale_dtype: isNvfp4 ? 'torch.float8_e4m3fn' : 'torch.uint8',
        },
        kept,
      ),
  };
}

const FORMATS: Readonly<Record<QuantizedHfFormat, FormatWriter>> = {
  gptq: gptqWriter(1),
  gptq_v2: gptqWriter(2),
  awq: AWQ_WRITER,
  'pack-quantized': compressedIntegerWriter('pack-quantized', 4, packQuantizedEntries),
  'int-quantized': compressedIntegerWriter('int-quantized', 8, plainIntegerEntries),
  'float-quantized': FP8_WRITER,
  'nvfp4-pack-quantized': fp4Writer('nvfp4'),
  'mxfp4-pack-quantized': fp4Writer('mxfp4'),
  hqq: HQQ_WRITER,
};
