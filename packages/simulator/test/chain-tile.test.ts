/**
 * Whole packed tiles through the chain model, against the kernels that the functional reading calls and against the
 * cycles that the timing reading counts.
 */
import { decodeFp16, packCanonical, packRows16, packSparse16, SPARSE16_KEEPS } from '@bitloom/formats';
import {
  findCard,
  type MatrixEngine,
  type MatrixMode,
  matrixProductCycles,
  mixedProductCycles,
} from '@bitloom/ir';
import { createKernels, FLAG_FINISH } from '@bitloom/kernels';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type PackedTile, runTile } from '../src/index.js';

const matrix: MatrixEngine = findCard('u280').matrix;
const kernels = createKernels({ backend: 'reference' });
const f = Math.fround;

interface Shape {
  readonly layout: 'rows16' | 'sparse16';
  readonly bits: 4 | 8;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly group: number;
  /** -1: different from tile to tile. */
  readonly keep: number;
  readonly seed: number;
}

function makeTile({ layout, bits, m, n, k, group, keep, seed }: Shape): PackedTile {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const tiles = Math.ceil(k / 16);
  const keeps = Uint8Array.from({ length: Math.ceil(n / 16) * tiles }, () =>
    keep < 0 ? SPARSE16_KEEPS[Math.floor(random() * SPARSE16_KEEPS.length)] : keep,
  );
  const most = 2 ** (bits - 1) - 1;
  const codes = Int8Array.from({ length: n * k }, (_, at) => {
    const [row, col] = [Math.floor(at / k), at % k];
    const kept = layout === 'rows16' ? 16 : keeps[Math.floor(row / 16) * tiles + (col >> 4)];
    return (col * 3 + row * 5) % 16 < kept ? Math.floor(random() * (2 * most + 1)) - most : 0;
  });
  const scales = Uint16Array.from(
    { length: n * Math.ceil(k / group) },
    () => 0x2000 + Math.floor(random() * 4096),
  );
  const canonical = packCanonical({ rows: n, cols: k, bits, groupSize: group, codes, scales });
  const bytes = layout === 'rows16' ? packRows16(canonical) : packSparse16(canonical, keeps);
  const activations = Int8Array.from({ length: m * k }, () => Math.floor(random() * 255) - 127);
  return { layout, bytes, rows: n, cols: k, bits, groupSize: group, activations };
}

/** The tile through the kernel that MM and MV name: float32 bits [m, n]. */
function kernelResult(
  { layout, bytes, rows, cols, bits, groupSize, activations }: PackedTile,
  m: number,
): number[] {
  const { arena } = kernels;
  const mark = arena.mark();
  const [x, xScale, w, out] = [m * cols, 4 * m, bytes.length + 64, 4 * m * rows].map((size) =>
    arena.alloc(size + 64),
  );
  arena.i8.set(activations, x);
  arena.f32.fill(1, xScale / 4, xScale / 4 + m);
  arena.u8.set(bytes, w);
  const kernel = layout === 'rows16' ? kernels.gemmGroups : kernels.gemmSparse;
  kernel(bits, groupSize, m, rows, cols, x, cols, xScale, 4, w, out, rows * 4, FLAG_FINISH);
  const result = [...arena.f32.subarray(out / 4, out / 4 + m * rows)];
  arena.release(mark);
  return result;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  layout: fc.constantFrom('rows16' as const, 'sparse16' as const),
  bits: fc.constantFrom(4 as const, 8 as const),
  m: fc.integer({ min: 1, max: 3 }),
  n: fc.integer({ min: 1, max: 40 }),
  k: fc.integer({ min: 1, max: 150 }),
  group: fc.constantFrom(16, 32, 64, 128),
  keep: fc.constantFrom(-1, 2, 4, 8, 16),
  seed: fc.nat(),
});
const modes: fc.Arbitrary<MatrixMode> = fc.record({
  m: fc.constantFrom(1, 2),
  n: fc.integer({ min: 1, max: 24 }),
  k: fc.constantFrom(16, 32),
  startupCycles: fc.constant(24),
});

it('gives the integers of the kernels, bit for bit after their scales', () => {
  fc.assert(
    fc.property(shapes, modes, (shape, mode) => {
      const tile = makeTile(shape);
      const { sums, scales } = runTile(tile, mode, matrix);
      const { m, n, k, group } = shape;
      const groups = Math.ceil(k / group);
      const scaled = Array.from({ length: m * n }, (_, at) => {
        let acc = 0;
        for (let g = 0; g < groups; g += 1) {
          const scale = decodeFp16(scales[(at % n) * groups + g]);
          acc = f(acc + f(f(sums[at * groups + g]) * scale));
        }
        return acc;
      });
      expect(scaled).toEqual(kernelResult(tile, m));
    }),
    { numRuns: 60 },
  );
});

it('takes the cycles that MM and MV are timed with', () => {
  fc.assert(
    fc.property(shapes, modes, (shape, mode) => {
      fc.pre(shape.keep >= 0);
      const { m, n, k, group } = shape;
      const keep = shape.layout === 'rows16' ? 0 : shape.keep;
      const product = { m, n, k, group, keep, rescales: 0 };
      expect(runTile(makeTile(shape), mode, matrix).cycles).toBe(matrixProductCycles(product, mode, matrix));
    }),
    { numRuns: 60 },
  );
});

/** Kept values of each tile as the bytes say: [blocks, tiles]. */
function keepsOf({ bytes, rows, cols }: PackedTile): number[][] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: Math.ceil(rows / 16) }, (_, block) => {
    const start = block * 4 + view.getUint32(block * 4, true);
    return [...bytes.subarray(start, start + Math.ceil(cols / 16))];
  });
}

it('takes for tiles of mixed keeps the cycles of the formula', () => {
  fc.assert(
    fc.property(shapes, modes, (shape, mode) => {
      const tile = makeTile({ ...shape, layout: 'sparse16', keep: -1 });
      const keeps = keepsOf(tile);
      fc.pre(new Set(keeps.flat()).size > 1);
      const groupTiles = Math.ceil(Math.min(shape.group, shape.k) / 16);
      const { cycles } = runTile(tile, mode, matrix);
      expect(cycles).toBe(mixedProductCycles({ m: shape.m, keeps, groupTiles }, mode, matrix));
    }),
    { numRuns: 60 },
  );
});

it('takes for tiles of mixed keeps no less than the share of their kept values', () => {
  const mode = { m: 2, n: 16, k: 16, startupCycles: 24 };
  const shape = { layout: 'sparse16', bits: 4, m: 2, n: 64, k: 512, group: 128, keep: -1, seed: 5 } as const;
  const tile = makeTile(shape);
  const dense = matrixProductCycles({ m: 2, n: 64, k: 512, group: 128, keep: 0, rescales: 0 }, mode, matrix);
  const { cycles } = runTile(tile, mode, matrix);
  const kept = keepsOf(tile)
    .flat()
    .reduce((sum, keep) => sum + keep, 0);
  expect(cycles).toBeLessThan(dense);
  expect(cycles).toBeGreaterThanOrEqual((dense * kept) / (4 * 32 * 16));
});
