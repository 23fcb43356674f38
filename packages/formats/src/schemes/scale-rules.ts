/**
 * The rules that choose a scale, by name. Libraries differ here more than anywhere else, and silently; a scheme names
 * its rule, and the name is recorded with the tensor. A rule is one row: which statistics it needs, which codes are in
 * use, the scale, and the zero where it has one. All arithmetic is float32, one operation at a time.
 */
import { BitloomError, type ElementFormat } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import type { DeterministicRounding } from '../rounding/rounding.js';

const f = Math.fround;
const MAX_FLOAT32 = 3.4028234663852886e38;

/** What a rule may know of the values of a block. A NaN makes `amax` NaN. */
export interface BlockStatistics {
  /** Largest magnitude. */
  readonly amax: number;
  readonly min: number;
  readonly max: number;
  /** Mean magnitude, summed in float64 and rounded once. */
  readonly mean: number;
}

/** The scale of the next level out, already chosen. */
export interface OuterScale {
  readonly value: number;
  readonly direction: 'multiply' | 'divide';
}

/** Codes a rule uses, as values of the element at scale 1. */
export interface CodeRange {
  readonly lowest: number;
  readonly highest: number;
}

export interface ScaleRule {
  /** One line for people, with where the rule is from. */
  readonly doc: string;
  readonly codes: (element: ElementFormat) => CodeRange;
  /** The scale to store, before it is rounded to the format of its level. */
  readonly scale: (block: BlockStatistics, element: ElementFormat, outer?: OuterScale) => number;
  /** Zero point (a code) or minimum (a value), for the effective scale: as stored, with the levels further out. */
  readonly zero?: (block: BlockStatistics, scale: number, element: ElementFormat) => number;
  /** A block with a NaN or an infinity has a NaN for a scale, instead of following the scheme's policy. */
  readonly nanScale?: boolean;
  /** How the scale is rounded to the format of its level; to the nearest, ties to even, where absent. */
  readonly rounding?: DeterministicRounding;
  /** What {@link zero} is. */
  readonly zeroKind?: 'zero-point' | 'minimum';
  /** What the scale does to the codes: of all rules but one it multiplies. */
  readonly direction?: 'divide';
}

/** All codes of an element. */
function allCodes(element: ElementFormat): CodeRange {
  const { min, max } = formatRange(element);
  return { lowest: min, highest: max };
}

/** The codes that have a mirror image; only two's complement integers lose one. */
function mirroredCodes(element: ElementFormat): CodeRange {
  const { min, symmetricMax } = formatRange(element);
  return { lowest: Math.max(min, -symmetricMax), highest: symmetricMax };
}

/** Steps between the lowest and the highest code. */
function levels(element: ElementFormat): number {
  const { min, max } = formatRange(element);
  return max - min;
}

/** A wanted scale in units of the next level. Of an outer scale of 0 there are no units: 0. */
function within(scale: number, outer: OuterScale | undefined): number {
  if (outer === undefined) return scale;
  if (outer.value === 0) return 0;
  return outer.direction === 'multiply' ? f(scale / outer.value) : f(scale * outer.value);
}

/** The scale under which `amax` is the largest code, a finite float32 also where the largest code is below 1. */
function byLargest(amax: number, element: ElementFormat): number {
  const scale = f(amax / formatRange(element).symmetricMax);
  return amax < Number.POSITIVE_INFINITY ? Math.min(MAX_FLOAT32, scale) : scale;
}

/** floor(log2(x)), exactly, for a finite x > 0. */
function floorLog2(x: number): number {
  let exponent = Math.floor(Math.log2(x));
  while (2 ** exponent > x) exponent -= 1;
  while (2 ** (exponent + 1) <= x) exponent += 1;
  return exponent;
}

function ceilLog2(x: number): number {
  const exponent = floorLog2(x);
  return 2 ** exponent === x ? exponent : exponent + 1;
}

/** Exponent of the largest power of two of an element: 8 for e4m3fn, 2 for e2m1, 0 for the fractions of MXINT8. */
function topExponent(element: ElementFormat): number {
  return floorLog2(formatRange(element).max);
}

/** A rule for a power of two in E8M0: the exponent is clamped to −127..127, and an empty block takes the lowest. */
function powerOfTwo(doc: string, exponent: (amax: number, element: ElementFormat) => number): ScaleRule {
  return {
    doc,
    nanScale: true,
    codes: mirroredCodes,
    scale({ amax }, element, outer) {
      if (!Number.isFinite(amax)) return Number.NaN;
      const units = Math.min(MAX_FLOAT32, within(amax, outer));
      if (units === 0) return 2 ** -127;
      return 2 ** Math.max(-127, Math.min(127, exponent(units, element)));
    },
  };
}

/** `amax` rounded to the mantissa of the element, halves up, then its exponent. */
function roundedExponent(amax: number, element: ElementFormat): number {
  const mantissaBits = element.kind === 'float' ? element.mantissaBits : element.bits - 2;
  const exponent = Math.max(floorLog2(amax), -126);
  return floorLog2(amax + 2 ** (exponent - mantissaBits - 1));
}

const FP8_LARGEST = 448;
/** Smallest normal fp8_e4m3fn. */
const FP8_TINY = 2 ** -6;
/** Distance of the two fp8_e4m3fn next to 1 above it. */
const FP8_EPSILON = 2 ** -3;

function affineZero({ min }: BlockStatistics, scale: number, element: ElementFormat): number {
  const { lowest, highest } = allCodes(element);
  if (scale === 0) return Math.max(lowest, Math.min(highest, 0));
  const wanted = roundHalfEven(f(lowest - f(Math.min(0, min) / scale)));
  return Math.max(lowest, Math.min(highest, wanted));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const RULES = {
  'amax/qmax': {
    doc: 'the largest magnitude becomes the largest code: 7 for INT4, 448 for e4m3fn (AutoAWQ, bitloom)',
    codes: mirroredCodes,
    scale: ({ amax }, element, outer) => within(byLargest(amax, element), outer),
  },
  'amax/half-range': {
    doc: 'half the range of codes: 7.5 for INT4; the lowest code is in use (torchao, compressed-tensors)',
    codes: allCodes,
    scale: ({ amax }, element, outer) => within(f(amax / (levels(element) / 2)), outer),
  },
  '2amax/levels': {
    doc: 'unsigned codes around a fixed zero point in the middle: 2·amax/15, zero 8 for UINT4 (GPTQ, symmetric)',
    codes: allCodes,
    scale: ({ amax }, element, outer) => within(f(f(2 * amax) / levels(element)), outer),
    zero: (_block, _scale, element) => allCodes(element).lowest + (levels(element) + 1) / 2,
    zeroKind: 'zero-point',
  },
  minmax: {
    doc: 'the range from the least to the largest value, zero included, over all codes, with a zero point',
    codes: allCodes,
    scale: ({ min, max }, element, outer) =>
      within(f(f(Math.max(0, max) - Math.min(0, min)) / levels(element)), outer),
    zero: affineZero,
    zeroKind: 'zero-point',
  },
  'min+range': {
    doc: 'the range from the least to the largest value over all codes, the least stored (as Q4_1 of GGML)',
    codes: allCodes,
    scale: ({ min, max }, element, outer) => within(f(f(max - min) / levels(element)), outer),
    // A sum with 0 has no negative zero, which would be stored or not by the order of a block's zeros.
    zero: ({ min }) => min + 0,
    zeroKind: 'minimum',
  },
  mean: {
    doc: 'the mean magnitude becomes 1 (ternary weights of BitNet b1.58, binary weights of XNOR-Net)',
    codes: allCodes,
    scale: ({ mean }, _element, outer) => within(mean, outer),
  },
  floor: powerOfTwo(
    'power of two below amax, over the top exponent of the element (OCP MX 1.0, section 6.3)',
    (amax, element) => floorLog2(amax) - topExponent(element),
  ),
  ceil: powerOfTwo(
    'power of two at or above amax, over the top exponent of the element (torchao CEIL)',
    (amax, element) => ceilLog2(amax) - topExponent(element),
  ),
  even: powerOfTwo(
    'as floor, for amax rounded to the mantissa of the element (torchao EVEN)',
    (amax, element) => roundedExponent(amax, element) - topExponent(element),
  ),
  rceil: powerOfTwo(
    'power of two at or above amax over the largest element, so that nothing saturates (torchao RCEIL)',
    (amax, element) => {
      const quotient = f(amax / formatRange(element).max);
      return quotient === 0 ? -127 : ceilLog2(quotient);
    },
  ),
  'nvfp4-block': {
    doc: 'amax/6 in units of the tensor scale, kept within 2^−6..448 (torchao nvfp4_quantize)',
    codes: allCodes,
    scale: ({ amax }, element, outer) =>
      Math.max(FP8_TINY, Math.min(FP8_LARGEST, within(f(amax / formatRange(element).max), outer))),
  },
  'nvfp4-block-divided': {
    doc: 'amax/6 times the global divisor; a block that rounds to 0 takes 2^−3 (compressed-tensors)',
    codes: allCodes,
    scale({ amax }, element, outer) {
      const scale = Math.min(FP8_LARGEST, within(f(amax / formatRange(element).max), outer));
      // Half of the smallest e4m3fn is the last value that rounds to 0.
      return scale <= 2 ** -10 ? FP8_EPSILON : scale;
    },
  },
  'amax/(448·6)': {
    doc: 'the multiplier that brings every block scale into e4m3fn (torchao per_tensor_amax_to_scale)',
    codes: allCodes,
    scale: ({ amax }, element) => f(amax / (FP8_LARGEST * formatRange(element).max)),
  },
  '448·6/amax': {
    doc: 'its reciprocal, the divisor that compressed-tensors calls global scale',
    codes: allCodes,
    scale: ({ amax }, element) =>
      amax === 0 ? 1 : Math.min(MAX_FLOAT32, f((FP8_LARGEST * formatRange(element).max) / amax)),
    direction: 'divide',
  },
  amax: {
    doc: 'the largest magnitude becomes 1, as the MLS paper writes its scales',
    codes: mirroredCodes,
    scale: ({ amax }, _element, outer) => within(amax, outer),
  },
  'amax/qmax, up': {
    doc: 'as amax/qmax, rounded up, so that nothing saturates (group scales of MLS)',
    codes: mirroredCodes,
    scale: ({ amax }, element, outer) => within(byLargest(amax, element), outer),
    rounding: 'toward-positive',
  },
  'amax, up': {
    doc: 'as amax, rounded up (group scales of MLS as the paper writes them)',
    codes: mirroredCodes,
    scale: ({ amax }, _element, outer) => within(amax, outer),
    rounding: 'toward-positive',
  },
} as const satisfies Record<string, ScaleRule>;

/** Names of the scale rules. */
export const SCALE_RULES: readonly string[] = /* @__PURE__ */ Object.keys(RULES);

/**
 * The scale rule called `name`.
 *
 * @throws BitloomError `scheme-rule-unknown`
 */
export function scaleRule(name: string): ScaleRule {
  if (Object.hasOwn(RULES, name)) return RULES[name as keyof typeof RULES];
  throw new BitloomError({
    code: 'scheme-rule-unknown',
    message: 'there is no scale rule of this name',
    expected: SCALE_RULES.join(', '),
    got: name,
  });
}
