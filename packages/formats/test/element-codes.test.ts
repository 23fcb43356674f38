/** `encode` and `decode` on arrays against the definition, one element at a time. */
import {
  codebookFormat,
  type ElementFormat,
  floatFormat,
  intFormat,
  type RoundingMode,
  uintFormat,
} from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CodeArray,
  decode,
  decodeElement,
  type EncodePolicy,
  elementFormat,
  encode,
  encodeElement,
  ROUNDING_MODES,
  randomWords,
  STOCHASTIC_ROUNDING_MODES,
} from '../src/index.js';

const NAMES = [
  ...[
    'fp32',
    'fp16',
    'bf16',
    'fp8_e4m3fn',
    'fp8_e5m2',
    'fp8_e4m3',
    'fp8_e3m4',
    'fp8_e4m3fnuz',
    'fp8_e5m2fnuz',
  ],
  ...[
    'fp8_e4m3b11fnuz',
    'fp6_e3m2',
    'fp6_e2m3',
    'fp4_e2m1',
    'e8m0',
    'int2',
    'int4',
    'int8',
    'uint1',
    'uint4',
  ],
  ...[
    'uint8',
    'mxint8',
    'ternary',
    'binary',
    '<0,3>',
    '<1,2>',
    '<2,4>',
    '<3,0>',
    '<9,4>',
    '<5,20>',
    '<10,21>',
  ],
];

const FORMATS: ElementFormat[] = [
  ...NAMES.map(elementFormat),
  floatFormat('ue5m3', 5, 3, { signed: false, specials: 'none' }),
  floatFormat('ue4m3', 4, 3, { signed: false }),
  floatFormat('e5m2b40', 5, 2, { bias: 40, specials: 'fn' }),
  floatFormat('e4m3b-100', 4, 3, { bias: -100 }),
  intFormat(16),
  uintFormat(32),
  intFormat(32),
  codebookFormat('unsorted', 3, [4, -1.5, 0.1, 0.1, 1e-20, -7]),
];

/** Float32 values by their bits. */
function fromBits(bits: ArrayLike<number>): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/**
 * Every exponent with the mantissas at which formats of up to 5 mantissa bits decide: all patterns of the six top bits,
 * followed by zeros, by the least and by the most that can follow; of both signs; and both infinities.
 */
function decisiveValues(topBits: number): Float32Array {
  const bits = [0x7f800000, 0xff800000];
  for (let top = 0; top < 255 << topBits; top += 1) {
    const high = top * 2 ** (23 - topBits);
    for (const low of [0, 1, 2 ** (23 - topBits) - 1]) bits.push(high + low, high + low + 0x80000000);
  }
  return fromBits(bits);
}

function expectEqual(
  values: Float32Array,
  codes: CodeArray,
  wanted: (value: number, index: number) => number,
): void {
  for (let i = 0; i < values.length; i += 1) {
    const code = wanted(values[i], i);
    if (codes[i] !== code) expect.fail(`${values[i]} (element ${i}) encodes to ${codes[i]}, not ${code}`);
  }
}

const decisive = [0, 1, 2, 3, 4, 5, 6].map(decisiveValues);
const some = decisive[1];

/** Values by which to judge a format: one bit past its mantissa for ties, one more for their neighbours. */
function valuesFor({ kind, mantissaBits }: ElementFormat): Float32Array {
  return decisive[kind === 'float' && mantissaBits <= 4 ? mantissaBits + 2 : 4];
}

describe.each(FORMATS)('$name', (format) => {
  it('encodes what nearest-even decides as the definition', () => {
    const every = valuesFor(format);
    for (const saturate of format.specials === 'none' ? [true] : [true, false]) {
      const policy: EncodePolicy = { rounding: 'nearest-even', saturate, nan: 'throw' };
      expectEqual(every, encode(every, format, policy), (value) => encodeElement(value, format, policy));
    }
  });

  it('encodes as the definition in every other mode', () => {
    const words = randomWords(7, 3, 11, new Uint32Array(some.length));
    for (const rounding of [...ROUNDING_MODES, ...STOCHASTIC_ROUNDING_MODES]) {
      for (const saturate of [true, false]) {
        const policy: EncodePolicy = { rounding, saturate, nan: 'zero' };
        const codes = encode(some, format, { ...policy, seed: 7, stream: 3, firstIndex: 11 });
        expectEqual(some, codes, (value, i) =>
          encodeElement(value, format, policy, { bits: 32, value: words[i] }),
        );
      }
    }
  });

  it('encodes random floats as the definition', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(0xffffffff), { minLength: 1, maxLength: 40 }),
        fc.constantFrom<RoundingMode>(...ROUNDING_MODES),
        fc.boolean(),
        (bits, rounding, saturate) => {
          const values = fromBits(bits).filter((value) => !Number.isNaN(value));
          const policy: EncodePolicy = { rounding, saturate, nan: 'throw' };
          expectEqual(values, encode(values, format, policy), (value) =>
            encodeElement(value, format, policy),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('decodes as the definition, by a table or one by one', () => {
    const count = format.values?.length ?? Math.min(2 ** format.bits, 4096);
    const codes = Array.from({ length: count }, (_, code) => code);
    for (const given of [
      codes,
      format.bits <= 8 ? Uint8Array.from([...codes, ...codes.slice(0, 64)]) : codes,
    ]) {
      const values = decode(given, format);
      for (let i = 0; i < given.length; i += 1) {
        const value = Math.fround(decodeElement(given[i], format));
        if (!Object.is(values[i], value)) expect.fail(`code ${given[i]}: ${values[i]}, not ${value}`);
      }
    }
  });
});

it('encodes large arrays by a code book as small ones', () => {
  const nf = codebookFormat('nf', 4, [
    ...[-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0],
    ...[0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1],
  ]);
  const close = codebookFormat('close', 3, [1 + 2 ** -30, 1 + 2 ** -29, 1, 1 + 2 ** -23, -1]);
  const noise = Float32Array.from(randomWords(1, 0, 0, new Uint32Array(4000)), (word) => word / 2 ** 31 - 1);
  const values = Float32Array.of(...noise, ...some);
  for (const format of [nf, close, elementFormat('ternary')]) {
    for (const rounding of ROUNDING_MODES) {
      const policy: EncodePolicy = { rounding, saturate: true, nan: 'throw' };
      expectEqual(values, encode(values, format, policy), (value) => encodeElement(value, format, policy));
    }
  }
});

it('encodes large arrays of special values as small ones', () => {
  const specials = fromBits([
    ...[0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff],
    ...[0xffffffff, 0xfff80001, 0x7ff80001, 1, 0x80000001, 0x7f7fffff, 0xff7fffff, 0x43f00000, 0xc3f00000],
  ]);
  const many = new Float32Array(65536).fill(1);
  many.set(specials, 1000);
  many.set(specials, 65536 - specials.length);
  for (const format of FORMATS) {
    for (const saturate of [true, false]) {
      const codes = [...encode(specials, format, { saturate, nan: 'max' })];
      const large = encode(many, format, { saturate, nan: 'max' });
      expect([...large.subarray(1000, 1000 + specials.length)], format.name).toEqual(codes);
      expect([...large.subarray(65536 - specials.length)], format.name).toEqual(codes);
    }
  }
  const nan = new Float32Array(65536);
  nan[65000] = Number.NaN;
  expect(() => encode(nan, elementFormat('fp4_e2m1'))).toThrow(/element 65000/);
});

it('keeps the sign of NaNs, and follows the policy where there is none', () => {
  const nans = fromBits([0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff]);
  const cases: [string, number[]][] = [
    ['fp32', [0x7fc00000, 0xffc00000, 0x7fc00000, 0xffc00000]],
    ['fp16', [0x7e00, 0xfe00, 0x7e00, 0xfe00]],
    ['bf16', [0x7fc0, 0xffc0, 0x7fc0, 0xffc0]],
    ['fp8_e4m3fn', [0x7f, 0xff, 0x7f, 0xff]],
    ['fp8_e5m2', [0x7e, 0xfe, 0x7e, 0xfe]],
    ['fp8_e5m2fnuz', [0x80, 0x80, 0x80, 0x80]],
    ['e8m0', [0xff, 0xff, 0xff, 0xff]],
  ];
  for (const [name, codes] of cases) {
    expect([...encode(nans, elementFormat(name))], name).toEqual(codes);
    const signs = new Uint32Array(decode(Uint32Array.from(codes), elementFormat(name)).buffer);
    const expected = codes.map((code) =>
      elementFormat(name).signed && code >= 2 ** (elementFormat(name).bits - 1) ? 0xffc00000 : 0x7fc00000,
    );
    expect([...signs], name).toEqual(expected);
  }
  const without: [string, number, number][] = [
    // Name, code of `zero`, code of `max`.
    ['fp4_e2m1', 0, 7],
    ['fp6_e3m2', 0, 31],
    ['int8', 0, 127],
    ['uint4', 0, 15],
    ['ternary', 1, 2],
    ['<2,4>', 0, 63],
  ];
  for (const [name, zero, max] of without) {
    const format = elementFormat(name);
    expect([...encode(nans, format, { nan: 'zero' })]).toEqual([zero, zero, zero, zero]);
    expect([...encode(nans, format, { nan: 'max' })]).toEqual([max, max, max, max]);
    expect(() => encode(Float32Array.of(1, Number.NaN), format)).toThrow(/element 1/);
    expect(() => encodeElement(Number.NaN, format)).toThrow(/NaN cannot be encoded/);
  }
});

it('writes into the array it is given, and says what does not fit', () => {
  const values = Float32Array.of(1, 2, 3);
  const format = elementFormat('int4');
  const out = new Uint8Array(3);
  expect(encode(values, format, { out })).toBe(out);
  expect([...out]).toEqual([1, 2, 3]);
  expect(encode(values, elementFormat('fp16'))).toBeInstanceOf(Uint16Array);
  expect(encode(values, elementFormat('<5,12>'))).toBeInstanceOf(Uint32Array);
  expect(() => encode(values, format, { out: new Uint8Array(2) })).toThrow(
    /places for codes do not have the length/,
  );
  expect(() => encode(values, elementFormat('fp16'), { out })).toThrow(/at least 16 bits/);
  expect(() => decode(Uint8Array.of(1, 16), format)).toThrow(/element 1/);
  expect(() => decode(new Uint8Array(100).fill(3), elementFormat('ternary'))).toThrow(/element 0/);
  expect(() => decode([0.5], format)).toThrow(/integer from 0 to 15/);
  expect(() => encode(values, format, { rounding: 'stochastic', seed: -1 })).toThrow(/seed/);
  const unknown: string = 'nearest';
  for (const name of ['int4', 'fp4', 'fp32', 'e8m0', 'ternary'])
    expect(() => encode(values, elementFormat(name), { rounding: unknown as RoundingMode })).toThrow(
      /rounding mode/,
    );
});
