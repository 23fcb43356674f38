import { floatFormat, intFormat } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dequantizeLinear,
  dynamicQuantizeLinear,
  elementFormat,
  formatRange,
  type LinearQuantization,
  quantizeLinear,
} from '../src/index.js';
import { codesOf, inputAt, type OnnxCase, onnxCases, onnxFormat, valuesOf } from './onnx-vectors.js';

/** The record of a (De)QuantizeLinear node whose codes have the type `type`. */
function quantizationOf(node: OnnxCase, type: string): LinearQuantization {
  const [x, scale] = node.inputs;
  const zeroPoint = inputAt(node, 2);
  return {
    shape: x.dims,
    format: onnxFormat(type),
    scale: valuesOf(scale),
    ...(zeroPoint === undefined ? {} : { zeroPoint: codesOf(zeroPoint) }),
    axis: Number(node.attributes.axis ?? 1),
    blockSize: Number(node.attributes.block_size ?? 0),
    precision: onnxFormat(scale.type),
  };
}

const quantize = onnxCases('QuantizeLinear');
const dequantize = onnxCases('DequantizeLinear');
const dynamic = onnxCases('DynamicQuantizeLinear');

describe.skipIf(quantize.length === 0)('ONNX node cases', () => {
  it('has all cases', () => {
    expect([quantize.length, dequantize.length, dynamic.length]).toEqual([13, 14, 3]);
  });

  it.each(quantize)('$case', (node) => {
    const [y] = node.outputs;
    const codes = quantizeLinear(
      valuesOf(node.inputs[0]),
      quantizationOf(node, y.type),
      node.attributes.saturate !== 0,
    );
    expect([...codes]).toEqual(codesOf(y));
  });

  it.each(dequantize)('$case', (node) => {
    const [y] = node.outputs;
    const values = dequantizeLinear(codesOf(node.inputs[0]), quantizationOf(node, node.inputs[0].type));
    expect([...values]).toEqual([...valuesOf(y)]);
  });

  it.each(dynamic)('$case', ({ inputs: [x], outputs: [y, scale, zeroPoint] }) => {
    const result = dynamicQuantizeLinear(valuesOf(x));
    expect([...result.codes]).toEqual(codesOf(y));
    expect(result.scale).toBe(valuesOf(scale)[0]);
    expect(result.zeroPoint).toBe(codesOf(zeroPoint)[0]);
  });
});

it('keeps half a step between values and what is read back, wherever the axis is', () => {
  const formats = ['int4', 'uint4', 'int8', 'uint8'].map(elementFormat);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
      fc.nat(3),
      fc.nat(3),
      fc.constantFrom(...formats),
      fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
      (shape, axisSeed, blockSize, format, stream) => {
        const axis = axisSeed % shape.length;
        const elements = shape.reduce((a, b) => a * b, 1);
        const scales =
          blockSize === 0 ? shape[axis] : (elements / shape[axis]) * Math.ceil(shape[axis] / blockSize);
        const draw = (n: number) => Array.from({ length: n }, () => stream.next().value);
        const scale = Float32Array.from(draw(scales), (u) => 2 ** (3 * u));
        const { min, max } = formatRange(format);
        const zeroPoint = draw(scales).map(
          (u) => (Math.round((u * (max - min)) / 2) + 2 ** format.bits) % 2 ** format.bits,
        );
        const quantization = { shape, format, scale, zeroPoint, axis, blockSize };
        // Codes of all kinds come back through their values.
        const codes = draw(elements).map((u) => Math.floor(Math.abs(u) * 0.999 * 2 ** format.bits));
        const values = dequantizeLinear(codes, quantization);
        expect([...quantizeLinear(values, quantization)]).toEqual(codes);
      },
    ),
  );
});

it('refuses what does not fit', () => {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6);
  const base = { shape: [2, 3], format: intFormat(8), scale: Float32Array.of(1, 2) };
  expect(() => quantizeLinear(values, base)).toThrow(/scales do not have the length/);
  expect(() => quantizeLinear(values, { ...base, axis: 2 })).toThrow(/axis from -2 to 1/);
  expect([...quantizeLinear(values, { ...base, axis: -2 })]).toEqual([1, 2, 3, 2, 2, 3]);
  expect(() => quantizeLinear(values, { ...base, axis: 0, zeroPoint: [0] })).toThrow(
    /zero points do not have/,
  );
  const fp8 = { shape: [6], format: elementFormat('fp8_e5m2'), scale: Float32Array.of(1) };
  expect(() => quantizeLinear(values, { ...fp8, zeroPoint: [60] })).toThrow(/is not zero/);
  expect([...quantizeLinear(values, { ...fp8, zeroPoint: [128] })].length).toBe(6);
  expect([...quantizeLinear(Float32Array.of(1e6), { ...fp8, shape: [1] }, false)]).toEqual([0x7c]);
  expect(() =>
    quantizeLinear(Float32Array.of(0), { ...base, shape: [1], scale: Float32Array.of(0) }),
  ).toThrow(/0 \/ 0/);
  expect(() => dynamicQuantizeLinear(Float32Array.of(1, Number.NaN))).toThrow(/element 1/);
  expect(dynamicQuantizeLinear(new Float32Array(3))).toEqual({
    codes: new Uint8Array(3),
    scale: 1,
    zeroPoint: 0,
  });
});

it('computes in the precision of the scales', () => {
  const quantization = {
    shape: [1],
    format: intFormat(16),
    scale: Float32Array.of(0.0999755859375),
    precision: floatFormat('fp16', 5, 10),
  };
  // 200.375 / 0.09997… is 2004.239… in float32, and 2004 in fp16, whose step is 2 there from 2048 and 1 below.
  expect(quantizeLinear(Float32Array.of(204.875), quantization)[0]).toBe(2050);
  expect(quantizeLinear(Float32Array.of(204.875), { ...quantization, precision: undefined })[0]).toBe(2049);
});
