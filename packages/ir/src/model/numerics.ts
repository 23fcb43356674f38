/**
 * The numerics record: every point where two correct engines could differ. It belongs to the model; a card
 * lists the records it supports and the compiler refuses the rest, so that the host interpreter, which knows
 * no card, and every card give the same bits.
 */

export interface Numerics {
  /** Name of the scheme, e.g. `f32`, `W8A8`, `W4A8`. */
  readonly scheme: string;
  /**
   * Arithmetic of matrix products of weights: float32 (of the values that quantised weights stand for), or integer
   * codes with per-group float32 scales.
   */
  readonly linear: 'f32' | 'int8-activations';
  /** Arithmetic of normalisations, softmax, activations. */
  readonly specialFunctions: 'f32' | 'f16';
  /** Rounding where a float becomes a code. */
  readonly rounding: 'nearest-even';
  /** Rule of activation scales. */
  readonly activationScale: 'none' | 'per-token-amax/127';
  /**
   * How keys and values are kept and read back: float32, or codes with one float32 scale per token and head, amax/127
   * for `int8` and amax/7 for `int4` (codes -7..7).
   */
  readonly kvCache: 'f32' | 'int8-per-token-head' | 'int4-per-token-head';
  /** Scores: float32 dot, or int32 dot of codes times both scales (key scale first). */
  readonly scores: 'f32' | 'int8';
  /**
   * Probabilities x values: float32, or the probabilities times the value scales quantised to int8 per row,
   * with an int32 sum over the whole row.
   */
  readonly probabilities: 'f32' | 'int8-value-scale-folded';
  /** Softmax runs as two passes over the whole row; float sums use 16 interleaved partial sums and a tree. */
  readonly softmax: 'two-pass';
  readonly floatReduction: 'partial16-tree';
  /** Split-K continues one accumulator in K order. */
  readonly splitK: 'sequential';
}

export const FLOAT_NUMERICS: Numerics = {
  scheme: 'f32',
  linear: 'f32',
  specialFunctions: 'f32',
  rounding: 'nearest-even',
  activationScale: 'none',
  kvCache: 'f32',
  scores: 'f32',
  probabilities: 'f32',
  softmax: 'two-pass',
  floatReduction: 'partial16-tree',
  splitK: 'sequential',
};

/** Width of the codes of an integer KV cache. */
export type CacheBits = 4 | 8;

/** Numerics of the integer schemes: INT8 activations per token, INT8 or INT4 KV cache, float32 special functions. */
export function integerNumerics(scheme: string, codeBits: CacheBits = 8): Numerics {
  return {
    ...FLOAT_NUMERICS,
    scheme,
    linear: 'int8-activations',
    activationScale: 'per-token-amax/127',
    kvCache: `int${codeBits}-per-token-head`,
    scores: 'int8',
    probabilities: 'int8-value-scale-folded',
  };
}

/** Width of the codes of the KV cache; undefined for a float cache. */
export function cacheBits({ kvCache }: Pick<Numerics, 'kvCache'>): CacheBits | undefined {
  if (kvCache === 'f32') return undefined;
  return kvCache === 'int4-per-token-head' ? 4 : 8;
}
