/**
 * Float32 arithmetic that defines results: rounding, the 16-partial sum and our own transcendental functions.
 * Every step is one float32 operation (`Math.fround` of a double operation on float32 values, which rounds
 * correctly for + − · / and sqrt), so that any backend with IEEE float32 can compute the same bits. The constants
 * are exported because the WebAssembly backend emits the same steps from them.
 */

const f = Math.fround;

/** Constants of {@link exp32}, each a float32. */
export const EXP = {
  /** Arguments above are clamped to it: exp(88.72) is the largest result, 3.39e38. */
  high: f(88.72),
  /** Arguments below give +0: results are never subnormal. */
  low: f(-87.33),
  log2e: f(Math.LOG2E),
  /** ln 2 in two parts; n·ln2High is exact for |n| < 2^15. */
  ln2High: f(0.693359375),
  ln2Low: f(-2.1219444e-4),
  /**
   * exp(r) = 1 + r·(1 + r·(c2 + r·(c3 + ...))) for |r| ≤ ln(2)/2. Minimax fit of the relative error by
   * reweighted least squares, 3.1e-9 before rounding.
   */
  coefficients: [
    0.4999999403953552, 0.1666651964187622, 0.041668400168418884, 0.00836885068565607, 0.0013814320554956794,
  ].map(f),
} as const;

/** Constants of {@link gelu32}: 2·sqrt(2/π) and that times 0.044715. */
export const GELU = { c0: f(1.5957691216057308), c1: f(0.07135481282052353) } as const;

/** Nearest integer, ties to even. NaN and infinities stay. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return value;
}

/** e^x in float32, error at most 2 ulp for −87.33 ≤ x ≤ 88.72; clamped above, +0 below, NaN for NaN. */
export function exp32(x: number): number {
  if (x < EXP.low) return 0;
  const clamped = x > EXP.high ? EXP.high : x;
  const n = roundEven(f(clamped * EXP.log2e));
  let r = f(clamped - f(n * EXP.ln2High));
  r = f(r - f(n * EXP.ln2Low));
  let p: number = EXP.coefficients[EXP.coefficients.length - 1];
  for (let i = EXP.coefficients.length - 2; i >= 0; i -= 1) p = f(f(p * r) + EXP.coefficients[i]);
  p = f(f(p * r) + 1);
  p = f(f(p * r) + 1);
  // p lies in [0.707, 1.415] and the result is a normal number, so scaling by 2^n is exact.
  return f(p * 2 ** n);
}

/** x / (1 + exp(−x)). */
export function silu32(x: number): number {
  return f(x / f(1 + exp32(-x)));
}

/** x / (1 + exp(−u)) with u = x·(c0 + c1·x²). */
export function gelu32(x: number): number {
  const u = f(x * f(f(f(x * x) * GELU.c1) + GELU.c0));
  return f(x / f(1 + exp32(-u)));
}

/** The float reduction: 16 interleaved partial sums in increasing i, then a fixed tree. */
export function sum16(count: number, at: (i: number) => number): number {
  const s = new Float32Array(16);
  for (let i = 0; i < count; i += 1) s[i % 16] += at(i);
  for (let width = 8; width >= 1; width /= 2) {
    for (let j = 0; j < width; j += 1) s[j] += s[j + width];
  }
  return s[0];
}

/** Scale of a row of codes up to `largest` and the factor that makes codes from values; see `quantizeRows`. */
export function rowScale(amax: number, largest = 127): { scale: number; inverse: number } {
  const inverse = f(largest / amax);
  return Number.isFinite(inverse) ? { scale: f(amax / largest), inverse } : { scale: 0, inverse: 0 };
}

/** One code: rne(value·inverse) clamped to ±largest, 0 for NaN. */
export function rowCode(value: number, inverse: number, largest = 127): number {
  const code = roundEven(f(value * inverse));
  if (code > largest) return largest;
  if (code < -largest) return -largest;
  return Number.isNaN(code) ? 0 : code;
}
