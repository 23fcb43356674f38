/** Cycles of products on the matrix engine: modes, kept values, ragged edges, scales, sampled products. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chainBlockCycles,
  chainPasses,
  chainSplit,
  engineDsps,
  exactSums,
  findCard,
  type MatrixEngine,
  type MatrixProduct,
  matrixProductCycles,
  mixedProductCycles,
  modeDsps,
  type ResolvedFields,
  sampledProductCycles,
  VECTOR_FUNCTIONS,
  vectorTiming,
  vectorWork,
} from '../src/index.js';

const card = findCard('u280').matrix;
const product = (change: Partial<MatrixProduct> = {}): MatrixProduct => ({
  m: 64,
  n: 384,
  k: 512,
  group: 128,
  keep: 0,
  rescales: 0,
  ...change,
});
const cycles = (change: Partial<MatrixProduct>, matrix: MatrixEngine = card): number =>
  matrixProductCycles(product(change), matrix.mm, matrix);

describe('a dense product', () => {
  it('takes a cycle for each m x n x k block, whole blocks at the edges', () => {
    expect(cycles({})).toBe(32 * 32);
    expect(cycles({ m: 65 })).toBe(33 * 32);
    expect(cycles({ n: 385 })).toBe(2 * cycles({}));
    expect(cycles({ k: 513 })).toBe(32 * 33);
    expect(cycles({ m: 0 })).toBe(0);
    expect(cycles({ k: 0 })).toBe(0);
  });

  it('finishes a group before it begins the next', () => {
    // 48 columns are three tiles of 16, but two steps of a mode of 32.
    const mode = { ...card.mv, n: 384, m: 2, k: 32 };
    expect(matrixProductCycles(product({ k: 480, group: 48 }), mode, card)).toBe(32 * 10 * 2);
    expect(matrixProductCycles(product({ k: 480, group: 480 }), mode, card)).toBe(32 * 15);
  });

  it('of all columns kept is as dense', () => {
    expect(cycles({ keep: 16 })).toBe(cycles({}));
  });
});

describe('a product with N:M weights', () => {
  it.each([
    [8, 2],
    [4, 4],
    [2, 8],
  ])('that keep %i of 16 is %i times faster where the edges are whole', (keep, gain) => {
    expect(cycles({ n: 384 * 8 }) / cycles({ n: 384 * 8, keep })).toBe(gain);
  });

  it('gains as much where a chain has no second row to work on: its segments take tiles of one row together', () => {
    expect(2 * cycles({ n: 384, keep: 8 })).toBe(cycles({ n: 384 }));
    // One tile is not worth dividing.
    expect(cycles({ n: 384, k: 16, group: 16, keep: 8 })).toBe(cycles({ n: 384, k: 16, group: 16 }));
  });

  it('waits for the adjust units where groups are too short for whole sums', () => {
    const wide = { n: 384 * 8 };
    // Two tiles of 2 kept values are four products: the unit would take eight, and is there for four segments.
    expect(cycles({ ...wide, keep: 2, group: 32 })).toBe(2 * cycles({ ...wide, keep: 2, group: 64 }));
    expect(cycles({ ...wide, keep: 8, group: 32 })).toBe(cycles({ ...wide, keep: 8, group: 128 }));
  });

  it('is bounded by the groups of a chain', () => {
    const matrix = { ...card, chain: { ...card.chain, groupDsps: 8 } };
    const wide = { n: 384 * 8 };
    expect(cycles({ ...wide, keep: 2 }, matrix)).toBe(cycles({ ...wide, keep: 8 }, matrix));
  });

  it('works on as many rows at a time as are fastest, and on fewer where few are left', () => {
    const passes = (change: Partial<MatrixProduct>): [number, number][] =>
      chainPasses(product(change), card.mm, card).map(({ outputs, count }) => [outputs, count]);
    expect(passes({ keep: 2, n: 384 * 8 })).toEqual([[8, 1]]);
    // Two rows per chain, and 1.5 times that many: the last pass has one, whose segments take two tiles at a time.
    expect(passes({ keep: 8, n: 384 * 3 })).toEqual([
      [2, 1],
      [1, 1],
    ]);
    const whole = cycles({ keep: 8, n: 384 * 2 });
    expect(cycles({ keep: 8, n: 384 * 3 })).toBe(1.5 * whole);
  });

  it('is never slower than dense, nor faster than its kept values', () => {
    const shape = fc.record({
      m: fc.integer({ min: 1, max: 200 }),
      n: fc.integer({ min: 1, max: 8192 }),
      k: fc.integer({ min: 1, max: 4096 }),
      keep: fc.constantFrom(2, 4, 8),
    });
    fc.assert(
      fc.property(shape, fc.constantFrom(card.mm, card.mv), (change, mode) => {
        const dense = matrixProductCycles(product({ ...change, keep: 0 }), mode, card);
        const sparse = matrixProductCycles(product(change), mode, card);
        expect(sparse).toBeLessThanOrEqual(dense);
        const { m, n, k, keep } = change;
        const kept = (m * n * Math.floor(k / 16) * keep) / (mode.m * mode.n * mode.k);
        expect(sparse).toBeGreaterThanOrEqual(Math.floor(kept));
      }),
    );
  });

  it('sums over chains what a block takes on one', () => {
    for (const keep of [2, 4, 8, 16]) {
      const keeps = new Array<number>(32).fill(keep);
      const { outputs } = chainSplit(card, card.mm, keep);
      const oneRowSet = chainBlockCycles(card, card.mm, keeps, 8) / (16 / outputs);
      expect(cycles({ m: 2, n: 384 * outputs, keep })).toBe(oneRowSet);
    }
  });

  it('of a DSP58 fills whole DSPs of three', () => {
    const dsp58 = findCard('vhk158').matrix;
    expect([2, 4, 8, 16].map((keep) => chainSplit(dsp58, dsp58.mm, keep).outputs)).toEqual([6, 3, 2, 1]);
  });
});

describe('mixed tiles', () => {
  it('of one number are the product of that number where the edges are whole', () => {
    for (const keep of [2, 4, 8, 16]) {
      const keeps = Array.from({ length: 24 * 8 }, () => new Array<number>(32).fill(keep));
      const mixed = mixedProductCycles({ m: 64, keeps, groupTiles: 8 }, card.mm, card);
      expect(mixed).toBe(cycles({ n: 384 * 8, keep }));
    }
  });

  it('that keep nothing cost nothing', () => {
    const keeps = Array.from({ length: 24 }, () => [0, 8, 0, 8, 0, 0, 0, 0]);
    expect(mixedProductCycles({ m: 2, keeps, groupTiles: 8 }, card.mm, card)).toBe(1);
    expect(mixedProductCycles({ m: 2, keeps: [[0, 0]], groupTiles: 8 }, card.mm, card)).toBe(0);
  });
});

describe('the special-function unit', () => {
  const vec = (name: string, exponentLanes: number): number => {
    const device = findCard('u280');
    const fn = VECTOR_FUNCTIONS.findIndex((one) => one.name === name);
    const values: Record<string, number> = { function: fn, batch: 1, rows: 10, cols: 960 };
    const fields = { number: (field: string) => values[field] ?? 0 };
    return vectorTiming(fields as ResolvedFields, { ...device, vector: { ...device.vector, exponentLanes } })
      .initiationInterval;
  };

  it('makes passes of exponentials on the lanes that have them', () => {
    expect(vec('silu', 0)).toBe(100);
    expect(vec('silu', 96)).toBe(100);
    expect(vec('silu', 16)).toBe(600);
    // One of its three passes.
    expect(vec('softmaxQuantize', 16)).toBe(600 + 2 * 100);
    expect(vec('rmsNorm', 16)).toBe(2 * 100);
  });
});

describe('a vector function that is not there', () => {
  const fields = { number: (field: string) => (field === 'function' ? VECTOR_FUNCTIONS.length : 1) };

  it('is neither timed nor counted', () => {
    const unknown = expect.objectContaining({ code: 'internal' });
    expect(() => vectorTiming(fields as ResolvedFields, findCard('u280'))).toThrow(unknown);
    expect(() => vectorWork(fields as ResolvedFields)).toThrow(unknown);
  });
});

describe('rescale units', () => {
  const matrix = { ...card, rescale: { units: 96, build: 'mixed' as const } };

  it('bound a product whose sums are finished faster than they are scaled', () => {
    const rescales = (group: number): number => 64 * 384 * (512 / group);
    expect(cycles({ rescales: rescales(128) }, matrix)).toBe(cycles({}));
    expect(cycles({ group: 32, rescales: rescales(32) }, matrix)).toBe(4 * cycles({}));
    expect(cycles({ group: 32, rescales: rescales(32) })).toBe(cycles({}));
  });
});

describe('a sampled product', () => {
  const scores = { m: 256, n: 256, k: 128, tile: 64 };
  const causal = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]];
  const sampled = (tiles: readonly (readonly number[])[], change = {}): number =>
    sampledProductCycles({ ...scores, ...change, tiles }, card.mm, card);

  it('computes the tiles named, side by side on the chains', () => {
    // 64 rows in 32 steps, up to six tiles of 64 columns at a time, 128 columns in 8 steps.
    expect(sampled(causal)).toBe(4 * 32 * 8);
    expect(sampled([[], [], [], [0]])).toBe(32 * 8);
    expect(sampled([])).toBe(0);
    const wide = [Array.from({ length: 7 }, (_, i) => i)];
    expect(sampled(wide, { m: 64, n: 448 })).toBe(2 * 32 * 8);
  });

  it('of all tiles is the dense product of each row of tiles', () => {
    const all = Array.from({ length: 4 }, () => [0, 1, 2, 3]);
    expect(sampled(all)).toBe(cycles({ m: 256, n: 256, k: 128 }));
  });

  it('cuts ragged tiles at the edges, and leaves out what lies beyond', () => {
    expect(sampled(causal, { m: 193, n: 193 })).toBe((3 * 32 + 1) * 8);
    expect(sampled([[9]])).toBe(0);
  });

  it('costs in proportion to what is computed, as the context grows', () => {
    // Rows of tiles fill the chains once there are more than six: 2048 tokens at the published density of 0.30.
    const tokens = 2048;
    const blocks = tokens / 64;
    const rows = Array.from({ length: blocks }, (_, i) =>
      Array.from({ length: i + 1 }, (_, j) => j).filter((j) => j === i || (i * 7 + j * 5) % 10 < 2),
    );
    const density = rows.reduce((sum, row) => sum + row.length, 0) / ((blocks * (blocks + 1)) / 2);
    const whole = Array.from({ length: blocks }, (_, i) => Array.from({ length: i + 1 }, (_, j) => j));
    const ratio = sampled(rows, { m: tokens, n: tokens }) / sampled(whole, { m: tokens, n: tokens });
    expect(ratio).toBeGreaterThanOrEqual(density);
    expect(ratio).toBeLessThan(density + 0.2);
  });
});

describe('DSPs', () => {
  it('of an engine are those of its larger mode', () => {
    expect(modeDsps(card.mm, card.dsp)).toBe(384 * 16);
    expect(modeDsps(card.mv, card.dsp)).toBe(192 * 32);
    expect(engineDsps(card)).toBe(6144);
    expect(modeDsps({ ...card.mm, m: 3 }, card.dsp)).toBe(2 * 384 * 16);
  });

  it('sum eight products exactly without -128 on both sides, seven with', () => {
    expect(exactSums(-127, -127)).toBe(8);
    expect(exactSums(-128, -127)).toBe(8);
    expect(exactSums(-128, -128)).toBe(7);
  });
});
