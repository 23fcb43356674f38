/** The functions that define results, against float64 and against independent formulas. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cos64, exp64, log64, pow64, sin64 } from '../src/elementary.js';
import { EXP, exp32, gelu32, roundEven, silu32, sum16 } from '../src/reference/float.js';

const f = Math.fround;

/** Distance of a float32 result from the true value, in units of the last place of the true value. */
function ulps(got: number, truth: number): number {
  const unit = 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(truth))) - 23);
  return Math.abs(got - truth) / unit;
}

describe('exp32', () => {
  it('is within 2 ulp of Math.exp over its whole range', () => {
    let worst = 0;
    const check = (x: number): void => {
      worst = Math.max(worst, ulps(exp32(f(x)), Math.exp(f(x))));
    };
    for (let i = 0; i <= 400_000; i += 1) check(-87.33 + (i / 400_000) * (88.72 + 87.33));
    for (let i = -20_000; i <= 20_000; i += 1) check(i / 10_000);
    // Around every multiple of ln 2 / 2, where the range reduction changes.
    for (let n = -251; n <= 255; n += 1)
      for (let d = -20; d <= 20; d += 1) check((n * Math.LN2) / 2 + d * 1e-6);
    expect(worst).toBeLessThanOrEqual(2);
    expect(worst).toBeGreaterThan(0.5);
  });

  it('saturates at both ends and keeps NaN', () => {
    expect(exp32(-88)).toBe(0);
    expect(exp32(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(exp32(EXP.low)).toBeGreaterThan(2 ** -126);
    expect(exp32(100)).toBe(exp32(EXP.high));
    expect(exp32(Number.POSITIVE_INFINITY)).toBe(exp32(EXP.high));
    expect(exp32(EXP.high)).toBeLessThan(f(3.4028234e38));
    expect(exp32(Number.NaN)).toBeNaN();
    expect([exp32(0), exp32(-0)]).toEqual([1, 1]);
  });

  it('never decreases by more than a unit', () => {
    let last = exp32(-11);
    let worst = 0;
    for (let i = 0; i < 200_000; i += 1) {
      const value = exp32(f(-10 + i * 1e-4));
      worst = Math.max(worst, 1 - value / last);
      last = value;
    }
    // Neighbouring arguments may round apart by one unit.
    expect(worst).toBeLessThanOrEqual(2 ** -22);
  });
});

it('silu and gelu follow their formulas', () => {
  fc.assert(
    fc.property(fc.float({ min: -60, max: 60, noNaN: true }), (x) => {
      const silu = x / (1 + Math.exp(-x));
      expect(Math.abs(silu32(x) - silu)).toBeLessThanOrEqual(4e-7 * Math.abs(silu) + 1e-30);
      const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
      const gelu = 0.5 * x * (1 + Math.tanh(u));
      expect(Math.abs(gelu32(x) - gelu)).toBeLessThanOrEqual(1e-5 * Math.abs(gelu) + 1e-6);
    }),
  );
});

it('roundEven agrees with the sum with 1.5·2^23 in float32', () => {
  fc.assert(
    fc.property(fc.float({ min: -200, max: 200, noNaN: true }), (x) => {
      expect(roundEven(x) + 0).toBe(f(f(x + 12582912) - 12582912) + 0);
    }),
  );
  expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5].map((x) => roundEven(x) + 0)).toEqual([0, 2, 2, 0, -2, -2]);
});

it('sum16 adds 16 interleaved partial sums, then halves', () => {
  // 2^24 swallows a 1 that is added to it alone, so the order shows.
  const values = new Array(40).fill(0);
  values[0] = 2 ** 24;
  values[16] = 1;
  values[8] = 1;
  expect(sum16(40, (i) => values[i])).toBe(2 ** 24);
  values[24] = 1;
  expect(sum16(40, (i) => values[i])).toBe(2 ** 24 + 2);
  expect(sum16(0, () => 1)).toBe(0);
});

describe('float64 functions for tables', () => {
  const close = (got: number, truth: number, relative: number): void =>
    expect(Math.abs(got - truth)).toBeLessThanOrEqual(relative * Math.max(Math.abs(truth), 1e-300));

  it('exp, log and pow are within 1e-14', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -300, max: 300, noNaN: true }),
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        (x, y) => {
          close(exp64(x), Math.exp(x), 1e-14);
          expect(Math.abs(log64(y) - Math.log(y))).toBeLessThanOrEqual(
            1e-15 + 1e-15 * Math.abs(Math.log(y)) * 2,
          );
          close(pow64(y, x / 100), y ** (x / 100), 1e-13);
        },
      ),
    );
    expect([exp64(0), log64(1), pow64(7, 0), pow64(2, 10)]).toEqual([1, 0, 1, 1024]);
  });

  it('sin and cos are within 1e-15 up to 2^20', () => {
    fc.assert(
      fc.property(fc.double({ min: -(2 ** 20), max: 2 ** 20, noNaN: true }), (x) => {
        expect(Math.abs(sin64(x) - Math.sin(x))).toBeLessThanOrEqual(1e-15);
        expect(Math.abs(cos64(x) - Math.cos(x))).toBeLessThanOrEqual(1e-15);
      }),
      { numRuns: 2000 },
    );
    expect([sin64(0), cos64(0)]).toEqual([0, 1]);
  });
});
