/**
 * Integer products on every backend, bit for bit: extremes, ragged sizes, all transposes, continued sums, shifts at the
 * bound of int32; and their meaning, against BigInt sums and the products of `@bitloom/formats`.
 */
import { quantizeShift, shiftProduct } from '@bitloom/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../src/families.js';
import { FLAG_CONTINUE, type Kernels } from '../src/index.js';
import { conforms, makeBench, type Operands } from './harness.js';
import { codes, listed, matrix, operands, type Shape, shapes } from './integer-operands.js';

const bench = makeBench();
const everywhere: readonly Kernels[] = [bench.reference, ...bench.candidates.map(({ kernels }) => kernels)];

const plain = { flavours: ['plain'] as const };

it('has no kernel of the family on the reference', () => {
  for (const { label, kernels } of bench.candidates) {
    kernels.gemmInt8(0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0);
    expect(kernels.fallbacks, label).toEqual([]);
  }
});

describe('int8 by int8', () => {
  it('gemmInt8, every layout, started and continued', () => {
    for (const flags of [0, FLAG_CONTINUE]) {
      conforms(
        bench,
        (o, s: Shape) => {
          const [a, b] = [operands(o, s), (s.N + s.gap) * 4];
          const out = o.block(s.M * b + 4);
          return (k) => k.gemmInt8(s.M, s.N, s.K, ...a, out, b, flags);
        },
        listed,
        shapes,
        plain,
      );
    }
  });

  it('gemmInt8Scaled, with each scale or without', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const [ab, outR] = [operands(o, s), (s.N + s.gap) * 4];
        const rowScale = s.gap === 1 ? 0 : o.floats(s.M + 1);
        const colScale = s.gap === 2 ? 0 : o.floats(s.N + 1);
        const out = o.block(s.M * outR + 4);
        return (k) => k.gemmInt8Scaled(s.M, s.N, s.K, ...ab, rowScale, colScale, out, outR);
      },
      listed,
      shapes,
      plain,
    );
  });

  it('blocks of rows, columns and channels', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const ab = operands(o, s);
        const out = o.block(s.M * s.N * 4);
        return (k) => k.gemmInt8(s.M, s.N, s.K, ...ab, out, s.N * 4, 0);
      },
      [0, 1, 2, 3].flatMap((layout) => [
        { M: 261, N: 18, K: 20, layout, gap: 0, extreme: false },
        { M: 9, N: 70, K: 1100, layout, gap: 1, extreme: true },
      ]),
      shapes,
      { ...plain, runs: 5 },
    );
  });

  it('is the sum of products, whatever the operands', () => {
    const { arena } = bench;
    const bytes = fc.integer({ min: -128, max: 127 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 40 }),
        (M, N, pairs) => {
          const mark = arena.mark();
          const K = pairs.length;
          const [a, b, out] = [arena.alloc(M * K), arena.alloc(N * K), arena.alloc(M * N * 4)];
          for (let k = 0; k < K; k += 1) {
            for (let m = 0; m < M; m += 1) arena.i8[a + m * K + k] = m % 2 === 0 ? pairs[k][0] : -128;
            for (let n = 0; n < N; n += 1) arena.i8[b + n * K + k] = n % 2 === 0 ? pairs[k][1] : -128;
          }
          const dot = (x: number, y: number): number =>
            pairs.reduce((sum, pair) => sum + (x === 0 ? pair[0] : -128) * (y === 0 ? pair[1] : -128), 0);
          for (const kernels of everywhere) {
            kernels.gemmInt8(M, N, K, a, K, 1, b, K, 1, out, N * 4, 0);
            const got = Array.from(arena.i32.subarray(out / 4, out / 4 + M * N));
            expect(got).toEqual(
              Array.from({ length: M * N }, (_, i) => dot(Math.floor(i / N) % 2, (i % N) % 2)),
            );
          }
          arena.release(mark);
        },
      ),
    );
  });

  it('refuses matrices that are contiguous along no axis', () => {
    for (const k of everywhere) {
      expect(() => k.gemmInt8(1, 1, 1, 64, 2, 2, 64, 1, 1, 64, 4, 0)).toThrow(/contiguous along one axis/);
      expect(() => k.gemmInt8Scaled(1, 1, 1, 64, 2, 1, 64, 3, 2, 0, 0, 64, 4)).toThrow(/operand b/);
    }
  });
});

describe('ShiftQuant', () => {
  interface ShiftShape extends Shape {
    bitsA: number;
    bitsB: number;
    mostShift: number;
    /** Shifts of how many channels differ from the most usual one, in tenths. */
    spread: number;
  }
  const least = (s: { bitsA: number; bitsB: number; K: number }): number =>
    31 - (s.bitsA + s.bitsB - 2) - Math.max(1, Math.ceil(Math.log2(Math.max(1, s.K))));
  const shiftShapes: fc.Arbitrary<ShiftShape> = fc
    .tuple(
      shapes,
      fc.integer({ min: 2, max: 8 }),
      fc.integer({ min: 2, max: 8 }),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 10 }),
    )
    .map(([shape, bitsA, bitsB, shift, spread]) => {
      const mostShift = Math.min(shift, least({ bitsA, bitsB, K: shape.K }));
      return { ...shape, bitsA, bitsB, mostShift, spread };
    });
  const listedShifts: ShiftShape[] = listed.flatMap((shape) =>
    [
      { bitsA: 4, bitsB: 4, mostShift: 3, spread: 10 },
      { bitsA: 6, bitsB: 6, mostShift: 3, spread: 5 },
      { bitsA: 4, bitsB: 8, mostShift: 0, spread: 0 },
      { bitsA: 5, bitsB: 6, mostShift: 7, spread: 10 },
      { bitsA: 6, bitsB: 6, mostShift: least({ bitsA: 6, bitsB: 6, K: shape.K }), spread: 10 },
      { bitsA: 8, bitsB: 8, mostShift: least({ bitsA: 8, bitsB: 8, K: shape.K }), spread: 5 },
      { bitsA: 2, bitsB: 3, mostShift: least({ bitsA: 2, bitsB: 3, K: shape.K }), spread: 10 },
    ].map((shift) => ({ ...shape, ...shift })),
  );
  const shiftsOf = (o: Operands, s: ShiftShape): number => {
    const shift = o.block(s.K + 1, s.gap);
    for (let k = 0; k < s.K; k += 1) {
      const usual = o.random() * 10 >= s.spread;
      o.arena.u8[shift + k] = usual ? s.mostShift : Math.floor(o.random() * (s.mostShift + 1));
    }
    return shift;
  };

  it('gemmShift, every width and layout', () => {
    conforms(
      bench,
      (o, s: ShiftShape) => {
        const a = matrix(o, s.M, s, (s.layout & 1) !== 0, codes(o, s.bitsA));
        const b = matrix(o, s.N, s, (s.layout & 2) !== 0, codes(o, s.bitsB));
        const shift = shiftsOf(o, s);
        const outR = (s.N + s.gap) * 4;
        const out = o.block(s.M * outR + 4);
        return (k) => k.gemmShift(s.bitsA, s.bitsB, s.mostShift, s.M, s.N, s.K, ...a, ...b, shift, out, outR);
      },
      listedShifts,
      shiftShapes,
      { ...plain, runs: 150 },
    );
  });

  it('gemmShift, channels of several blocks out of their order', () => {
    conforms(
      bench,
      (o, s: ShiftShape) => {
        const a = matrix(o, s.M, s, (s.layout & 1) !== 0, codes(o, s.bitsA));
        const b = matrix(o, s.N, s, (s.layout & 2) !== 0, codes(o, s.bitsB));
        const shift = shiftsOf(o, s);
        const out = o.block(s.M * s.N * 4);
        return (k) =>
          k.gemmShift(s.bitsA, s.bitsB, s.mostShift, s.M, s.N, s.K, ...a, ...b, shift, out, s.N * 4);
      },
      [0, 1, 2, 3].flatMap((layout) => [
        {
          M: 5,
          N: 18,
          K: 1103,
          layout,
          gap: 1,
          extreme: false,
          bitsA: 6,
          bitsB: 6,
          mostShift: 3,
          spread: 10,
        },
        { M: 18, N: 5, K: 1040, layout, gap: 0, extreme: true, bitsA: 4, bitsB: 4, mostShift: 9, spread: 10 },
      ]),
      shiftShapes,
      { ...plain, runs: 5 },
    );
  });

  it('gemmShiftScaled', () => {
    conforms(
      bench,
      (o, s: ShiftShape) => {
        const a = matrix(o, s.M, s, (s.layout & 1) !== 0, codes(o, s.bitsA));
        const b = matrix(o, s.N, s, (s.layout & 2) !== 0, codes(o, s.bitsB));
        const shift = shiftsOf(o, s);
        const outR = (s.N + s.gap) * 4;
        const out = o.block(s.M * outR + 4);
        return (k) =>
          k.gemmShiftScaled(s.bitsA, s.bitsB, s.mostShift, s.M, s.N, s.K, ...a, ...b, shift, 0.1, out, outR);
      },
      listedShifts.filter((_, i) => i % 4 === 0),
      shiftShapes,
      plain,
    );
  });

  it('gives the sums of shiftProduct, with groups of either operand', () => {
    const { arena } = bench;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom([4, 4, 1], [6, 4, 2], [4, 1, 6], [4, 3, 3], [6, 8, 1]),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (M, N, K, [bits, groupsA, groupsB], seed) => {
          const mark = arena.mark();
          let state = seed;
          const random = (): number => {
            state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
            return state / 0x80000000 - 0.5;
          };
          const wide = Float32Array.from({ length: K }, () => 2 ** Math.floor(random() * 12));
          const values = (rows: number): Float32Array =>
            Float32Array.from({ length: rows * K }, (_, i) => random() * wide[i % K]);
          const a = quantizeShift(values(M), { rows: M, cols: K, bits, groups: groupsA });
          const b = quantizeShift(values(N), { rows: N, cols: K, bits, groups: groupsB });
          const { sums, scale } = shiftProduct(a, b);
          const [at, bt, out] = [arena.alloc(M * K), arena.alloc(N * K), arena.alloc(M * N * 4)];
          const shift = arena.alloc(K);
          arena.i8.set(a.codes, at);
          arena.i8.set(b.codes, bt);
          const most = groupsA - 1 + groupsB - 1;
          for (let k = 0; k < K; k += 1) arena.u8[shift + k] = most - a.index[k] - b.index[k];
          for (const kernels of everywhere) {
            kernels.gemmShift(bits, bits, most, M, N, K, at, K, 1, bt, K, 1, shift, out, N * 4);
            expect(arena.i32.slice(out / 4, out / 4 + M * N)).toEqual(sums);
            kernels.gemmShiftScaled(bits, bits, most, M, N, K, at, K, 1, bt, K, 1, shift, scale, out, N * 4);
            const scaled = Float32Array.from(sums, (sum) => Math.fround(sum) * Math.fround(scale));
            expect(arena.f32.slice(out / 4, out / 4 + M * N)).toEqual(scaled);
          }
          arena.release(mark);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('refuses widths and shifts that could leave int32', () => {
    for (const k of everywhere) {
      const call =
        (bitsA: number, bitsB: number, most: number, K: number): (() => void) =>
        () =>
          k.gemmShift(bitsA, bitsB, most, 0, 0, K, 64, K, 1, 64, K, 1, 64, 64, 4);
      expect(call(8, 8, 8, 513)).toThrow(/may leave int32/);
      expect(call(8, 8, 8, 512)).not.toThrow();
      expect(call(4, 4, 13, 4096)).not.toThrow();
      expect(call(4, 4, 14, 4096)).toThrow(/31 bits/);
      expect(call(4, 4, -1, 1)).toThrow(/may leave int32/);
      expect(call(4, 4, 0.5, 1)).toThrow(/may leave int32/);
      expect(call(9, 4, 0, 1)).toThrow(/codes of this width/);
      expect(call(4, 1, 0, 1)).toThrow(/codes of this width/);
    }
  });
});

describe('shares', () => {
  const family = FAMILIES.find(({ name }) => name === 'integer-products');
  const { arena, reference } = bench;

  /** Runs `name` whole and in shares on the reference, where shares lack only the pointer to scratch memory. */
  function divided(
    name: 'gemmInt8' | 'gemmInt8Scaled' | 'gemmShift' | 'gemmMls',
    args: number[],
    out: number,
    bytes: number,
  ): void {
    const division = family?.divisions[name];
    if (division === undefined) throw new Error(`${name} is not divided`);
    const kernel: (...args: number[]) => void = reference[name];
    kernel(...args);
    const expected = arena.u8.slice(out, out + bytes);
    for (const threads of [2, 3, 5]) {
      arena.u8.fill(0xaa, out, out + bytes);
      for (const share of division.shares(args, threads)) kernel(...share);
      expect(arena.u8.slice(out, out + bytes), `${threads} threads`).toEqual(expected);
    }
  }

  it('cover the result once and read what belongs to them', () => {
    const mark = arena.mark();
    const [M, N, K] = [70, 53, 19];
    const [a, b, scales, out] = [
      arena.alloc(M * K),
      arena.alloc(N * K),
      arena.alloc(1024),
      arena.alloc(M * N * 4),
    ];
    for (let i = 0; i < M * K; i += 1) arena.i8[a + i] = ((i * 37) % 13) - 6;
    for (let i = 0; i < N * K; i += 1) arena.i8[b + i] = ((i * 53) % 15) - 7;
    for (let i = 0; i < 128; i += 1) arena.f32[scales / 4 + i] = i + 1;
    const bytes = M * N * 4;
    divided('gemmInt8', [M, N, K, a, K, 1, b, 1, N, out, N * 4, 0], out, bytes);
    divided('gemmInt8Scaled', [M, N, K, a, 1, M, b, K, 1, scales, scales + 256, out, N * 4], out, bytes);
    divided('gemmInt8Scaled', [M, N, K, a, K, 1, b, K, 1, 0, scales, out, N * 4], out, bytes);
    const shift = arena.alloc(K);
    for (let k = 0; k < K; k += 1) arena.u8[shift + k] = k % 4;
    divided('gemmShift', [4, 4, 3, M, N, K, a, K, 1, b, K, 1, shift, out, N * 4], out, bytes);
    for (let i = 0; i < 512; i += 1) arena.u16[scales / 2 + i] = 127 - (i % 5);
    divided(
      'gemmMls',
      [5, 0, M, N, K, a, K, 1, scales, 8, 2, b, K, 1, scales, 8, 2, 0.5, out, N * 4],
      out,
      bytes,
    );
    arena.release(mark);
  });
});
