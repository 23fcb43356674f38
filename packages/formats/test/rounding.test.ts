import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type DeterministicRounding, ROUNDING_MODES, roundShift, roundToInteger } from '../src/index.js';

it('rounds ties and directions as the names say', () => {
  const table: [number, ...number[]][] = [
    // value, then nearest-even, nearest-away, toward-zero, toward-negative, toward-positive, to-odd
    [2.5, 2, 3, 2, 2, 3, 3],
    [3.5, 4, 4, 3, 3, 4, 3],
    [-2.5, -2, -3, -2, -3, -2, -3],
    [2.25, 2, 2, 2, 2, 3, 3],
    [-2.75, -3, -3, -2, -3, -2, -3],
    [7, 7, 7, 7, 7, 7, 7],
  ];
  for (const [value, ...expected] of table) {
    expect(
      ROUNDING_MODES.map((mode) => roundToInteger(value, mode)),
      String(value),
    ).toEqual(expected);
  }
  expect(Object.is(roundToInteger(-0.25, 'nearest-even'), -0)).toBe(true);
  expect(roundToInteger(Number.NEGATIVE_INFINITY, 'to-odd')).toBe(Number.NEGATIVE_INFINITY);
  expect(roundToInteger(Number.NaN, 'to-odd')).toBeNaN();
});

it('shifts as it rounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      fc.integer({ min: 0, max: 30 }),
      fc.boolean(),
      fc.constantFrom(...ROUNDING_MODES),
      (magnitude, shift, negative, mode) => {
        const value = (negative ? -magnitude : magnitude) / 2 ** shift;
        expect(roundShift(magnitude, shift, mode, negative)).toBe(Math.abs(roundToInteger(value, mode)));
      },
    ),
  );
});

it('refuses an unknown name', () => {
  const name: string = 'toString';
  expect(() => roundToInteger(1.5, name as DeterministicRounding)).toThrow(BitloomError);
  expect(() => roundToInteger(1.5, name as DeterministicRounding)).toThrow(/nearest-even/);
});
