/** What every writer of checkpoints takes and says: a model in float32, and the tensors it became. */
import type { ModelBundle } from '@bitloom/ir';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { parseTokenizerRecord } from '../tokenizers/records.js';
import type { TokenizerRecord } from '../tokenizers/tokenizer.js';

/** What can be exported: a model in float32, with its configuration where it is known. An `OpenModel` is one. */
export interface ExportSource extends ModelBundle {
  /** Default: recovered from the graph. */
  readonly config?: DecoderConfig;
  /** Taken before the model's own record. */
  readonly tokenizer?: { toJSON(): TokenizerRecord };
}

/** A tensor that is written, and whether it became what was asked for. */
export interface ExportedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Name of the type in the format that is written. */
  readonly type: string;
  /** Bytes with scales and zero points. */
  readonly byteLength: number;
  /** Whether the type is a stand-in for the one that was asked for. */
  readonly isFallback: boolean;
}

/** The tokenizer of a model, or undefined. @throws BitloomError `tokenizer-record-invalid` */
export function exportTokenizer({ model, tokenizer }: ExportSource): TokenizerRecord | undefined {
  if (tokenizer !== undefined) return tokenizer.toJSON();
  const record = model.text?.tokenizer;
  return record === undefined ? undefined : parseTokenizerRecord(record);
}
