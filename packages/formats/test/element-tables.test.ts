/**
 * Every code of the tables in `format-vectors/element-tables`, and decode → encode identity.
 *
 * Identity, exactly: a finite code comes back as itself under every policy; an infinity without saturation; a NaN code
 * as the quiet NaN of its sign. The quiet NaN is the only NaN of every format but the IEEE ones, where the other NaN
 * codes (0x7d and 0x7f of e5m2, for instance) are not canonical and come back as 0x7e.
 */
import { describe, expect, it } from 'vitest';
import {
  decode,
  decodeElement,
  ELEMENT_FORMATS,
  elementFormat,
  encode,
  encodeElement,
} from '../src/index.js';
import { readFormatVectors } from './data.js';

interface ElementTable {
  /** Code, value as text, float32 bits (null for what is not finite). */
  codes: [number, string, string | null][];
}

const names = [
  'float4_e2m1fn',
  'float6_e2m3fn',
  'float6_e3m2fn',
  'float8_e3m4',
  'float8_e4m3',
  'float8_e4m3b11fnuz',
  'float8_e4m3fn',
  'float8_e4m3fnuz',
  'float8_e5m2',
  'float8_e5m2fnuz',
  'float8_e8m0fnu',
];

const SPECIALS: Record<string, number> = {
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  nan: Number.NaN,
};

describe.skipIf(readFormatVectors('element-tables/float8_e5m2.json') === undefined)('tables', () => {
  it.each(names)('decodes every code of %s as the table', (name) => {
    const { codes } = readFormatVectors<ElementTable>(`element-tables/${name}.json`) ?? { codes: [] };
    const format = elementFormat(name);
    expect(codes.map(([code]) => code)).toEqual(Array.from({ length: 2 ** format.bits }, (_, i) => i));
    const values = decode(
      Uint8Array.from(codes, ([code]) => code),
      format,
    );
    const bits = new Uint32Array(values.buffer);
    for (const [code, text, hex] of codes) {
      const value = hex === null ? SPECIALS[text] : Number(text);
      expect(decodeElement(code, format), `code ${code}`).toBe(value);
      expect(values[code], `code ${code}`).toBe(value);
      if (hex !== null) expect(bits[code].toString(16).padStart(8, '0'), `code ${code}`).toBe(hex);
    }
  });
});

/** Quiet NaN of each format that has NaNs, for positive and negative ones. */
const QUIET: Record<string, [number, number]> = {
  fp16: [0x7e00, 0xfe00],
  bf16: [0x7fc0, 0xffc0],
  fp8_e4m3fn: [0x7f, 0xff],
  fp8_e5m2: [0x7e, 0xfe],
  fp8_e4m3: [0x7c, 0xfc],
  fp8_e3m4: [0x78, 0xf8],
  fp8_e4m3fnuz: [0x80, 0x80],
  fp8_e5m2fnuz: [0x80, 0x80],
  fp8_e4m3b11fnuz: [0x80, 0x80],
  e8m0: [0xff, 0xff],
};

const formats = [
  ...Object.values(ELEMENT_FORMATS).filter((format) => format.bits <= 16),
  ...['<0,3>', '<1,2>', '<2,4>', '<3,0>', '<7,1>', '<5,7>'].map(elementFormat),
];

it.each(formats)('encodes what it decodes: $name', (format) => {
  const count = format.values?.length ?? 2 ** format.bits;
  const codes = Uint16Array.from({ length: count }, (_, code) => code);
  const values = decode(codes, format);
  const back = encode(values, format, { saturate: false });
  for (let code = 0; code < count; code += 1) {
    const value = decodeElement(code, format);
    if (Number.isNaN(value)) {
      const negative = format.signed && code >= count / 2;
      expect(back[code], `NaN ${code}`).toBe(QUIET[format.name][negative ? 1 : 0]);
      continue;
    }
    if (!Object.is(values[code], value) || back[code] !== code)
      expect.fail(`code ${code} is ${value}, decodes to ${values[code]} and encodes to ${back[code]}`);
    for (const saturate of [false, true]) {
      const again = encodeElement(value, format, { rounding: 'toward-zero', saturate, nan: 'throw' });
      if (again !== code && !(saturate && !Number.isFinite(value))) expect.fail(`code ${code}: ${again}`);
    }
  }
});
