/** What counts as group integers: by what the record says, not by its names. */
import { describe, expect, test } from 'vitest';
import {
  FP16,
  FP32,
  fixedFormat,
  floatFormat,
  intFormat,
  isGroupIntegers,
  type QuantizedType,
  uintFormat,
} from '../src/index.js';

const [level] = [{ format: FP16, block: [1, 32], direction: 'multiply', rule: 'amax/qmax' } as const];
const plain: QuantizedType = {
  kind: 'quantized',
  shape: [8, 64],
  element: intFormat(4),
  scales: [level],
  layout: 'canonical',
};

test('symmetric integers of 2 to 8 bits under one fp16 per group', () => {
  for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
    expect(isGroupIntegers({ ...plain, element: intFormat(bits) })).toBe(true);
  }
  expect(isGroupIntegers({ ...plain, scales: [{ ...level, format: { ...FP16, name: 'half' } }] })).toBe(true);
});

describe('nothing else', () => {
  test.each<[string, Partial<QuantizedType>]>([
    ['fixed point, whose codes count fractions', { element: fixedFormat('mxint8', 8, 6) }],
    ['unsigned codes', { element: uintFormat(4) }],
    ['wide codes', { element: intFormat(9) }],
    ['floats', { element: floatFormat('fp4', 2, 1, { specials: 'none' }) }],
    ['another scale format', { scales: [{ ...level, format: FP32 }] }],
    ['another format called fp16', { scales: [{ ...level, format: { ...FP16, bias: 14 } }] }],
    ['a divisor', { scales: [{ ...level, direction: 'divide' }] }],
    ['zero points', { scales: [{ ...level, zero: { format: intFormat(4), kind: 'zero-point' } }] }],
    ['blocks over rows', { scales: [{ ...level, block: [2, 32] }] }],
    ['two levels', { scales: [level, { ...level, block: [0, 0] }] }],
    ['no level', { scales: [] }],
    ['an index map', { indexMap: { axis: 1, purpose: 'act-order', groups: 2 } }],
    ['sparsity', { sparsity: { kind: 'block-mask', block: [8, 8] } }],
    ['another rank', { shape: [8, 8, 8] }],
  ])('%s', (_, change) => {
    expect(isGroupIntegers({ ...plain, ...change })).toBe(false);
  });
});
