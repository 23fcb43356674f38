/**
 * Frequencies and tables of rotary position embedding: pure functions, no arena. The rotation itself is the kernel
 * `rope`. Everything is computed in float64 by our own elementary functions and rounded once, so tables are the
 * same on every machine.
 */
import { BitloomError } from '@bitloom/ir';
import { pow64, sinCos64, TRIG_LIMIT } from './elementary.js';

/** Long-context scaling of the frequencies. */
export type RopeScaling =
  | { readonly kind: 'none' }
  /** Every frequency divided by `factor` (position interpolation). */
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3: long wavelengths divided by `factor`, short ones kept, a linear blend between. */
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    }
  /** One divisor per frequency (`rope_freqs.weight` of GGUF files); length headDim / 2. */
  | { readonly kind: 'factors'; readonly factors: ArrayLike<number> };

/**
 * Radians per position of each rotated pair: theta^(−2i/headDim), scaled. Float32 [headDim / 2].
 *
 * @throws BitloomError `rope-head-dim` for an odd or non-positive headDim, `rope-scaling` for unusable scaling.
 */
export function ropeFrequencies(
  headDim: number,
  theta: number,
  scaling: RopeScaling = { kind: 'none' },
): Float32Array<ArrayBuffer> {
  if (!Number.isInteger(headDim) || headDim <= 0 || headDim % 2 !== 0) {
    throw new BitloomError({
      code: 'rope-head-dim',
      message: 'rotary embedding turns pairs, so the head dimension must be even',
      expected: 'a positive even integer',
      got: String(headDim),
    });
  }
  if (!(theta > 0) || !Number.isFinite(theta)) throw scalingError('theta', 'a positive number', theta);
  const out = new Float32Array(headDim / 2);
  const scale = frequencyScale(headDim / 2, scaling);
  for (let i = 0; i < out.length; i += 1) out[i] = scale(1 / pow64(theta, (2 * i) / headDim), i);
  return out;
}

function frequencyScale(count: number, scaling: RopeScaling): (frequency: number, i: number) => number {
  switch (scaling.kind) {
    case 'none':
      return (frequency) => frequency;
    case 'linear':
      if (!(scaling.factor > 0)) throw scalingError('factor', 'a positive number', scaling.factor);
      return (frequency) => frequency / scaling.factor;
    case 'factors':
      if (scaling.factors.length !== count) {
        throw scalingError('factors', `${count} divisors, one per rotated pair`, scaling.factors.length);
      }
      return (frequency, i) => frequency / scaling.factors[i];
    case 'llama3': {
      const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
      if (!(factor > 0)) throw scalingError('factor', 'a positive number', factor);
      if (!(highFreqFactor > lowFreqFactor && lowFreqFactor > 0)) {
        throw scalingError(
          'highFreqFactor',
          `more than lowFreqFactor = ${lowFreqFactor}, both positive`,
          highFreqFactor,
        );
      }
      return (frequency) => {
        // Turns that this pair makes over the context the model was first trained on.
        const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
        if (turns > highFreqFactor) return frequency;
        if (turns < lowFreqFactor) return frequency / factor;
        const blend = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        return ((1 - blend) * frequency) / factor + blend * frequency;
      };
    }
  }
}

/**
 * The table of the `rope` kernel: for each position, (cos, sin) of each frequency. Float32
 * [positions.length, inverseFrequencies.length, 2], row-major. The angle is the float32 product of position and
 * frequency, as the models that use such tables were trained.
 *
 * @throws BitloomError `rope-position` when an angle is negative or past 2^20 radians.
 */
export function ropeTable(
  inverseFrequencies: Float32Array,
  positions: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const pairs = inverseFrequencies.length;
  const out = new Float32Array(positions.length * pairs * 2);
  for (let p = 0; p < positions.length; p += 1) {
    for (let i = 0; i < pairs; i += 1) {
      const angle = Math.fround(positions[p] * inverseFrequencies[i]);
      if (!(angle >= 0 && angle <= TRIG_LIMIT)) {
        throw new BitloomError({
          code: 'rope-position',
          message: 'a rotary angle lies outside the range that is reduced exactly',
          where: `position ${positions[p]}, pair ${i}`,
          expected: `0 to ${TRIG_LIMIT} radians`,
          got: String(angle),
        });
      }
      const { sin, cos } = sinCos64(angle);
      out[(p * pairs + i) * 2] = cos;
      out[(p * pairs + i) * 2 + 1] = sin;
    }
  }
  return out;
}

function scalingError(field: string, expected: string, got: number): BitloomError {
  return new BitloomError({
    code: 'rope-scaling',
    message: 'the rotary frequencies cannot be computed',
    where: field,
    expected,
    got: String(got),
  });
}
