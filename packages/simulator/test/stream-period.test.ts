/** What repeats in a stream, and runs in which some repetitions stand for all. */
import { compile } from '@bitloom/compiler';
import { encodedLength, findCard } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantizedLlama, STORIES } from '../../compiler/test/support/quantized-llama.js';
import { compileEntry, findEntry } from '../src/compiled-stream.js';
import { type Counters, createCounters } from '../src/time/counters.js';
import { drawPlan, type PeriodPlan, PeriodWalk, PLANNED, skippedDeviation } from '../src/time/period-walk.js';
import { findPeriod } from '../src/time/stream-period.js';
import { TimedCard } from '../src/time/timed-run.js';

describe('findPeriod', () => {
  const flat = (texts: readonly number[]) => findPeriod(Int32Array.from(texts), new Uint8Array(texts.length));

  it('finds a repeated text between a head and a tail, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 100, max: 120 }), { maxLength: 20 }),
        fc.uniqueArray(fc.nat(50), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 6, max: 40 }),
        fc.array(fc.integer({ min: 130, max: 150 }), { maxLength: 20 }),
        (head, body, count, tail) => {
          const found = flat([...head, ...Array.from({ length: count }, () => body).flat(), ...tail]);
          expect(found).toEqual({ start: head.length, length: body.length, count });
        },
      ),
    );
  });

  it('finds none in too few repetitions or in texts that differ', () => {
    expect(flat([1, 2, 3, 1, 2, 3, 1, 2, 3])).toBeUndefined();
    expect(flat(Array.from({ length: 60 }, (_, i) => i))).toBeUndefined();
    expect(flat([])).toBeUndefined();
  });

  it('begins and ends outside of loops', () => {
    // A repetition is LOOP (1), body (2), END (3), 4; the text before the first looks like the end of one.
    const texts = [2, 3, 4, ...Array.from({ length: 8 }, () => [1, 2, 3, 4]).flat()];
    const depths = texts.map((text) => (text === 2 ? 1 : 0));
    depths[0] = 1;
    const found = findPeriod(Int32Array.from(texts), Uint8Array.from(depths));
    expect(found).toEqual({ start: 1, length: 4, count: 8 });
  });
});

describe('drawPlan', () => {
  it('weights sum to the number of repetitions; first and last count once; places are drawn over all', () => {
    const jumps = new Set<number>();
    for (let lot = 0; lot < 400; lot++) {
      const plan = drawPlan(31, lot);
      if (plan === undefined) throw new Error('no plan');
      const { executed, weights } = plan;
      expect(executed.length).toBe(PLANNED);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(31, 9);
      expect([executed[0], executed[1], executed.at(-1)]).toEqual([0, 1, 30]);
      expect(executed.every((k, i) => i === 0 || k > executed[i - 1])).toBe(true);
      expect(drawPlan(31, lot)).toEqual(plan);
      jumps.add(executed[2]);
    }
    expect(jumps.size).toBe(25);
    expect(drawPlan(9, 0)).toBeUndefined();
  });

  it('what jumped-over repetitions may be off by grows with how the executed ones scatter', () => {
    const plan: PeriodPlan = { executed: [0, 1, 2, 3], weights: [1, 5, 5, 1] };
    expect(skippedDeviation(plan, Float64Array.of(9, 100, 100, 9))).toBe(0);
    // Two that differ by 2: deviation sqrt 2 of one, 1 of their mean, and 8 repetitions hang on it.
    expect(skippedDeviation(plan, Float64Array.of(9, 99, 101, 9))).toBeCloseTo(8, 12);
  });
});

describe('PeriodWalk', () => {
  it('goes from one executed repetition to the next and counts cycles by weight', () => {
    const walk = new PeriodWalk(
      { start: 10, length: 5, count: 6 },
      { executed: [0, 2, 5], weights: [1, 4, 1] },
    );
    expect([walk.mark, walk.cross(100), walk.weight]).toEqual([10, 10, 1]);
    expect([walk.mark, walk.cross(130), walk.weight]).toEqual([15, 20, 4]);
    expect([walk.mark, walk.cross(180), walk.weight]).toEqual([25, 35, 1]);
    expect([walk.mark, walk.cross(220), walk.weight]).toEqual([40, 40, 1]);
    expect([walk.mark, [...walk.cycles], walk.skipped]).toEqual([-1, [30, 50, 40], 3 * 50]);
  });
});

const LAYERS = 14;
const CARDS = ['u280', 'u280-bitloom', 'u280-flightllm'] as const;

describe.each(CARDS)('a decode step of many layers on %s', (name) => {
  const device = findCard(name);
  const program = compile(quantizedLlama({ ...STORIES, layers: LAYERS, vocab: 50 }), device);
  const entry = compileEntry(program, findEntry(program, 'decode'), device, encodedLength);
  const card = new TimedCard(device);
  const count = card.repetitions(entry);
  const run = (past: number, plan?: PeriodPlan): { cycles: number; counters: Counters } => {
    const counters = createCounters(device);
    return { cycles: card.run(entry, { seq: 1, past }, counters, { plan }), counters };
  };

  it('repeats once per layer, but for what stands at the ends', () => {
    expect(count).toBeGreaterThanOrEqual(LAYERS - 2);
    expect(count).toBeLessThanOrEqual(LAYERS);
  });

  it('executed as a whole by a plan it is the run without one', () => {
    const all = Array.from({ length: count }, (_, i) => i);
    const planned = run(40, { executed: all, weights: all.map(() => 1) });
    const whole = run(40);
    expect(planned.cycles).toBe(whole.cycles);
    expect(planned.counters.units).toEqual(whole.counters.units);
    expect(planned.counters.memories).toEqual(whole.counters.memories);
  });

  it('executed in part it moves and multiplies exactly as much, in nearly the same time', () => {
    for (const past of [3, 40, 90]) {
      const whole = run(past);
      const part = run(past, drawPlan(count, past));
      expect(part.counters.macs).toBeCloseTo(whole.counters.macs, 3);
      expect(part.counters.instructions).toBeCloseTo(whole.counters.instructions, 3);
      for (const [space, bytes] of whole.counters.memories) {
        const { weights, kv, activations } = part.counters.memories.get(space) ?? bytes;
        expect(weights).toBeCloseTo(bytes.weights, 2);
        expect(kv).toBeCloseTo(bytes.kv, 2);
        expect(activations).toBeCloseTo(bytes.activations, 2);
      }
      // A layer of this small model is as long as a few refreshes, which fall where they will.
      expect(Math.abs(part.cycles / whole.cycles - 1)).toBeLessThan(0.04);
      // Layers that were jumped over have their share of the costs.
      for (const [origin, cost] of whole.counters.costs)
        expect(part.counters.costs.get(origin)?.memoryBytes).toBeCloseTo(cost.memoryBytes, 2);
    }
  });
});
