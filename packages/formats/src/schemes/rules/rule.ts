/**
 * What a scale rule is, and the arithmetic that rules share: float32, one operation at a time. Each rule is a constant
 * of its own in this folder, so that a bundle carries the rules it names; `scale-rules.ts` has all of them by name.
 */
import type { ElementFormat } from '@bitloom/ir';
import { formatRange } from '../../elements/element-formats.js';
import type { DeterministicRounding } from '../../rounding/rounding.js';

const f = Math.fround;
export const MAX_FLOAT32 = 3.4028234663852886e38;

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
export function allCodes(element: ElementFormat): CodeRange {
  const { min, max } = formatRange(element);
  return { lowest: min, highest: max };
}

/** The codes that have a mirror image; only two's complement integers lose one. */
export function mirroredCodes(element: ElementFormat): CodeRange {
  const { min, symmetricMax } = formatRange(element);
  return { lowest: Math.max(min, -symmetricMax), highest: symmetricMax };
}

/** Steps between the lowest and the highest code. */
export function levels(element: ElementFormat): number {
  const { min, max } = formatRange(element);
  return max - min;
}

/** A wanted scale in units of the next level. Of an outer scale of 0 there are no units: 0. */
export function within(scale: number, outer: OuterScale | undefined): number {
  if (outer === undefined) return scale;
  if (outer.value === 0) return 0;
  return outer.direction === 'multiply' ? f(scale / outer.value) : f(scale * outer.value);
}
