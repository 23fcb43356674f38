/** Service of DRAM channels: streams reach the rate that timing leaves, bursts are whole, contention loses no byte. */
import { type DramTiming, findCard, findMemory, type MemoryDecl, STRIPED } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryChannels, type TransferRuns } from '../src/index.js';

const CLOCK = 225e6;
const TIMING: DramTiming = {
  burstBytes: 32,
  rowBytes: 1024,
  rowToColumnNs: 14,
  columnLatencyNs: 14,
  prechargeNs: 14,
  refreshIntervalNs: 4000,
  refreshNs: 400,
  controllerNs: 60,
};
/** Four channels of 16 bytes per cycle, a tenth of it lost to refresh, half of the rest to efficiency. */
const SMALL: MemoryDecl = {
  space: 'hbm',
  kind: 'made up',
  channels: 4,
  bytesPerChannel: 1 << 20,
  bytesPerSecondPerChannel: 16 * CLOCK,
  interleaveBytes: 256,
  timing: TIMING,
  efficiency: 0.5,
};
/** Bytes per cycle and channel of {@link SMALL}. */
const RATE = 16 * 0.9 * 0.5;

function run(start: number, length: number, channel = STRIPED): TransferRuns {
  return { start, length, count1: 1, stride1: 0, count2: 1, stride2: 0, channel };
}

const u280 = findMemory(findCard('u280'), 'hbm') ?? SMALL;
const ddr = findMemory(findCard('u280'), 'ddr') ?? SMALL;

describe('streams', () => {
  it.each([
    ['four channels', SMALL],
    ['HBM of the U280', u280],
    ['DDR of the U280', ddr],
    ['HBM of the FlightLLM U280', { ...u280, efficiency: 0.7 }],
  ])('reach peak x efficiency x (1 - refresh): %s', (_name, decl) => {
    const channels = new MemoryChannels(decl, CLOCK);
    const peak = (decl.channels * decl.bytesPerSecondPerChannel) / CLOCK;
    const rate = peak * decl.efficiency * (1 - decl.timing.refreshNs / decl.timing.refreshIntervalNs);
    const block = decl.channels * decl.interleaveBytes * 4;
    let end = 0;
    for (let i = 0; i < 1000; i++) end = channels.serve(run(i * block, block), end).end;
    expect(end).toBe(Math.ceil((1000 * block) / rate - 1e-6));
  });

  it('lose no part of a cycle between requests, however small', () => {
    const channels = new MemoryChannels(SMALL, CLOCK);
    let end = 0;
    for (let i = 0; i < 100; i++) end = channels.serve(run(i * 32, 32, 0), end).end;
    expect(end).toBe(Math.ceil(3200 / RATE));
  });

  it('do not start before they are asked for', () => {
    const channels = new MemoryChannels(SMALL, CLOCK);
    const { end } = channels.serve(run(0, 32, 0), 0);
    expect(channels.serve(run(32, 32, 0), end + 1).end).toBe(end + 1 + Math.ceil(32 / RATE));
  });
});

describe('one request', () => {
  it('of a burst costs the burst at the rate that is left, and shows its latency', () => {
    const time = new MemoryChannels(SMALL, CLOCK).serve(run(0, 32), 100);
    expect(time).toEqual({
      alone: Math.ceil(32 / RATE),
      end: 100 + Math.ceil(32 / RATE),
      latency: Math.ceil(((60 + 14 + 14) * CLOCK) / 1e9),
    });
  });

  it('of less than a burst costs a whole one; of nothing, nothing', () => {
    expect(new MemoryChannels(SMALL, CLOCK).serve(run(0, 1), 0).alone).toBe(Math.ceil(32 / RATE));
    expect(new MemoryChannels(SMALL, CLOCK).serve(run(0, 33), 0).alone).toBe(Math.ceil(64 / RATE));
    expect(new MemoryChannels(SMALL, CLOCK).serve(run(0, 0), 7)).toMatchObject({ alone: 0, end: 7 });
    expect(new MemoryChannels(SMALL, CLOCK).serve({ ...run(0, 8), count1: 0 }, 7)).toMatchObject({
      alone: 0,
      end: 7,
    });
  });

  it('is as many times faster striped as there are channels', () => {
    const bytes = 4 * 256 * 9;
    const single = new MemoryChannels(SMALL, CLOCK).serve(run(0, bytes, 2), 0).alone;
    const striped = new MemoryChannels(SMALL, CLOCK).serve(run(0, bytes), 0).alone;
    expect(single).toBe(Math.ceil(bytes / RATE));
    expect(striped).toBe(Math.ceil(bytes / 4 / RATE));
  });

  it('of scattered runs pays a burst for each, on the channels they fall on', () => {
    // 10 runs of 4 bytes, one per turn of the interleaving: all on channel 1.
    const runs = { ...run(256, 4), count1: 5, stride1: 1024, count2: 2, stride2: 5 * 1024 };
    expect(new MemoryChannels(SMALL, CLOCK).serve(runs, 0).alone).toBe(Math.ceil((10 * 32) / RATE));
    // One interleaving apart: spread over all four, three on the fullest.
    expect(new MemoryChannels(SMALL, CLOCK).serve({ ...run(0, 4), count1: 10, stride1: 256 }, 0).alone).toBe(
      Math.ceil((3 * 32) / RATE),
    );
  });
});

describe('contention', () => {
  it('is on a channel, not on the memory', () => {
    const channels = new MemoryChannels(SMALL, CLOCK);
    const alone = Math.ceil(3200 / RATE);
    expect(channels.serve(run(0, 3200, 0), 0).end).toBe(alone);
    expect(channels.serve(run(0, 3200, 1), 0).end).toBe(alone);
    // Behind the first on its channel; `alone` does not count the wait.
    expect(channels.serve(run(0, 3200, 0), 0)).toMatchObject({ alone, end: Math.ceil(6400 / RATE) });
    channels.reset();
    expect(channels.serve(run(0, 3200, 0), 0).end).toBe(alone);
  });

  const transfer = fc.record({
    start: fc.nat(10_000),
    length: fc.nat(5000),
    count1: fc.integer({ min: 0, max: 6 }),
    stride1: fc.nat(3000),
    count2: fc.integer({ min: 0, max: 3 }),
    stride2: fc.nat(20_000),
    channel: fc.oneof(fc.constant(STRIPED), fc.nat(3)),
  });

  /** Bytes on each channel, in whole bursts per stretch of the interleaving. */
  function loads(runs: TransferRuns): number[] {
    const out = [0, 0, 0, 0];
    const bursts = (bytes: number): number => Math.ceil(bytes / 32) * 32;
    for (let j = 0; j < runs.count2; j++) {
      for (let i = 0; i < runs.count1; i++) {
        if (runs.channel !== STRIPED) {
          out[runs.channel] += bursts(runs.length);
          continue;
        }
        // Whole turns first, then the rest stretch by stretch from where they end.
        const turns = Math.floor(runs.length / 1024);
        for (let c = 0; c < 4; c++) out[c] += turns * 256;
        let at = runs.start + i * runs.stride1 + j * runs.stride2 + turns * 1024;
        for (let left = runs.length - turns * 1024; left > 0; ) {
          const step = Math.min(left, 256 - (at % 256));
          out[Math.floor(at / 256) % 4] += bursts(step);
          at += step;
          left -= step;
        }
      }
    }
    return out;
  }

  it('conserves bytes: each channel is taken for exactly what passes through it', () => {
    fc.assert(
      fc.property(fc.array(transfer, { minLength: 1, maxLength: 20 }), fc.nat(1000), (transfers, start) => {
        const channels = new MemoryChannels(SMALL, CLOCK);
        const total = [0, 0, 0, 0];
        let end = start;
        for (const runs of transfers) {
          const time = channels.serve(runs, start);
          const own = loads(runs);
          own.forEach((bytes, c) => {
            total[c] += bytes;
          });
          expect(time.alone).toBeCloseTo(Math.max(...own.map((bytes) => Math.ceil(bytes / RATE - 1e-9))), 6);
          expect(time.end - start).toBeGreaterThanOrEqual(time.alone - 1);
          end = Math.max(end, time.end);
        }
        // All asked at one time, so the fullest channel never rested.
        expect(Math.abs(end - start - Math.max(...total) / RATE)).toBeLessThanOrEqual(1 + 1e-6);
      }),
    );
  });

  it('spreads very many runs evenly, and loses none', () => {
    const runs = { ...run(0, 16), count1: 1000, stride1: 4096 };
    expect(new MemoryChannels(SMALL, CLOCK).serve(runs, 0).alone).toBe(Math.ceil((1000 * 32) / 4 / RATE));
  });

  it('serves a later request of an idle channel at its own start', () => {
    const channels = new MemoryChannels(SMALL, CLOCK);
    channels.serve(run(0, 32, 0), 0);
    expect(channels.serve(run(0, 32, 0), 5000).end).toBe(5000 + Math.ceil(32 / RATE));
  });
});
