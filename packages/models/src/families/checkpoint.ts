/**
 * What every reader of checkpoints comes to: a configuration, and for each parameter of the graph the place its values
 * come from. `checkpointWeights` is where names and shapes are held against each other, so that a checkpoint either
 * fits its configuration exactly or is refused.
 */

import { ReadBuffer } from '../bytes/read-buffer.js';
import { ROPE_TABLE } from '../decoder/build-decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderParameters } from '../decoder/parameters.js';
import {
  ropeWeights,
  storedWeights,
  tensorError,
  transposedWeights,
  type Weights,
} from '../decoder/weights.js';
import type { TensorFile } from '../tensors/tensor-file.js';

/** Where a parameter lies in a file. */
export interface Placement {
  readonly tensor: string;
  /** Shape the stored tensor must have. */
  readonly shape: readonly number[];
  /** Stored [inputs, outputs]; the parameter is `rows` of the outputs from `first` on, transposed. */
  readonly transposed?: { readonly first: number; readonly rows: number };
  /** The parameter is a stretch of the stored tensor, from this element on. */
  readonly offset?: number;
}

/** A parameter whose values are made from other tensors than one of its own shape. */
export interface DerivedPlacement {
  readonly tensors: readonly string[];
  readonly weights: Weights;
}

export interface Checkpoint {
  readonly name: string;
  readonly config: DecoderConfig;
  /** Facts for people about how the weights are stored. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Weights by parameter name, for the given context the table of rotary angles too. */
  weights(context: number): ReadonlyMap<string, Weights>;
  close(): void;
}

/**
 * Joins a configuration with the tensors of a file.
 * @param place gives the placement of each parameter
 * @param ignored tensors that a file may hold beside the parameters
 * @throws BitloomError `model-tensor-missing`, `model-tensor-extra`, `model-tensor-shape`
 */
export function checkpointOf(
  file: TensorFile,
  config: DecoderConfig,
  place: (parameter: string, shape: readonly number[]) => Placement | DerivedPlacement,
  ignored: (tensor: string) => boolean = () => false,
): Checkpoint {
  const weights = new Map<string, Weights>();
  const buffer = new ReadBuffer();
  const used = new Set<string>();
  for (const { name, shape } of decoderParameters(config)) {
    const placement = place(name, shape);
    if ('weights' in placement) {
      for (const tensor of placement.tensors) used.add(tensor);
      weights.set(name, placement.weights);
    } else {
      used.add(placement.tensor);
      weights.set(name, placedWeights(file, placement, shape, buffer));
    }
  }
  for (const name of file.tensors.keys()) {
    if (used.has(name) || ignored(name)) continue;
    throw tensorError(
      'model-tensor-extra',
      file.name,
      name,
      `the ${used.size} tensors of the configuration`,
      name,
    );
  }
  return {
    name: file.name,
    config,
    weights(context) {
      const { positions, headDim } = config;
      if (positions.kind !== 'rope') return weights;
      const table = ropeWeights(context, headDim, positions.theta, positions.scaling);
      return new Map([...weights, [ROPE_TABLE, table]]);
    },
    close: () => file.close(),
  };
}

function placedWeights(
  file: TensorFile,
  placement: Placement,
  shape: readonly number[],
  buffer: ReadBuffer,
): Weights {
  const tensor = file.tensors.get(placement.tensor);
  const expected = `[${placement.shape.join(', ')}]`;
  if (tensor === undefined) {
    throw tensorError('model-tensor-missing', file.name, placement.tensor, expected, 'no such tensor');
  }
  const fits =
    tensor.shape.length === placement.shape.length &&
    tensor.shape.every((size, axis) => size === placement.shape[axis]);
  if (!fits) {
    throw tensorError(
      'model-tensor-shape',
      file.name,
      placement.tensor,
      expected,
      `[${tensor.shape.join(', ')}]`,
    );
  }
  if (placement.transposed !== undefined) {
    return transposedWeights(tensor, placement.transposed.first, placement.transposed.rows);
  }
  return storedWeights(tensor, shape, placement.offset ?? 0, buffer);
}

/** Layer and part of a parameter name: `layers.3.q.weight` is layer 3, `q.weight`. */
export function splitParameter(name: string): { layer: number | undefined; part: string } {
  const match = /^layers\.(\d+)\.(.+)$/.exec(name);
  return match === null ? { layer: undefined, part: name } : { layer: Number(match[1]), part: match[2] };
}

/** Looks a name up in a table of parts; a part the table lacks is a bug of the table. */
export function fromTable(table: Readonly<Record<string, string>>, parameter: string): string {
  const { layer, part } = splitParameter(parameter);
  const template = Object.hasOwn(table, part) ? table[part] : undefined;
  // A parameter without a place has no tensor of that name: the caller reports it as missing, by its own name.
  return template === undefined ? parameter : template.replace('{}', String(layer));
}
