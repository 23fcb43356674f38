/**
 * sin, cos, exp, log and pow in float64, built only from + − · /, rounding and powers of two, so that every engine
 * and machine gives the same bits (the engine's own `Math.sin` may differ between versions). They feed tables, not
 * inner loops. Errors are a few units in the last place of float64, far below the float32 the tables are stored in.
 */

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** π/2 in three parts; n times the first two is exact for |n| < 2^20. */
const HALF_PI_HIGH = 1.5707963267341256;
const HALF_PI_MIDDLE = 6.077100506303966e-11;
const HALF_PI_LOW = 2.0222662487959506e-21;

/** Largest |x| that {@link sin64} and {@link cos64} reduce to full precision. */
export const TRIG_LIMIT = 2 ** 20;

/** Σ_{i = 1..terms} of a series whose term i is the term before times `ratio(i)`, from `first`. */
function series(first: number, terms: number, ratio: (i: number) => number): number {
  let term = first;
  let sum = first;
  for (let i = 1; i <= terms; i += 1) {
    term *= ratio(i);
    sum += term;
  }
  return sum;
}

/** e^x for |x| ≤ 700. */
export function exp64(x: number): number {
  const n = Math.round(x / (LN2_HIGH + LN2_LOW));
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  return series(1, 18, (i) => r / i) * 2 ** n;
}

/** Natural logarithm of a positive normal number. */
export function log64(x: number): number {
  let mantissa = x;
  let exponent = 0;
  while (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent -= 1;
  }
  // log(m) = 2 atanh(s) with s = (m − 1)/(m + 1), |s| < 0.172.
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let power = s;
  let sum = s;
  for (let i = 3; i <= 25; i += 2) {
    power *= square;
    sum += power / i;
  }
  return exponent * LN2_HIGH + (2 * sum + exponent * LN2_LOW);
}

/** base^exponent for a positive base. */
export function pow64(base: number, exponent: number): number {
  return exponent === 0 ? 1 : exp64(exponent * log64(base));
}

/** sin and cos of x radians, |x| ≤ {@link TRIG_LIMIT}. */
export function sinCos64(x: number): { sin: number; cos: number } {
  const n = Math.round(x / (HALF_PI_HIGH + HALF_PI_MIDDLE));
  const r = x - n * HALF_PI_HIGH - n * HALF_PI_MIDDLE - n * HALF_PI_LOW;
  const square = r * r;
  const sin = series(r, 10, (i) => -square / (2 * i * (2 * i + 1)));
  const cos = series(1, 10, (i) => -square / ((2 * i - 1) * (2 * i)));
  const quadrant = ((n % 4) + 4) % 4;
  if (quadrant === 0) return { sin, cos };
  if (quadrant === 1) return { sin: cos, cos: -sin };
  if (quadrant === 2) return { sin: -sin, cos: -cos };
  return { sin: -cos, cos: sin };
}

/** sin(x), see {@link sinCos64}. */
export function sin64(x: number): number {
  return sinCos64(x).sin;
}

/** cos(x), see {@link sinCos64}. */
export function cos64(x: number): number {
  return sinCos64(x).cos;
}
