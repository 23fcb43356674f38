/** The channel model command by command: exact latencies, counts that add up, and a cycle-accurate simulator's figures. */
import { existsSync, readFileSync } from 'node:fs';
import {
  DRAM_STANDARDS,
  type DramStandard,
  dramAtRate,
  dramPeakBytesPerSecond,
  findDramStandard,
} from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataPath } from '../../../test/support/data.js';
import { ACCESS_PATTERNS, DramChannel, dramController, runDramPattern } from '../src/index.js';

const RESULTS = dataPath('dram', 'results.csv');

const parts = DRAM_STANDARDS.map((dram) => [dram.name, dram] as const);

describe.each(parts)('%s', (_name, dram) => {
  const { nCL, nBL, nRCDRD, nRP, nRAS, nRC } = dram.clocks;
  const latency = (pattern: string): number => runDramPattern(dram, pattern).memoryCycles;

  it('an unloaded read costs acceptance, the opening of its row, the column and the burst', () => {
    expect(latency('latency_row_hit')).toBe(1 + nCL + nBL);
    expect(latency('latency_row_closed')).toBe(1 + nRCDRD + nCL + nBL);
    expect(latency('latency_row_conflict')).toBe(1 + nRP + nRCDRD + nCL + nBL);
  });

  it('a read right after another row of its bank also waits for that row', () => {
    const conflict = 1 + nRP + nRCDRD + nCL + nBL;
    const cycle = Math.max(nRC, nRAS + nRP);
    // Activates are a row cycle apart at least; without that, the last read returns before the next is asked for.
    expect(latency('latency_row_conflict_back_to_back')).toBe(Math.max(conflict, cycle));
  });

  it('a stream loses refresh, and nothing else where columns have commands of their own', () => {
    const got = runDramPattern(dram, 'sequential', { requests: 65536 });
    expect(got.rowHits + got.rowMisses + got.rowConflicts).toBe(65536);
    if (dram.commandBuses === 'shared') return;
    const { nREFI, nRFC, nRTP } = dram.clocks;
    const left = 1 - (nRFC + nRTP + nRP + nRCDRD) / nREFI;
    expect(Math.abs(got.percentOfPeak / 100 / left - 1)).toBeLessThan(0.005);
  });

  it.each(ACCESS_PATTERNS)('runs %s', (spelled) => {
    const pattern = spelled.replace(/[SB](?=_|$)/, '4096').replace(/K(?=_)/, '3');
    const requests = 3000;
    const got = runDramPattern(dram, pattern, { requests });
    const timed = pattern.startsWith('latency') ? got.requests : requests;
    expect(got.rowHits + got.rowMisses + got.rowConflicts).toBe(timed);
    expect(got.percentOfPeak).toBeGreaterThan(0);
    expect(got.percentOfPeak).toBeLessThan(100);
    expect(got.peakBytesPerSecond).toBe(dramPeakBytesPerSecond(dram));
  });
});

describe('parts of cards', () => {
  // Between one bus for all commands (86.2) and a bus for each pseudo-channel (90.4), 262,144 requests, half a point.
  it.each([
    ['HBM2', 2e9 * 8],
    ['HBM2 as the U280 runs it', 14.375e9],
    ['HBM2E', 25.6e9],
  ])('%s: a stream stays between the two simulators', (name, rate) => {
    const dram = dramAtRate(findDramStandard(name.split(' ')[0]), rate);
    const { percentOfPeak } = runDramPattern(dram, 'sequential', { requests: 131072 });
    expect(percentOfPeak).toBeGreaterThan(86.2);
    expect(percentOfPeak).toBeLessThan(90.4 + 0.5);
  });
});

describe('any requests', () => {
  const part: fc.Arbitrary<DramStandard> = fc.constantFrom(...DRAM_STANDARDS);
  const list = fc.array(
    fc.record({ address: fc.nat(2 ** 22), isWrite: fc.boolean(), pause: fc.constantFrom(0, 0, 0, 5, 300) }),
    { minLength: 1, maxLength: 200 },
  );

  it('complete once each, not before they could, and not faster than the bus', () => {
    fc.assert(
      fc.property(part, list, fc.integer({ min: 1, max: 40 }), (dram, requests, entries) => {
        const at = requests.map(() => 0);
        requests.forEach(({ pause }, i) => {
          at[i] = (i === 0 ? 0 : at[i - 1]) + pause;
        });
        const done = requests.map(() => 0);
        const result = new DramChannel(dram, dramController(entries)).run({
          requests: requests.length,
          address: (i) => requests[i].address,
          isWrite: (i) => requests[i].isWrite,
          offeredAt: (i) => at[i],
          completed: (i, clock) => {
            expect(done[i]).toBe(0);
            expect(clock).toBeGreaterThan(at[i]);
            done[i] = clock;
          },
        });
        expect(Math.max(...done)).toBe(result.memoryCycles);
        const { nCL, nBL } = dram.clocks;
        const reads = requests.filter(({ isWrite }) => !isWrite).length;
        // Reads may be answered from waiting writes, which nothing else is.
        expect(result.rowHits + result.rowMisses + result.rowConflicts).toBeLessThanOrEqual(requests.length);
        expect(result.percentOfPeak).toBeLessThanOrEqual(reads > 0 ? 100 : 100 + (100 * nCL) / nBL);
      }),
      { numRuns: 200 },
    );
  });

  it('a deeper queue makes no stream slower by much, and a shallow one tells', () => {
    const dram = findDramStandard('ddr4-2400r-x8');
    const share = (queue: number): number =>
      runDramPattern(dram, 'sequential', { queue, requests: 20000 }).percentOfPeak;
    expect(share(257)).toBeGreaterThan(94);
    // A window that sees one bank group alone runs at nCCDL: 4 of 6.
    expect(share(16)).toBeLessThan(70);
  });
});

describe('patterns', () => {
  it.each([
    'stride_0',
    'random_block_100',
    'random_block_16',
    'streams_0_same_bank',
    'sequentially',
    'stride_x',
  ])('%s is refused', (pattern) => {
    expect(() => runDramPattern(findDramStandard('HBM2'), pattern)).toThrow(
      expect.objectContaining({ code: 'dram-pattern' }),
    );
  });
});

interface Reference {
  readonly simulator: string;
  readonly device: string;
  readonly pattern: string;
  readonly queue: string;
  readonly percent: number;
}

function references(): Reference[] {
  const [, ...lines] = readFileSync(RESULTS, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const cells = [...line.matchAll(/(?:"([^"]*)"|([^,]*))(?:,|$)/g)].map(
      ([, quoted, plain]) => quoted ?? plain,
    );
    const [simulator, device, pattern, queue] = cells;
    return { simulator, device, pattern, queue, percent: Number(cells[12]) };
  });
}

const isHere = existsSync(RESULTS);

describe.skipIf(!isHere)('beside cycle-accurate simulators', () => {
  const rows = isHere ? references().filter(({ simulator }) => simulator === 'ramulator2') : [];
  // An eighth of the requests of the reference: its own start and end then count for a little more.
  it.each(rows)('$device $pattern, $queue: within 1 % of $percent', ({ device, pattern, queue, percent }) => {
    const most = /at most (\d+)/.exec(queue);
    const outstanding = most === null ? {} : { outstanding: Number(most[1]) };
    const got = runDramPattern(findDramStandard(device), pattern, { requests: 32768, ...outstanding });
    expect(Math.abs(got.percentOfPeak / percent - 1)).toBeLessThan(0.01);
  });
});
