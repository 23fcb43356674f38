/**
 * What FlightLLM's cards compute (arXiv 2401.03868), as schemes: every product in groups of 128, the head too; the look-up
 * table of tokens, of which a step reads one row, at 8 bits. `FlightLLM` is 4 bits throughout, `FlightLLM-W3` another
 * width, `FlightLLM-mixed3.5` a width for each matrix, `FlightLLM-mixed3.5-bands` one for each quarter of its columns. Which
 * width they get is chosen in `choose-widths.ts`.
 */
import { integerScheme, perGroup, preset } from '@bitloom/formats';
import { BitloomError, integerNumerics, type TensorScheme } from '@bitloom/ir';
import type { Scheme } from './schemes.js';

/** Widths among which a mixed scheme chooses: those that the paper's memory unit expands. */
const MIXED_WIDTHS: readonly number[] = [2, 3, 4, 8];
const [LEAST] = MIXED_WIDTHS;
const MOST = MIXED_WIDTHS[MIXED_WIDTHS.length - 1];

/**
 * Weights of `bits` bits in groups of 128 with fp16 scales. Below 4 bits the mean magnitude of a group is code 1, of all
 * codes: under the largest magnitude most of a group would be 0.
 */
function groups(bits: number): TensorScheme {
  if (bits === 4) return preset('FlightLLM').weights;
  return integerScheme(bits, perGroup(128), {
    name: `FlightLLM-W${bits}`,
    rule: bits < 4 ? 'mean' : 'amax/qmax',
  });
}

/** Every product with weights of `bits` bits, 2 to 8. */
export function flightLlmScheme(bits = 4): Scheme {
  const linear = groups(bits);
  return {
    name: linear.name,
    doc: `INT${bits} weights in groups of 128, embedding INT8, INT8 activations per token, INT8 KV cache`,
    weights: { linear, embedding: preset('W8A8').weights, head: linear },
    numerics: integerNumerics(linear.name),
  };
}

/** Bands of a matrix at most: each begins a tile, and short tiles cost more than the bits they save. */
const MOST_BANDS = 4;

/**
 * Every product with weights of 2, 3, 4 or 8 bits, of `average` bits on average over all codes that are stored.
 *
 * @param banded whether bands of columns of a matrix have widths of their own
 * @throws BitloomError `scheme-mix` unless the average is 2 to 8
 */
export function mixedFlightLlmScheme(average: number, banded = false): Scheme {
  const name = `FlightLLM-mixed${average}${banded ? '-bands' : ''}`;
  if (!(average >= LEAST && average <= MOST)) {
    throw new BitloomError({
      code: 'scheme-mix',
      message: 'no mix of widths has this average',
      where: `scheme '${name}'`,
      expected: `an average of ${LEAST} to ${MOST} bits, for codes of ${MIXED_WIDTHS.join(', ')} bits`,
      got: String(average),
      hint: 'for example FlightLLM-mixed3.5',
    });
  }
  const { weights, numerics } = flightLlmScheme();
  return {
    name,
    doc: `weights of ${MIXED_WIDTHS.join(', ')} bits by ${banded ? 'band of columns' : 'matrix'}, ${average} on average, in groups of 128, embedding INT8, INT8 activations per token, INT8 KV cache`,
    weights,
    mix: {
      average,
      formats: MIXED_WIDTHS.map(groups),
      ...(banded ? { bands: MOST_BANDS } : {}),
    },
    numerics: { ...numerics, scheme: name },
  };
}

const UNIFORM = /^FlightLLM-W([2-8])$/;
const MIXED = /^FlightLLM-mixed(\d{1,3}(?:\.\d{1,3})?)(-bands)?$/;

/**
 * The scheme of a name of this family, or undefined for another name.
 *
 * @throws BitloomError `scheme-mix`
 */
export function findFlightLlmScheme(name: string): Scheme | undefined {
  const [, bits] = UNIFORM.exec(name) ?? [];
  if (bits !== undefined) return flightLlmScheme(Number(bits));
  const [, average, bands] = MIXED.exec(name) ?? [];
  return average === undefined ? undefined : mixedFlightLlmScheme(Number(average), bands !== undefined);
}
