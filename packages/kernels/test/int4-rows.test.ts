/** Rows of int4 codes: conformance of every backend, what codes and scales are, and that packing loses nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conforms, makeBench, type Operands } from './harness.js';

const bench = makeBench();
const backends = [{ label: 'reference', kernels: bench.reference }, ...bench.candidates];

interface Shape {
  readonly batch: number;
  readonly rows: number;
  readonly cols: number;
  readonly gap: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  batch: fc.integer({ min: 0, max: 3 }),
  rows: fc.integer({ min: 0, max: 3 }),
  cols: fc.integer({ min: 0, max: 150 }),
  gap: fc.integer({ min: 0, max: 5 }),
});
const listed = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 64, 127, 128].map((cols) => {
  return { batch: 2, rows: 3, cols, gap: cols % 3 };
});

describe('on every backend', () => {
  it('quantizeRowsInt4', () => {
    conforms(
      bench,
      (o: Operands, { batch, rows, cols, gap }: Shape) => {
        const from = (cols + gap) * 4;
        const src = o.floats(batch * rows * (cols + gap) + 8, gap);
        const to = cols + gap;
        const dst = o.block(batch * rows * to, gap);
        const scale = o.block(batch * rows * 8);
        const target = [dst, rows * to, to, scale, rows * 8, 8] as const;
        return (k) => k.quantizeRowsInt4(batch, rows, cols, src, rows * from, from, ...target);
      },
      listed,
      shapes,
    );
  });

  it.each(['packRowsInt4', 'expandRowsInt4'] as const)('%s, of any bytes', (name) => {
    conforms(
      bench,
      (o: Operands, { batch, rows, cols, gap }: Shape) => {
        const row = cols + gap;
        const src = o.block(batch * rows * row, gap);
        const dst = o.block(batch * rows * row, gap);
        return (k) => k[name](batch, rows, cols, src, rows * row, row, dst, rows * row, row);
      },
      listed,
      shapes,
    );
  });
});

describe.each(backends)('$label', ({ kernels }) => {
  const { arena } = bench;

  it('codes are the nearest of -7..7 times amax / 7, and come back from two per byte', () => {
    const values = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), {
      minLength: 1,
      maxLength: 80,
    });
    fc.assert(
      fc.property(values, (row) => {
        const mark = arena.mark();
        const cols = row.length;
        const bytes = Math.ceil(cols / 2);
        const [src, scale] = [arena.alloc(cols * 4), arena.alloc(4)];
        const [codes, packed, back] = [arena.alloc(cols), arena.alloc(bytes), arena.alloc(cols)];
        arena.f32.set(row, src / 4);
        kernels.quantizeRowsInt4(1, 1, cols, src, 0, 0, codes, 0, 0, scale, 0, 0);
        kernels.packRowsInt4(1, 1, cols, codes, 0, 0, packed, 0, 0);
        kernels.expandRowsInt4(1, 1, cols, packed, 0, 0, back, 0, 0);
        const step = arena.f32[scale / 4];
        const amax = Math.max(...row.map(Math.abs));
        const isZero = !Number.isFinite(Math.fround(7 / amax));
        expect(step).toBe(isZero ? 0 : Math.fround(amax / 7));
        for (let c = 0; c < cols; c += 1) {
          const code = arena.i8[codes + c];
          expect(Math.abs(code)).toBeLessThanOrEqual(7);
          if (isZero) expect(code).toBe(0);
          else expect(Math.abs(code * step - row[c])).toBeLessThanOrEqual(step * 0.50001);
          expect(arena.i8[back + c]).toBe(code);
          const byte = arena.u8[packed + Math.floor(c / 2)];
          expect(c % 2 === 0 ? byte & 15 : byte >> 4).toBe(code + 8);
        }
        if (cols % 2 === 1) expect(arena.u8[packed + bytes - 1] >> 4).toBe(8);
        arena.release(mark);
      }),
      { examples: [[[0]], [[-0, 0]], [[1e-45, -1e-45]], [[7, -7, 0.5, 1.5, -2.5]], [[-1000, 1000, 500]]] },
    );
  });

  it('NaN is code 0 and passed over by the maximum; beside an infinity all codes are 0', () => {
    const mark = arena.mark();
    const [src, codes, scale] = [arena.alloc(16), arena.alloc(4), arena.alloc(4)];
    arena.f32.set([Number.NaN, 3, -7, 0.4], src / 4);
    kernels.quantizeRowsInt4(1, 1, 4, src, 0, 0, codes, 0, 0, scale, 0, 0);
    expect([...arena.i8.slice(codes, codes + 4), arena.f32[scale / 4]]).toEqual([0, 3, -7, 0, 1]);
    arena.f32.set([Number.POSITIVE_INFINITY, 3, -7, 0], src / 4);
    kernels.quantizeRowsInt4(1, 1, 4, src, 0, 0, codes, 0, 0, scale, 0, 0);
    // 7 / Infinity is 0: so are all codes, and Infinity · 0 has none.
    expect([...arena.i8.slice(codes, codes + 4)]).toEqual([0, 0, 0, 0]);
    arena.release(mark);
  });
});
