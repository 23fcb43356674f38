import type { StochasticRounding } from '@bitloom/ir';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decode,
  elementFormat,
  encode,
  encodeElement,
  formatRange,
  STOCHASTIC_ROUNDING_MODES,
} from '../src/index.js';

const COUNT = 1 << 16;

/**
 * Each mean is of 2^16 independent draws between two neighbours, so that its deviation is step · √(p(1 − p)) / 2^8. Five
 * of them hold all but 6 in 10^7 unbiased means, and the seed is fixed: who fails here is biased, or unlucky in a change.
 */
it.each(STOCHASTIC_ROUNDING_MODES)('is unbiased: %s', (rounding: StochasticRounding) => {
  const cases: [string, number, number, number][] = [
    // Format, neighbours, and the share of the way between them.
    ['fp4_e2m1', 4, 6, 0.25],
    ['fp4_e2m1', -0.5, -1, 0.7],
    ['fp8_e4m3fn', 0, 2 ** -9, 0.1],
    ['fp8_e5m2', 40960, 49152, 0.5],
    ['<2,4>', 1, 17 / 16, 1 / 3],
    ['int4', -2, -3, 0.9],
    ['mxint8', 1 / 64, 2 / 64, 0.03],
    ['ternary', 0, 1, 0.6],
    ['e8m0', 4, 8, 0.3],
    ['bf16', 1, 1 + 2 ** -7, 0.01],
  ];
  for (const [name, near, far, share] of cases) {
    const format = elementFormat(name);
    const value = Math.fround(near + (far - near) * share);
    const p = (value - near) / (far - near);
    const values = new Float32Array(COUNT).fill(value);
    const back = decode(encode(values, format, { rounding, seed: 2024, stream: 5 }), format);
    let sum = 0;
    for (const x of back) {
      if (x !== near && x !== far) expect.fail(`${name}: ${value} became ${x}`);
      sum += x;
    }
    const deviation = (Math.abs(far - near) * Math.sqrt(p * (1 - p))) / Math.sqrt(COUNT);
    expect(Math.abs(sum / COUNT - value), `${name} ${value}`).toBeLessThan(5 * deviation);
  }
});

it('differs between streams and seeds, and not between ranges', () => {
  const values = Float32Array.from({ length: 10_000 }, (_, i) => Math.sin(i) * 6);
  const format = elementFormat('fp4_e2m1');
  const options = { rounding: 'stochastic', seed: 3, stream: 9 } as const;
  const whole = encode(values, format, options);
  expect([...encode(values, format, options)]).toEqual([...whole]);
  const tail = encode(values.subarray(7001), format, { ...options, firstIndex: 7001 });
  expect([...tail]).toEqual([...whole.subarray(7001)]);
  for (const other of [{ seed: 4 }, { stream: 10 }]) {
    const codes = encode(values, format, { ...options, ...other });
    const equal = codes.filter((code, i) => code === whole[i]).length;
    expect(equal).toBeGreaterThan(5000);
    expect(equal).toBeLessThan(9500);
  }
});

it('never passes a neighbour, and keeps what needs no rounding', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('fp4_e2m1', 'fp8_e4m3fn', 'fp8_e5m2fnuz', 'int4', 'uint8', 'e8m0', 'ternary'),
      fc.constantFrom(...STOCHASTIC_ROUNDING_MODES),
      fc.double({ min: -500, max: 500, noNaN: true }),
      fc.integer({ min: 1, max: 32 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (name, rounding, value, bits, share) => {
        const format = elementFormat(name);
        const random = { bits, value: Math.floor(share * 2 ** bits) };
        const code = encodeElement(value, format, { rounding, saturate: true, nan: 'throw' }, random);
        const directed = (['toward-negative', 'toward-positive'] as const).map((mode) =>
          encodeElement(value, format, { rounding: mode, saturate: true, nan: 'throw' }),
        );
        const [low, high] = directed.map((c) => decode([c], format)[0]);
        const back = decode([code], format)[0];
        expect(back >= low && back <= high).toBe(true);
        expect(back === low || back === high).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
  for (const rounding of STOCHASTIC_ROUNDING_MODES) {
    const format = elementFormat('fp8_e4m3fn');
    const random = { bits: 8, value: 255 };
    const policy = { rounding, saturate: true, nan: 'throw' } as const;
    expect(encodeElement(formatRange(format).max, format, policy, random)).toBe(0x7e);
    expect(() => encodeElement(1.01, format, policy)).toThrow(/random bits/);
    expect(() => encodeElement(1.01, format, policy, { bits: 8, value: 256 })).toThrow(/8 bits, value 256/);
  }
});

it('overflows in proportion where it does not saturate', () => {
  const values = new Float32Array(COUNT).fill(57344 + 2048);
  const codes = encode(values, elementFormat('fp8_e5m2'), {
    rounding: 'stochastic',
    saturate: false,
    seed: 1,
  });
  const infinite = codes.filter((code) => code === 0x7c).length;
  expect(codes.filter((code) => code === 0x7b).length + infinite).toBe(COUNT);
  // A quarter of 2^16 draws, with a deviation of √(3/16) · 2^8.
  expect(Math.abs(infinite - COUNT / 4)).toBeLessThan(5 * Math.sqrt(3 / 16) * 256);
});
