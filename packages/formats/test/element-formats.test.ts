import { expect, it } from 'vitest';
import { decodeBf16, decodeFp16, ELEMENT_FORMATS, elementFormat, formatRange } from '../src/index.js';

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

it('knows its names', () => {
  expect(Object.keys(ELEMENT_FORMATS)).toEqual([
    'fp32',
    'fp16',
    'bf16',
    'int2',
    'int3',
    'int4',
    'int5',
    'int6',
    'int7',
    'int8',
  ]);
  expect(() => elementFormat('constructor')).toThrow(/no element format/);
});
