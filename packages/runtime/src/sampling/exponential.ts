/**
 * e^x in float64 from additions, multiplications and bits only, so that sampling draws the same tokens in every
 * JavaScript engine (`Math.exp` is not specified to the last bit). Relative error below 1e-15 for x in [-700, 0].
 */

/** ln 2 in two parts: n · HIGH is exact for |n| < 2^20. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** 1/k!, which double precision holds to the last bit it has; |r| ≤ ln(2)/2 needs no more than 14 of them. */
const C2 = 1 / 2;
const C3 = 1 / 6;
const C4 = 1 / 24;
const C5 = 1 / 120;
const C6 = 1 / 720;
const C7 = 1 / 5040;
const C8 = 1 / 40320;
const C9 = 1 / 362880;
const C10 = 1 / 3628800;
const C11 = 1 / 39916800;
const C12 = 1 / 479001600;
const C13 = 1 / 6227020800;
const C14 = 1 / 87178291200;

/** 2^-n for n = 0..1010, by exact halving. */
const HALVINGS: readonly number[] = halvings(1011);

function halvings(count: number): number[] {
  const powers = [1];
  while (powers.length < count) powers.push(powers[powers.length - 1] / 2);
  return powers;
}

/** e^x for x ≤ 0; 0 below -700, NaN for NaN. Meant for x - max of a softmax. */
export function exponential(x: number): number {
  if (!(x >= -700)) return x < -700 ? 0 : x;
  const n = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  // Horner's rule, written out: a whole vocabulary goes through here for every token that is drawn.
  let p = C14 * r + C13;
  p = p * r + C12;
  p = p * r + C11;
  p = p * r + C10;
  p = p * r + C9;
  p = p * r + C8;
  p = p * r + C7;
  p = p * r + C6;
  p = p * r + C5;
  p = p * r + C4;
  p = p * r + C3;
  p = p * r + C2;
  return (p * r * r + r + 1) * HALVINGS[-n];
}
