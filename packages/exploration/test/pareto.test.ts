/** The Pareto order, by its properties. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dominates, paretoFront, type Vector } from '../src/index.js';
import { crowding, paretoRanks } from '../src/pareto.js';

// Few values, so that equal components and equal vectors are common.
const vectors = (axes: number): fc.Arbitrary<Vector[]> =>
  fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: axes, maxLength: axes }), { maxLength: 30 });
const anyVectors = fc.integer({ min: 1, max: 4 }).chain(vectors);

const isEqual = (a: Vector, b: Vector): boolean => a.every((value, i) => value === b[i]);

describe('dominance', () => {
  test('is irreflexive, asymmetric and transitive', () => {
    fc.assert(
      fc.property(vectors(3), (all) => {
        for (const a of all) {
          expect(dominates(a, a)).toBe(false);
          for (const b of all) {
            if (!dominates(a, b)) continue;
            expect(dominates(b, a)).toBe(false);
            for (const c of all) if (dominates(b, c)) expect(dominates(a, c)).toBe(true);
          }
        }
      }),
    );
  });

  test('is monotone: to improve a component never loses it', () => {
    fc.assert(
      fc.property(
        vectors(3).filter((all) => all.length >= 2),
        fc.nat(2),
        ([a, b], axis) => {
          const better = a.map((value, i) => (i === axis ? value - 1 : value));
          if (dominates(a, b) || isEqual(a, b)) expect(dominates(better, b)).toBe(true);
          expect(dominates(b, better)).toBe(dominates(b, better) && dominates(b, a));
        },
      ),
    );
  });
});

describe('the front', () => {
  test('has no two of which one dominates or equals the other, and beats or equals all others', () => {
    fc.assert(
      fc.property(anyVectors, (all) => {
        const front = paretoFront(all);
        const isOn = new Set(front);
        for (const i of front)
          for (const j of front)
            if (i !== j) expect(dominates(all[i], all[j]) || isEqual(all[i], all[j])).toBe(false);
        all.forEach((one, i) => {
          if (isOn.has(i)) return;
          expect(front.some((k) => dominates(all[k], one) || isEqual(all[k], one))).toBe(true);
        });
      }),
    );
  });

  test('does not change by what it dominates, and only gives way to what is better', () => {
    fc.assert(
      fc.property(vectors(3), fc.tuple(fc.nat(6), fc.nat(6), fc.nat(6)), (all, one) => {
        const before = paretoFront(all);
        const after = paretoFront([...all, one]);
        if (before.some((i) => dominates(all[i], one) || isEqual(all[i], one))) expect(after).toEqual(before);
        else {
          expect(after).toContain(all.length);
          for (const i of before) expect(after.includes(i)).toBe(!dominates(one, all[i]));
        }
      }),
    );
  });
});

test('ranks: each vector of a rank is beaten by one of the rank before', () => {
  fc.assert(
    fc.property(anyVectors, (all) => {
      const ranks = paretoRanks(all);
      const front = paretoFront(all);
      expect(all.flatMap((_, i) => (ranks[i] === 0 ? [i] : []))).toEqual(front);
      all.forEach((one, i) => {
        if (ranks[i] === 0) return;
        const before = all.filter((_, j) => ranks[j] === ranks[i] - 1);
        expect(before.some((other) => dominates(other, one) || isEqual(other, one))).toBe(true);
      });
    }),
  );
});

test('crowding: ends are infinitely far apart, the middle as its neighbours are', () => {
  const line: Vector[] = [
    [0, 10],
    [1, 9],
    [5, 4],
    [10, 0],
  ];
  const inner = (a: Vector, b: Vector): number => (b[0] - a[0]) / 10 + (a[1] - b[1]) / 10;
  expect(crowding(line, [0, 0, 0, 0])).toEqual([
    Number.POSITIVE_INFINITY,
    inner(line[0], line[2]),
    inner(line[1], line[3]),
    Number.POSITIVE_INFINITY,
  ]);
});
