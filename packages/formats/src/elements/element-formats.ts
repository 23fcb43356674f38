/**
 * The named element formats of bitloom and what follows from a record: range, step, special codes. A format is
 * data (`ElementFormat` of `@bitloom/ir`); a new one is a new row here, not a new class.
 */
import {
  BF16,
  BitloomError,
  type ElementFormat,
  FP16,
  FP32,
  floatFormat,
  intFormat,
  uintFormat,
} from '@bitloom/ir';
import { decodeElement } from './decode-element.js';
import {
  BINARY,
  E8M0,
  FP4_E2M1,
  FP6_E2M3,
  FP6_E3M2,
  FP8_E3M4,
  FP8_E4M3,
  FP8_E4M3B11FNUZ,
  FP8_E4M3FN,
  FP8_E4M3FNUZ,
  FP8_E5M2,
  FP8_E5M2FNUZ,
  MXINT8,
  TERNARY,
} from './format-records.js';
import { isPowerOfTwoFormat, maxMagnitudeCode } from './special-codes.js';

/**
 * Every format known by name. Integers are two's complement; used symmetrically they leave out the lowest code.
 * `fp8_e4m3`, `fp8_e3m4` and `fp8_e5m2` follow IEEE 754 (infinities, NaNs); `fn` has no infinity and one NaN per sign;
 * `fnuz` neither infinity nor negative zero.
 */
export const ELEMENT_FORMATS: Readonly<Record<string, ElementFormat>> = /* @__PURE__ */ (() => {
  const formats = [
    FP32,
    FP16,
    BF16,
    FP8_E4M3FN,
    FP8_E5M2,
    FP8_E4M3,
    FP8_E3M4,
    FP8_E4M3FNUZ,
    FP8_E5M2FNUZ,
    FP8_E4M3B11FNUZ,
    FP6_E3M2,
    FP6_E2M3,
    FP4_E2M1,
    E8M0,
    ...[2, 3, 4, 5, 6, 7, 8].map(intFormat),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map(uintFormat),
    MXINT8,
    TERNARY,
    BINARY,
  ];
  return Object.fromEntries(formats.map((format) => [format.name, format]));
})();

/** What other programs call these formats (ONNX, ml_dtypes, PyTorch, safetensors), in lower case. */
export const ELEMENT_FORMAT_ALIASES: Readonly<Record<string, string>> = {
  float32: 'fp32',
  f32: 'fp32',
  float: 'fp32',
  float16: 'fp16',
  f16: 'fp16',
  half: 'fp16',
  bfloat16: 'bf16',
  float8_e4m3fn: 'fp8_e4m3fn',
  float8e4m3fn: 'fp8_e4m3fn',
  f8_e4m3: 'fp8_e4m3fn',
  e4m3fn: 'fp8_e4m3fn',
  fp8: 'fp8_e4m3fn',
  float8_e5m2: 'fp8_e5m2',
  float8e5m2: 'fp8_e5m2',
  f8_e5m2: 'fp8_e5m2',
  e5m2: 'fp8_e5m2',
  float8_e4m3: 'fp8_e4m3',
  e4m3: 'fp8_e4m3',
  float8_e3m4: 'fp8_e3m4',
  e3m4: 'fp8_e3m4',
  float8_e4m3fnuz: 'fp8_e4m3fnuz',
  float8e4m3fnuz: 'fp8_e4m3fnuz',
  e4m3fnuz: 'fp8_e4m3fnuz',
  float8_e5m2fnuz: 'fp8_e5m2fnuz',
  float8e5m2fnuz: 'fp8_e5m2fnuz',
  e5m2fnuz: 'fp8_e5m2fnuz',
  float8_e4m3b11fnuz: 'fp8_e4m3b11fnuz',
  e4m3b11fnuz: 'fp8_e4m3b11fnuz',
  float6_e3m2fn: 'fp6_e3m2',
  fp6_e3m2fn: 'fp6_e3m2',
  e3m2: 'fp6_e3m2',
  e3m2fn: 'fp6_e3m2',
  float6_e2m3fn: 'fp6_e2m3',
  fp6_e2m3fn: 'fp6_e2m3',
  e2m3: 'fp6_e2m3',
  e2m3fn: 'fp6_e2m3',
  float4_e2m1fn: 'fp4_e2m1',
  float4e2m1: 'fp4_e2m1',
  fp4_e2m1fn: 'fp4_e2m1',
  e2m1: 'fp4_e2m1',
  e2m1fn: 'fp4_e2m1',
  fp4: 'fp4_e2m1',
  float8_e8m0fnu: 'e8m0',
  float8e8m0: 'e8m0',
  f8_e8m0: 'e8m0',
  e8m0fnu: 'e8m0',
  fp8_e8m0: 'e8m0',
  i8: 'int8',
  u8: 'uint8',
};

const CUSTOM_FLOAT = /^(?:<\s*(\d{1,2})\s*,\s*(\d{1,2})\s*>|e(\d{1,2})m(\d{1,2}))$/;

/**
 * A custom float by its name `<E,M>` or `eEmM`, the element of MLS (arXiv 2006.02804): sign, `exponentBits`,
 * `mantissaBits`, gradual underflow, every code a number, bias 2^(E−1) − 1. With E = 0 there is nothing but the
 * subnormal range; the bias is 1, so that the value is sign and magnitude, m / 2^M, below 1.
 *
 * @param exponentBits 0 to 10.
 * @param mantissaBits 0 to 31 − E, and at least 1 where E is 0.
 * @throws BitloomError `format-record` for other widths.
 */
export function customFloat(exponentBits: number, mantissaBits: number): ElementFormat {
  const valid =
    Number.isInteger(exponentBits) &&
    Number.isInteger(mantissaBits) &&
    exponentBits >= 0 &&
    exponentBits <= 10 &&
    mantissaBits >= (exponentBits === 0 ? 1 : 0) &&
    exponentBits + mantissaBits <= 31;
  if (!valid) {
    throw new BitloomError({
      code: 'format-record',
      message: 'a custom float has widths that no code holds',
      expected: '<E,M> with E from 0 to 10, M from 0 (from 1 where E is 0) and E + M at most 31',
      got: `<${exponentBits},${mantissaBits}>`,
    });
  }
  const name = `<${exponentBits},${mantissaBits}>`;
  return exponentBits === 0
    ? floatFormat(name, 0, mantissaBits, { specials: 'none', bias: 1 })
    : floatFormat(name, exponentBits, mantissaBits, { specials: 'none' });
}

/**
 * The format called `name`: a name of {@link ELEMENT_FORMATS}, one of {@link ELEMENT_FORMAT_ALIASES} (in any case),
 * or a {@link customFloat} `<E,M>`. `eEmM` is the named format of these widths where there is one (`e5m2` has
 * infinities), and the custom float otherwise.
 *
 * @throws BitloomError `format-unknown`, `format-record`.
 */
export function elementFormat(name: string): ElementFormat {
  if (Object.hasOwn(ELEMENT_FORMATS, name)) return ELEMENT_FORMATS[name];
  const lower = name.toLowerCase();
  if (Object.hasOwn(ELEMENT_FORMATS, lower)) return ELEMENT_FORMATS[lower];
  if (Object.hasOwn(ELEMENT_FORMAT_ALIASES, lower)) return ELEMENT_FORMATS[ELEMENT_FORMAT_ALIASES[lower]];
  const custom = CUSTOM_FLOAT.exec(lower);
  if (custom !== null) return customFloat(Number(custom[1] ?? custom[3]), Number(custom[2] ?? custom[4]));
  throw new BitloomError({
    code: 'format-unknown',
    message: 'there is no element format of this name',
    expected: `${Object.keys(ELEMENT_FORMATS).join(', ')}, or <E,M>`,
    got: name,
  });
}

/** What a format can say. */
export interface FormatRange {
  /** Lowest and highest finite value. */
  readonly min: number;
  readonly max: number;
  /** Smallest positive value; 0 where a code book has none. */
  readonly smallest: number;
  /** Smallest positive normal value (floats); the smallest positive one of formats without subnormals. */
  readonly smallestNormal: number;
  /**
   * Largest magnitude that both signs have: (2^(bits−1) − 1) · 2^−bias of integers, `max` of floats and unsigned
   * formats, the lesser of |min| and max of code books.
   */
  readonly symmetricMax: number;
}

/** Ranges of the records that were asked for: records do not change, and scale rules ask for every block. */
const RANGES = /* @__PURE__ */ new WeakMap<ElementFormat, FormatRange>();

/** Range of `format`, from its record alone. */
export function formatRange(format: ElementFormat): FormatRange {
  const known = RANGES.get(format);
  if (known !== undefined) return known;
  const range = rangeOf(format);
  RANGES.set(format, range);
  return range;
}

function rangeOf(format: ElementFormat): FormatRange {
  if (format.kind === 'int') return integerRange(format);
  if (format.kind === 'codebook') return codebookRange(format);
  const { signed, exponentBits, bias } = format;
  const max = decodeElement(maxMagnitudeCode(format), format);
  if (isPowerOfTwoFormat(format)) {
    const min = decodeElement(0, format);
    return { min, max, smallest: min, smallestNormal: min, symmetricMax: max };
  }
  const smallest = decodeElement(1, format);
  return {
    min: signed ? -max : 0,
    max,
    smallest,
    // Without an exponent every value is subnormal; without a mantissa none is.
    smallestNormal: exponentBits === 0 ? smallest : 2 ** (1 - bias),
    symmetricMax: max,
  };
}

function integerRange({ bits, signed, bias }: ElementFormat): FormatRange {
  const step = 2 ** -bias;
  const max = (2 ** (signed ? bits - 1 : bits) - 1) * step;
  return { min: signed ? -max - step : 0, max, smallest: step, smallestNormal: step, symmetricMax: max };
}

function codebookRange({ values = [], signed }: ElementFormat): FormatRange {
  const min = Math.min(...values);
  const max = Math.max(...values);
  const smallest = Math.min(...values.filter((value) => value > 0));
  const positive = Number.isFinite(smallest) ? smallest : 0;
  return {
    min,
    max,
    smallest: positive,
    smallestNormal: positive,
    symmetricMax: signed ? Math.min(-min, max) : max,
  };
}
