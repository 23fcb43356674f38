/** Inputs for the GGML tests: seeded, made with exact arithmetic only, so that they are the same everywhere. */

/** Numbers in [0, 1), 32 bits each. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // The low bits of such a generator are poor; these are mixed with the high ones.
    let mixed = state ^ (state >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    mixed ^= mixed >>> 12;
    return (mixed >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers of variance 1/3. */
export function bell(seed: number): () => number {
  const next = uniform(seed);
  return () => next() + next() + next() + next() - 2;
}

/** Kinds of data that quantisers treat differently, one function of (index, bell-shaped, uniform) each. */
const KINDS: readonly ((i: number, normal: () => number, flat: () => number) => number)[] = [
  (_i, normal) => normal() * 0.05,
  (_i, _normal, flat) => flat(),
  (_i, _normal, flat) => -3 * flat() - 0.01,
  (_i, _normal, flat) => 5 + flat() / 8,
  (_i, normal, flat) => (flat() < 0.9 ? 0 : normal()),
  (i, normal) => (i % 97 === 5 ? 100 * normal() : 0.01 * normal()),
  (i, normal) => normal() * 2 ** ((i >> 5) * 5 - 30),
  (_i, normal) => Math.round(normal() * 12) / 4,
  (i) => ((i >> 4) % 5) - 1.75,
];

/** 9 blocks of 256 values: every kind of data once. No 32 neighbours at a multiple of 32 are all zero. */
export function mixedValues(seed: number): Float32Array<ArrayBuffer> {
  const normal = bell(seed);
  const flat = uniform(seed + 1);
  return Float32Array.from({ length: 256 * KINDS.length }, (_, i) => KINDS[i >> 8](i & 255, normal, flat));
}
