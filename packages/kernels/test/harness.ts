/**
 * The conformance harness: lays out operands with seeded data in one arena, runs a call on the reference and on
 * another backend from the same bytes, and compares every byte of the region, guards around the operands included,
 * so that stray writes count as differences. NaNs are equal to each other whatever their bits.
 */
import { packCanonical, packRows16, quantizeGroups } from '@bitloom/formats';
import { expect } from 'vitest';
import { Arena, createKernels, type Kernels } from '../src/index.js';

/** Kinds of float data: plain values, or a mix with zeros, subnormals, huge values, infinities and NaN. */
export type Flavour = 'plain' | 'special';

const SPECIALS = [
  0,
  -0,
  1e-40,
  -1e-45,
  3e38,
  -3e38,
  1e30,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];

/** Operands of one case. Pointers are handed out with unused guard bytes between them. */
export class Operands {
  readonly arena: Arena;
  readonly #flavour: Flavour;
  #state: number;

  constructor(arena: Arena, seed: number, flavour: Flavour) {
    this.arena = arena;
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
    this.#flavour = flavour;
  }

  /** A number in [0, 1): xorshift, seeded by the case. */
  random(): number {
    let x = this.#state || 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  /** An uninitialised block; `skew` moves it off its alignment. */
  block(bytes: number, skew = 0): number {
    const at = this.arena.alloc(bytes + 96) + 32 + skew;
    for (let i = at - 32; i < at + bytes + 32; i += 1) this.arena.u8[i] = Math.floor(this.random() * 256);
    return at;
  }

  floats(count: number, skew = 0, scale = 4): number {
    const at = this.block(count * 4, skew * 4);
    for (let i = 0; i < count; i += 1) {
      const special = this.#flavour === 'special' && this.random() < 0.15;
      this.arena.f32[at / 4 + i] = special
        ? SPECIALS[Math.floor(this.random() * SPECIALS.length)]
        : (this.random() - 0.5) * scale;
    }
    return at;
  }

  /** Positive floats, for scales. */
  scales(count: number, skew = 0): number {
    const at = this.block(count * 4, skew * 4);
    for (let i = 0; i < count; i += 1) this.arena.f32[at / 4 + i] = this.random() * 0.1;
    return at;
  }

  /** int8 codes −127..127. */
  codes(count: number, skew = 0): number {
    const at = this.block(count, skew);
    for (let i = 0; i < count; i += 1) this.arena.i8[at + i] = Math.floor(this.random() * 255) - 127;
    return at;
  }

  /** rows16 blocks of random weights. */
  weights(bits: 4 | 8, N: number, K: number, group: number): number {
    const values = Float32Array.from({ length: N * K }, () => (this.random() - 0.5) * 2);
    const shape = { rows: N, cols: K, bits, groupSize: group };
    const bytes = packRows16(packCanonical(quantizeGroups(values, shape)));
    const at = this.arena.alloc(bytes.length + 64);
    this.arena.u8.set(bytes, at);
    return at;
  }
}

/** Both backends over one arena. */
export interface Pair {
  readonly arena: Arena;
  readonly reference: Kernels;
  readonly candidate: Kernels;
}

export function makePair(threads = 1): Pair {
  const arena = new Arena();
  const candidate = createKernels({ arena, backend: 'wasm', threads });
  return { arena, reference: createKernels({ arena, backend: 'reference' }), candidate };
}

/** Runs a case on both backends and expects the same bytes everywhere (`tolerance` words may differ slightly). */
export function expectSame(
  pair: Pair,
  seed: number,
  flavour: Flavour,
  prepare: (operands: Operands) => (kernels: Kernels) => void,
  close?: (expected: number, got: number) => boolean,
): void {
  const { arena, reference, candidate } = pair;
  const mark = arena.mark();
  try {
    // Both ends are aligned, so that the comparison below sees whole floats.
    const start = arena.alloc(0);
    const call = prepare(new Operands(arena, seed, flavour));
    const end = arena.alloc(0);
    const before = arena.u8.slice(start, end);
    call(reference);
    const expected = arena.u8.slice(start, end);
    arena.u8.set(before, start);
    call(candidate);
    const got = arena.u8.slice(start, end);
    if (Buffer.compare(expected, got) === 0) return;
    const words = (bytes: Uint8Array): DataView =>
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i + 4 <= expected.length; i += 4) {
      if (words(expected).getUint32(i, true) === words(got).getUint32(i, true)) continue;
      const a = words(expected).getFloat32(i, true);
      const b = words(got).getFloat32(i, true);
      if (Number.isNaN(a) && Number.isNaN(b)) continue;
      if (close?.(a, b)) continue;
      const hex = (value: DataView): string => value.getUint32(i, true).toString(16);
      expect.fail(
        `byte ${start + i}: reference ${a} (0x${hex(words(expected))}), backend ${b} (0x${hex(words(got))}); ` +
          `before 0x${hex(words(before))}`,
      );
    }
  } finally {
    arena.release(mark);
  }
}
