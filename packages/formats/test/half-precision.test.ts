import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DeterministicRounding,
  decodeBf16,
  decodeBf16Array,
  decodeFp16,
  decodeFp16Array,
  encodeBf16,
  encodeBf16Array,
  encodeFp16,
  encodeFp16Array,
  ROUNDING_MODES,
} from '../src/index.js';
import { readFormatVectors } from './data.js';

/** The two neighbours of `value` among the finite values of a format, found by bisection over ordered codes. */
function neighbours(decode: (bits: number) => number, topCode: number, value: number): [number, number] {
  let low = 0;
  let high = topCode;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (decode(middle) <= value) low = middle;
    else high = middle;
  }
  return decode(high) <= value ? [high, high] : [low, decode(low) === value ? low : high];
}

const formats = [
  { name: 'fp16', encode: encodeFp16, decode: decodeFp16, top: 0x7bff, infinity: 0x7c00 },
  { name: 'bf16', encode: encodeBf16, decode: decodeBf16, top: 0x7f7f, infinity: 0x7f80 },
];

describe.each(formats)('$name', ({ encode, decode, top, infinity }) => {
  it('decodes and encodes every code to itself, in every mode', () => {
    for (let code = 0; code < 65536; code += 1) {
      const value = decode(code);
      if (Number.isNaN(value)) continue;
      for (const mode of ROUNDING_MODES) {
        if (encode(value, mode) !== code)
          expect.fail(`${mode}: ${code} -> ${value} -> ${encode(value, mode)}`);
      }
    }
  });

  it('keeps NaNs as NaNs', () => {
    for (let code = infinity + 1; code < 0x8000; code += 1)
      expect(encode(decode(code)) & 0x7fff).toBeGreaterThan(infinity);
  });

  it('rounds between neighbours as the mode says', () => {
    const choose: Record<DeterministicRounding, (value: number, low: number, high: number) => number> = {
      'nearest-even': (v, l, h) => {
        const below = v - decode(l);
        const above = decode(h) - v;
        return below < above ? l : below > above ? h : l % 2 === 0 ? l : h;
      },
      'nearest-away': (v, l, h) => (v - decode(l) < decode(h) - v ? l : h),
      'toward-zero': (_v, l) => l,
      'toward-negative': (_v, l) => l,
      'toward-positive': (_v, _l, h) => h,
      'to-odd': (_v, l, h) => (l % 2 === 1 ? l : h),
    };
    const limit = decode(top);
    fc.assert(
      fc.property(fc.float({ min: 0, max: Math.fround(limit), noNaN: true }), (value) => {
        const [low, high] = neighbours(decode, top, value);
        for (const mode of ROUNDING_MODES) {
          expect(encode(value, mode)).toBe(low === high ? low : choose[mode](value, low, high));
          // By symmetry, with the directed modes exchanged.
          const mirrored =
            mode === 'toward-negative'
              ? 'toward-positive'
              : mode === 'toward-positive'
                ? 'toward-negative'
                : mode;
          expect(encode(-value, mirrored)).toBe(encode(value, mode) | 0x8000);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('overflows to infinity, or to the largest finite value where the mode says so', () => {
    for (const [mode, positive, negative] of [
      ['nearest-even', infinity, infinity],
      ['nearest-away', infinity, infinity],
      ['toward-zero', top, top],
      ['toward-negative', top, infinity],
      ['toward-positive', infinity, top],
      ['to-odd', top, top],
    ] as const) {
      expect(encode(3.4028234663852886e38, mode)).toBe(positive);
      expect(encode(-3.4028234663852886e38, mode)).toBe(negative | 0x8000);
      expect(encode(Number.POSITIVE_INFINITY, mode)).toBe(infinity);
    }
  });
});

it('places the fp16 overflow at the tie 65520', () => {
  expect(encodeFp16(65519.99609375)).toBe(0x7bff);
  expect(encodeFp16(65520)).toBe(0x7c00);
});

it('agrees between arrays and single values', () => {
  const codes = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const fp16 = decodeFp16Array(codes);
  const bf16 = decodeBf16Array(codes);
  for (let i = 0; i < 65536; i += 1) {
    if (!Object.is(fp16[i], decodeFp16(i))) expect.fail(`fp16 ${i}: ${fp16[i]} ${decodeFp16(i)}`);
    if (!Object.is(bf16[i], decodeBf16(i))) expect.fail(`bf16 ${i}: ${bf16[i]} ${decodeBf16(i)}`);
  }
  const values = Float32Array.of(0, -0, 1 / 3, 65504, 1e-7, -1e-8, 1e30);
  expect([...encodeFp16Array(values)]).toEqual([...values].map((value) => encodeFp16(value)));
  expect([...encodeBf16Array(values)]).toEqual([...values].map((value) => encodeBf16(value)));
});

interface RoundingVectors {
  columns: string[];
  formats: Record<string, (string | number)[][]>;
}

const vectors = readFormatVectors<RoundingVectors>('rounding-modes-gfloat.json');

it.skipIf(vectors === undefined)('rounds bf16 as the gfloat vectors', () => {
  const { columns, formats: rows } = vectors ?? { columns: [], formats: {} };
  const names: Record<string, DeterministicRounding> = {
    TiesToEven: 'nearest-even',
    TiesToAway: 'nearest-away',
    TowardZero: 'toward-zero',
    TowardNegative: 'toward-negative',
    TowardPositive: 'toward-positive',
    ToOdd: 'to-odd',
  };
  let checked = 0;
  for (const row of rows.bfloat16) {
    const value = new Float32Array(Uint32Array.of(Number.parseInt(String(row[0]), 16)).buffer)[0];
    // The vectors saturate; overflow is tested above.
    if (Math.abs(value) > 3.3895313892515355e38) continue;
    for (const [column, mode] of Object.entries(names)) {
      expect(encodeBf16(value, mode), `${row[0]} ${mode}`).toBe(row[columns.indexOf(column)]);
      checked += 1;
    }
  }
  expect(checked).toBeGreaterThan(100);
});
