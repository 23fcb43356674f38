/**
 * What `quantization_config` of a Hugging Face configuration says about stored weights, parsed: one record per tool.
 * Which modules are quantised is in the record for compressed-tensors, which has rules; for the others the tensors of
 * a module say it by their names, and a module that has both forms or neither is refused.
 */
import type { CompressedStrategy } from '@bitloom/formats';
import type { TargetRules } from './target-rules.js';

export interface GptqRecord {
  readonly method: 'gptq';
  readonly bits: number;
  /** −1: one group per row. */
  readonly groupSize: number;
  /** How zero points are stored (`checkpoint_format`). */
  readonly version: 1 | 2;
  /** `sym`: every zero point is the middle of the codes; false where the configuration does not promise it. */
  readonly symmetric: boolean;
  /** `desc_act`: columns may be in any group; undefined where the configuration does not say. */
  readonly reordered: boolean | undefined;
  readonly notes: readonly string[];
}

export interface AwqRecord {
  readonly method: 'awq';
  readonly bits: number;
  readonly groupSize: number;
  /** Without `zero_point` every zero point must be 8. */
  readonly symmetric: boolean;
  readonly notes: readonly string[];
}

/** How compressed-tensors stores the weights of a group of modules. */
export type CompressedScheme =
  | {
      readonly format: 'pack-quantized' | 'int-quantized';
      readonly bits: number;
      readonly symmetric: boolean;
      readonly scaling: CompressedStrategy;
      /** `actorder` group: a `weight_g_idx` says the group of each column. */
      readonly reordered: boolean;
    }
  | { readonly format: 'float-quantized'; readonly scaling: CompressedStrategy }
  | { readonly format: 'nvfp4-pack-quantized' | 'mxfp4-pack-quantized'; readonly groupSize: number };

export interface CompressedGroup {
  readonly name: string;
  readonly targets: TargetRules;
  /** Absent where only activations are quantised. */
  readonly scheme?: CompressedScheme;
  /** Whether files may hold scales of activations beside the weights. */
  readonly activations: boolean;
}

export interface CompressedRecord {
  readonly method: 'compressed-tensors';
  readonly groups: readonly CompressedGroup[];
  readonly ignore: TargetRules;
  /** Whether files may hold scales of the KV cache. */
  readonly kvCache: boolean;
  readonly notes: readonly string[];
}

/** Parameters of HQQ for one kind of module. */
export interface HqqParameters {
  readonly bits: number;
  readonly groupSize: number;
  readonly axis: 0 | 1;
}

export interface HqqRecord {
  readonly method: 'hqq';
  /** For every module, or by the last two parts of a module's name (`self_attn.q_proj`). */
  readonly parameters: HqqParameters | ReadonlyMap<string, HqqParameters>;
  readonly notes: readonly string[];
}

export type QuantizationRecord = GptqRecord | AwqRecord | CompressedRecord | HqqRecord;

/** A record in a few words, for the facts of a model. */
export function describeQuantization(record: QuantizationRecord): string {
  const groups = (size: number): string => (size === -1 ? 'one group per row' : `groups of ${size}`);
  switch (record.method) {
    case 'gptq':
      return `GPTQ version ${record.version}, ${record.bits} bits, ${groups(record.groupSize)}`;
    case 'awq':
      return `AWQ, ${record.bits} bits, ${groups(record.groupSize)}`;
    case 'hqq': {
      const { parameters } = record;
      if (!('bits' in parameters)) return 'HQQ, by kind of module';
      return `HQQ, ${parameters.bits} bits, ${groups(parameters.groupSize)}, axis ${parameters.axis}`;
    }
    case 'compressed-tensors': {
      const formats = new Set(record.groups.map(({ scheme }) => scheme?.format ?? 'float'));
      return `compressed-tensors ${[...formats].join(', ')}`;
    }
  }
}
