/**
 * Random numbers that are the same everywhere: a small seeded generator (a 32-bit counter mixed by multiplications, after
 * the family of splitmix). For proposals only; not for anything that must not be guessed.
 */
export interface Random {
  /** 0 to below 1. */
  next(): number;
  /** An integer from 0 to below `count`. */
  below(count: number): number;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
}

const STEP = 0x9e3779b9;

function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A generator of its own for each stream of a seed, so that generations do not depend on draws of those before. */
export function createRandom(seed: number, stream: number): Random {
  let state = mix(mix(seed) + mix(Math.floor(seed / 2 ** 32)) + Math.imul(stream + 1, STEP));
  const next = (): number => {
    state = (state + STEP) | 0;
    return mix(state) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return { next, below, pick: (items) => items[below(items.length)] };
}
