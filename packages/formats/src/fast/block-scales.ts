/**
 * The scales of blocks that the functions of a module make by themselves, and those that cost nothing: fp16 next to
 * amax / divisor, that quotient itself, and the powers of two of OCP MX. Each turns the largest magnitudes of a piece,
 * in the workshop, into its scales.
 */
import type { ElementFormat } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import type { Encoding, Piece } from './blocks.js';
import { floats, integers, type Vectors } from './element-coding.js';

/** How the scales of blocks come from their largest magnitudes. */
export interface ScaleCoding {
  /** Bytes of a stored scale. */
  readonly bytes: 1 | 2 | 4;
  /** Whether a block with this largest magnitude, finite or not, has a scale by this coding. */
  readonly holds: (largest: number) => boolean;
  /** Parameters that {@link ScaleCoding.encode} needs set. */
  readonly vectors: Vectors;
  /** Codes of `piece`, whose largest magnitudes are in the workshop, to `out`; the workshop then has its scales. */
  readonly encode: (workshop: Encoding, piece: Piece, out: Uint8Array) => void;
}

/** Quotients below this round to a finite fp16. */
const FP16_OVERFLOW = 65520;

/** fp16(fround(amax / divisor)). */
export function fp16Coding(divisor: number): ScaleCoding {
  return {
    bytes: 2,
    // NaN compares as false.
    holds: (largest) => Math.fround(largest / divisor) < FP16_OVERFLOW,
    vectors: { divisor: floats(divisor) },
    encode(workshop, piece, out) {
      const { functions, scales, scaleCodes } = workshop;
      functions.fp16Scales(piece.blocks, scales, scaleCodes);
      takeCodes(workshop, piece, 2, out);
    },
  };
}

/**
 * A rule of OCP MX as arithmetic on bits: the code is the exponent field of fround(amax / divisor), whose bits have
 * `addend` added first, less `offset`; within 0..254, and 0 for quotients up to 2^−127.
 */
export interface E8m0Rule {
  readonly divisor: number;
  readonly addend: number;
  readonly offset: number;
}

const E8M0_RULES: Readonly<Record<string, (element: ElementFormat) => E8m0Rule>> = {
  floor: (element) => ({ divisor: 1, addend: 0, offset: topExponent(element) }),
  ceil: (element) => ({ divisor: 1, addend: 0x7fffff, offset: topExponent(element) }),
  even: (element) => ({
    divisor: 1,
    addend: 1 << (22 - fractionBits(element)),
    offset: topExponent(element),
  }),
  rceil: (element) => ({ divisor: formatRange(element).max, addend: 0x7fffff, offset: 0 }),
};

/** The rule called `name` for an element; undefined where there is none. */
export function e8m0Rule(name: string, element: ElementFormat): E8m0Rule | undefined {
  return Object.hasOwn(E8M0_RULES, name) ? E8M0_RULES[name](element) : undefined;
}

/** Names of the rules. */
export function e8m0RuleNames(): string[] {
  return Object.keys(E8M0_RULES);
}

/** e8m0 by a rule of OCP MX. */
export function e8m0Coding({ divisor, addend, offset }: E8m0Rule, element: ElementFormat): ScaleCoding {
  // Elements with a binary point behind them are divided by the step as well.
  const step = element.kind === 'int' ? 2 ** -element.bias : 1;
  return {
    bytes: 1,
    // NaN compares as false.
    holds: (largest) => largest < Number.POSITIVE_INFINITY,
    vectors: {
      divisor: floats(divisor),
      addend: integers(addend),
      offset: integers(offset),
      step: floats(step),
    },
    encode(workshop, piece, out) {
      const { functions, scales, scaleCodes } = workshop;
      functions.e8m0Scales(piece.blocks, scales, scaleCodes);
      takeCodes(workshop, piece, 1, out);
    },
  };
}

function takeCodes({ bytes, scaleCodes }: Encoding, piece: Piece, size: number, out: Uint8Array): void {
  out.set(bytes.subarray(scaleCodes, scaleCodes + piece.blocks * size), piece.block * size);
}

/** Exponent of the largest power of two of an element. */
function topExponent(element: ElementFormat): number {
  return Math.floor(Math.log2(formatRange(element).max));
}

function fractionBits({ kind, bits, mantissaBits }: ElementFormat): number {
  return kind === 'float' ? mantissaBits : bits - 2;
}

/** fround(amax / divisor), stored as it is. */
export function fp32Coding(divisor: number): ScaleCoding {
  return {
    bytes: 4,
    // NaN compares as false.
    holds: (largest) => Math.fround(largest / divisor) < Number.POSITIVE_INFINITY,
    vectors: {},
    encode({ words, bytes, scales }, { block, blocks }, out) {
      for (let at = scales / 4; at < scales / 4 + blocks; at += 1) words[at] /= divisor;
      out.set(bytes.subarray(scales, scales + blocks * 4), block * 4);
    },
  };
}
