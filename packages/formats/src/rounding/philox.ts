/**
 * The counter-based random generator of stochastic rounding: Philox4x32-10 of Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3" (SC11). A word is a pure function of seed, stream and index, so that any range can be
 * made anywhere, in any order, by any thread, with equal results. Not for secrets.
 */
import { BitloomError } from '@bitloom/ir';

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const KEY_STEP_0 = 0x9e3779b9;
const KEY_STEP_1 = 0xbb67ae85;
const ROUNDS = 10;

/** High 32 bits of the product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = (aLow * bLow) >>> 16;
  const middle = aHigh * bLow + low;
  const cross = aLow * bHigh + (middle & 0xffff);
  // `middle` reaches 2^32 − 1 at most, and so does `cross`.
  return (aHigh * bHigh + (middle >>> 16) + (cross >>> 16)) | 0;
}

/**
 * One block of Philox4x32-10: four words for a counter of four words and a key of two.
 *
 * @param out Receives the words at `offset` to `offset + 3`.
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
  offset = 0,
): void {
  philoxBlock(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out, offset);
}

function philoxBlock(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
  offset: number,
): void {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + KEY_STEP_0) | 0;
    k1 = (k1 + KEY_STEP_1) | 0;
  }
  out[offset] = c0;
  out[offset + 1] = c1;
  out[offset + 2] = c2;
  out[offset + 3] = c3;
}

function checkCounter(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new BitloomError({
    code: 'random-counter',
    message: `the ${name} of random words is not a counter`,
    where: name,
    expected: 'an integer from 0 to 2^53 - 1',
    got: String(value),
  });
}

/**
 * Fills `out` with the words `firstIndex`, `firstIndex + 1`, … of a stream. Word i is word i mod 4 of the Philox
 * block with key (seed low, seed high) and counter (⌊i/4⌋ low, ⌊i/4⌋ high, stream low, stream high).
 *
 * @param seed 0 to 2^53 − 1: one run.
 * @param stream 0 to 2^53 − 1: one tensor (or step and tensor) of that run.
 * @returns `out`.
 * @throws BitloomError `random-counter`.
 */
export function randomWords(seed: number, stream: number, firstIndex: number, out: Uint32Array): Uint32Array {
  checkCounter('seed', seed);
  checkCounter('stream', stream);
  checkCounter('first index', firstIndex);
  checkCounter('last index', firstIndex + out.length);
  const seedHigh = Math.floor(seed / 2 ** 32);
  const streamHigh = Math.floor(stream / 2 ** 32);
  const block = new Uint32Array(4);
  let i = 0;
  while (i < out.length) {
    const index = firstIndex + i;
    const counter = Math.floor(index / 4);
    const skip = index - counter * 4;
    const high = Math.floor(counter / 2 ** 32);
    if (skip === 0 && out.length - i >= 4) {
      philoxBlock(counter, high, stream, streamHigh, seed, seedHigh, out, i);
      i += 4;
      continue;
    }
    philoxBlock(counter, high, stream, streamHigh, seed, seedHigh, block, 0);
    for (let word = skip; word < 4 && i < out.length; word += 1, i += 1) out[i] = block[word];
  }
  return out;
}
