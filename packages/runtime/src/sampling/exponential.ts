/**
 * e^x in float64 from additions, multiplications and bits only, so that sampling draws the same tokens in every
 * JavaScript engine (`Math.exp` is not specified to the last bit). Relative error below 1e-15 for x in [-700, 0].
 */

/** ln 2 in two parts: n · HIGH is exact for |n| < 2^20. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** 1/k! from k = 14 down to 2; |r| ≤ ln(2)/2 needs no more. */
const COEFFICIENTS: readonly number[] = Array.from({ length: 13 }, (_, i) => {
  let factorial = 1;
  for (let k = 2; k <= 14 - i; k += 1) factorial *= k;
  return 1 / factorial;
});

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
  let p = 0;
  for (const coefficient of COEFFICIENTS) p = p * r + coefficient;
  return (p * r * r + r + 1) * HALVINGS[-n];
}
