/** Rows that are quantised in parts: conformance of both halves, and that any cut gives what the whole row gives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conforms, makeBench, type Operands } from './harness.js';

const bench = makeBench();
const backends = [{ label: 'reference', kernels: bench.reference }, ...bench.candidates];

interface Shape {
  readonly batch: number;
  readonly rows: number;
  readonly cols: number;
  readonly parts: number;
  readonly gap: number;
  /** Bit 0 repeats the rows of the sources, bit 1 their batches. */
  readonly broadcast: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  batch: fc.integer({ min: 0, max: 3 }),
  rows: fc.integer({ min: 0, max: 3 }),
  cols: fc.integer({ min: 0, max: 70 }),
  parts: fc.integer({ min: 0, max: 20 }),
  gap: fc.integer({ min: 0, max: 5 }),
  broadcast: fc.integer({ min: 0, max: 3 }),
});
const listed = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 172].map((cols, i) => {
  return { batch: 2, rows: 3, cols, parts: i, gap: 1, broadcast: 0 };
});

/** A source of rows of `cols` floats: pointer, batch stride, row stride. */
function source(o: Operands, { batch, rows, gap, broadcast }: Shape, cols: number): [number, number, number] {
  const row = (cols + gap) * 4;
  const at = o.floats(batch * rows * (cols + gap) + 8, gap);
  return [at, broadcast & 2 ? 0 : rows * row, broadcast & 1 ? 0 : row];
}

describe('on every backend', () => {
  it('rowMaxima', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const src = source(o, s, s.cols);
        const row = 4 + s.gap * 4;
        const dst = o.block(s.batch * s.rows * row);
        return (k) => k.rowMaxima(s.batch, s.rows, s.cols, ...src, dst, s.rows * row, row);
      },
      listed,
      shapes,
    );
  });

  it('quantizeRowsBy, whatever the maxima', () => {
    conforms(
      bench,
      (o, s: Shape) => {
        const src = source(o, s, s.cols);
        const maxima = source(o, s, s.parts);
        const padTo = s.gap === 0 ? 0 : Math.ceil(s.cols / 8) * 8;
        const row = Math.max(s.cols, padTo) + s.gap;
        const dst = o.block(s.batch * s.rows * row, s.gap);
        const scale = o.block(s.batch * s.rows * 8);
        const codes = [dst, s.rows * row, row, padTo, scale, s.rows * 8, 8] as const;
        return (k) => k.quantizeRowsBy(s.batch, s.rows, s.cols, ...src, ...maxima, s.parts, ...codes);
      },
      listed,
      shapes,
    );
  });
});

it('a maximum passes over NaN, takes infinities, and is 0 where there is nothing', () => {
  const { arena } = bench;
  for (const { label, kernels } of backends) {
    const mark = arena.mark();
    const [src, dst] = [arena.alloc(64), arena.alloc(4)];
    for (const [values, maximum] of [
      [[], 0],
      [[-0], 0],
      [[0, -0, 0, -0, 0], 0],
      [[1, -3, 2], 3],
      [[Number.NaN, -3, Number.NaN, 2, Number.NaN], 3],
      [[Number.NaN], 0],
      [[1, 2, 3, 4, 5, 6, Number.NEGATIVE_INFINITY], Number.POSITIVE_INFINITY],
      [[1e-45, -3e-45], 2 * 2 ** -149],
    ] as const) {
      arena.f32.set(values, src / 4);
      arena.f32[dst / 4] = -1;
      kernels.rowMaxima(1, 1, values.length, src, 0, 0, dst, 0, 0);
      expect(arena.f32[dst / 4], `${label}: ${values}`).toBe(maximum);
    }
    arena.release(mark);
  }
});

/** What a row is made of, from random numbers in [0, 1). */
const ROWS: Readonly<Record<string, (random: () => number) => number>> = {
  plain: (random) => (random() - 0.5) * 4,
  zeros: (random) => (random() < 0.5 ? 0 : -0),
  subnormal: (random) => (random() - 0.5) * 2e-38,
  // 127/amax is finite for some of these and not for others.
  nearSubnormal: (random) => (random() - 0.5) * 1e-36,
  huge: (random) => (random() - 0.5) * 6.8e38,
  outlier: (random) => (random() < 0.05 ? 1e4 : random() * 1e-3),
  special: (random) =>
    [Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 3e38, random()][Math.floor(random() * 6)],
  missing: () => Number.NaN,
};

interface Cut {
  readonly batch: number;
  readonly rows: readonly string[];
  readonly cols: number;
  readonly cuts: readonly number[];
  readonly pad: number;
  readonly seed: number;
}

const cutRows: fc.Arbitrary<Cut> = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  rows: fc.array(fc.constantFrom(...Object.keys(ROWS)), { minLength: 1, maxLength: 4 }),
  cols: fc.integer({ min: 0, max: 90 }),
  cuts: fc.array(fc.nat(90), { maxLength: 6 }),
  pad: fc.integer({ min: 0, max: 9 }),
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
});

it.each(backends)('rows in parts get the codes and scales of whole rows: $label', ({ kernels }) => {
  const { arena } = bench;
  const check = ({ batch, rows: kinds, cols, cuts, pad, seed }: Cut): void => {
    const mark = arena.mark();
    const rows = kinds.length;
    const ends = [...cuts.map((cut) => Math.min(cut, cols)), cols].sort((a, b) => a - b);
    const parts = ends.map((end, i) => ({ start: i === 0 ? 0 : ends[i - 1], end }));
    const padTo = cols + pad;
    let state = seed;
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const [srcR, codesR, scaleR, maximaR] = [cols * 4 + 4, padTo + 1, 4, parts.length * 4];
    const src = arena.alloc(batch * rows * srcR);
    for (let i = 0; i < batch * rows; i += 1) {
      const make = ROWS[kinds[i % rows]];
      for (let c = 0; c < cols; c += 1) arena.f32[(src + i * srcR) / 4 + c] = make(random);
    }
    const [codes, scales] = [batch * rows * codesR, batch * rows * scaleR];
    const [whole, wholeScale] = [arena.alloc(codes), arena.alloc(scales)];
    const [cut, cutScale] = [arena.alloc(codes), arena.alloc(scales)];
    const maxima = arena.alloc(batch * rows * maximaR);
    arena.u8.fill(0x55, whole, whole + codes);
    arena.u8.fill(0x55, cut, cut + codes);
    const strides = [rows * srcR, srcR] as const;
    kernels.quantizeRows(
      ...([batch, rows, cols, src, ...strides, whole, rows * codesR, codesR] as const),
      ...([padTo, wholeScale, rows * scaleR, scaleR] as const),
    );
    parts.forEach(({ start, end }, i) => {
      const part = src + start * 4;
      kernels.rowMaxima(
        ...([batch, rows, end - start, part, ...strides, maxima + i * 4, rows * maximaR, maximaR] as const),
      );
    });
    const bytes = (at: number, count: number): number[] => [...arena.u8.slice(at, at + count)];
    parts.forEach(({ start, end }, i) => {
      // Each part on its own writes all scales, as cores do that have memories of their own.
      arena.u8.fill(0x55, cutScale, cutScale + scales);
      const isLast = i === parts.length - 1;
      kernels.quantizeRowsBy(
        ...([batch, rows, end - start, src + start * 4, ...strides] as const),
        ...([maxima, rows * maximaR, maximaR, parts.length] as const),
        ...([cut + start, rows * codesR, codesR, isLast ? padTo - start : 0] as const),
        ...([cutScale, rows * scaleR, scaleR] as const),
      );
      expect(bytes(cutScale, scales)).toEqual(bytes(wholeScale, scales));
    });
    expect(bytes(cut, codes)).toEqual(bytes(whole, codes));
    arena.release(mark);
  };
  fc.assert(fc.property(cutRows, check), {
    numRuns: 200,
    examples: [
      [{ batch: 1, rows: Object.keys(ROWS), cols: 0, cuts: [0, 0], pad: 3, seed: 1 }],
      [{ batch: 2, rows: Object.keys(ROWS), cols: 64, cuts: [0, 0, 16, 33, 64], pad: 0, seed: 2 }],
      [{ batch: 1, rows: Object.keys(ROWS), cols: 77, cuts: [], pad: 3, seed: 3 }],
    ],
  });
});
