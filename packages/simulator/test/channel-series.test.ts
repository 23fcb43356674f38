/** What each channel moved over time: nothing is lost, however long the time, and channels add up to whole bursts. */
import { findCard, type MemoryDecl, STRIPED } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChannelSeries } from '../src/time/channel-series.js';
import { MemoryChannels } from '../src/time/memory-channels.js';

const sum = (values: Float64Array): number => values.reduce((all, value) => all + value, 0);

describe('a series of channels', () => {
  it('keeps all bytes of each channel, and is no larger than its bound', () => {
    const transfer = fc.record({
      start: fc.nat(200_000),
      cycles: fc.nat(3000),
      moved: fc.array(fc.nat(5000), { minLength: 3, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 40 }), (transfers) => {
        const series = new ChannelSeries(3);
        for (const { start, cycles, moved } of transfers)
          series.add(start, start + cycles, Float64Array.from(moved));
        const { bytes, bucketCycles, channels } = series.finish('hbm');
        const buckets = bytes.length / channels;
        expect(Number.isInteger(buckets)).toBe(true);
        expect(bytes.length).toBeLessThanOrEqual(65_536);
        for (let c = 0; c < channels; c++) {
          const wanted = transfers.reduce((all, { moved }) => all + moved[c], 0);
          expect(sum(bytes.filter((_, i) => i % channels === c))).toBeCloseTo(wanted, 3);
        }
        for (const { start } of transfers) expect(Math.floor(start / bucketCycles)).toBeLessThan(buckets);
      }),
    );
  });

  it('puts bytes where they moved', () => {
    const series = new ChannelSeries(2);
    series.add(2, 4, Float64Array.of(8, 2));
    series.add(3, 3, Float64Array.of(0, 1));
    expect([...series.finish('ddr').bytes]).toEqual([0, 0, 0, 0, 4, 1, 4, 2]);
  });

  it('of very many channels still has some hundreds of buckets', () => {
    const series = new ChannelSeries(4096);
    series.add(0, 255, new Float64Array(4096).fill(1));
    expect(series.finish('hbm').bytes.length).toBe(255 * 4096);
  });
});

describe('bytes by channel of a transfer', () => {
  const memory = findCard('u280').memories[0];
  const bytesOf = (
    decl: MemoryDecl,
    start: number,
    length: number,
    runs = 1,
    stride = 0,
    channel = STRIPED,
  ) => {
    const channels = new MemoryChannels(decl, 225e6);
    channels.serve({ start, length, count1: runs, stride1: stride, count2: 1, stride2: 0, channel }, 0);
    const into = new Float64Array(decl.channels).fill(99);
    channels.channelBytes(into);
    return [...into];
  };

  it('are those of an address by address walk of whole bursts, for one run and for several', () => {
    const burst = 32;
    fc.assert(
      fc.property(
        fc.nat(1 << 16),
        fc.integer({ min: 1, max: 40_000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(3000),
        (start, length, runs, gap) => {
          const stride = length + gap;
          const wanted = new Array<number>(memory.channels).fill(0);
          for (let run = 0; run < runs; run++) {
            const from = start + run * stride;
            for (let b = Math.floor(from / burst); b < Math.ceil((from + length) / burst); b++)
              wanted[Math.floor((b * burst) / memory.interleaveBytes) % memory.channels] += burst;
          }
          expect(bytesOf(memory, start, length, runs, stride)).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("of one channel alone are that channel's, of nothing none", () => {
    const one = bytesOf(memory, 64, 640, 1, 0, 7);
    expect(one.filter((bytes) => bytes > 0)).toEqual([640]);
    expect(one[7]).toBe(640);
    expect(bytesOf(memory, 64, 0).every((bytes) => bytes === 0)).toBe(true);
  });
});
