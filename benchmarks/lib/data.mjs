/** Seeded operands, and the comparison of results. */

/** Uniform 32-bit integers, the same in every run. */
export function randomWords(seed = 1) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let word = state ^ (state >>> 15);
    word = Math.imul(word, 0x2c1b3c6d);
    return (word ^ (word >>> 12)) >>> 0;
  };
}

/** Fills a typed array of integers with all its bit patterns, or one of floats with values from −1 to 1. */
export function fillRandom(array, random) {
  const isFloat = array instanceof Float32Array;
  for (let i = 0; i < array.length; i += 1) array[i] = isFloat ? random() / 2 ** 31 - 1 : random() >>> 8;
  return array;
}

/** @throws where two arrays differ by more than `tolerance` anywhere */
export function requireClose(what, got, expected, tolerance = 0) {
  if (got.length !== expected.length)
    throw new Error(`${what}: ${got.length} values instead of ${expected.length}`);
  for (let i = 0; i < got.length; i += 1) {
    if (Math.abs(got[i] - expected[i]) <= tolerance) continue;
    throw new Error(`${what}: element ${i} is ${got[i]} instead of ${expected[i]} (within ${tolerance})`);
  }
}

/** Copies an array into the memory of kernels. @returns its place */
export function place(arena, array) {
  const at = arena.alloc(array.byteLength);
  arena.u8.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
  return at;
}
