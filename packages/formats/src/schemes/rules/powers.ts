/** Rules for powers of two in E8M0, of OCP MX and of torchao. */
import type { ElementFormat } from '@bitloom/ir';
import { formatRange } from '../../elements/element-formats.js';
import { MAX_FLOAT32, mirroredCodes, type ScaleRule, within } from './rule.js';

const f = Math.fround;

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
function powerOfTwo(exponent: (amax: number, element: ElementFormat) => number): ScaleRule {
  return {
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

export const FLOOR: ScaleRule = /* @__PURE__ */ powerOfTwo(
  (amax, element) => floorLog2(amax) - topExponent(element),
);

export const CEIL: ScaleRule = /* @__PURE__ */ powerOfTwo(
  (amax, element) => ceilLog2(amax) - topExponent(element),
);

export const EVEN: ScaleRule = /* @__PURE__ */ powerOfTwo(
  (amax, element) => roundedExponent(amax, element) - topExponent(element),
);

export const RCEIL: ScaleRule = /* @__PURE__ */ powerOfTwo((amax, element) => {
  const quotient = f(amax / formatRange(element).max);
  return quotient === 0 ? -127 : ceilLog2(quotient);
});
