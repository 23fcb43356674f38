/** Decode steps reckoned from a part of them: how far off sums are, and that reports still add up. */
import { compile } from '@bitloom/compiler';
import { encodedLength, findCard, type Report } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantizedLlama, STORIES } from '../../compiler/test/support/quantized-llama.js';
import { quantizedOpt } from '../../compiler/test/support/quantized-opt.js';
import { simulate } from '../src/index.js';
import { piecesOf, sampleSteps } from '../src/reuse/sampled-steps.js';

const TOLERANCE = 0.0005;

/** Sum of a cost over `count` steps from `first`, exact and from samples, and how many were executed. */
function sums(
  first: number,
  count: number,
  block: number,
  cost: (step: number) => number,
): { exact: number; got: number; executed: number; total: number } {
  const seen = new Set<number>();
  const { weights } = sampleSteps(
    piecesOf(first, count, (step) => step % block === 0),
    (step) => {
      expect(seen.has(step)).toBe(false);
      seen.add(step);
      return [cost(step)];
    },
    TOLERANCE,
  );
  let [exact, got, total] = [0, 0, 0];
  for (let i = 0; i < count; i++) exact += cost(first + i);
  for (const [step, weight] of weights) {
    got += weight * cost(step);
    total += weight;
  }
  return { exact, got, executed: seen.size, total };
}

describe('sampled steps', () => {
  it('weights sum to the number of steps, and a line is summed exactly', () => {
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 1, max: 80 }),
        (first, count, block) => {
          const { exact, got, total, executed } = sums(first, count, block, (step) => 1e6 + 37 * step);
          expect(total).toBeCloseTo(count, 6);
          expect(Math.abs(got / exact - 1)).toBeLessThan(1e-12);
          expect(executed).toBeLessThanOrEqual(Math.min(count, 32));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('steps in blocks, dear borders and noise stay within a tenth of a percent', () => {
    fc.assert(
      fc.property(
        fc.record({
          first: fc.nat(2000),
          count: fc.integer({ min: 100, max: 900 }),
          block: fc.integer({ min: 2, max: 130 }),
          slope: fc.integer({ min: 0, max: 900 }),
          jump: fc.integer({ min: 0, max: 20_000 }),
          border: fc.integer({ min: 0, max: 60_000 }),
          noise: fc.integer({ min: 0, max: 1500 }),
        }),
        ({ first, count, block, slope, jump, border, noise }) => {
          const cost = (step: number): number =>
            1e6 +
            slope * step +
            jump * Math.ceil(step / block) +
            (step % block === 0 ? border : 0) +
            noise * Math.sin(step * 12.9898);
          const { exact, got } = sums(first, count, block, cost);
          expect(Math.abs(got / exact - 1)).toBeLessThan(0.001);
        },
      ),
      // Two standard errors are 0.05 %, but steps that jump at every border are no noise: of such cases about one in
      // five thousand is beyond 0.1 %, so these are always the same.
      { numRuns: 300, seed: 20261124 },
    );
  });

  it('what does not settle is executed whole', () => {
    const { exact, got, executed } = sums(0, 100, 1000, (step) => (step * 7919) % 101);
    expect(executed).toBe(100);
    expect(got).toBeCloseTo(exact, 6);
  });
});

const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const SMALL = { layers: 1, width: 60, ffn: 172, heads: 6, vocab: 50, context: 512, bits: 8 } as const;
const CASES = [
  ['Llama on u280', quantizedLlama({ ...STORIES, layers: 2, vocab: 50 }), 'u280'],
  ['Llama on three cores', quantizedLlama({ ...STORIES, layers: 1, vocab: 50 }), 'u280-flightllm'],
  [
    'Llama of many layers on three cores',
    quantizedLlama({ ...STORIES, layers: 14, vocab: 50 }),
    'u280-bitloom',
  ],
  ['OPT on vhk158', quantizedOpt(SMALL), 'vhk158'],
] as const;

describe.each(CASES)('%s', (_name, model, card) => {
  const device = findCard(card);
  const program = compile(model, device);
  const run = (reuse: boolean): Report =>
    simulate(program, device, {
      prefill: 16,
      decode: 300,
      model: 'm',
      instructionBytes: NO_BYTES,
      encodedLength,
      reuse,
    }).report;
  const [exact, reused] = [run(false), run(true)];
  const decode = ({ phases }: Report): Report['phases'][number] => phases[1];

  it('time, energy and bytes are within a tenth of a percent of the exact run', () => {
    const ratio = (read: (report: Report) => number): number => read(reused) / read(exact) - 1;
    for (const read of [
      (report: Report) => report.totals.decodeSeconds,
      (report: Report) => report.totals.joules,
      (report: Report) => decode(report).macs,
      (report: Report) => decode(report).memories[0].bytes.total,
      (report: Report) => decode(report).instructions,
    ]) {
      expect(Math.abs(ratio(read))).toBeLessThan(0.001);
    }
    expect(reused.totals.prefillSeconds).toBe(exact.totals.prefillSeconds);
    expect(decode(reused).tokens).toBe(300);
  });

  it('says how many steps and layers were executed; an exact run says nothing', () => {
    const layers = model.states.length >= 2 * 14 ? ', in each 7 of 1\\d layers that repeat;' : ';';
    expect(reused.notes.join('\n')).toMatch(new RegExp(`decode: \\d+ of 300 steps executed${layers}`));
    expect(exact.notes.join('\n')).not.toContain('steps executed');
  });

  it('still accounts for every cycle, byte and product', () => {
    const { units, cycles, layers, ops, macs, memories } = decode(reused);
    for (const { busy, idle, stall, total } of units) {
      const parts = [busy, idle, ...Object.values(stall)];
      expect(parts.every((part) => Number.isSafeInteger(part) && part >= 0)).toBe(true);
      expect([parts.reduce((a, b) => a + b, 0), total]).toEqual([cycles, cycles]);
    }
    const moved = memories.reduce((sum, { bytes }) => sum + bytes.total - bytes.instructions, 0);
    for (const rows of [layers, ops]) {
      expect(rows.reduce((sum, row) => sum + row.macs, 0)).toBe(macs);
      expect(rows.reduce((sum, row) => sum + row.memoryBytes, 0)).toBe(moved);
      for (const { name } of units) {
        const busy = units.reduce((sum, unit) => sum + (unit.name === name ? unit.busy : 0), 0);
        expect(rows.reduce((sum, row) => sum + row.cycles[name], 0)).toBe(busy);
      }
    }
  });
});
