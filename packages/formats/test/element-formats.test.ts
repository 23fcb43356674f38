import { expect, it } from 'vitest';
import {
  decodeBf16,
  decodeFp16,
  ELEMENT_FORMAT_ALIASES,
  ELEMENT_FORMATS,
  elementFormat,
  formatRange,
} from '../src/index.js';

it('derives ranges from the record', () => {
  expect(formatRange(elementFormat('fp16'))).toEqual({
    min: -65504,
    max: decodeFp16(0x7bff),
    smallest: decodeFp16(1),
    smallestNormal: decodeFp16(0x400),
    symmetricMax: 65504,
  });
  expect(formatRange(elementFormat('bf16')).max).toBe(decodeBf16(0x7f7f));
  expect(formatRange(elementFormat('fp32')).max).toBe(3.4028234663852886e38);
  expect(formatRange(elementFormat('fp32')).smallest).toBe(2 ** -149);
  expect(formatRange(elementFormat('int4'))).toMatchObject({ min: -8, max: 7, symmetricMax: 7 });
  const e4m3fn = {
    ...elementFormat('fp16'),
    bits: 8,
    exponentBits: 4,
    mantissaBits: 3,
    bias: 7,
    specials: 'fn' as const,
  };
  expect(formatRange(e4m3fn)).toMatchObject({ max: 448, smallest: 2 ** -9 });
});

it('derives the ranges of every kind', () => {
  expect(formatRange(elementFormat('fp8_e4m3fnuz'))).toMatchObject({
    min: -240,
    max: 240,
    smallest: 2 ** -10,
  });
  expect(formatRange(elementFormat('fp8_e5m2'))).toMatchObject({ max: 57344, smallestNormal: 2 ** -14 });
  expect(formatRange(elementFormat('fp4_e2m1'))).toEqual({
    min: -6,
    max: 6,
    smallest: 0.5,
    smallestNormal: 1,
    symmetricMax: 6,
  });
  expect(formatRange(elementFormat('e8m0'))).toEqual({
    min: 2 ** -127,
    max: 2 ** 127,
    smallest: 2 ** -127,
    smallestNormal: 2 ** -127,
    symmetricMax: 2 ** 127,
  });
  expect(formatRange(elementFormat('uint4'))).toMatchObject({
    min: 0,
    max: 15,
    smallest: 1,
    symmetricMax: 15,
  });
  expect(formatRange(elementFormat('mxint8'))).toEqual({
    min: -2,
    max: 127 / 64,
    smallest: 1 / 64,
    smallestNormal: 1 / 64,
    symmetricMax: 127 / 64,
  });
  expect(formatRange(elementFormat('ternary'))).toMatchObject({ min: -1, max: 1, symmetricMax: 1 });
  // MLS <2,4>: exponents 1 to 3 of normals, all codes numbers.
  expect(formatRange(elementFormat('<2,4>'))).toMatchObject({ max: (31 / 16) * 4, smallest: 2 ** -4 });
  expect(formatRange(elementFormat('<0,3>'))).toMatchObject({ min: -7 / 8, max: 7 / 8, smallest: 1 / 8 });
});

it('knows its names', () => {
  for (const [name, format] of Object.entries(ELEMENT_FORMATS)) {
    expect(format.name).toBe(name);
    expect(elementFormat(name)).toBe(format);
  }
  for (const name of Object.values(ELEMENT_FORMAT_ALIASES)) expect(ELEMENT_FORMATS).toHaveProperty(name);
  for (const name of Object.keys(ELEMENT_FORMAT_ALIASES)) expect(ELEMENT_FORMATS).not.toHaveProperty(name);
  expect(elementFormat('float8_e4m3fn').name).toBe('fp8_e4m3fn');
  expect(elementFormat('FLOAT4E2M1').name).toBe('fp4_e2m1');
  expect(() => elementFormat('constructor')).toThrow(/no element format.*fp8_e4m3fn/);
});

it('makes custom floats by name', () => {
  expect(elementFormat('<2,4>')).toEqual({
    name: '<2,4>',
    kind: 'float',
    bits: 7,
    signed: true,
    exponentBits: 2,
    mantissaBits: 4,
    bias: 1,
    specials: 'none',
  });
  expect(elementFormat('e3m5')).toEqual(elementFormat('<3,5>'));
  expect(elementFormat('e5m2').name).toBe('fp8_e5m2');
  expect(elementFormat('<5,2>').specials).toBe('none');
  for (const name of ['<0,0>', '<11,4>', '<8,24>']) expect(() => elementFormat(name)).toThrow(/<E,M>/);
});
