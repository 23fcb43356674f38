/**
 * Service of DRAM channels in closed form: exact latency of a lone access, streams at the rate that refresh leaves, and
 * random transfers beside the channel model that goes command by command.
 */
import { findCard, findMemory, type MemoryDecl, memoryDram, STRIPED } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DRAM_QUEUE_ENTRIES, MemoryChannels, type TransferRuns } from '../src/index.js';
import { byCommands, type Transfer } from './support/by-commands.js';

const CLOCK = 225e6;

function run(start: number, length: number, channel = STRIPED): TransferRuns {
  return { start, length, count1: 1, stride1: 0, count2: 1, stride2: 0, channel };
}

function memoryOf(card: string, space: string): MemoryDecl {
  const memory = findMemory(findCard(card), space);
  if (memory === undefined) throw new Error(`${card} has no ${space}`);
  return memory;
}

const hbm2 = memoryOf('u280', 'hbm');
const hbm2e = memoryOf('vhk158', 'hbm');
const ddr = memoryOf('u280', 'ddr');
const MEMORIES: [string, MemoryDecl][] = [
  ['HBM2', hbm2],
  ['HBM2E', hbm2e],
  ['DDR4-2400', ddr],
];

/** Cycles of a card per clock of a memory. */
const perClock = (memory: MemoryDecl): number => memoryDram(memory).clockNs * 1e-9 * CLOCK;
/** Share of the time that refresh leaves. */
function unrefreshed(memory: MemoryDecl): number {
  const { nREFI, nRFC, nRTP, nRP, nRCDRD } = memoryDram(memory).clocks;
  return 1 - (nRFC + nRTP + nRP + nRCDRD) / nREFI;
}

describe.each(MEMORIES)('%s', (_name, memory) => {
  const { clocks } = memoryDram(memory);
  const { nRP, nRCDRD, nCL, nCWL, nBL } = clocks;
  const burst = memoryDram(memory).busBits === 64 && nBL === 4 ? 64 : 32;
  const rowStride = 2 ** 26;
  const cycles = (memoryClocks: number): number =>
    Math.ceil((memory.controllerNs * CLOCK) / 1e9 + memoryClocks * perClock(memory) - 1e-9);

  it('a lone burst costs controller, closed or other row, column and burst', () => {
    const channels = new MemoryChannels(memory, CLOCK);
    const at = (start: number, cycle: number, isWrite = false): number => {
      const time = channels.serve(run(start, burst, 0), cycle, isWrite);
      return time.end - cycle + time.latency;
    };
    expect(at(0, 0)).toBe(cycles(nRCDRD + nCL + nBL));
    expect(at(0, 100)).toBe(cycles(nCL + nBL));
    expect(at(rowStride, 200)).toBe(cycles(nRP + nRCDRD + nCL + nBL));
    expect(at(rowStride, 300)).toBe(cycles(nCL + nBL));
    expect(at(rowStride, 400, true)).toBe(cycles(nCWL + nBL));
  });

  it('a refresh closes rows', () => {
    const channels = new MemoryChannels(memory, CLOCK);
    channels.serve(run(0, burst, 0), 0);
    const after = Math.ceil((clocks.nREFI + clocks.nRFC + 100) * perClock(memory));
    const time = channels.serve(run(0, burst, 0), after);
    expect(time.end - after + time.latency).toBe(cycles(nRCDRD + nCL + nBL));
  });

  it.each([1, 0.7])('a stream has peak x what refresh leaves, times an efficiency of %d', (efficiency) => {
    const channels = new MemoryChannels({ ...memory, efficiency }, CLOCK);
    const block = memory.channels * memory.interleaveBytes * 4;
    let end = 0;
    for (let i = 0; i < 5000; i++) end = channels.serve(run(i * block, block), end).end;
    const peak = (memory.channels * memory.bytesPerSecondPerChannel) / CLOCK;
    expect((5000 * block) / end / (peak * efficiency * unrefreshed(memory))).toBeCloseTo(1, 2);
  });

  it('a stream in small requests is as fast as in one', () => {
    const whole = new MemoryChannels(memory, CLOCK).serve(run(0, 2000 * burst, 0), 0);
    const channels = new MemoryChannels(memory, CLOCK);
    let end = 0;
    for (let i = 0; i < 2000; i++) end = channels.serve(run(i * burst, burst, 0), end).end;
    expect(Math.abs(end / whole.end - 1)).toBeLessThan(0.02);
  });
});

describe('efficiency', () => {
  it('of several runs is one of its own, where the card names it', () => {
    const scattered = { ...run(0, 4096, 0), count1: 8, stride1: 4096 };
    const calm: MemoryDecl = { ...hbm2, dram: { ...hbm2.dram, refresh: 'none' } };
    const alone = (memory: MemoryDecl): number => new MemoryChannels(memory, CLOCK).serve(scattered, 0).alone;
    const full = alone(calm);
    expect(alone({ ...calm, efficiency: 0.5 }) / full).toBeCloseTo(2, 1);
    expect(alone({ ...calm, efficiency: 0.5, scatteredEfficiency: 0.25 }) / full).toBeCloseTo(4, 1);
  });
});

describe('what a transfer asks of channels', () => {
  const noRefresh = (memory: MemoryDecl): MemoryDecl => ({
    ...memory,
    controllerNs: 0,
    dram: { ...memory.dram, refresh: 'none' },
  });

  it('less than a burst costs a whole one; nothing costs nothing', () => {
    const alone = (length: number): number =>
      new MemoryChannels(hbm2, 100 * CLOCK).serve(run(0, length, 0), 0).alone;
    expect(alone(1)).toBe(alone(32));
    expect(alone(33)).toBe(alone(64));
    expect(new MemoryChannels(hbm2, CLOCK).serve(run(0, 0), 7)).toEqual({ alone: 0, end: 7, latency: 0 });
  });

  it('striped it is as many times faster as there are channels', () => {
    const time = (channel: number): number =>
      new MemoryChannels(noRefresh(hbm2), CLOCK).serve(run(0, 2 ** 22, channel), 0).alone;
    expect(time(0) / time(STRIPED)).toBeCloseTo(hbm2.channels, 1);
  });

  it('channels wait for themselves alone', () => {
    const channels = new MemoryChannels(hbm2, CLOCK);
    const first = channels.serve(run(0, 2 ** 20, 0), 0);
    expect(channels.serve(run(0, 2 ** 20, 1), 0).end).toBe(first.end);
    expect(channels.serve(run(0, 2 ** 20, 1), 0).end).toBeGreaterThan(1.9 * first.end);
  });

  const transfer = fc.record({
    start: fc.nat(100_000),
    length: fc.nat(50_000),
    count1: fc.integer({ min: 0, max: 6 }),
    stride1: fc.nat(30_000),
    count2: fc.integer({ min: 0, max: 3 }),
    stride2: fc.nat(200_000),
    channel: fc.oneof(fc.constant(STRIPED), fc.nat(31)),
  });

  it('no channel passes more than its bus can, and nothing is asked for that is not there', () => {
    fc.assert(
      fc.property(fc.array(transfer, { minLength: 1, maxLength: 8 }), fc.nat(3000), (transfers, start) => {
        const memory = noRefresh(hbm2);
        const channels = new MemoryChannels(memory, CLOCK);
        const loads = new Float64Array(memory.channels);
        for (const runs of transfers) {
          for (const [c, bursts] of burstsByChannel(runs, memory)) loads[c] += bursts;
          const time = channels.serve(runs, start);
          expect(time.latency).toBeGreaterThanOrEqual(0);
          expect(time.end).toBeGreaterThanOrEqual(start);
        }
        // One more, as long as all before it together: it ends when everything has passed.
        const most = Math.max(...loads);
        const last = channels.serve(run(0, 32 * (most + 1), loads.indexOf(most)), start);
        const bus = (2 * most + 1) * memoryDram(memory).clocks.nBL * perClock(memory);
        expect(last.end + last.latency - start).toBeGreaterThanOrEqual(Math.floor(bus));
      }),
    );
  });
});

/** Bursts of a transfer on each channel, found one by one. */
function burstsByChannel(runs: TransferRuns, memory: MemoryDecl): Map<number, number> {
  const out = new Map<number, number>();
  for (let j = 0; j < runs.count2; j++) {
    for (let i = 0; i < runs.count1; i++) {
      const start = runs.start + i * runs.stride1 + j * runs.stride2;
      for (let at = Math.floor(start / 32) * 32; runs.length > 0 && at < start + runs.length; at += 32) {
        const striped = Math.floor(at / memory.interleaveBytes) % memory.channels;
        const c = runs.channel === STRIPED ? striped : runs.channel;
        out.set(c, (out.get(c) ?? 0) + 1);
      }
    }
  }
  return out;
}

/**
 * Tolerances on the time of a whole sequence of transfers, against the same transfers asked for at the same cycles:
 * long ones 2 to 3 %, of two units 6 %, short scattered ones 12 %, many runs at an odd stride 15 %.
 */
describe('beside the model that goes command by command', () => {
  const alone = (memory: MemoryDecl): MemoryDecl => ({ ...memory, channels: 1, controllerNs: 0 });
  const size = 2 ** 27;

  /** Sequences of transfers on one channel, by requester. */
  function check(memory: MemoryDecl, requesters: readonly Transfer[][], tolerance: number): void {
    const { ours, theirs } = byCommands(alone(memory), requesters);
    // A sequence that ends beside a refresh may end behind it.
    const refresh = memoryDram(memory).clocks.nRFC + 50;
    expect(Math.abs(ours - theirs), `${ours} against ${theirs} clocks`).toBeLessThan(
      tolerance * theirs + refresh,
    );
  }

  /** Transfers that follow each other until enough bytes have passed for what happens at the ends not to count. */
  const sequence = (lengths: readonly number[], place: (i: number) => number, isWrite = false): Transfer[] =>
    lengths.map((length, i) => ({ runs: run(place(i), length, 0), isWrite, pause: 0 }));

  /** Starts that are spread evenly, which lists of fast-check are not. */
  const spread = (count: number): fc.Arbitrary<number[]> =>
    fc.nat(2 ** 31).map((seed) => {
      let state = seed;
      return Array.from({ length: count }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * size);
      });
    });
  const anywhere = spread(40);

  it.each(MEMORIES)('%s: one after another, of any length', (_name, memory) => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 200_000 }), (length) => {
        const count = Math.ceil(150_000 / length);
        const lengths = Array.from({ length: Math.min(count, 1500) }, () => length);
        check(memory, [sequence(lengths, (i) => i * length)], 0.02);
      }),
      { numRuns: 4 },
    );
  });

  it.each(MEMORIES)('%s: long ones anywhere', (_name, memory) => {
    fc.assert(
      fc.property(anywhere, fc.integer({ min: 4096, max: 30_000 }), (starts, length) => {
        const lengths = starts.map(() => length);
        check(memory, [sequence(lengths, (i) => starts[i])], 0.03);
      }),
      { numRuns: 4 },
    );
  });

  it.each(MEMORIES)('%s: short ones anywhere', (_name, memory) => {
    const many = spread(800);
    fc.assert(
      fc.property(many, fc.integer({ min: 32, max: 1024 }), (starts, length) => {
        const lengths = starts.map(() => length);
        check(memory, [sequence(lengths, (i) => starts[i])], 0.12);
      }),
      { numRuns: 4 },
    );
  });

  it.each(MEMORIES)('%s: many runs at any stride', (_name, memory) => {
    const runs = fc.record({
      starts: spread(12),
      length: fc.integer({ min: 256, max: 2048 }),
      stride: fc.integer({ min: 1, max: 400 }),
      count: fc.integer({ min: 64, max: 120 }),
    });
    fc.assert(
      fc.property(runs, ({ starts, length, stride, count }) => {
        const transfers = starts.map((start) => ({
          runs: { ...run(start, length, 0), count1: count, stride1: length + 64 * stride },
          isWrite: false,
          pause: 0,
        }));
        check(memory, [transfers], 0.15);
      }),
      { numRuns: 4 },
    );
  });

  it.each(MEMORIES)('%s: two units, reading both or reading and writing', (_name, memory) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2048, max: 60_000 }),
        fc.integer({ min: 2048, max: 60_000 }),
        fc.boolean(),
        (first, second, isWrite) => {
          // Long enough for the end, where one of them is alone, not to count.
          const count = (length: number): number[] =>
            Array.from({ length: Math.ceil(600_000 / length) }, () => length);
          const a = sequence(count(first), (i) => i * first);
          const b = sequence(count(second), (i) => size + i * second, isWrite);
          check(memory, [a, b], 0.06);
        },
      ),
      { numRuns: 4 },
    );
  });

  it.each(MEMORIES)('%s: lone transfers end when they should', (_name, memory) => {
    fc.assert(
      fc.property(anywhere, fc.integer({ min: 64, max: 8192 }), (starts, length) => {
        const transfers = starts.map((start) => ({
          runs: run(start, length, 0),
          isWrite: false,
          pause: 900,
        }));
        const { each } = byCommands(alone(memory), [transfers]);
        const { nRP, nRCDRD } = memoryDram(memory).clocks;
        const late = each.map((one) => one.ours - one.theirs);
        // A row may be taken for another one where it was closed; a few meet a refresh a little sooner or later.
        const most = nRP + nRCDRD + 4;
        expect(late.filter((clocks) => Math.abs(clocks) > most).length).toBeLessThanOrEqual(4);
        const mean = late.reduce((sum, clocks) => sum + clocks, 0) / late.length;
        expect(Math.abs(mean)).toBeLessThan(nRP + nRCDRD);
      }),
      { numRuns: 4 },
    );
  });

  it('a short transfer of one unit does not wait for all of a long one of another', () => {
    const { nBL } = memoryDram(hbm2).clocks;
    const long = sequence([400_000], () => 0);
    const short: Transfer[] = [{ runs: run(size, 512, 0), isWrite: false, pause: 1000 }];
    const { each } = byCommands(alone(hbm2), [long, short]);
    const [, second] = each;
    expect(second.ours - second.start).toBeLessThan(2 * nBL * DRAM_QUEUE_ENTRIES);
    expect(Math.abs(second.ours - second.theirs)).toBeLessThan(nBL * 64);
  });
});
