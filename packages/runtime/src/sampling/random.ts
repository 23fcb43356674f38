/**
 * Random numbers by counting: the n-th number of a seed is a function of (seed, n) and nothing else, so that a
 * sampled text can be reproduced from any point. The function is Philox 2x32 with 10 rounds (Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 */

const ROUNDS = 10;
const MULTIPLIER = 0xd256d193;
const WEYL = 0x9e3779b9;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const rest = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(rest / 0x10000)) >>> 0;
}

/** The two output words of Philox 2x32-10. All arguments and results are unsigned 32-bit integers. */
export function philox(counterLow: number, counterHigh: number, key: number): readonly [number, number] {
  let [low, high, round] = [counterLow >>> 0, counterHigh >>> 0, key >>> 0];
  for (let i = 0; i < ROUNDS; i += 1) {
    const product = multiplyHigh(MULTIPLIER, low);
    [low, high] = [(product ^ round ^ high) >>> 0, Math.imul(MULTIPLIER, low) >>> 0];
    round = (round + WEYL) >>> 0;
  }
  return [low, high];
}

/**
 * The `counter`-th number of `seed` in [0, 1), with 53 random bits.
 * @param seed a safe non-negative integer; its low 32 bits are the key, the rest goes into the counter
 * @param counter a non-negative integer below 2^32
 */
export function uniform(seed: number, counter: number): number {
  const [low, high] = philox(counter, Math.floor(seed / 2 ** 32), seed % 2 ** 32);
  return ((low >>> 5) * 2 ** 26 + (high >>> 6)) / 2 ** 53;
}
