/** DRAM parts: their tables, their clocks at other speeds, and what files may say of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CARDS,
  DRAM_STANDARDS,
  type DramClocks,
  dramAtClock,
  dramAtRate,
  dramBits,
  dramBurstBytes,
  dramPeakBytesPerSecond,
  dramRowBytes,
  findDramStandard,
  HBM2,
  memoryDram,
  peakBytesPerSecond,
} from '../src/index.js';
import { parseDevice, parseDramParts } from '../src/schema.js';
import { tinyDevice } from './support/artefacts.js';
import { errorOf } from './support/errors.js';

describe.each(DRAM_STANDARDS.map((dram) => [dram.name, dram] as const))('%s', (name, dram) => {
  test('is found by its name and is what a file may hold', () => {
    expect(findDramStandard(name)).toBe(dram);
    expect(parseDramParts(JSON.parse(JSON.stringify(dram)), name)).toEqual([dram]);
  });

  test('has the geometry of its standard', () => {
    const isHbm = name.toLowerCase().startsWith('hbm');
    expect(dramBurstBytes(dram)).toBe(isHbm ? 32 : 64);
    expect(dramRowBytes(dram)).toBe(name.includes('512') ? 512 : isHbm ? 1024 : 8192);
    expect(dramBits(dram, 'bankGroup') + dramBits(dram, 'bank')).toBe(4);
  });

  test('runs at the rate that is asked for, in no less ns', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.3, max: 1, noNaN: true }), (factor) => {
        const perChannel = dramPeakBytesPerSecond(dram) / dram.pseudoChannels;
        const slower = dramAtRate(dram, factor * perChannel);
        expect(dramPeakBytesPerSecond(slower) / slower.pseudoChannels).toBeCloseTo(factor * perChannel, -3);
        for (const [key, clocks] of Object.entries(slower.clocks)) {
          const before = dram.clocks[key as keyof DramClocks] * dram.clockNs;
          const after = clocks * slower.clockNs;
          if (key === 'nREFI') expect(after).toBeLessThanOrEqual(before + 0.03 * slower.clockNs);
          else expect(after).toBeGreaterThanOrEqual(before - 0.03 * slower.clockNs);
        }
      }),
    );
    expect(dramAtClock(dram, dram.clockNs).clocks).toEqual(dram.clocks);
  });
});

test('a clock however slow leaves time between refreshes', () => {
  const { clocks } = dramAtRate(HBM2, 1000);
  expect(clocks.nREFI).toBeGreaterThan(clocks.nRFC + clocks.nRTP + clocks.nRP + clocks.nRCDRD);
  expect(Math.min(...Object.values(clocks))).toBeGreaterThanOrEqual(1);
});

test('an unknown name lists the known ones', () => {
  const error = errorOf(() => findDramStandard('SRAM'));
  expect(error).toMatchObject({ code: 'dram-unknown', got: 'SRAM' });
});

test('memories of cards keep the bandwidth of their boards', () => {
  const totals = { HBM2: 460e9, HBM2E: 819.2e9, 'DDR4-2400': 38.4e9 };
  for (const card of CARDS) {
    for (const memory of card.memories) {
      const dram = memoryDram(memory);
      expect(peakBytesPerSecond(memory)).toBeCloseTo(totals[memory.kind as keyof typeof totals], -3);
      expect(memory.channels * dramPeakBytesPerSecond(dram)).toBeCloseTo(peakBytesPerSecond(memory), -3);
      // Boards do not run parts above their bin, and addresses reach all of a channel.
      expect(dram.clockNs).toBeGreaterThanOrEqual(memory.dram.clockNs - 1e-9);
      const bits = memory.dram.addressBits.reduce((sum, field) => sum + field.bits, 0);
      expect(2 ** bits).toBeGreaterThanOrEqual(memory.bytesPerChannel);
    }
  }
});

describe('files', () => {
  const part = (change: object): unknown => ({ ...HBM2, ...change });

  test.each([
    ['bytes that are no burst', part({ burstLength: 8 }), 'bytes of a burst'],
    ['pseudo-channels without bits', part({ pseudoChannels: 2 }), 'pseudo-channel'],
    [
      'addresses that are too wide',
      part({ addressBits: [...HBM2.addressBits, { part: 'row', bits: 40 }] }),
      '52',
    ],
    ['banks beyond number', part({ addressBits: [...HBM2.addressBits, { part: 'bank', bits: 12 }] }), '4096'],
    ['refresh without rest', part({ clocks: { ...HBM2.clocks, nREFI: 360 } }), 'nREFI'],
    ['a clock that stands', part({ clockNs: 0 }), 'clockNs'],
    ['nothing', null, 'top level'],
  ])('refuse %s', (_, value, text) => {
    const error = errorOf(() => parseDramParts(value, 'part.json'));
    expect(error).toMatchObject({ code: 'artefact-invalid', where: 'part.json' });
    expect(error.got).toContain(text);
  });

  test('of the comparison between simulators say the same in other words', () => {
    const dram = findDramStandard('ddr4-2400r-x8');
    const words = { byte: 'within request', bankGroup: 'bank group', pseudoChannel: 'pseudo-channel' };
    const { nRCDRD, nRCDWR, ...clocks } = dram.clocks;
    const written = {
      what: dram.source,
      clock_period_ns: dram.clockNs,
      bus_width_bits: dram.busBits,
      burst_length: dram.burstLength,
      timing_clocks: { ...clocks, nRCD: nRCDRD, nCS: 2 },
      address_bits_low_to_high: dram.addressBits.map(({ part, bits }) => [
        Object.hasOwn(words, part) ? words[part as keyof typeof words] : part,
        bits,
      ]),
      refresh: 'all banks of the rank, every nREFI clocks',
    };
    expect(parseDramParts({ devices: { [dram.name]: written } }, 'devices.json')).toEqual([dram]);
  });
});

describe('devices of release 0.1', () => {
  const old = (kind: string): unknown => {
    const device = tinyDevice();
    const memories = device.memories.map(({ dram, controllerNs, ...rest }) => ({
      ...rest,
      kind,
      timing: { burstBytes: 32, rowBytes: 1024, controllerNs: 33 },
    }));
    return { ...device, memories };
  };

  test('get the part of their kind', () => {
    const [memory] = parseDevice(old('HBM2')).memories;
    expect(memory).toMatchObject({ dram: HBM2, controllerNs: 33 });
    expect(memory).not.toHaveProperty('timing');
  });

  test('of a kind without a table say what is missing', () => {
    expect(errorOf(() => parseDevice(old('LPDDR5'))).got).toContain('memories.0.dram');
  });
});
