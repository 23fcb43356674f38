/** Products with N:M sparse weights: conformance, and equality with the dense product of the same matrix. */
import { packCanonical, packRows16, packSparse16, SPARSE16_KEEPS } from '@bitloom/formats';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FLAG_FINISH } from '../src/index.js';
import { conforms, makeBench, Operands } from './harness.js';

const bench = makeBench();
const { arena, reference } = bench;

interface SparseShape {
  readonly bits: 4 | 8;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly group: number;
  readonly flags: number;
  readonly keep: number;
}

/** A sparse matrix in the arena, sparse and dense; `keep` -1 mixes all keeps. */
function weights(o: Operands, { bits, N, K, group, keep }: SparseShape): { sparse: number; dense: number } {
  const tiles = Math.ceil(K / 16);
  const keeps = Uint8Array.from({ length: Math.ceil(N / 16) * tiles }, () =>
    keep < 0 ? SPARSE16_KEEPS[Math.floor(o.random() * 5)] : keep,
  );
  const half = 2 ** (bits - 1);
  const codes = Int8Array.from({ length: N * K }, (_, i) => {
    const [row, col] = [Math.floor(i / K), i % K];
    const kept = keeps[Math.floor(row / 16) * tiles + (col >> 4)];
    return (col * 3 + row * 5) % 16 < kept ? Math.floor(o.random() * 2 * half) - half : 0;
  });
  const scales = Uint16Array.from(
    { length: N * Math.ceil(K / group) },
    () => 0x2000 + Math.floor(o.random() * 0x1000) + (o.random() < 0.3 ? 0x8000 : 0),
  );
  const matrix = packCanonical({ rows: N, cols: K, bits, groupSize: group, codes, scales });
  const place = (bytes: Uint8Array): number => {
    const at = o.arena.alloc(bytes.length + 64);
    o.arena.u8.set(bytes, at);
    return at;
  };
  return { sparse: place(packSparse16(matrix, keeps)), dense: place(packRows16(matrix)) };
}

const shapes: fc.Arbitrary<SparseShape> = fc.record({
  bits: fc.constantFrom(4 as const, 8 as const),
  M: fc.integer({ min: 0, max: 4 }),
  N: fc.integer({ min: 0, max: 50 }),
  K: fc.integer({ min: 0, max: 120 }),
  group: fc.constantFrom(16, 32, 64, 200),
  flags: fc.integer({ min: 0, max: 3 }),
  keep: fc.constantFrom(-1, 0, 2, 4, 8, 16),
});

it('gemmSparse on every backend', () => {
  const listed = ([4, 8] as const).flatMap((bits) =>
    [0, 2, 4, 8, 16].map((keep) => ({ bits, M: 2, N: 33, K: 72, group: 32, flags: FLAG_FINISH, keep })),
  );
  conforms(
    bench,
    (o, s: SparseShape) => {
      const x = o.codes(s.M * (s.K + 16));
      const scale = o.scales(s.M);
      const { sparse } = weights(o, s);
      const out = o.floats(s.M * s.N);
      return (k) =>
        k.gemmSparse(s.bits, s.group, s.M, s.N, s.K, x, s.K, scale, 4, sparse, out, s.N * 4, s.flags);
    },
    listed,
    shapes,
    { runs: 120 },
  );
});

it('equals the dense product of the same matrix', () => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 1 << 30 }), (s, seed) => {
      const mark = arena.mark();
      const o = new Operands(arena, seed, 'plain');
      const x = o.codes(s.M * (s.K + 32));
      const scale = o.scales(s.M);
      const { sparse, dense } = weights(o, s);
      const out = o.floats(s.M * s.N);
      const before = arena.u8.slice(out, out + s.M * s.N * 4);
      const [a, b] = (['gemmSparse', 'gemmGroups'] as const).map((name) => {
        arena.u8.set(before, out);
        const w = name === 'gemmSparse' ? sparse : dense;
        reference[name](s.bits, s.group, s.M, s.N, s.K, x, s.K, scale, 4, w, out, s.N * 4, s.flags);
        return arena.u8.slice(out, out + s.M * s.N * 4);
      });
      expect(a).toEqual(b);
      arena.release(mark);
    }),
    { numRuns: 60 },
  );
});

it('refuses widths and groups it cannot do, on every backend', () => {
  for (const { kernels } of [...bench.candidates, { kernels: reference }]) {
    const call = (bits: number, group: number, K: number) => () =>
      kernels.gemmSparse(bits, group, 1, 1, K, 64, 64, 64, 0, 64, 64, 4, 0);
    expect(call(5, 32, 64)).toThrow(/container/);
    expect(call(4, 24, 64)).toThrow(/groups of this length/);
    expect(call(8, 70000, 70000)).toThrow(/groups of this length/);
  }
});
