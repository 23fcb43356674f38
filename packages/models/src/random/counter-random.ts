/**
 * Random numbers as a pure function of (seed, stream, counter): any element can be made without the ones before it, in
 * any order, on any machine. Only integer operations and exact float ones, so that every engine gives the same bits.
 *
 * Not for: cryptography, or stochastic rounding (its quality is tested for weights only).
 */

/** A function from counters (the elements of a tensor) to 32 bits, for one seed and one stream (the tensor). */
export function counterHash(seed: number, stream: number): (counter: number) => number {
  const first = mix(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ (stream + 0x7f4a7c15));
  const second = mix(first ^ Math.imul(stream + 0x165667b1, 0xc2b2ae35));
  // Two keys, so that no two streams are reorderings of each other; counters beyond 2^32 differ in the upper part.
  return (counter) =>
    mix(mix(first ^ counter) + second + Math.imul(Math.floor(counter / 2 ** 32), 0x27d4eb2f));
}

/** A bijection of 32 bits with good avalanche (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Standard deviation of the sum of four uniform 16-bit integers: sqrt(4 * (2^32 - 1) / 12). */
const SUM_DEVIATION = 37837.22;
/** Mean of that sum: 4 * 65535 / 2. */
const SUM_MEAN = 131070;

/**
 * Fills `out` with nearly normal numbers (the sum of four uniform ones) of mean 0 and the given deviation.
 * @param start counter of the first element
 */
export function fillNormal(
  out: Float32Array,
  seed: number,
  stream: number,
  start: number,
  deviation: number,
): void {
  const scale = deviation / SUM_DEVIATION;
  const hash = counterHash(seed, stream);
  for (let i = 0; i < out.length; i++) {
    const a = hash(2 * (start + i));
    const b = hash(2 * (start + i) + 1);
    out[i] = ((a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - SUM_MEAN) * scale;
  }
}
