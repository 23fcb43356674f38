/** A llama2.c checkpoint as a decoder: each tensor of the file holds one part of all layers. */
import type { Llama2cFile } from '../llama2c/checkpoint.js';
import { type Checkpoint, checkpointOf, splitParameter } from './checkpoint.js';

/** Parts of a layer, and the parts outside of layers. */
const TENSORS: Readonly<Record<string, string>> = {
  'embedding.weight': 'token_embedding_table',
  'attention_norm.weight': 'rms_att_weight',
  'q.weight': 'wq',
  'k.weight': 'wk',
  'v.weight': 'wv',
  'o.weight': 'wo',
  'ffn_norm.weight': 'rms_ffn_weight',
  'gate.weight': 'w1',
  'down.weight': 'w2',
  'up.weight': 'w3',
  'norm.weight': 'rms_final_weight',
  'head.weight': 'wcls',
};

/** @throws BitloomError `model-tensor-missing` and so on, never for a file that `readLlama2c` accepted */
export function llama2cCheckpoint(file: Llama2cFile): Checkpoint {
  return checkpointOf(
    file,
    file.config,
    (parameter, shape) => {
      const { layer, part } = splitParameter(parameter);
      const tensor = TENSORS[part] ?? parameter;
      if (layer === undefined) return { tensor, shape };
      const size = shape.reduce((a, b) => a * b, 1);
      return { tensor, shape: [file.config.layers, ...shape], offset: layer * size };
    },
    (tensor) => tensor.startsWith('freq_cis_'),
  );
}
