/**
 * The quantised modules of a checkpoint: which they are, by the rules of the record, and each of them opened and held
 * against the configuration of the model. What is left over belongs to float modules, or to nobody.
 */
import { invalidConfig, unsupportedModel } from '../../decoder/decoder-config.js';
import { readFloatsAsync, type TensorFile } from '../../tensors/tensor-file.js';
import { openAwqModule } from './awq-module.js';
import { openCompressedModule } from './compressed-module.js';
import { openGptqModule } from './gptq-module.js';
import { openHqqModule } from './hqq-module.js';
import type { ModuleShape, PackedModule } from './packed-module.js';
import type { CompressedGroup, CompressedRecord, QuantizationRecord } from './quantization-record.js';
import { TARGET_KINDS, type TargetModule } from './target-rules.js';

/** A module of the model that may be quantised. */
export interface CandidateModule extends ModuleShape, TargetModule {}

export interface QuantizedModules {
  /** By name. */
  readonly modules: ReadonlyMap<string, PackedModule>;
  /** Tensors beside the weights that change nothing about them. */
  readonly ignored: ReadonlySet<string>;
}

/** Scales of activations that compressed-tensors stores beside a weight. */
const ACTIVATION_PARTS = ['input', 'output'].flatMap((side) =>
  ['scale', 'zero_point', 'global_scale', 'g_idx'].map((part) => `${side}_${part}`),
);
const KV_CACHE_TENSOR = /\.self_attn\.(?:[qkv]|[kv]_proj\.output)_(?:scale|zero_point)$/;
/** Longest bias that is read to see whether it is zero. */
const MAX_BIAS = 2 ** 24;

/**
 * Opens the quantised ones of `candidates`.
 * @throws BitloomError `model-config-invalid`, `model-unsupported`, `model-tensor-missing`, `model-tensor-shape`,
 *   `model-tensor-type`, and the `packing-` errors of what is checked at once
 */
export async function openQuantizedModules(
  file: TensorFile,
  record: QuantizationRecord,
  candidates: readonly CandidateModule[],
): Promise<QuantizedModules> {
  const modules = new Map<string, PackedModule>();
  const ignored = new Set<string>();
  for (const candidate of candidates) {
    const module = await openModule(file, record, candidate, ignored);
    if (module !== undefined) modules.set(candidate.name, module);
  }
  if (record.method === 'compressed-tensors' && record.kvCache) {
    for (const name of file.tensors.keys()) if (KV_CACHE_TENSOR.test(name)) ignored.add(name);
  }
  return { modules, ignored };
}

async function openModule(
  file: TensorFile,
  record: QuantizationRecord,
  module: CandidateModule,
  ignored: Set<string>,
): Promise<PackedModule | undefined> {
  const has = (part: string): boolean => file.tensors.has(`${module.name}.${part}`);
  switch (record.method) {
    case 'gptq':
      if (!has('qweight')) return undefined;
      if (await isZeroBias(file, `${module.name}.bias`)) ignored.add(`${module.name}.bias`);
      return openGptqModule(file, module, record);
    case 'awq':
      return has('qweight') ? openAwqModule(file, module, record) : undefined;
    case 'hqq':
      return has('W_q') ? openHqqModule(file, module, record) : undefined;
    case 'compressed-tensors': {
      const group = compressedGroupOf(record, module, file.name);
      if (group === undefined) return undefined;
      if (group.activations) {
        for (const part of ACTIVATION_PARTS) if (has(part)) ignored.add(`${module.name}.${part}`);
      }
      if (group.scheme === undefined) return undefined;
      if (module.className === 'Conv1D') {
        throw unsupportedModel(file.name, 'compressed-tensors in a Conv1D', 'linear layers', module.name);
      }
      return openCompressedModule(file, module, group.scheme);
    }
  }
}

/**
 * The group that means a module: none where it is ignored, otherwise the one with the most exact target.
 * @throws BitloomError `model-config-invalid` where two groups mean it equally
 */
export function compressedGroupOf(
  record: CompressedRecord,
  module: TargetModule,
  where: string,
): CompressedGroup | undefined {
  if (record.ignore.match(module) !== undefined) return undefined;
  const matches = record.groups.map((group) => ({ group, kind: group.targets.match(module) }));
  const best = TARGET_KINDS.find((kind) => matches.some((match) => match.kind === kind));
  const found = matches.filter((match) => match.kind !== undefined && match.kind === best);
  if (found.length <= 1) return found[0]?.group;
  const names = found.map(({ group }) => group.name).join(' and ');
  throw invalidConfig(where, 'config_groups', `one group that means ${module.name} by its ${best}`, names);
}

/** Older tools give every quantised layer a bias, of zeros where the model has none. */
async function isZeroBias(file: TensorFile, name: string): Promise<boolean> {
  const tensor = file.tensors.get(name);
  if (tensor === undefined || tensor.shape.length !== 1 || tensor.shape[0] > MAX_BIAS) return false;
  if (tensor.encoding.decode === undefined) return false;
  return (await readFloatsAsync(tensor)).every((value) => value === 0);
}
