/** Cuts of weight matrices: tiles cover the matrix in whole groups, fit their slot, and cost what the model says. */
import { type Device, findCard, rows16Bytes, weightTileBytes } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HARD_CARDS } from '../../../test/support/small-cards.js';
import { chooseWeightTile, type MatrixShape, splitInner, tiledCycles, type WeightTile } from '../src/cost.js';

const U280 = findCard('u280');

const matrix: fc.Arbitrary<MatrixShape> = fc
  .record({
    rows: fc.integer({ min: 1, max: 700 }),
    cols: fc.integer({ min: 1, max: 900 }),
    bits: fc.constantFrom(2, 3, 4, 8),
    group: fc.constantFrom(8, 32, 128, 0),
    keep: fc.constantFrom(0, 0, 2, 4, 8, 16),
  })
  .map((shape) => ({ ...shape, group: shape.group === 0 ? shape.cols : shape.group }))
  .filter(({ keep, group, cols }) => keep === 0 || group % 16 === 0 || group >= cols);
const slot = fc.oneof(fc.integer({ min: 256, max: 4096 }), fc.integer({ min: 4096, max: 1 << 20 }));
const card = fc.constantFrom<Device>(U280, findCard('vhk158-flightllm'), ...HARD_CARDS);

function checkTile(shape: MatrixShape, tile: WeightTile, slotBytes: number): void {
  expect(tile.rows % 16).toBe(0);
  let covered = 0;
  for (const [i, part] of tile.kParts.entries()) {
    expect(part.start).toBe(covered);
    expect(part.start % shape.group).toBe(0);
    const isLast = i === tile.kParts.length - 1;
    if (!isLast) expect(part.length % shape.group).toBe(0);
    expect(part.length).toBeGreaterThan(0);
    // What a block adds to a tile; the directory of a sparse tile grows by a vector every fourth block.
    const bytes = (rows: number): number =>
      weightTileBytes(shape.bits, shape.group, shape.keep, part.length, rows);
    expect(part.bytes).toBe(bytes(48) - bytes(32));
    expect(bytes(tile.rows)).toBeLessThanOrEqual(slotBytes);
    covered += part.length;
  }
  expect(covered).toBe(shape.cols);
}

describe('splitInner', () => {
  it('covers the inner length in whole groups that fit the slot, in as few parts as can be', () => {
    fc.assert(
      fc.property(matrix, slot, fc.integer({ min: 1, max: 40 }), (shape, slotBytes, blocks) => {
        const tile = splitInner(shape, 16 * blocks, slotBytes);
        const fits = (length: number): boolean =>
          weightTileBytes(shape.bits, shape.group, shape.keep, length, 16 * blocks) <= slotBytes;
        if (tile === undefined) {
          expect(fits(Math.min(shape.group, shape.cols))).toBe(false);
          return;
        }
        expect(tile.rows).toBe(16 * blocks);
        checkTile(shape, tile, slotBytes);
        // Fewer parts would need a longer one.
        if (tile.kParts.length > 1) {
          const groups = Math.ceil(shape.cols / shape.group);
          const longer = Math.ceil(groups / (tile.kParts.length - 1)) * shape.group;
          expect(fits(Math.min(longer, shape.cols))).toBe(false);
        }
      }),
    );
  });

  it('keeps a short last group', () => {
    const shape = { rows: 64, cols: 172, bits: 8, group: 32, keep: 0 };
    const whole = splitInner(shape, 16, 1 << 20);
    expect(whole?.kParts).toEqual([{ start: 0, length: 172, bits: 8, keep: 0, bytes: 16 * 172 + 6 * 32 }]);
    const split = splitInner(shape, 16, 16 * 64 + 2 * 32);
    expect(split?.kParts.map(({ start, length }) => [start, length])).toEqual([
      [0, 64],
      [64, 64],
      [128, 44],
    ]);
  });
});

describe('chooseWeightTile', () => {
  it('gives a tile that fits, or nothing only where 16 rows of one group do not fit', () => {
    fc.assert(
      fc.property(
        matrix,
        slot,
        card,
        fc.integer({ min: 1, max: 5000 }),
        (shape, slotBytes, device, bytesPerCycle) => {
          const tile = chooseWeightTile(shape, slotBytes, bytesPerCycle, device);
          const first = Math.min(shape.group, shape.cols);
          const least = weightTileBytes(shape.bits, shape.group, shape.keep, first, 16);
          expect(tile === undefined).toBe(least > slotBytes);
          if (tile !== undefined) checkTile(shape, tile, slotBytes);
        },
      ),
    );
  });

  it('costs at most half a percent more than the best cut by whole blocks of rows', () => {
    fc.assert(
      fc.property(
        matrix,
        slot,
        card,
        fc.integer({ min: 1, max: 5000 }),
        (shape, slotBytes, device, bytesPerCycle) => {
          const cost = (tile: WeightTile): number =>
            tiledCycles(shape, tile, 1, device.matrix.mv, bytesPerCycle, device) +
            tiledCycles(shape, tile, 64, device.matrix.mm, bytesPerCycle, device) / 64;
          const chosen = chooseWeightTile(shape, slotBytes, bytesPerCycle, device);
          if (chosen === undefined) return;
          const padded = Math.ceil(shape.rows / 16) * 16;
          for (let rows = 16; rows <= Math.min(padded, 256); rows += 16) {
            const other = splitInner(shape, rows, slotBytes);
            if (other !== undefined) expect(cost(chosen) * 0.995).toBeLessThanOrEqual(cost(other) + 1e-9);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('tiledCycles', () => {
  const shape = { rows: 40, cols: 64, bits: 8, group: 32, keep: 0 };
  const tile = {
    rows: 16,
    kParts: [{ start: 0, length: 64, bits: 8, keep: 0, bytes: rows16Bytes(8, 32, 64, 16) }],
  };
  const mode = { m: 1, n: 16, k: 4, startupCycles: 0 };
  const dispatcher = {
    ...U280.dispatcher,
    cyclesPerInstruction: 0,
    cyclesPerOperation: 0,
    cyclesPerIteration: 0,
  };
  /** Without anything between a load and its product, with a weight buffer of four slots. */
  const idle: Device = {
    ...U280,
    dispatcher,
    memories: U280.memories.map((memory) => ({
      ...memory,
      controllerNs: 0,
      dram: {
        ...memory.dram,
        refresh: 'none',
        clocks: { ...memory.dram.clocks, nRCDRD: 0, nCL: 0 },
      },
    })),
  };
  const withBuffer = (space: string, change: Partial<Device['buffers'][number]>): Device => ({
    ...idle,
    buffers: idle.buffers.map((buffer) => (buffer.space === space ? { ...buffer, ...change } : buffer)),
  });
  const cycles = (m: number, bytesPerCycle: number, device = idle, more = mode): number =>
    tiledCycles(shape, tile, m, more, bytesPerCycle, device);

  it('counts the larger of load, product and dispatch for every tile', () => {
    // 3 tiles of 16 cycles: 64 / 4 steps of one block of outputs; the last tile of 8 rows is a block too.
    expect(cycles(1, 1e9)).toBe(3 * 16);
    expect(cycles(5, 1e9)).toBe(3 * 5 * 16);
    // 1088 bytes per tile at 2 bytes per cycle.
    expect(cycles(1, 2)).toBe(3 * 544);
    // Two instructions of a tile, and the loop over tiles; then 8 operations of one part whose slot moves with the tile.
    expect(cycles(1, 1e9, { ...idle, dispatcher: { ...dispatcher, cyclesPerInstruction: 50 } })).toBe(
      3 * 150,
    );
    expect(cycles(1, 1e9, { ...idle, dispatcher: { ...dispatcher, cyclesPerOperation: 50 } })).toBe(3 * 400);
  });

  it('knows the ports of weights and values, and what refresh takes', () => {
    expect(cycles(1, 1e9, withBuffer('weights', { bytesPerCyclePerPort: 2 }))).toBe(3 * 544);
    // 64 codes and 16 sums of 4 bytes; 8 rows in the last tile.
    expect(cycles(1, 1e9, withBuffer('data', { bytesPerCyclePerPort: 1 }))).toBe(128 + 128 + 96);
    const refreshed: Device = {
      ...idle,
      memories: idle.memories.map(({ dram, ...memory }) => ({
        ...memory,
        dram: { ...dram, refresh: 'all-banks', clocks: { ...dram.clocks, nRFC: 100, nREFI: 1000 } },
      })),
    };
    expect(cycles(1, 2, refreshed)).toBeGreaterThan(3 * Math.floor(544 / 0.9));
  });

  it('lets a slot rest until its product is complete', () => {
    // A tile takes its slot for a start-up of 984 cycles and 16 of product: 1000 for all that the ring holds.
    expect(cycles(1, 1e9, idle, { ...mode, startupCycles: 983 })).toBe((3 * 1000) / 6);
    const two = withBuffer('weights', { bytes: 64 * 1024 });
    expect(cycles(1, 1e9, two, { ...mode, startupCycles: 983 })).toBe(3 * 500);
  });
});
