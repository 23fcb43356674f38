/** The integer products of ONNX: the node cases of `format-vectors`, and the sums written another way. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, elementFormat } from '@bitloom/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConvolutionAttributes,
  convInteger,
  type IntegerTensor,
  type LinearTensor,
  matMulInteger,
  qLinearConv,
  qLinearMatMul,
} from '../src/index.js';

interface OnnxTensor {
  name: string;
  type: string;
  dims: number[];
  codes_hex: string[];
}

interface OnnxCase {
  case: string;
  op: string;
  node_inputs: string[];
  attributes: Record<string, unknown>;
  inputs: OnnxTensor[];
  outputs: OnnxTensor[];
}

const data = process.env.BITLOOM_DATA ?? join(import.meta.dirname, '../../../../shared/data');
const path = join(data, 'format-vectors/onnx-quant-node-tests.json');
const ops = ['MatMulInteger', 'ConvInteger', 'QLinearConv', 'QLinearMatMul'];
const { cases: all }: { cases: OnnxCase[] } = existsSync(path)
  ? JSON.parse(readFileSync(path, 'utf8'))
  : { cases: [] };
const cases = all.filter(({ op }) => ops.includes(op));

function codesOf({ codes_hex }: OnnxTensor): number[] {
  return codes_hex.map((hex) => Number.parseInt(hex, 16));
}

function valuesOf(tensor: OnnxTensor): number[] {
  if (tensor.type === 'INT32') return [...Int32Array.from(codesOf(tensor))];
  return [...decode(codesOf(tensor), elementFormat(tensor.type))];
}

function integersOf(tensor: OnnxTensor): IntegerTensor {
  const codes = codesOf(tensor);
  return {
    data: tensor.type === 'INT8' ? Int8Array.from(codes) : Uint8Array.from(codes),
    shape: tensor.dims,
  };
}

/** The reading of a node: the result as numbers, from its inputs by position. */
function run({ op, attributes, inputs, node_inputs, outputs }: OnnxCase): {
  data: number[];
  shape: readonly number[];
} {
  const [output] = outputs;
  const input = (position: number) => inputs.find(({ name }) => name === node_inputs[position]);
  const zero = (position: number) => {
    const tensor = input(position);
    return tensor === undefined ? undefined : valuesOf(tensor);
  };
  const linear = (position: number): LinearTensor => ({
    ...integersOf(inputs[position]),
    scale: valuesOf(inputs[position + 1]),
    zeroPoint: valuesOf(inputs[position + 2]),
  });
  const written = () =>
    ({
      type: output.type === 'INT8' ? 'int8' : 'uint8',
      scale: valuesOf(inputs[6])[0],
      zeroPoint: valuesOf(inputs[7])[0],
    }) as const;
  const convolution: ConvolutionAttributes = Array.isArray(attributes.pads)
    ? { pads: attributes.pads.map(Number) }
    : {};
  const table = {
    MatMulInteger: () => matMulInteger(integersOf(inputs[0]), integersOf(inputs[1]), zero(2), zero(3)),
    ConvInteger: () =>
      convInteger(integersOf(inputs[0]), integersOf(inputs[1]), convolution, zero(2), zero(3)),
    QLinearMatMul: () => qLinearMatMul(linear(0), linear(3), written()),
    QLinearConv: () => qLinearConv(linear(0), linear(3), written(), convolution),
  };
  const { data: result, shape } = table[op as keyof typeof table]();
  return { data: [...result], shape };
}

describe.skipIf(cases.length === 0)('ONNX node cases', () => {
  it('has all cases', () => {
    expect(cases.length).toBe(12);
  });

  it.each(cases)('$case', (node) => {
    expect(run(node)).toEqual({ data: valuesOf(node.outputs[0]), shape: node.outputs[0].dims });
  });
});

/** Deterministic bytes. */
function bytes(seed: number, length: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

it('broadcasts leading axes, and takes vectors as rows and columns', () => {
  const a = { data: bytes(1, 2 * 3 * 4), shape: [2, 1, 3, 4] };
  const b = { data: bytes(2, 5 * 4 * 2), shape: [5, 4, 2] };
  const whole = matMulInteger(a, b);
  expect(whole.shape).toEqual([2, 5, 3, 2]);
  for (let i = 0; i < 2; i += 1) {
    for (let j = 0; j < 5; j += 1) {
      const one = matMulInteger(
        { data: a.data.slice(i * 12, i * 12 + 12), shape: [3, 4] },
        { data: b.data.slice(j * 8, j * 8 + 8), shape: [4, 2] },
      );
      expect([...whole.data.slice((i * 5 + j) * 6, (i * 5 + j) * 6 + 6)]).toEqual([...one.data]);
    }
  }
  const row = { data: Int8Array.of(1, -2), shape: [2] };
  expect(matMulInteger(row, row)).toEqual({ data: Int32Array.of(5), shape: [] });
  const matrix = { data: Int8Array.of(1, 2, 3, 4), shape: [2, 2] };
  expect(matMulInteger(matrix, row).shape).toEqual([2]);
  expect([...matMulInteger(row, matrix).data]).toEqual([-5, -6]);
});

it('takes zero points by row and by column off first', () => {
  const a = { data: Uint8Array.of(10, 20, 30, 40), shape: [2, 2] };
  const b = { data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] };
  // [[0, 10], [0, 10]] x [[0, 0], [2, 2]]
  expect([...matMulInteger(a, b, [10, 30], [1, 2]).data]).toEqual([20, 20, 20, 20]);
  const wide = { data: Uint8Array.of(255, 255), shape: [1, 2] };
  expect(() => matMulInteger(wide, b, [1, 2, 3])).toThrow(/zero points of a/);
  expect(() => matMulInteger({ ...wide, shape: [2, 1] }, b)).toThrow(/do not fit/);
});

it('rounds the scaled sum to even, before the zero point', () => {
  const half = { data: Int8Array.of(1, 3, -1), shape: [3, 1], scale: [0.5], zeroPoint: [0] };
  const one = { data: Int8Array.of(1), shape: [1, 1], scale: [1], zeroPoint: [0] };
  const { data } = qLinearMatMul(half, one, { type: 'uint8', scale: 1, zeroPoint: 3 });
  expect([...data]).toEqual([3, 5, 3]);
  const far = qLinearMatMul(half, one, { type: 'int8', scale: 1e-6, zeroPoint: 0 });
  expect([...far.data]).toEqual([127, 127, -128]);
});

it('convolves as a matrix product of its windows', () => {
  fc.assert(
    fc.property(
      fc.record({
        batch: fc.integer({ min: 1, max: 2 }),
        group: fc.integer({ min: 1, max: 2 }),
        perGroup: fc.integer({ min: 1, max: 2 }),
        filtersPerGroup: fc.integer({ min: 1, max: 2 }),
        size: fc.array(fc.integer({ min: 3, max: 6 }), { minLength: 1, maxLength: 3 }),
        kernel: fc.integer({ min: 1, max: 2 }),
        stride: fc.integer({ min: 1, max: 2 }),
        dilation: fc.integer({ min: 1, max: 2 }),
        pad: fc.integer({ min: 0, max: 1 }),
        seed: fc.nat(),
      }),
      ({ batch, group, perGroup, filtersPerGroup, size, kernel, stride, dilation, pad, seed }) => {
        const channels = group * perGroup;
        const filters = group * filtersPerGroup;
        const rank = size.length;
        const x = {
          data: bytes(seed, batch * channels * size.reduce((p, n) => p * n)),
          shape: [batch, channels, ...size],
        };
        const w = {
          data: bytes(seed + 1, filters * perGroup * kernel ** rank),
          shape: [filters, perGroup, ...size.map(() => kernel)],
        };
        const fill = (value: number, length = rank) => Array.from({ length }, () => value);
        const attributes = {
          strides: fill(stride),
          dilations: fill(dilation),
          pads: fill(pad, 2 * rank),
          group,
        };
        const result = convInteger(x, w, attributes, [7], [3]);
        const [, , ...out] = result.shape;
        const pixels = out.reduce((p, n) => p * n, 1);
        // One output picked at random, from coordinates instead of loops over windows.
        const at = seed % result.data.length;
        const pixel = at % pixels;
        const filter = Math.floor(at / pixels) % filters;
        const n = Math.floor(at / pixels / filters);
        const place = out.map(
          (_, axis) => Math.floor(pixel / out.slice(axis + 1).reduce((p, m) => p * m, 1)) % out[axis],
        );
        let sum = 0;
        for (let i = 0; i < perGroup * kernel ** rank; i += 1) {
          const c = Math.floor(i / kernel ** rank);
          const tap = size.map((_, axis) => Math.floor(i / kernel ** (rank - 1 - axis)) % kernel);
          const from = place.map((p, axis) => p * stride - pad + tap[axis] * dilation);
          if (from.some((index, axis) => index < 0 || index >= size[axis])) continue;
          const channel = Math.floor(filter / filtersPerGroup) * perGroup + c;
          const offset = [n, channel, ...from].reduce((all, index, axis) => all * x.shape[axis] + index, 0);
          sum += (x.data[offset] - 7) * (w.data[filter * perGroup * kernel ** rank + i] - 3);
        }
        expect(result.data[at]).toBe(sum);
      },
    ),
  );
});

it('pads by name', () => {
  const x = { data: Uint8Array.of(1, 2, 3, 4), shape: [1, 1, 4] };
  const w = { data: Uint8Array.of(1, 10), shape: [1, 1, 2] };
  expect([...convInteger(x, w, { autoPad: 'same-upper' }).data]).toEqual([21, 32, 43, 4]);
  expect([...convInteger(x, w, { autoPad: 'same-lower' }).data]).toEqual([10, 21, 32, 43]);
  expect([...convInteger(x, w, { autoPad: 'valid' }).data]).toEqual([21, 32, 43]);
  expect(() => convInteger(x, { ...w, shape: [1, 2, 1] })).toThrow(/does not fit the image/);
});

it('adds the bias before the scale', () => {
  const x = { data: Uint8Array.of(5), shape: [1, 1, 1], scale: [0.5], zeroPoint: [1] };
  const w = { data: Int8Array.of(2, -2), shape: [2, 1, 1], scale: [1, 2], zeroPoint: [0, 0] };
  const { data: codes, shape } = qLinearConv(
    x,
    w,
    { type: 'int8', scale: 1, zeroPoint: 1 },
    {},
    Int32Array.of(-4, 100),
  );
  expect(shape).toEqual([1, 2, 1]);
  expect([...codes]).toEqual([3, 93]);
});
