/**
 * Float32 products: within their tolerance of the reference, and in WebAssembly the very chains that the interface
 * states, whatever the shape, the strides, the threads and the kernel that is called.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createKernels, FLAG_CONTINUE, type Kernels } from '../src/index.js';
import { cutOutput } from '../src/parallel/float-products.js';
import { makeBench, Operands } from './harness.js';

const bench = makeBench();
const { arena } = bench;
const f = Math.fround;

/** Columns that WebAssembly adds up by themselves; repeated here because it is part of the definition. */
const BLOCK = 512;

interface Shape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** How the columns of either operand lie. */
  readonly left: Layout;
  readonly right: Layout;
  readonly gap: number;
  readonly flags: number;
}
const LAYOUTS = ['rows', 'columns', 'spread', 'repeated'] as const;
type Layout = (typeof LAYOUTS)[number];

/** An operand of rows x columns: its address and its strides in bytes. */
function operand(
  o: Operands,
  rows: number,
  columns: number,
  layout: Layout,
  gap: number,
): readonly [at: number, row: number, column: number] {
  const strides = {
    rows: [columns + gap, 1],
    columns: [1, rows + gap],
    spread: [2, 2 * rows + gap],
    repeated: [0, 1],
  }[layout];
  const floats = Math.max(0, rows - 1) * strides[0] + Math.max(0, columns - 1) * strides[1] + 1;
  return [o.floats(floats, gap % 4, 2), strides[0] * 4, strides[1] * 4];
}

interface Laid extends Shape {
  readonly a: readonly [number, number, number];
  readonly b: readonly [number, number, number];
  readonly out: number;
  readonly outR: number;
}

function layOut(o: Operands, shape: Shape): Laid {
  const { M, N, K, left, right, gap } = shape;
  const a = operand(o, M, K, left, gap);
  const b = operand(o, N, K, right, gap + 1);
  return { ...shape, a, b, out: o.floats(M * (N + gap) + 1, 1), outR: (N + gap) * 4 };
}

const call = (k: Kernels, { M, N, K, a, b, out, outR, flags }: Laid): void =>
  k.matmulF32(M, N, K, ...a, ...b, out, outR, flags);

const upTo = (max: number, min = 0) => fc.integer({ min, max });
/**
 * Small ones, and one axis at a time past where the way through changes: 4, 16 or 128 rows, 64 or 1024 outputs, 512
 * columns.
 */
const sizes = fc.oneof(
  fc.record({ M: upTo(9), N: upTo(20), K: upTo(40) }),
  fc.record({ M: upTo(132, 127), N: upTo(6), K: upTo(9) }),
  fc.record({ M: upTo(19), N: upTo(68, 62), K: upTo(40) }),
  fc.record({ M: upTo(4), N: upTo(1028, 1022), K: upTo(20) }),
  fc.record({ M: upTo(6), N: upTo(9), K: upTo(516, 509) }),
  fc.record({ M: upTo(3), N: upTo(5), K: upTo(1030, 1020) }),
);
const shapes: fc.Arbitrary<Shape> = fc
  .record({
    size: sizes,
    left: fc.constantFrom(...LAYOUTS),
    right: fc.constantFrom(...LAYOUTS),
    gap: upTo(5),
    flags: fc.constantFrom(0, FLAG_CONTINUE),
  })
  .map(({ size, ...rest }) => ({ ...size, ...rest }));
const seeds = fc.integer({ min: 1, max: 2 ** 30 });

/** Runs `body` with operands that are gone afterwards. */
function within(seed: number, flavour: 'plain' | 'special', body: (o: Operands) => void): void {
  const mark = arena.mark();
  try {
    body(new Operands(arena, seed, flavour));
  } finally {
    arena.release(mark);
  }
}

/** The float32 nearest to a·b + c, rounded once: the double sum is rounded to odd before it is rounded again. */
function fused(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!Number.isFinite(sum)) return f(sum);
  const part = sum - product;
  const error = product - (sum - part) + (c - part);
  if (error === 0) return f(sum);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, sum);
  const word = bits.getBigInt64(0);
  if ((word & 1n) === 0n) {
    // The exact sum lies between two doubles; take the one with an odd last bit.
    bits.setBigInt64(0, word + (error > 0 === sum > 0 ? 1n : -1n));
  }
  return f(bits.getFloat64(0));
}

const unfused = (a: number, b: number, c: number): number => f(c + f(a * b));

/** One output as the interface states it for WebAssembly. */
function byDefinition({ K, a, b }: Laid, m: number, n: number, held: number, step: typeof fused): number {
  const { f32 } = arena;
  let total = held;
  for (let start = 0; start < K; start += BLOCK) {
    const s = [0, 0, 0, 0];
    for (let k = start; k < Math.min(K, start + BLOCK); k += 1) {
      const x = f32[(a[0] + m * a[1] + k * a[2]) / 4];
      s[k % 4] = step(x, f32[(b[0] + n * b[1] + k * b[2]) / 4], s[k % 4]);
    }
    total = f(total + f(f(s[0] + s[2]) + f(s[1] + s[3])));
  }
  return total;
}

it('rounds once in its own oracle', () => {
  expect(fused(1 + 2 ** -23, 1 + 2 ** -23, -1 - 2 ** -22)).toBe(2 ** -46);
  expect(fused(2 ** 12 + 1, 2 ** 12 + 1, 2 ** -40)).toBe((2 ** 12 + 1) ** 2 + 1);
  // Halfway but for the last part: two roundings would go to even, down.
  expect(fused(1, 1 + 2 ** -23, 2 ** -24 + 2 ** -47)).toBe(f(1 + 2 ** -22));
  expect(fused(1, 1, 2 ** -24 - 2 ** -48)).toBe(1);
  expect(fused(-1, 1, -(2 ** -24) - 2 ** -47)).toBe(-(1 + 2 ** -23));
});

describe('every backend', () => {
  it('stays within the stated tolerance of the reference and writes nothing else', () => {
    fc.assert(
      fc.property(shapes, seeds, (shape, seed) => {
        within(seed, 'plain', (o) => {
          const start = arena.alloc(0);
          const laid = layOut(o, shape);
          const end = arena.alloc(0);
          const before = arena.f32.slice(start / 4, end / 4);
          call(bench.reference, laid);
          const expected = arena.f32.slice(start / 4, end / 4);
          const limits = new Map<number, number>();
          const { M, N, K, a, b, out, outR, flags } = laid;
          for (let m = 0; m < M; m += 1) {
            for (let n = 0; n < N; n += 1) {
              const index = (out + m * outR - start) / 4 + n;
              let size = flags & FLAG_CONTINUE ? Math.abs(before[index]) : 0;
              for (let k = 0; k < K; k += 1) {
                const x = before[(a[0] + m * a[1] + k * a[2] - start) / 4];
                size += Math.abs(x * before[(b[0] + n * b[1] + k * b[2] - start) / 4]);
              }
              limits.set(index, 4 * (K + 1) * 2 ** -24 * size);
            }
          }
          for (const { label, kernels } of bench.candidates) {
            arena.f32.set(before, start / 4);
            call(kernels, laid);
            const got = arena.f32.subarray(start / 4, end / 4);
            for (let i = 0; i < got.length; i += 1) {
              if (Object.is(got[i], expected[i])) continue;
              const limit = limits.get(i) ?? -1;
              if (!(Math.abs(got[i] - expected[i]) <= limit)) {
                expect.fail(`${label}: ${got[i]} instead of ${expected[i]}, at most ${limit} apart`);
              }
            }
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it('gives NaN and infinities where the reference does', () => {
    // No number is large enough to overflow in one order and not in another.
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-40, 1e3];
    fc.assert(
      fc.property(shapes, seeds, (shape, seed) => {
        within(seed, 'plain', (o) => {
          const laid = layOut(o, shape);
          for (const [at, row, column] of [laid.a, laid.b]) {
            for (let i = 0; i < 3; i += 1) {
              const k = Math.floor(o.random() * shape.K);
              const r = Math.floor(o.random() * 3);
              arena.f32[(at + r * row + k * column) / 4] = values[Math.floor(o.random() * values.length)];
            }
          }
          const whole = () => arena.f32.slice(laid.out / 4, laid.out / 4 + shape.M * (laid.outR / 4));
          const before = whole();
          call(bench.reference, laid);
          const expected = whole();
          for (const { label, kernels } of bench.candidates) {
            arena.f32.set(before, laid.out / 4);
            call(kernels, laid);
            whole().forEach((got, i) => {
              if (!Number.isFinite(expected[i]) || !Number.isFinite(got))
                expect(got, label).toBe(expected[i]);
            });
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it('clears the outputs when K = 0, and leaves them when it continues', () => {
    within(1, 'special', (o) => {
      for (const { label, kernels } of bench.candidates) {
        const out = o.floats(3 * 9, 1);
        const before = arena.f32.slice(out / 4, out / 4 + 27);
        kernels.matmulF32(3, 7, 0, out, 4, 4, out, 4, 4, out, 36, FLAG_CONTINUE);
        expect(arena.f32.slice(out / 4, out / 4 + 27), label).toEqual(before);
        kernels.matmulF32(3, 7, 0, out, 4, 4, out, 4, 4, out, 36, 0);
        const cleared = before.map((value, i) => (i % 9 < 7 ? 0 : value));
        expect(arena.f32.slice(out / 4, out / 4 + 27), label).toEqual(cleared);
      }
    });
  });
});

describe('WebAssembly', () => {
  const backends = [true, false].map((relaxedSimd) => {
    const options = relaxedSimd ? {} : { features: { relaxedSimd } };
    return {
      label: relaxedSimd ? 'as the engine allows' : 'without relaxed SIMD',
      one: createKernels({ backend: 'wasm', arena, ...options }),
      two: createKernels({ backend: 'wasm', arena, threads: 2, ...options }),
    };
  });
  afterAll(() => {
    for (const { one, two } of backends) for (const kernels of [one, two]) kernels.close();
  });

  /** Whether a product and a sum are rounded once: 2^−46 is lost otherwise. */
  const stepOf = (kernels: Kernels): typeof fused => {
    let step = unfused;
    within(1, 'plain', (o) => {
      const [a, out] = [o.floats(2), o.floats(1)];
      const b = o.floats(2);
      arena.f32.set([-1 - 2 ** -22, 1 + 2 ** -23], a / 4);
      arena.f32.set([1, 1 + 2 ** -23], b / 4);
      // Columns 0 and 4 share a chain; the stride of 0 repeats nothing else.
      kernels.matmulF32(1, 1, 5, ...chain(o, a), ...chain(o, b), out, 4, 0);
      if (arena.f32[out / 4] === 2 ** -46) step = fused;
    });
    return step;
  };
  /** Five columns: the first of two numbers, three zeros, the second. */
  const chain = (o: Operands, pair: number): readonly [number, number, number] => {
    const at = o.floats(5);
    arena.f32.set([arena.f32[pair / 4], 0, 0, 0, arena.f32[pair / 4 + 1]], at / 4);
    return [at, 20, 4];
  };

  it.each(backends)('$label: every output is the chain of the definition', ({ one, two }) => {
    const step = stepOf(one);
    fc.assert(
      fc.property(shapes, seeds, (shape, seed) => {
        within(seed, 'plain', (o) => {
          const laid = layOut(o, shape);
          const { M, N, out, outR, flags } = laid;
          const before = arena.f32.slice(out / 4, out / 4 + M * (outR / 4));
          for (const kernels of [one, two]) {
            arena.f32.set(before, out / 4);
            call(kernels, laid);
            // A few outputs are enough: the tolerance above holds for all.
            for (let i = 0; i < Math.min(M * N, 24); i += 1) {
              const m = i < 4 ? M - 1 : Math.floor(o.random() * M);
              const n = i < 4 ? Math.max(0, N - 1 - i) : Math.floor(o.random() * N);
              const held = flags & FLAG_CONTINUE ? before[(m * outR) / 4 + n] : 0;
              const got = arena.f32[(out + m * outR) / 4 + n];
              const expected = byDefinition(laid, m, n, held, step);
              if (got !== expected) expect.fail(`output ${m}, ${n}: ${got} instead of ${expected}`);
            }
          }
        });
      }),
      { numRuns: 150 },
    );
  });

  it.each(backends)(
    '$label: bits of one output alone are those of the matrix, on two threads too',
    async ({ one, two }) => {
      while (two.threads < 2) await new Promise((resolve) => setTimeout(resolve, 2));
      within(7, 'plain', (o) => {
        const [M, N, K] = [67, 90, 600];
        const a = o.floats(M * K);
        const b = o.floats(N * K);
        const turned = o.floats(N * K);
        for (let n = 0; n < N; n += 1) {
          for (let k = 0; k < K; k += 1) arena.f32[turned / 4 + k * N + n] = arena.f32[b / 4 + n * K + k];
        }
        const out = o.floats(M * N);
        const result = (run: () => void): Float32Array => {
          run();
          return arena.f32.slice(out / 4, out / 4 + M * N);
        };
        const whole = result(() => one.matmulF32(M, N, K, a, K * 4, 4, b, K * 4, 4, out, N * 4, 0));
        expect(result(() => two.matmulF32(M, N, K, a, K * 4, 4, b, K * 4, 4, out, N * 4, 0))).toEqual(whole);
        expect(result(() => two.matmulF32(M, N, K, a, K * 4, 4, turned, 4, N * 4, out, N * 4, 0))).toEqual(
          whole,
        );
        expect(result(() => two.gemmF32(M, N, K, a, K * 4, b, K * 4, out, N * 4))).toEqual(whole);
        // Row by row, pairs of rows, column by column.
        for (const rows of [1, 2, 5]) {
          const parts = result(() => {
            for (let m = 0; m < M; m += rows) {
              one.gemmF32(
                Math.min(rows, M - m),
                N,
                K,
                a + m * K * 4,
                K * 4,
                b,
                K * 4,
                out + m * N * 4,
                N * 4,
              );
            }
          });
          expect(parts).toEqual(whole);
        }
        const columns = result(() => {
          for (let n = 0; n < N; n += 1) {
            one.matmulF32(M, 1, K, a, K * 4, 4, turned + n * 4, 4, N * 4, out + n * 4, N * 4, 0);
          }
        });
        expect(columns).toEqual(whole);
        // K in two parts.
        const halves = result(() => {
          one.matmulF32(M, N, BLOCK, a, K * 4, 4, b, K * 4, 4, out, N * 4, 0);
          const rest = [a + BLOCK * 4, K * 4, 4, b + BLOCK * 4, K * 4, 4] as const;
          one.matmulF32(M, N, K - BLOCK, ...rest, out, N * 4, FLAG_CONTINUE);
        });
        expect(halves).toEqual(whole);
      });
    },
  );
});

it('cuts an output into rectangles that cover it once', () => {
  const size = fc.integer({ min: 1, max: 400 });
  fc.assert(
    fc.property(size, size, fc.integer({ min: 2, max: 16 }), (M, N, threads) => {
      const covered = new Uint8Array(M * N);
      const rectangles = cutOutput(M, N, threads);
      expect(rectangles.length).toBeLessThanOrEqual(64);
      for (const { m, rows, n, columns } of rectangles) {
        for (let i = m; i < m + rows; i += 1) {
          for (let j = n; j < n + columns; j += 1) covered[i * N + j] += 1;
        }
      }
      expect(covered.every((count) => count === 1)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
