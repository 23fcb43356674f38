/**
 * Quantisation schemes as data: which formats a float model is rewritten to. A new scheme of the same kind is one
 * entry of the table.
 */
import { BitloomError, FLOAT_NUMERICS, integerNumerics, type Numerics } from '@bitloom/ir';

/** Symmetric integers with one fp16 scale per group of `groupSize` columns; scale = amax / (2^(bits-1) - 1). */
export interface WeightFormat {
  /** 2 to 8. */
  readonly numBits: number;
  readonly groupSize: number;
}

/** Where a weight is used. `embedding` are look-up tables of tokens, `head` the matrix that gives the logits. */
export type WeightRole = 'linear' | 'embedding' | 'head';

export interface Scheme {
  readonly name: string;
  /** One line for people. */
  readonly doc: string;
  /** Format of weights by role; absent: weights stay as they are, and so does everything else. */
  readonly weights?: Readonly<Record<WeightRole, WeightFormat>>;
  readonly numerics: Numerics;
}

const INT8: WeightFormat = { numBits: 8, groupSize: 32 };
const INT4: WeightFormat = { numBits: 4, groupSize: 32 };

export const SCHEMES: readonly Scheme[] = [
  { name: 'f32', doc: 'float32 throughout; the baseline', numerics: FLOAT_NUMERICS },
  {
    name: 'W8A8',
    doc: 'INT8 weights in groups of 32, INT8 activations per token, INT8 KV cache',
    weights: { linear: INT8, embedding: INT8, head: INT8 },
    numerics: integerNumerics('W8A8'),
  },
  {
    name: 'W4A8',
    doc: 'INT4 weights in groups of 32, embedding and head INT8, INT8 activations per token, INT8 KV cache',
    weights: { linear: INT4, embedding: INT8, head: INT8 },
    numerics: integerNumerics('W4A8'),
  },
];

/**
 * The scheme called `name`.
 * @throws BitloomError `scheme-unknown`
 */
export function findScheme(name: string): Scheme {
  const scheme = SCHEMES.find((candidate) => candidate.name === name);
  if (scheme !== undefined) return scheme;
  throw new BitloomError({
    code: 'scheme-unknown',
    message: 'there is no quantisation scheme of this name',
    expected: SCHEMES.map((known) => known.name).join(', '),
    got: name,
    hint: 'names are case-sensitive',
  });
}
