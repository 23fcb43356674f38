/** The numbers of SplitMix64 from state 0, by their index, in 32-bit halves: patterns draw one per request. */

/** Upper and lower half of a 64-bit number. */
type Halves = [high: number, low: number];

/** Low 32 bits of output `index` + 1 of the generator, index below 2^32 - 1. */
export function splitmixLow(index: number): number {
  let z = multiply([0, index + 1], 0x9e3779b9, 0x7f4a7c15);
  z = multiply(foldRight(z, 30), 0xbf58476d, 0x1ce4e5b9);
  z = multiply(foldRight(z, 27), 0x94d049bb, 0x133111eb);
  return foldRight(z, 31)[1] >>> 0;
}

/** x ^ (x >> bits), bits below 32. */
function foldRight([high, low]: Halves, bits: number): Halves {
  const shiftedLow = (low >>> bits) | (high << (32 - bits));
  return [high ^ (high >>> bits), low ^ shiftedLow];
}

/** Product modulo 2^64. */
function multiply([high, low]: Halves, byHigh: number, byLow: number): Halves {
  const upper = Math.imul(high, byLow) + Math.imul(low, byHigh) + highProduct(low, byLow);
  return [upper | 0, Math.imul(low, byLow)];
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function highProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Each sum stays below 2^53.
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const other = aLow * bHigh + (middle % 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
}
