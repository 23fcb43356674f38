/** Products with group-scaled weights: every container, ragged sizes, extremes and splits, bit for bit. */
import {
  ROWS16_CONTAINERS,
  type Rows16ContainerBits,
  rows16BlockBytes,
  rows16GroupBytes,
} from '@bitloom/formats';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FLAG_CONTINUE, FLAG_FINISH } from '../src/index.js';
import { type Case, conforms, expectSame, makeBench } from './harness.js';

const bench = makeBench();
const WIDTHS = ROWS16_CONTAINERS.map(({ bits }) => bits);

interface GemmShape {
  bits: Rows16ContainerBits;
  group: number;
  M: number;
  N: number;
  K: number;
  flags: number;
  gap: number;
}

const prepare: Case<GemmShape> = (o, { bits, group, M, N, K, flags, gap }) => {
  const xR = Math.ceil(K / 8) * 8 + gap;
  const x = o.codes(M * xR + 32, gap);
  const xScale = o.scales(M * 2 + 1);
  const w = o.weights(bits, N, K, group);
  const outR = (N + gap) * 4;
  const out = o.floats(M * (N + gap) + 1, gap % 3);
  return (k) => k.gemmGroups(bits, group, M, N, K, x, xR, xScale, gap === 3 ? 0 : 8, w, out, outR, flags);
};

it('has no kernel on the reference', () => {
  for (const { label, kernels } of bench.candidates) {
    expect(kernels.gemmGroups, label).toBeTypeOf('function');
    expect(kernels.fallbacks, label).toEqual([]);
  }
});

it.each(WIDTHS)('gemmGroups of %i bits gives the bits of the reference', (bits) => {
  const columns = fc.oneof(
    fc.constantFrom(8, 16, 31, 32, 33, 64, 172, 260),
    fc.integer({ min: 0, max: 140 }),
  );
  const shapes = fc
    .record({
      bits: fc.constant(bits),
      group: fc.constantFrom(8, 16, 24, 32, 64, 128, 999),
      M: fc.integer({ min: 0, max: 9 }),
      N: fc.integer({ min: 0, max: 50 }),
      K: columns,
      flags: fc.integer({ min: 0, max: 3 }),
      gap: fc.integer({ min: 0, max: 4 }),
    })
    .filter(({ group, K }) => group !== 999 || K < 999);
  const listed: GemmShape[] = [];
  for (const M of [1, 2, 3, 4, 5]) {
    for (const K of [1, 2, 3, 17, 172, 260]) {
      listed.push({ bits, group: 32, M, N: 33, K, flags: FLAG_FINISH, gap: 0 });
    }
  }
  listed.push({ bits, group: 64, M: 3, N: 16, K: 64, flags: 0, gap: 1 });
  listed.push({ bits, group: 172, M: 3, N: 20, K: 172, flags: 3, gap: 0 });
  conforms(bench, prepare, listed, shapes, { runs: 50 });
});

it.each(WIDTHS)('gemmGroups of %i bits over long groups, and over K longer than one chunk', (bits) => {
  const listed: GemmShape[] = [
    { bits, group: 100000, M: 5, N: 3, K: 9001, flags: FLAG_FINISH, gap: 0 },
    { bits, group: 520, M: 3, N: 17, K: 1300, flags: FLAG_FINISH | FLAG_CONTINUE, gap: 0 },
    { bits, group: 64, M: 6, N: 2, K: 16384 + 100, flags: FLAG_FINISH, gap: 0 },
    { bits, group: 8, M: 70, N: 2, K: 2056, flags: FLAG_FINISH, gap: 0 },
    { bits, group: 24, M: 1, N: 2, K: 20000, flags: FLAG_CONTINUE, gap: 0 },
  ];
  const options = { runs: 1, flavours: ['plain'] } as const;
  conforms(bench, prepare, listed, fc.constantFrom(...listed.slice(1, 2)), options);
});

it.each(WIDTHS)('gemmGroups of %i bits at the extremes of the codes: no sum overflows on the way', (bits) => {
  const [high, low] = bits === 8 ? [0x7f, 0x80] : [0xff, 0];
  const shapes = [
    { group: 32, K: 64, M: 4 },
    { group: 256, K: 512, M: 1 },
    { group: 4096, K: 4096, M: 3 },
    { group: 65536, K: 65536, M: 1 },
  ];
  for (const { group, K, M } of shapes) {
    for (const value of [127, -128]) {
      expectSame(bench, 7, 'plain', (o) => {
        const x = o.block(M * K);
        o.arena.i8.fill(value, x, x + M * K);
        // All codes at their extremes: the highest in even rows, the lowest in odd ones.
        const groupBytes = rows16GroupBytes(bits, group);
        const w = o.arena.alloc(rows16BlockBytes(bits, K, group));
        for (let at = w; at < w + (K / group) * groupBytes; at += groupBytes) {
          const scales = at + groupBytes - 32;
          for (let i = at; i < scales; i += 8) {
            o.arena.u8.fill(high, i, i + 4);
            o.arena.u8.fill(low, i + 4, i + 8);
          }
          for (let r = 0; r < 16; r += 1)
            o.arena.u16[scales / 2 + r] = 0x2e66 + r + (r % 3 === 0 ? 0x8000 : 0);
        }
        const out = o.floats(M * 16);
        const scale = o.scales(1);
        return (k) => k.gemmGroups(bits, group, M, 16, K, x, K, scale, 0, w, out, 64, FLAG_FINISH);
      });
    }
  }
});

it('gemmGroups split over whole groups gives the bits of the whole', () => {
  const { arena, reference } = bench;
  fc.assert(
    fc.property(
      fc.constantFrom(...WIDTHS),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 250 }),
      (bits, M, cut, K) => {
        const group = 16;
        const first = cut * group;
        if (first >= K) return;
        const mark = arena.mark();
        expectSame(bench, K, 'plain', (o) => {
          const N = 16;
          const xR = Math.ceil(K / 8) * 8;
          const x = o.codes(M * xR + 32);
          const xScale = o.scales(M);
          const w = o.weights(bits, N, K, group);
          const out = o.block(M * N * 4);
          const rest = [xR, xScale, 4] as const;
          return (k) => {
            if (k === reference) {
              k.gemmGroups(bits, group, M, N, K, x, ...rest, w, out, 64, FLAG_FINISH);
              return;
            }
            const later = w + rows16BlockBytes(bits, first, group);
            k.gemmGroups(bits, group, M, N, first, x, ...rest, w, out, 64, 0);
            k.gemmGroups(bits, group, M, N, K - first, x + first, ...rest, later, out, 64, 3);
          };
        });
        arena.release(mark);
      },
    ),
  );
});

it('gemmGroups refuses widths and groups it cannot do, on every backend', () => {
  for (const k of [bench.reference, ...bench.candidates.map(({ kernels }) => kernels)]) {
    const call = (bits: number, group: number, K: number) => () =>
      k.gemmGroups(bits, group, 1, 1, K, 64, 64, 64, 0, 64, 64, 4, 0);
    for (const bits of [1, 7, 9, 4.5]) expect(call(bits, 32, 64)).toThrow(/container/);
    expect(call(4, 20, 64)).toThrow(/groups of this length/);
    expect(call(4, 0, 64)).toThrow(/groups of this length/);
    expect(call(8, 70000, 70000)).toThrow(/groups of this length/);
  }
});
