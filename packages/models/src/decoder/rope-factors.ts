/**
 * Long-context scaling as divisors, one per rotary frequency, the form GGUF files store (`rope_freqs.weight`): every
 * rule becomes one. A divisor is a float32, chosen among its neighbours to give the frequency exactly; where float32 is
 * too coarse for that (a few pairs of a blend), the frequency is off by one unit of its last place.
 */
import { type RopeScaling, ropeFrequencies } from '@bitloom/kernels';

/** Neighbours of the rounded divisor, in the order in which they are tried. */
const STEPS = [0, 1, -1, 2, -2, 0];

/** Divisors by which the frequencies of `theta` become `wanted`. Float32 [headDim / 2]. */
export function nearestFactors(
  headDim: number,
  theta: number,
  wanted: Float32Array,
): Float32Array<ArrayBuffer> {
  const plain = ropeFrequencies(headDim, theta);
  const factors = Float32Array.from(plain, (frequency, i) => frequency / wanted[i]);
  const bits = new Uint32Array(factors.buffer);
  const rounded = bits.slice();
  for (const step of STEPS) {
    const got = ropeFrequencies(headDim, theta, { kind: 'factors', factors });
    const wrong = got.findIndex((frequency, i) => frequency !== wanted[i]);
    if (wrong === -1) break;
    for (let i = wrong; i < factors.length; i++) if (got[i] !== wanted[i]) bits[i] = rounded[i] + step;
  }
  return factors;
}

/** Divisors that stand for a scaling rule, or undefined where nothing is scaled. */
export function ropeFactors(
  headDim: number,
  theta: number,
  scaling: RopeScaling,
): Float32Array<ArrayBuffer> | undefined {
  if (scaling.kind === 'none') return undefined;
  if (scaling.kind === 'factors') return Float32Array.from(scaling.factors);
  return nearestFactors(headDim, theta, ropeFrequencies(headDim, theta, scaling));
}
