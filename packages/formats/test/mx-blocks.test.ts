/** OCP MX blocks: the four scale rules on outside vectors, and NaN blocks. */
import type { ElementFormat, TensorScheme } from '@bitloom/ir';
import { describe, expect, test } from 'vitest';
import { elementFormat } from '../src/elements/element-formats.js';
import { unpackCodes } from '../src/layouts/codes.js';
import { quantizeScaled } from '../src/scaled/quantize-scaled.js';
import { readFormatVectors } from './data.js';

type Case = [element: string, rule: string, block: number, scale: number, codes: string | null];

const modes = readFormatVectors<{ blocks_f32: string[][]; cases: Case[] }>('mx-block-scale-modes.json');
const literals = readFormatVectors<{
  cases: {
    input_uint: number[];
    input_dtype: string;
    expected_e8m0: number[];
    expected_e4m3_codes: number[] | null;
  }[];
}>('torchao-mx-rceil-literals.json');

function mxScheme(element: ElementFormat, rule: string): TensorScheme {
  return {
    name: 'MX',
    element,
    scales: [
      {
        format: elementFormat('e8m0'),
        granularity: { strategy: 'group', groupSize: 32 },
        direction: 'multiply',
        rule,
      },
    ],
    rounding: 'nearest-even',
    saturate: true,
    nan: 'throw',
    layout: 'canonical',
  };
}

function quantizeBlock(bits: Uint32Array, element: string, rule: string): { scale: number; codes: number[] } {
  const format = elementFormat(element);
  const { components } = quantizeScaled(
    { data: new Float32Array(bits.buffer), shape: [32] },
    mxScheme(format, rule),
  );
  return { scale: components.scales[0], codes: [...unpackCodes(components.codes, 1, 32, format.bits)] };
}

describe.skipIf(modes === undefined || literals === undefined)('outside vectors', () => {
  test('every block, element format and scale rule, bit for bit', () => {
    const file = modes ?? { blocks_f32: [], cases: [] };
    expect(file.cases.length).toBeGreaterThan(500);
    for (const [element, rule, block, scale, codes] of file.cases) {
      const bits = Uint32Array.from(file.blocks_f32[block], (hex) => Number.parseInt(hex, 16));
      const got = quantizeBlock(bits, element, rule);
      const label = `${element} ${rule} block ${block}`;
      expect(got.scale, label).toBe(scale);
      if (codes !== null) expect(Buffer.from(got.codes).toString('hex'), label).toBe(codes);
    }
  });

  test('the literals of torchao for rceil', () => {
    for (const { input_uint, input_dtype, expected_e8m0, expected_e4m3_codes } of literals?.cases ?? []) {
      const bits = Uint32Array.from(input_uint, (word) => (input_dtype === 'float32' ? word : word * 65536));
      const got = quantizeBlock(bits, 'fp8_e4m3fn', 'rceil');
      expect(got.scale).toBe(expected_e8m0[0]);
      if (expected_e4m3_codes !== null) expect(got.codes).toEqual(expected_e4m3_codes);
    }
  });
});
