/**
 * Which elements and schemes the SIMD functions serve, as codings. What they do not serve, and what the definition
 * would refuse, has none here.
 */
import type { ElementFormat, ScaleScheme, TensorScheme } from '@bitloom/ir';
import { formatRange } from '../elements/element-formats.js';
import { e8m0Coding, e8m0Rule, fp16Coding, fp32Coding, type ScaleCoding } from './block-scales.js';
import {
  type ElementCoding,
  floatCoding,
  floatReading,
  integerCoding,
  integerReading,
} from './element-coding.js';

/** Whether a scheme rounds and lays out as the SIMD functions do. */
export function isPlain({ rounding, saturate, shiftGroups, seed, layout }: TensorScheme): boolean {
  return (
    rounding === 'nearest-even' &&
    saturate &&
    seed === undefined &&
    shiftGroups === undefined &&
    layout === 'canonical'
  );
}

/** Whether an element has a sign, 2 to 8 bits and no negative zero that means something else. */
function isServed({ kind, bits, signed, specials }: ElementFormat): boolean {
  return kind !== 'codebook' && signed && bits >= 2 && bits <= 8 && specials !== 'fnuz';
}

/** How codes of an element are written, from the value `lowest` up for integers; undefined where they are not. */
export function elementCoding(element: ElementFormat, lowest: number): ElementCoding | undefined {
  if (!isServed(element)) return undefined;
  const { kind, bits, bias, mantissaBits } = element;
  // Between powers of two the even code wins a tie, which the sum that rounds here does not know.
  if (kind === 'float' && mantissaBits === 0) return undefined;
  return kind === 'float'
    ? floatCoding(element)
    : integerCoding(bits, lowest * 2 ** bias, 2 ** (bits - 1) - 1);
}

/** How codes of an element are read; undefined where they are not. */
export function elementReading(element: ElementFormat): ElementCoding | undefined {
  if (!isServed(element)) return undefined;
  return element.kind === 'float' ? floatReading(element) : integerReading(element.bits);
}

/** The coding of a level that stands alone, or undefined. */
export function scaleCoding(
  element: ElementFormat,
  { format, rule, zero, direction }: ScaleScheme,
): ScaleCoding | undefined {
  if (zero !== undefined || direction !== 'multiply') return undefined;
  const powers = e8m0Rule(rule, element);
  if (powers !== undefined) {
    const isE8m0 =
      !format.signed && format.exponentBits === 8 && format.mantissaBits === 0 && format.bias === 127;
    // The step of a fixed-point element must stay a float32 beside the least power of two.
    const isExact = element.kind === 'float' || element.bias <= 16;
    return isE8m0 && isExact ? e8m0Coding(powers, element) : undefined;
  }
  const { min, max, symmetricMax } = formatRange(element);
  const divisor = rule === 'amax/qmax' ? symmetricMax : rule === 'amax/half-range' ? (max - min) / 2 : 0;
  // Below 1 the quotient may overflow where the amax does not.
  if (divisor < 1 || (element.kind === 'int' && element.bias !== 0)) return undefined;
  if (isIeee(format, 5, 10)) return fp16Coding(divisor);
  return isIeee(format, 8, 23) ? fp32Coding(divisor) : undefined;
}

/** Whether a format is the IEEE 754 float of these widths. */
export function isIeee(format: ElementFormat, exponentBits: number, mantissaBits: number): boolean {
  return (
    format.kind === 'float' &&
    format.signed &&
    format.exponentBits === exponentBits &&
    format.mantissaBits === mantissaBits &&
    format.bias === 2 ** (exponentBits - 1) - 1 &&
    format.specials === 'ieee'
  );
}

/** The lowest value a rule with a coding of its own has in use. */
export function lowestValue(element: ElementFormat, rule: string): number {
  const { min, symmetricMax } = formatRange(element);
  return rule === 'amax/half-range' ? min : Math.max(min, -symmetricMax);
}
