/** The definition of encoding against an oracle that knows the values of all codes and nothing else; its properties. */
import { type ElementFormat, floatFormat, type RoundingMode } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  customFloat,
  DEFAULT_ENCODE_POLICY,
  decodeElement,
  elementFormat,
  encode,
  encodeElement,
  formatRange,
  ROUNDING_MODES,
} from '../src/index.js';

const SMALL = [
  ...['fp8_e4m3fn', 'fp8_e5m2', 'fp8_e4m3', 'fp8_e3m4', 'fp8_e4m3fnuz', 'fp8_e5m2fnuz', 'fp8_e4m3b11fnuz'],
  ...[
    'fp6_e3m2',
    'fp6_e2m3',
    'fp4_e2m1',
    'e8m0',
    'int2',
    'int4',
    'int8',
    'uint1',
    'uint4',
    'uint8',
    'mxint8',
  ],
  ...['<0,3>', '<1,2>', '<2,1>', '<2,4>', '<3,0>', '<4,3>'],
].map(elementFormat);

/** Any float of at most 10 bits. */
const anyFloat = fc
  .record({
    exponentBits: fc.integer({ min: 1, max: 6 }),
    mantissaBits: fc.integer({ min: 1, max: 4 }),
    specials: fc.constantFrom('ieee' as const, 'fn' as const, 'fnuz' as const, 'none' as const),
    bias: fc.integer({ min: -20, max: 60 }),
  })
  .map(({ exponentBits, mantissaBits, specials, bias }) =>
    floatFormat(`e${exponentBits}m${mantissaBits}b${bias}${specials}`, exponentBits, mantissaBits, {
      specials,
      bias,
    }),
  );

/** Finite values with their codes, ascending; of equal ones (the zeros) the positive one. */
function finiteValues(format: ElementFormat): { value: number; code: number }[] {
  return Array.from({ length: 2 ** format.bits }, (_, code) => ({ value: decodeElement(code, format), code }))
    .filter(({ value }) => Number.isFinite(value) && !Object.is(value, -0))
    .sort((a, b) => a.value - b.value);
}

/** The magnitude after the largest one, were there another exponent. */
function nextMagnitude(format: ElementFormat, max: number): number {
  if (format.kind === 'int') return max + 2 ** -format.bias;
  if (format.mantissaBits === 0 && !format.signed) return 2 * max;
  const wider = {
    ...format,
    exponentBits: format.exponentBits + 1,
    bits: format.bits + 1,
    specials: 'none' as const,
  };
  const { code } = finiteValues(wider)
    .filter(({ value }) => value <= max)
    .at(-1) ?? { code: 0 };
  return decodeElement(code + 1, wider);
}

/** Between which neighbours a value lies, and how a mode chooses. */
function choose(
  value: number,
  low: number,
  high: number,
  lowIsOdd: boolean,
  mode: RoundingMode,
): 'low' | 'high' {
  const below = value - low;
  const above = high - value;
  const nearZero = value >= 0 ? 'low' : 'high';
  const farFromZero = value >= 0 ? 'high' : 'low';
  if (mode === 'toward-zero') return nearZero;
  if (mode === 'toward-negative') return 'low';
  if (mode === 'toward-positive') return 'high';
  if (mode === 'to-odd') return lowIsOdd ? 'low' : 'high';
  if (below !== above) return below < above ? 'low' : 'high';
  return mode === 'nearest-away' ? farFromZero : lowIsOdd ? 'high' : 'low';
}

/** Values that a format must decide: its own, their middles, the float64 next to both, overflow. */
function decisions(format: ElementFormat): number[] {
  const finite = finiteValues(format).map(({ value }) => value);
  const { max } = formatRange(format);
  const next = nextMagnitude(format, max);
  const points = [...finite, next, ...(format.signed ? [-next] : [])].sort((a, b) => a - b);
  const all = [...points, ...points.slice(1).map((value, i) => (value + points[i]) / 2), 2 * next, 1e300];
  return all.flatMap((value) => [value, value * (1 + 2 ** -52), value * (1 - 2 ** -53)]);
}

function checkAgainstOracle(format: ElementFormat, values: readonly number[]): void {
  const finite = finiteValues(format);
  const top = finite[finite.length - 1];
  const bottom = finite[0];
  const next = nextMagnitude(format, top.value);
  const nanOf = (negative: boolean) => encodeElement(negative ? -Infinity : Infinity, format, noSaturation);
  for (const value of values) {
    const at = finite.findLastIndex((entry) => entry.value <= value);
    for (const rounding of ROUNDING_MODES) {
      for (const saturate of [true, false]) {
        const code = encodeElement(value, format, { rounding, saturate, nan: 'throw' });
        const same = (wanted: number): void => {
          if (code !== wanted)
            expect.fail(`${format.name} ${value} ${rounding} saturate ${saturate}: ${code}, not ${wanted}`);
        };
        if (at >= 0 && finite[at].value === value && value !== 0) {
          same(finite[at].code);
          continue;
        }
        const beyond = value > top.value || value < bottom.value;
        if (!beyond && value !== 0) {
          const low = finite[at];
          const high = finite[at + 1];
          const side = choose(value, low.value, high.value, low.code % 2 === 1, rounding);
          const chosen = side === 'low' ? low : high;
          // What rounds to zero keeps its sign where the format has both zeros.
          const zero = signedZero(value, format);
          same(chosen.value === 0 ? zero : chosen.code);
          continue;
        }
        if (value === 0) continue;
        const edge = value > 0 ? top : bottom;
        if (format.kind === 'int' || saturate || format.specials === 'none' || bottom.value > 0) {
          // Powers of two are tested apart.
          if (bottom.value <= 0) same(edge.code);
          continue;
        }
        const magnitude = Math.abs(value);
        const stays =
          rounding === 'toward-zero' ||
          rounding === 'to-odd' ||
          (rounding === 'toward-negative' && value > 0) ||
          (rounding === 'toward-positive' && value < 0);
        const nearest = rounding === 'nearest-even' || rounding === 'nearest-away';
        const back = nearest && choose(magnitude, top.value, next, top.code % 2 === 1, rounding) === 'low';
        const finiteResult = stays || (back && magnitude < next);
        same(finiteResult ? edge.code : nanOf(value < 0));
      }
    }
  }
}

const noSaturation = { rounding: 'nearest-even', saturate: false, nan: 'throw' } as const;

function signedZero(value: number, { kind, signed, specials, bits }: ElementFormat): number {
  return value < 0 && kind === 'float' && signed && specials !== 'fnuz' ? 2 ** (bits - 1) : 0;
}

describe('against the values of all codes', () => {
  it.each(SMALL)('$name', (format) => {
    checkAgainstOracle(format, decisions(format));
  });

  it('any float, of any bias and specials', () => {
    fc.assert(
      fc.property(anyFloat, fc.array(fc.nat(100_000), { minLength: 12, maxLength: 12 }), (format, picks) => {
        const values = decisions(format);
        checkAgainstOracle(
          format,
          picks.map((pick) => values[pick % values.length]),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('any custom <E,M>, by float64 values of any size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: -40, max: 40 }))),
        (exponentBits, mantissaBits, values) => {
          const format = customFloat(exponentBits, mantissaBits);
          checkAgainstOracle(
            format,
            values.map(([fraction, exponent]) => fraction * 2 ** exponent),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('properties', () => {
  const format = fc.oneof(fc.constantFrom(...SMALL), anyFloat);
  const value = fc.oneof(
    fc.double({ noNaN: true }),
    fc
      .tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: -30, max: 30 }))
      .map(([x, e]) => x * 2 ** e),
  );
  const mode = fc.constantFrom(...ROUNDING_MODES);

  it('is monotonic in every mode', () => {
    fc.assert(
      fc.property(format, value, value, mode, (f, a, b, rounding) => {
        const decoded = (x: number) =>
          decodeElement(encodeElement(x, f, { rounding, saturate: true, nan: 'throw' }), f);
        expect(decoded(Math.min(a, b))).toBeLessThanOrEqual(decoded(Math.max(a, b)));
      }),
      { numRuns: 1000 },
    );
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(format, value, mode, fc.boolean(), (f, x, rounding, saturate) => {
        const policy = { rounding, saturate, nan: 'throw' } as const;
        const code = encodeElement(x, f, policy);
        if (!Number.isNaN(decodeElement(code, f)))
          expect(encodeElement(decodeElement(code, f), f, policy)).toBe(code);
      }),
      { numRuns: 1000 },
    );
  });

  it('is symmetric in sign, with the directed modes exchanged', () => {
    fc.assert(
      fc.property(anyFloat, value, mode, fc.boolean(), (f, x, rounding, saturate) => {
        const exchange: Partial<Record<RoundingMode, RoundingMode>> = {
          'toward-negative': 'toward-positive',
          'toward-positive': 'toward-negative',
        };
        const mirrored = exchange[rounding] ?? rounding;
        const code = encodeElement(Math.abs(x), f, { rounding, saturate, nan: 'throw' });
        const negative = encodeElement(-Math.abs(x), f, { rounding: mirrored, saturate, nan: 'throw' });
        const signBit = 2 ** (f.bits - 1);
        const fnuz = f.specials === 'fnuz' && (code === 0 || code === signBit);
        expect(negative).toBe(fnuz ? code : code + signBit);
      }),
      { numRuns: 1000 },
    );
  });

  it('saturates at the range, and nowhere else', () => {
    fc.assert(
      fc.property(format, value, (f, x) => {
        const { min, max } = formatRange(f);
        const back = decodeElement(encodeElement(x, f), f);
        if (x >= max) expect(back).toBe(max);
        else if (x <= min) expect(back).toBe(min);
        else expect(back >= min && back <= max).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

it('places ties, overflow and special values by the books', () => {
  const table: [string, boolean, [number, number][]][] = [
    [
      'fp8_e4m3fn',
      false,
      [
        [448, 0x7e],
        [464, 0x7e],
        [464.0001, 0x7f],
        [-464, 0xfe],
        [-480, 0xff],
        [Number.POSITIVE_INFINITY, 0x7f],
        [Number.NEGATIVE_INFINITY, 0xff],
        [-0, 0x80],
        [2 ** -10, 0],
        [-(2 ** -10), 0x80],
        [2 ** -10 * 1.0001, 1],
        [3 * 2 ** -10, 2],
      ],
    ],
    [
      'fp8_e4m3fn',
      true,
      [
        [1e9, 0x7e],
        [Number.NEGATIVE_INFINITY, 0xfe],
        [479, 0x7e],
      ],
    ],
    [
      'fp8_e5m2',
      false,
      [
        [61439, 0x7b],
        [61440, 0x7c],
        [-61440, 0xfc],
        [Number.POSITIVE_INFINITY, 0x7c],
      ],
    ],
    [
      'fp8_e5m2',
      true,
      [
        [61440, 0x7b],
        [Number.NEGATIVE_INFINITY, 0xfb],
      ],
    ],
    [
      'fp8_e4m3',
      false,
      [
        [247.9, 0x77],
        [248, 0x78],
        [Number.NEGATIVE_INFINITY, 0xf8],
      ],
    ],
    [
      'fp8_e4m3fnuz',
      false,
      [
        [247.9, 0x7f],
        [248, 0x80],
        [-248, 0x80],
        [-0, 0],
        [-(2 ** -11), 0],
        [-247, 0xff],
      ],
    ],
    [
      'fp8_e4m3fnuz',
      true,
      [
        [1e9, 0x7f],
        [Number.NEGATIVE_INFINITY, 0xff],
      ],
    ],
    [
      'fp8_e4m3b11fnuz',
      false,
      [
        [30, 0x7f],
        [31, 0x80],
      ],
    ],
    [
      'fp4_e2m1',
      false,
      [
        [5, 6],
        [5.01, 7],
        [1e9, 7],
        [Number.NEGATIVE_INFINITY, 15],
        [0.25, 0],
        [0.75, 2],
        [-0.1, 8],
      ],
    ],
    [
      'fp6_e2m3',
      false,
      [
        [7.25, 0x1e],
        [8, 0x1f],
        [-0.0625, 0x20],
      ],
    ],
    [
      'e8m0',
      true,
      [
        [1, 127],
        [1.5, 128],
        [3, 128],
        [2 ** -127, 0],
        [1e-300, 0],
        [0, 0],
        [-5, 0],
        [3e38, 254],
      ],
    ],
    [
      'e8m0',
      false,
      [
        [1.4999, 127],
        [1.5 * 2 ** 127, 254],
        [1.51 * 2 ** 127, 255],
        [0, 255],
        [-5, 255],
        [-0, 255],
      ],
    ],
    [
      'int4',
      false,
      [
        [2.5, 2],
        [3.5, 4],
        [-8.5, 8],
        [1e9, 7],
        [Number.NEGATIVE_INFINITY, 8],
        [-0, 0],
        [-0.4, 0],
      ],
    ],
    [
      'uint4',
      false,
      [
        [-3, 0],
        [15.5, 15],
        [14.5, 14],
        [Number.NEGATIVE_INFINITY, 0],
      ],
    ],
    [
      'mxint8',
      true,
      [
        [1, 64],
        [-1, 192],
        [1.99, 127],
        [-2, 128],
        [1 / 128, 0],
        [3 / 128, 2],
      ],
    ],
    [
      'ternary',
      true,
      [
        [0.5, 1],
        [0.51, 2],
        [-0.5, 1],
        [-9, 0],
      ],
    ],
    [
      'binary',
      true,
      [
        [0, 1],
        [-0, 1],
        [-1e-9, 0],
        [3, 1],
      ],
    ],
  ];
  for (const [name, saturate, rows] of table) {
    const format = elementFormat(name);
    for (const [value, code] of rows) {
      const policy = { ...DEFAULT_ENCODE_POLICY, saturate };
      expect(encodeElement(value, format, policy), `${name} ${value}`).toBe(code);
      if (Math.fround(value) === value)
        expect(encode(Float32Array.of(value), format, { saturate })[0]).toBe(code);
    }
  }
});

it('rounds once, from float64', () => {
  // As a float32 this is the tie 17, which goes to 16.
  expect(encodeElement(17 + 2 ** -40, elementFormat('fp8_e4m3fn'))).toBe(0x59);
  expect(encodeElement(Math.fround(17 + 2 ** -40), elementFormat('fp8_e4m3fn'))).toBe(0x58);
});

it('lets unsigned floats have no negative values', () => {
  const format = floatFormat('ue4m3', 4, 3, { signed: false });
  const policy = { rounding: 'nearest-even', saturate: false, nan: 'throw' } as const;
  expect(encodeElement(-1, format)).toBe(0);
  expect(encodeElement(-1, format, policy)).toBe(0x7c);
  expect(encodeElement(-1e-9, format, policy)).toBe(0);
  expect(encodeElement(-0, format, policy)).toBe(0);
  expect(encodeElement(1e9, format, policy)).toBe(0x78);
});

it('rounds in code books as the modes are described', () => {
  const values = (name: string, rounding: RoundingMode, list: number[]) =>
    list.map((value) =>
      decodeElement(
        encodeElement(value, elementFormat(name), { rounding, saturate: true, nan: 'throw' }),
        elementFormat(name),
      ),
    );
  const list = [0.5, -0.5, 0.2, -0.7];
  expect(values('ternary', 'nearest-even', list)).toEqual([0, 0, 0, -1]);
  expect(values('ternary', 'nearest-away', list)).toEqual([1, -1, 0, -1]);
  expect(values('ternary', 'toward-zero', list)).toEqual([0, 0, 0, 0]);
  expect(values('ternary', 'toward-negative', list)).toEqual([0, -1, 0, -1]);
  expect(values('ternary', 'toward-positive', list)).toEqual([1, 0, 1, 0]);
  expect(values('ternary', 'to-odd', list)).toEqual([0, 0, 0, 0]);
  for (const mode of ROUNDING_MODES) {
    if (mode === 'toward-negative' || mode === 'toward-positive' || mode === 'to-odd') continue;
    expect(values('binary', mode, [0, -0])).toEqual([1, 1]);
  }
  expect(values('binary', 'toward-zero', [0.9, -0.9])).toEqual([1, -1]);
});
