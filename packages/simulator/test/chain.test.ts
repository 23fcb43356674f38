/** The chain model: packed arithmetic, exactness and its limit, cycles against the closed formulas. */
import {
  CHAIN_OF_16,
  type ChainDecl,
  chainBlockCycles,
  chainSplit,
  findCard,
  type MatrixEngine,
  type MatrixMode,
} from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accumulate,
  type ChainBlock,
  ChainSimulator,
  chainBlock,
  dotOfThree,
  packActivations,
  splitFields,
} from '../src/index.js';

const KEEPS = [0, 2, 4, 8, 16];
const engine = (chain: Partial<ChainDecl> = {}): MatrixEngine => ({
  ...findCard('u280').matrix,
  chain: { ...CHAIN_OF_16, ...chain },
});
const mode = (k = 16): MatrixMode => ({ m: 2, n: 1, k, startupCycles: 24 });
const code = fc.integer({ min: -127, max: 127 });
const anyCode = fc.integer({ min: -128, max: 127 });

/** A block of 16 rows with given keeps per tile, at random columns. */
function randomBlock(keeps: readonly number[], next: () => number): { codes: Int8Array; block: ChainBlock } {
  const cols = 16 * keeps.length;
  const codes = new Int8Array(16 * cols);
  for (let r = 0; r < 16; r += 1) {
    for (const [tile, keep] of keeps.entries()) {
      const columns = Array.from({ length: 16 }, (_, c) => c);
      for (let j = 0; j < keep; j += 1) {
        const [column] = columns.splice(Math.floor(next() * columns.length), 1);
        const size = 1 + Math.floor(next() * 127);
        codes[r * cols + tile * 16 + column] = next() < 0.5 ? size : -size;
      }
    }
  }
  return { codes, block: chainBlock(codes, { rows: 16, cols }, 0, keeps) };
}

const seeded = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

/** Sums of each group by plain integers: [groups, 16 rows]. */
function plainSums(codes: Int8Array, x: Int8Array, tiles: number, groupTiles: number): number[] {
  const [groups, cols] = [Math.ceil(tiles / groupTiles), tiles * 16];
  const sums = new Array<number>(groups * 16).fill(0);
  for (let r = 0; r < 16; r += 1)
    for (let c = 0; c < cols; c += 1) {
      const group = Math.floor(c / 16 / groupTiles);
      sums[group * 16 + r] += codes[r * cols + c] * x[c];
    }
  return sums;
}

describe('one DSP48E2', () => {
  it('makes two products with a shared weight, whatever the signs', () => {
    fc.assert(
      fc.property(anyCode, anyCode, anyCode, (a1, a0, w) => {
        expect(splitFields(accumulate(packActivations(a1, a0) * w, 0, 0))).toEqual({
          high: a1 * w + 0,
          low: a0 * w + 0,
        });
      }),
    );
  });

  const cascade = (terms: readonly (readonly [number, number, number])[]): { high: number; low: number } =>
    splitFields(terms.reduce((p, [a1, a0, w]) => accumulate(packActivations(a1, a0) * w, p, 0), 0));
  const sums = (terms: readonly (readonly [number, number, number])[]) => ({
    high: terms.reduce((sum, [a1, , w]) => sum + a1 * w, 0),
    low: terms.reduce((sum, [, a0, w]) => sum + a0 * w, 0),
  });

  it('sums eight products exactly when one operand excludes -128', () => {
    const term = fc.tuple(anyCode, anyCode, code);
    fc.assert(
      fc.property(fc.array(term, { maxLength: 8 }), (terms) => {
        expect(cascade(terms)).toEqual(sums(terms));
      }),
    );
    expect(cascade(Array.from({ length: 8 }, () => [-128, -128, 127] as const))).toEqual({
      high: -130048,
      low: -130048,
    });
  });

  it('does not sum eight products of -128 by -128: the lower field overflows into the upper', () => {
    const terms = Array.from({ length: 8 }, () => [-128, -128, -128] as const);
    expect(sums(terms)).toEqual({ high: 2 ** 17, low: 2 ** 17 });
    expect(cascade(terms)).toEqual({ high: 2 ** 17 + 1, low: -(2 ** 17) });
    expect(cascade(terms.slice(1))).toEqual(sums(terms.slice(1)));
  });

  it('does not sum nine products of 127 by 127', () => {
    const terms = Array.from({ length: 9 }, () => [127, 127, 127] as const);
    expect(cascade(terms)).not.toEqual(sums(terms));
    expect(cascade(terms.slice(1))).toEqual(sums(terms.slice(1)));
  });
});

it('one DSP58 sums three products without fields', () => {
  const three = fc.tuple(anyCode, anyCode, anyCode);
  fc.assert(
    fc.property(three, three, fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (a, w, below) => {
      expect(dotOfThree(a, w, below)).toBe(below + a[0] * w[0] + a[1] * w[1] + a[2] * w[2]);
    }),
  );
});

describe('a chain', () => {
  const shape = fc.record({
    keeps: fc.array(fc.constantFrom(...KEEPS), { minLength: 1, maxLength: 9 }),
    groupTiles: fc.constantFrom(1, 2, 3, 4, 8),
    rows: fc.constantFrom(1, 2),
    k: fc.constantFrom(8, 16),
    groupDsps: fc.constantFrom(1, 2, 4),
    skipUpTo: fc.constantFrom(4, 8),
    most: fc.record({ outputs: fc.constantFrom(1, 2, 4, 16), joinedTiles: fc.constantFrom(1, 2, 4) }),
    seed: fc.nat(),
  });

  it('computes plain dot products, in the cycles of the formula', () => {
    fc.assert(
      fc.property(shape, ({ keeps, groupTiles, rows, k, groupDsps, skipUpTo, most, seed }) => {
        const next = seeded(seed);
        const matrix = engine({ groupDsps, overflowAdjust: { skipUpTo } });
        const { codes, block } = randomBlock(keeps, next);
        const x = Array.from({ length: rows }, () =>
          Int8Array.from({ length: 16 * keeps.length }, () => Math.floor(next() * 255) - 127),
        );
        const chain = new ChainSimulator(matrix, mode(k), most);
        const result = chain.run(block, x, groupTiles);
        for (const [r, row] of x.entries())
          expect([...result.sums[r]]).toEqual(plainSums(codes, row, keeps.length, groupTiles));
        expect(result.issueCycles).toBe(chainBlockCycles(matrix, mode(k), keeps, groupTiles, most));
        expect(result.cycles - result.issueCycles).toBeLessThanOrEqual(chain.latency);
        // The adjust units keep up: with one keep a node needs two registers, where keeps change four.
        const isUniform = new Set(keeps.filter((keep) => keep > 0)).size <= 1;
        // (Mixed keeps take as many rows as a chain can, never tiles together.)
        if (isUniform || most.outputs === 16)
          expect(result.mostWaiting).toBeLessThanOrEqual(isUniform ? 2 : 4);
      }),
      { numRuns: 150 },
    );
  });

  it('computes them also where every product has the largest magnitude', () => {
    const keeps = [16, 8, 4, 4, 2, 2, 2, 2];
    const { codes, block } = randomBlock(keeps, seeded(1));
    for (const tile of block) tile.values.fill(-127);
    for (let i = 0; i < codes.length; i += 1) if (codes[i] !== 0) codes[i] = -127;
    for (const extreme of [-128, 127]) {
      const x = new Int8Array(16 * keeps.length).fill(extreme);
      const { sums } = new ChainSimulator(engine(), mode()).run(block, [x, x], 8);
      const counted = plainSums(Int8Array.from(codes, Math.sign), x, keeps.length, 8).map((sum) => sum * 127);
      expect([...sums[0]]).toEqual(counted);
      expect([...sums[1]]).toEqual(counted);
    }
  });

  it('is wrong where both operands are -128 and eight products go without the adjust unit', () => {
    const codes = new Int8Array(16 * 16).fill(-128);
    const block = chainBlock(codes, { rows: 16, cols: 16 }, 0, [16]);
    const x = new Int8Array(16).fill(-128);
    const run = (skipUpTo: number) =>
      new ChainSimulator(engine({ overflowAdjust: { skipUpTo } }), mode()).run(block, [x, x], 1).sums[0][0];
    expect(run(8)).not.toBe(16 * 2 ** 14);
    expect(run(4)).toBe(16 * 2 ** 14);
  });

  it.each([
    [16, 1],
    [8, 2],
    [4, 4],
    [2, 8],
  ])('that keeps %i of 16 gives %i outputs per cycle', (keep, outputs) => {
    // Whole sums of the adjust unit: groups of 128 columns.
    const keeps = new Array<number>(8).fill(keep);
    const { block } = randomBlock(keeps, seeded(keep));
    const x = new Int8Array(128).fill(1);
    const { issueCycles } = new ChainSimulator(engine(), mode()).run(block, [x], 8);
    expect((16 * keeps.length) / issueCycles).toBe(outputs);
    expect(chainSplit(engine(), mode(), keep).outputs).toBe(outputs);
  });

  it('gives no more outputs than it has groups', () => {
    const matrix = engine({ groupDsps: 4 });
    expect([2, 4, 8, 16].map((keep) => chainSplit(matrix, mode(), keep).outputs)).toEqual([4, 4, 2, 1]);
  });

  it('skips tiles that keep nothing', () => {
    const { block } = randomBlock([0, 8, 0, 0, 8], seeded(3));
    const x = new Int8Array(80).fill(1);
    expect(new ChainSimulator(engine(), mode()).run(block, [x], 8).issueCycles).toBe(16);
    expect(new ChainSimulator(engine(), mode()).run(block.slice(2, 4), [x], 8)).toMatchObject({
      issueCycles: 0,
      splits: 0,
    });
  });

  it('runs 2:4 as 8:16 whose multiplexers reach four columns', () => {
    const next = seeded(7);
    const codes = new Int8Array(16 * 64);
    for (let at = 0; at < codes.length; at += 4) {
      const skipped = Math.floor(next() * 4);
      for (const offset of [0, 1, 2, 3].filter((o) => o !== skipped && o !== (skipped + 1) % 4))
        codes[at + offset] = Math.floor(next() * 127) + 1;
    }
    const block = chainBlock(codes, { rows: 16, cols: 64 }, 0, [8, 8, 8, 8]);
    for (const { columns } of block)
      for (const [at, column] of columns.entries())
        expect(Math.floor(column / 4)).toBe(Math.floor((at % 8) / 2));
    const x = Int8Array.from({ length: 64 }, () => Math.floor(next() * 255) - 127);
    const { sums, issueCycles } = new ChainSimulator(engine({ window: 4 }), mode()).run(block, [x], 4);
    expect([...sums[0]]).toEqual(plainSums(codes, x, 4, 4));
    expect(issueCycles).toBe(32);
  });

  it('refuses a row with more values than its tile keeps, and DSPs without fields', () => {
    const codes = new Int8Array(256).fill(1);
    expect(() => chainBlock(codes, { rows: 16, cols: 16 }, 0, [8])).toThrowError(
      expect.objectContaining({ code: 'chain-keep' }),
    );
    expect(() => new ChainSimulator(findCard('vhk158').matrix, mode())).toThrowError(
      expect.objectContaining({ code: 'chain-dsp' }),
    );
  });
});
