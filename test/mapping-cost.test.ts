/**
 * The compiler's analytic cost of cuts of weights goes with what the simulator takes: a few shapes of
 * docs/benchmarks/mapping-cost.md, simulated cycles only.
 */
import { chooseWeightTile } from '@bitloom/compiler';
import { FP16, findCard, intFormat, type QuantizedType } from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import {
  analyticCycles,
  pearson,
  searchOf,
  simulatedCycles,
  someTiles,
  spearman,
  withoutBarriers,
} from '../benchmarks/lib/mapping-cost.mjs';

const weight = (rows: number, cols: number): QuantizedType => ({
  kind: 'quantized',
  shape: [rows, cols],
  element: intFormat(4),
  scales: [{ format: FP16, block: [1, 128], direction: 'multiply', rule: 'amax/7' }],
  layout: 'canonical',
});
const SHAPES = [weight(768, 1024), weight(2048, 2048), weight(4096, 4096)];

describe.each(['u280-bitloom', 'u280-flightllm', 'vhk158'])('on %s', (name) => {
  const device = withoutBarriers(findCard(name));
  it.each([1, 16])('cycles of %d rows of activations', (tokens) => {
    const [analytic, simulated]: [number[], number[]] = [[], []];
    for (const type of SHAPES) {
      const search = searchOf(type, device, tokens === 1 ? 'decode' : 'prefill');
      const { matrix, slotBytes, bytesPerCycle } = search;
      const chosen = chooseWeightTile(matrix, slotBytes, bytesPerCycle, device);
      if (chosen === undefined) throw new Error('nothing fits');
      const costs = [chosen, ...someTiles(search, device)].map((tile) => {
        const { cycles, chunk } = simulatedCycles(type, tile, tokens, device);
        expect(chunk).toBe(tokens);
        analytic.push(analyticCycles(search, tile, tokens, chunk, device));
        simulated.push(cycles);
        return cycles;
      });
      // One cut serves decode and prefill, and the time of a short product depends on when memory is refreshed.
      expect(costs[0] / Math.min(...costs)).toBeLessThan(1.15);
    }
    expect(pearson(analytic, simulated)).toBeGreaterThan(0.99);
    expect(spearman(analytic, simulated)).toBeGreaterThan(0.95);
  });
});

describe('correlation', () => {
  it('is 1 for what rises together, -1 for what falls, and ranks only count order', () => {
    expect(pearson([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
    expect(pearson([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    expect(spearman([1, 2, 3, 4], [1, 10, 100, 1000])).toBeCloseTo(1, 12);
    // Equal values share the ranks 2 and 3: covariance 4.5 of 5 and 4.5.
    expect(spearman([1, 5, 5, 9], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
  });
});
