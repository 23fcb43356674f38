import { expect, it } from 'vitest';
import { castElements, decode, elementFormat, encode } from '../src/index.js';
import { codesOf, doublesOf, onnxCases, onnxFormat, valuesOf } from './onnx-vectors.js';

const cases = onnxCases('Cast', 'CastLike');

/**
 * Cases whose expected codes hold a quirk that is not followed, by element, and what we give instead. The
 * vectors' README names it: a NaN on its way to fp4 becomes −0, by accident of an implementation. Here it is an error unless
 * a policy says what it becomes, and `zero` is +0.
 */
const QUIRKS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  test_cast_FLOAT_to_FLOAT4E2M1: { 8: 0 },
  test_cast_FLOAT16_to_FLOAT4E2M1: { 8: 0 },
};

it.skipIf(cases.length === 0)('has all cases', () => {
  expect(cases.length).toBe(68);
  for (const name of Object.keys(QUIRKS)) expect(cases.map((c) => c.case)).toContain(name);
});

it.each(cases)('$case', ({ case: name, attributes, inputs: [input], outputs: [output] }) => {
  if (output.type === 'DOUBLE') {
    // Every format here is part of the float64 that JavaScript computes in.
    expect([...valuesOf(input)]).toEqual([...doublesOf(output)]);
    return;
  }
  const { round_mode = 'up', saturate = 1 } = attributes;
  if (round_mode !== 'up') expect.fail(`round_mode ${round_mode}`);
  const values = valuesOf(input);
  // A double is rounded to float32 first; no value here lies where that would round twice.
  const quirks = QUIRKS[name] ?? {};
  const format = onnxFormat(output.type);
  const options = { saturate: saturate === 1, roundMode: round_mode } as const;
  if (QUIRKS[name] !== undefined)
    expect(() => castElements(values, format, options)).toThrow(/NaN cannot be encoded/);
  const codes = [...castElements(values, format, { ...options, nan: 'zero' })];
  expect(codes).toEqual(codesOf(output).map((code, i) => quirks[i] ?? code));
});

it('casts to integers as C does, and to e8m0 by its mode', () => {
  const values = Float32Array.of(1.9, -1.9, 8, -9, 300, Number.POSITIVE_INFINITY);
  expect([...decode(castElements(values, elementFormat('int4')), elementFormat('int4'))]).toEqual([
    1, -1, -8, 7, -4, 0,
  ]);
  const e8m0 = elementFormat('e8m0');
  const powers = Float32Array.of(3, 2.9, 1.5, 1);
  expect([...decode(castElements(powers, e8m0), e8m0)]).toEqual([4, 4, 2, 1]);
  expect([...decode(castElements(powers, e8m0, { roundMode: 'down' }), e8m0)]).toEqual([2, 2, 1, 1]);
  // Ties to the even code: 2^1 has code 128, 2^0 code 127.
  expect([...decode(castElements(powers, e8m0, { roundMode: 'nearest' }), e8m0)]).toEqual([2, 2, 2, 1]);
  expect(() => castElements(values, elementFormat('ternary'))).toThrow(/code book/);
  expect(() => castElements(Float32Array.of(1, Number.NaN), elementFormat('int8'))).toThrow(/int8/);
  expect([...encode(Float32Array.of(1e9), elementFormat('fp16'), { saturate: false })]).toEqual([0x7c00]);
});
