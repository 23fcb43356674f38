/** A Hugging Face folder as a decoder: `config.json` and safetensors, with the tensor names of each family. */
import { type Folder, fileNotFound, readSmallFile } from '../bytes/folder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderParameters } from '../decoder/parameters.js';
import type { QuantizationRecord } from '../hf/quantization/quantization-record.js';
import { describeQuantization } from '../hf/quantization/quantization-record.js';
import { type CandidateModule, openQuantizedModules } from '../hf/quantization/quantized-modules.js';
import { BlockCache, quantizedWeights } from '../hf/quantization/quantized-weights.js';
import { readQuantization } from '../hf/quantization/read-quantization.js';
import { parseJsonObject } from '../json/strict-json.js';
import { openSafetensorsFolder } from '../safetensors/sharded.js';
import { holdSameValues } from '../tensors/same-values.js';
import type { TensorFile } from '../tensors/tensor-file.js';
import { type Checkpoint, checkpointOf, fromTable, type Placement, splitParameter } from './checkpoint.js';
import { readHfConfig } from './hf-config.js';

const MAX_CONFIG = 4 << 20;

/** Names of a family's tensors. `{}` is the layer. */
interface Names {
  /** What all names but the output projection's begin with; some files leave it out. */
  readonly prefixes: readonly string[];
  readonly tensors: Readonly<Record<string, string>>;
  /** Buffers that older files hold beside the parameters. */
  readonly buffers: RegExp;
}

/** Weight and bias of each part. */
function pairs(parts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parts).flatMap(([part, name]) => [
      [`${part}.weight`, `${name}.weight`],
      [`${part}.bias`, `${name}.bias`],
    ]),
  );
}

export const LLAMA_NAMES: Names = {
  prefixes: ['model.'],
  tensors: pairs({
    embedding: 'embed_tokens',
    attention_norm: 'layers.{}.input_layernorm',
    q: 'layers.{}.self_attn.q_proj',
    k: 'layers.{}.self_attn.k_proj',
    v: 'layers.{}.self_attn.v_proj',
    o: 'layers.{}.self_attn.o_proj',
    q_norm: 'layers.{}.self_attn.q_norm',
    k_norm: 'layers.{}.self_attn.k_norm',
    ffn_norm: 'layers.{}.post_attention_layernorm',
    gate: 'layers.{}.mlp.gate_proj',
    up: 'layers.{}.mlp.up_proj',
    down: 'layers.{}.mlp.down_proj',
    norm: 'norm',
  }),
  buffers: /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/,
};

const PHI3_NAMES: Names = {
  ...LLAMA_NAMES,
  tensors: {
    ...LLAMA_NAMES.tensors,
    ...pairs({
      q: 'layers.{}.self_attn.qkv_proj',
      k: 'layers.{}.self_attn.qkv_proj',
      v: 'layers.{}.self_attn.qkv_proj',
      gate: 'layers.{}.mlp.gate_up_proj',
      up: 'layers.{}.mlp.gate_up_proj',
    }),
  },
};

const STARCODER2_NAMES: Names = {
  ...LLAMA_NAMES,
  tensors: { ...LLAMA_NAMES.tensors, ...pairs({ up: 'layers.{}.mlp.c_fc', down: 'layers.{}.mlp.c_proj' }) },
};

const OPT_NAMES: Names = {
  prefixes: ['model.decoder.', 'decoder.'],
  tensors: pairs({
    embedding: 'embed_tokens',
    positions: 'embed_positions',
    project_in: 'project_in',
    project_out: 'project_out',
    attention_norm: 'layers.{}.self_attn_layer_norm',
    q: 'layers.{}.self_attn.q_proj',
    k: 'layers.{}.self_attn.k_proj',
    v: 'layers.{}.self_attn.v_proj',
    o: 'layers.{}.self_attn.out_proj',
    ffn_norm: 'layers.{}.final_layer_norm',
    up: 'layers.{}.fc1',
    down: 'layers.{}.fc2',
    norm: 'final_layer_norm',
  }),
  buffers: /^$/,
};

const GPT2_NAMES: Names = {
  prefixes: ['transformer.', ''],
  tensors: pairs({
    embedding: 'wte',
    positions: 'wpe',
    attention_norm: 'h.{}.ln_1',
    q: 'h.{}.attn.c_attn',
    k: 'h.{}.attn.c_attn',
    v: 'h.{}.attn.c_attn',
    o: 'h.{}.attn.c_proj',
    ffn_norm: 'h.{}.ln_2',
    up: 'h.{}.mlp.c_fc',
    down: 'h.{}.mlp.c_proj',
    norm: 'ln_f',
  }),
  buffers: /^(?:transformer\.)?h\.\d+\.attn\.(?:masked_)?bias$/,
};

const FAMILY_NAMES: Readonly<Record<string, Names>> = {
  llama: LLAMA_NAMES,
  mistral: LLAMA_NAMES,
  qwen2: LLAMA_NAMES,
  qwen3: LLAMA_NAMES,
  ministral: LLAMA_NAMES,
  seed_oss: LLAMA_NAMES,
  smollm3: LLAMA_NAMES,
  phi3: PHI3_NAMES,
  starcoder2: STARCODER2_NAMES,
  opt: OPT_NAMES,
  gpt2: GPT2_NAMES,
};

/**
 * The decoder in a Hugging Face folder. Weights that its configuration says are quantised are read as float32 all the
 * same, decoded by rows when they are asked for.
 * @throws BitloomError `file-not-found`, `model-architecture-unknown`, `model-unsupported`, `model-config-invalid`,
 *   the `json-` and `safetensors-` errors, `model-tensor-missing`, `model-tensor-extra`, `model-tensor-shape`,
 *   `model-tensor-type`, the `packing-` errors
 */
export async function hfCheckpoint(folder: Folder): Promise<Checkpoint> {
  const where = `${folder.name}/config.json`;
  if (!folder.has('config.json')) {
    throw fileNotFound(where, 'a folder is read as a Hugging Face checkpoint, which has a config.json');
  }
  const json = parseJsonObject(await readSmallFile(folder, 'config.json', MAX_CONFIG), where);
  const config = readHfConfig(json, where);
  const quantization = readQuantization(json, where);
  const file = await openSafetensorsFolder(folder);
  try {
    return await placeTensors(file, config, quantization);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Output projection of every family here. */
const HEAD = 'lm_head.weight';

async function placeTensors(
  file: TensorFile,
  wanted: DecoderConfig,
  quantization: QuantizationRecord | undefined,
): Promise<Checkpoint> {
  const names = FAMILY_NAMES[wanted.family] ?? LLAMA_NAMES;
  const config = await withTying(file, wanted, placementOf(file, wanted, names));
  const place = placementOf(file, config, names);
  // Some files keep a copy of a tied output projection.
  const ignored = (tensor: string): boolean =>
    names.buffers.test(tensor) || (config.tiedEmbeddings && tensor === HEAD);
  if (quantization === undefined) return checkpointOf(file, config, place, ignored);
  const quantized = await openQuantizedModules(file, quantization, candidateModules(config, place));
  const cache = new BlockCache();
  const checkpoint = checkpointOf(
    file,
    config,
    (parameter, shape) => {
      const placement = place(parameter, shape);
      const module = quantized.modules.get(moduleName(placement.tensor) ?? '');
      if (module === undefined) return placement;
      const first = placement.transposed?.first ?? (placement.offset ?? 0) / (shape[1] ?? 1);
      return {
        tensors: module.tensors,
        weights: quantizedWeights(module, first, shape[0], cache, file.name),
      };
    },
    (tensor) => ignored(tensor) || quantized.ignored.has(tensor),
  );
  const { notes } = quantization;
  return {
    ...checkpoint,
    facts: {
      quantization: describeQuantization(quantization),
      ...(notes.length === 0 ? {} : { quantizationNote: notes.join('; ') }),
    },
  };
}

/**
 * The configuration as the tensors have it: where a file keeps an output projection that is no copy of the embedding it
 * is said to be tied to, the two are two, as transformers 5 has it.
 */
async function withTying(
  file: TensorFile,
  config: DecoderConfig,
  place: (parameter: string, shape: readonly number[]) => Placement,
): Promise<DecoderConfig> {
  const head = file.tensors.get(HEAD);
  const embedding = file.tensors.get(place('embedding.weight', []).tensor);
  if (!config.tiedEmbeddings || head === undefined || embedding === undefined) return config;
  return (await holdSameValues(head, embedding)) ? config : { ...config, tiedEmbeddings: false };
}

/** Where the parameters of a family lie in a file of float weights. */
function placementOf(
  file: TensorFile,
  config: DecoderConfig,
  names: Names,
): (parameter: string, shape: readonly number[]) => Placement {
  const embedding = names.tensors['embedding.weight'].replace(/weight$/, '');
  const isPrefix = (start: string): boolean =>
    [...file.tensors.keys()].some((tensor) => tensor.startsWith(start + embedding));
  const found = names.prefixes.find(isPrefix);
  const prefix = found ?? names.prefixes[0];
  // Of two tied tensors a file may keep either.
  const isHeadOnly = found === undefined && config.tiedEmbeddings && file.tensors.has(HEAD);
  return (parameter, shape) => {
    if (parameter === 'head.weight' || (parameter === 'embedding.weight' && isHeadOnly))
      return { tensor: HEAD, shape };
    const tensor = prefix + fromTable(names.tensors, parameter);
    if (config.family === 'gpt2') return placeConv1d(config, parameter, tensor, shape);
    return config.family === 'phi3' ? placeFused(config, parameter, tensor, shape) : { tensor, shape };
  };
}

/** Name of the module that a tensor `...weight` would be the weight of. */
function moduleName(tensor: string): string | undefined {
  return tensor.endsWith('.weight') ? tensor.slice(0, -'.weight'.length) : undefined;
}

/** The modules of a decoder that tools quantise: linear maps and embeddings. */
function candidateModules(
  config: DecoderConfig,
  place: (parameter: string, shape: readonly number[]) => Placement,
): CandidateModule[] {
  const modules = new Map<string, CandidateModule>();
  for (const { name: parameter, shape, role } of decoderParameters(config)) {
    const placement = place(parameter, shape);
    const name = moduleName(placement.tensor);
    if (name === undefined || role === 'norm' || role === 'bias') continue;
    const [height, width] = placement.shape;
    const isTransposed = placement.transposed !== undefined;
    modules.set(name, {
      name,
      className: role !== 'linear' ? 'Embedding' : isTransposed ? 'Conv1D' : 'Linear',
      rows: isTransposed ? width : height,
      cols: isTransposed ? height : width,
    });
  }
  return [...modules.values()];
}

/** Phi-3 stores query, key and value as one matrix, and gate and up, one behind the other. */
function placeFused(
  config: DecoderConfig,
  parameter: string,
  tensor: string,
  shape: readonly number[],
): Placement {
  const [part] = splitParameter(parameter).part.split('.');
  const [q, kv] = [config.heads * config.headDim, config.kvHeads * config.headDim];
  const fused: Readonly<Record<string, readonly [first: number, rows: number]>> = {
    q: [0, q + 2 * kv],
    k: [q, q + 2 * kv],
    v: [q + kv, q + 2 * kv],
    gate: [0, 2 * config.hiddenWidth],
    up: [config.hiddenWidth, 2 * config.hiddenWidth],
  };
  if (!Object.hasOwn(fused, part)) return { tensor, shape };
  const [first, rows] = fused[part];
  return { tensor, shape: [rows, shape[1]], offset: first * shape[1] };
}

/** GPT-2 stores linear maps [inputs, outputs], and query, key and value as one. */
function placeConv1d(
  config: DecoderConfig,
  parameter: string,
  tensor: string,
  shape: readonly number[],
): Placement {
  const { layer, part } = splitParameter(parameter);
  const [name, kind] = part.split('.');
  const isLinear = ['q', 'k', 'v', 'o', 'up', 'down'].includes(name);
  if (layer === undefined || !isLinear) return { tensor, shape };
  const third = ['q', 'k', 'v'].indexOf(name);
  const [rows, inputs] = shape;
  const outputs = third === -1 ? rows : 3 * config.width;
  const first = third === -1 ? 0 : third * config.width;
  if (kind === 'bias') return { tensor, shape: [outputs], offset: first };
  return { tensor, shape: [inputs, outputs], transposed: { first, rows } };
}
