/**
 * The conversion between element types that ONNX calls Cast (operator set 25). It differs from `encode` where ONNX
 * says so: integers are cut and wrap, and saturation concerns the 8-bit floats alone.
 */
import { BitloomError, type ElementFormat, type NanPolicy, type RoundingMode } from '@bitloom/ir';
import { type CodeArray, encode, newCodes } from './codes.js';
import { isPowerOfTwoFormat } from './special-codes.js';

/** Attributes of Cast, with the defaults of ONNX. */
export interface CastOptions {
  /** 8-bit floats: what is too large becomes the largest value (`true`, the default), or infinity or NaN. */
  readonly saturate?: boolean;
  /** Targets that are powers of two (e8m0): up is the default. `nearest` takes the even code at a tie. */
  readonly roundMode?: 'up' | 'down' | 'nearest';
  /** A NaN on its way to a format that has none, of which ONNX says nothing. Default `throw`. */
  readonly nan?: NanPolicy;
}

const POWER_ROUNDING: Readonly<Record<'up' | 'down' | 'nearest', RoundingMode>> = {
  up: 'toward-positive',
  down: 'toward-zero',
  nearest: 'nearest-even',
};

/**
 * Codes of `values` in the format `to`, as ONNX Cast makes them:
 *
 * - to a float of 8 bits: to nearest even, with `saturate`; to wider floats: to nearest even, past the largest value
 *   to infinity; to narrower ones, which have neither infinity nor NaN: to nearest even, saturating;
 * - to e8m0: by `roundMode`, with `saturate`;
 * - to integers: the fraction is dropped, and what lies outside the range keeps its low bits, as a conversion in C by
 *   way of a wider integer does. Infinities, which have no low bits, give 0.
 *
 * @param values Exact values of the source: decode other types first.
 * @throws BitloomError `element-nan` naming the element; `cast-target` for what ONNX has no Cast to (code books).
 */
export function castElements(values: Float32Array, to: ElementFormat, options: CastOptions = {}): CodeArray {
  const { saturate = true, roundMode = 'up', nan = 'throw' } = options;
  if (to.kind === 'codebook') {
    throw new BitloomError({
      code: 'cast-target',
      message: 'a code book is no target of a cast',
      expected: 'a float or an integer format',
      got: to.name,
      hint: 'use encode, which takes the nearest value',
    });
  }
  if (to.kind === 'int') return castToIntegers(values, to, nan);
  const rounding = isPowerOfTwoFormat(to) ? POWER_ROUNDING[roundMode] : 'nearest-even';
  return encode(values, to, { rounding, saturate: saturate && to.bits <= 8, nan });
}

function castToIntegers(values: Float32Array, to: ElementFormat, nan: NanPolicy): CodeArray {
  const codes = newCodes(to, values.length);
  const modulus = 2 ** to.bits;
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isFinite(values[i])) {
      const rest = Math.trunc(values[i] * 2 ** to.bias) % modulus;
      codes[i] = rest < 0 ? rest + modulus : rest;
    } else if (Number.isNaN(values[i])) {
      codes[i] = encode(values.subarray(i, i + 1), to, { nan })[0];
    }
  }
  return codes;
}
