import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupQuantizationBound, optimalChannelGroups } from '../src/index.js';
import { codeThrownBy, uniforms } from './support/random.js';

/** The least objective over every assignment of channels to groups, by trying all of them. */
function leastOfAll(maxima: readonly number[], groups: number): number {
  const range = new Array<number>(groups).fill(0);
  const members = new Array<number>(groups).fill(0);
  const search = (channel: number): number => {
    if (channel === maxima.length) {
      return range.reduce((sum, most, group) => sum + members[group] * most ** 2, 0);
    }
    let least = Number.POSITIVE_INFINITY;
    for (let group = 0; group < groups; group += 1) {
      const before = range[group];
      range[group] = Math.max(before, maxima[channel]);
      members[group] += 1;
      least = Math.min(least, search(channel + 1));
      range[group] = before;
      members[group] -= 1;
    }
    return least;
  };
  return search(0);
}

/** The least objective over ranges of the sorted maxima, by the recurrence without its shortcuts. */
function leastOfRanges(maxima: readonly number[], groups: number): number {
  const sorted = [...maxima].sort((a, b) => b - a);
  let best = sorted.map((_, end) => (end + 1) * sorted[0] ** 2);
  for (let layer = 1; layer < groups; layer += 1) {
    best = sorted.map((_, end) => {
      let least = best[end];
      for (let start = 1; start <= end; start += 1) {
        least = Math.min(least, best[start - 1] + (end - start + 1) * sorted[start] ** 2);
      }
      return least;
    });
  }
  return best.at(-1) ?? 0;
}

/** Whole numbers, so that every sum of squares is exact. */
const maximaOf = (maxLength: number) =>
  fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength });

describe('optimal thresholds of a group quantiser', () => {
  test('no assignment of channels to groups is better', () => {
    fc.assert(
      fc.property(maximaOf(6), fc.integer({ min: 1, max: 4 }), (maxima, groups) => {
        expect(groupQuantizationBound(Float32Array.from(maxima), groups)).toBe(leastOfAll(maxima, groups));
      }),
      { numRuns: 60 },
    );
  });

  test('equal to the plain recurrence on longer lists', () => {
    fc.assert(
      fc.property(maximaOf(60), fc.integer({ min: 1, max: 12 }), (maxima, groups) => {
        expect(groupQuantizationBound(Float32Array.from(maxima), groups)).toBe(leastOfRanges(maxima, groups));
      }),
    );
  });

  test('index and ranges are those of the objective', () => {
    fc.assert(
      fc.property(maximaOf(40), fc.integer({ min: 1, max: 8 }), (maxima, groups) => {
        const { index, ranges, objective } = optimalChannelGroups(Float32Array.from(maxima), groups);
        expect(ranges.length).toBe(Math.min(groups, maxima.length));
        let sum = 0;
        const most = new Float32Array(ranges.length);
        maxima.forEach((max, channel) => {
          sum += ranges[index[channel]] ** 2;
          most[index[channel]] = Math.max(most[index[channel]], max);
        });
        expect(sum).toBe(objective);
        expect(most).toEqual(ranges);
        expect([...ranges]).toEqual([...ranges].sort((a, b) => b - a));
      }),
    );
  });

  test('a group more never costs, and a group per channel is the sum of squares', () => {
    const maxima = Float32Array.from(uniforms(50, 7));
    let before = Number.POSITIVE_INFINITY;
    for (let groups = 1; groups <= 60; groups += 1) {
      const bound = groupQuantizationBound(maxima, groups);
      expect(bound).toBeLessThanOrEqual(before);
      before = bound;
    }
    expect(before).toBeCloseTo(
      maxima.reduce((sum, max) => sum + max ** 2, 0),
      10,
    );
  });

  test('the example of the design record: one large channel apart', () => {
    const { index, ranges, objective } = optimalChannelGroups(Float32Array.of(1, 8, 1, 2, 1), 2);
    expect([...index]).toEqual([1, 0, 1, 1, 1]);
    expect([...ranges]).toEqual([8, 2]);
    expect(objective).toBe(64 + 4 * 4);
  });

  test('no channels, zero channels, and the far ends of float32', () => {
    expect(optimalChannelGroups(new Float32Array(0), 3)).toEqual({
      index: new Uint8Array(0),
      ranges: new Float32Array(0),
      objective: 0,
    });
    expect(groupQuantizationBound(new Float32Array(5), 3)).toBe(0);
    const ends = Float32Array.of(3.4028234663852886e38, 2 ** -149);
    expect(optimalChannelGroups(ends, 2).ranges).toEqual(ends);
  });

  test('typed errors', () => {
    const good = Float32Array.of(1);
    expect(codeThrownBy(() => optimalChannelGroups(good, 0))).toBe('shift-option');
    expect(codeThrownBy(() => optimalChannelGroups(good, 257))).toBe('shift-option');
    expect(codeThrownBy(() => optimalChannelGroups(Float32Array.of(-1), 2))).toBe('shift-option');
    expect(codeThrownBy(() => optimalChannelGroups(Float32Array.of(Number.NaN), 2))).toBe(
      'quantize-not-finite',
    );
  });
});
