/**
 * The conformance harness: lays out operands with seeded data in one arena, runs a call on the reference and on
 * another backend from the same bytes, and compares every byte of the region, guards around the operands included,
 * so that stray writes count as differences. NaNs are equal to each other whatever their bits.
 */
import { canonicalRowBytes, groupsPerRow, packRows16 } from '@bitloom/formats';
import { loadNative } from '@bitloom/kernels-native';
import fc from 'fast-check';
import { expect } from 'vitest';
import { Arena, createKernels, type KernelOptions, type Kernels } from '../src/index.js';

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

  /** rows16 blocks of random weights: every code of the width, finite scales of any size and sign. */
  weights(bits: number, N: number, K: number, group: number): number {
    const shape = { rows: N, cols: K, bits, groupSize: group };
    const codes = Uint8Array.from({ length: N * canonicalRowBytes(shape) }, () => this.random() * 256);
    const scales = Uint16Array.from(
      { length: N * groupsPerRow(shape) },
      () => Math.floor(this.random() * 0x7c00) + (this.random() < 0.5 ? 0x8000 : 0),
    );
    const bytes = packRows16({ ...shape, codes, scales });
    const at = this.arena.alloc(bytes.length + 64);
    this.arena.u8.set(bytes, at);
    return at;
  }
}

/** A backend, and features of the engine, to compare with the reference. */
export interface Candidate {
  readonly label: string;
  readonly kernels: Kernels;
}

/** The reference and what is compared with it, over one arena. */
export interface Bench {
  readonly arena: Arena;
  readonly reference: Kernels;
  readonly candidates: readonly Candidate[];
}

/** What the conformance suites compare with the reference: every backend, every path that a feature chooses. */
const CANDIDATES: Readonly<Record<string, KernelOptions>> = {
  wasm: { backend: 'wasm' },
  'wasm without relaxed SIMD': { backend: 'wasm', features: { relaxedSimd: false } },
  ...Object.fromEntries(
    (loadNative()?.isas ?? []).map((isa) => [`native ${isa}`, { backend: 'native', isa } as const]),
  ),
};

export function makeBench(): Bench {
  const arena = new Arena();
  const candidates = Object.entries(CANDIDATES).map(([label, options]) => ({
    label,
    kernels: createKernels({ ...options, arena }),
  }));
  return { arena, reference: createKernels({ arena, backend: 'reference' }), candidates };
}

/** Lays out the operands of one case and gives the call. */
export type Prepare = (operands: Operands) => (kernels: Kernels) => void;

/** Runs a case on every candidate and expects the bytes of the reference everywhere (`close` words may differ). */
export function expectSame(
  bench: Bench,
  seed: number,
  flavour: Flavour,
  prepare: Prepare,
  close?: (expected: number, got: number) => boolean,
): void {
  const { arena, reference, candidates } = bench;
  const mark = arena.mark();
  try {
    // Both ends are aligned, so that the comparison below sees whole floats.
    const start = arena.alloc(0);
    const call = prepare(new Operands(arena, seed, flavour));
    const end = arena.alloc(0);
    const before = arena.u8.slice(start, end);
    call(reference);
    const expected = arena.u8.slice(start, end);
    for (const { label, kernels } of candidates) {
      arena.u8.set(before, start);
      call(kernels);
      compare(label, start, { before, expected, got: arena.u8.slice(start, end) }, close);
    }
  } finally {
    arena.release(mark);
  }
}

function compare(
  label: string,
  start: number,
  { before, expected, got }: Readonly<Record<'before' | 'expected' | 'got', Uint8Array>>,
  close?: (expected: number, got: number) => boolean,
): void {
  if (Buffer.compare(expected, got) === 0) return;
  const view = (bytes: Uint8Array): DataView =>
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i + 4 <= expected.length; i += 4) {
    if (view(expected).getUint32(i, true) === view(got).getUint32(i, true)) continue;
    const a = view(expected).getFloat32(i, true);
    const b = view(got).getFloat32(i, true);
    if (Number.isNaN(a) && Number.isNaN(b)) continue;
    if (close?.(a, b)) continue;
    const hex = (bytes: Uint8Array): string => view(bytes).getUint32(i, true).toString(16);
    expect.fail(
      `byte ${start + i}: reference ${a} (0x${hex(expected)}), ${label} ${b} (0x${hex(got)}); before 0x${hex(before)}`,
    );
  }
}

/** A case: from operands and dimensions to the call. */
export type Case<D> = (operands: Operands, dimensions: D) => (kernels: Kernels) => void;

/** Runs a case over listed dimensions and over generated ones, in both flavours of data. */
export function conforms<D>(
  bench: Bench,
  prepare: Case<D>,
  listed: readonly D[],
  generated: fc.Arbitrary<D>,
  options: { runs?: number; close?: (a: number, b: number) => boolean; flavours?: readonly Flavour[] } = {},
): void {
  for (const flavour of options.flavours ?? (['plain', 'special'] as const)) {
    listed.forEach((dimensions, i) => {
      expectSame(bench, i + 1, flavour, (operands) => prepare(operands, dimensions), options.close);
    });
    fc.assert(
      fc.property(generated, fc.integer({ min: 1, max: 2 ** 30 }), (dimensions, seed) => {
        expectSame(bench, seed, flavour, (operands) => prepare(operands, dimensions), options.close);
      }),
      { numRuns: options.runs ?? 60 },
    );
  }
}
