/**
 * A quantised module of a checkpoint: tensors that were checked against the configuration, and its weight W [rows =
 * outputs, cols = inputs] by rows. Nothing of it is in memory but what its reader needs to find rows.
 */

import type { PackedLinear } from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';

/** A module as the configuration of the model has it. */
export interface ModuleShape {
  /** Full name: `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
}

export interface PackedModule extends ModuleShape {
  /** Names of the tensors that belong to the weight. */
  readonly tensors: readonly string[];
  /** Rows whose packed form can be read by itself begin at multiples of this. */
  readonly rowUnit: number;
  /**
   * Rows `start` up to `end`, packed. `start` is a multiple of `rowUnit`, and so is `end` where it is not the last row.
   * @throws BitloomError the `packing-` errors of its format, and what reading throws
   */
  readRows(start: number, end: number): PackedLinear;
}

/**
 * Runs a reader of a packing and says in its errors which module of which file they are about.
 * @throws BitloomError what `action` throws
 */
export function inModule<T>(file: string, module: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BitloomError) || !error.code.startsWith('packing-')) throw error;
    const { code, expected, got, hint } = error;
    const where = `${file}, ${module}${error.where === undefined ? '' : `, ${error.where}`}`;
    // The message already holds the other fields after its first sentence.
    const message = error.message.split('; ', 1)[0];
    throw new BitloomError({ code, message, where, expected, got, hint, cause: error });
  }
}
