/** Quantised matrices with packed N:M codes: back as they were, of the bytes their type says, and what is refused. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  componentBytes,
  denseNmType,
  dequantize,
  isNmLayout,
  magnitudeMask,
  nmCodes,
  nmSparsity,
  nmType,
  packNmTensor,
  preset,
  quantize,
  schemeType,
  unpackNmTensor,
} from '../src/index.js';

const SPARSITIES = [
  nmSparsity(2, 16),
  nmSparsity(8, 16),
  nmSparsity(2, 4, [16, 16]),
  nmSparsity(2, 4, [1, 4]),
  nmSparsity([0, 2, 4, 8, 16], 16),
];

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof BitloomError ? error.code : String(error);
  }
  return undefined;
}

describe('packed N:M codes as a tensor', () => {
  it('come back as they were and dequantise alike', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom(...SPARSITIES),
        fc.constantFrom('W4A8', 'W8A8', 'FlightLLM', 'W4A16'),
        fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
        (rows, cols, sparsity, name, stream) => {
          const dense = Float32Array.from({ length: rows * cols }, () => stream.next().value);
          const most = sparsity.keep.length === 1 ? sparsity.keep[0] : 8;
          const mask = magnitudeMask(dense, { rows, cols }, sparsity, most);
          const data = dense.map((value, i) => value * mask[i]);
          const tensor = quantize({ data, shape: [rows, cols] }, preset(name).weights);
          const packed = packNmTensor(tensor, sparsity);
          expect(packed.type).toEqual(nmType(tensor.type, sparsity));
          expect(isNmLayout(packed.type)).toBe(true);
          expect(denseNmType(packed.type)).toEqual(tensor.type);
          expect(unpackNmTensor(packed)).toEqual(tensor);
          expect(dequantize(packed)).toEqual(dequantize(tensor));
          if (sparsity.keep.length > 1) return;
          const lengths = Object.entries(packed.components).map(([part, bytes]) => [part, bytes.length]);
          expect(componentBytes(packed.type)).toEqual(Object.fromEntries(lengths));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('are refused where codes, layout and sparsity do not belong together', () => {
    const type = schemeType(preset('W4A8').weights, [16, 32]);
    const sparse = nmType(type, nmSparsity(8, 16));
    const refuse = (run: () => unknown): void => expect(codeOf(run)).toBe('quantized-type');
    refuse(() => nmCodes(type));
    refuse(() => nmCodes({ ...sparse, layout: 'nm.m4.b16x16' }));
    refuse(() => nmCodes({ ...sparse, shape: [2, 8, 32] }));
    refuse(() => componentBytes(nmType(type, nmSparsity([2, 8], 16))));
    refuse(() => nmCodes(nmType(schemeType(preset('W4A16_ASYM').weights, [16, 128]), nmSparsity(8, 16))));
    refuse(() => nmCodes(nmType(schemeType(preset('MXFP4').weights, [16, 32]), nmSparsity(8, 16))));
    const tensor = quantize({ data: new Float32Array(512).fill(1), shape: [16, 32] }, preset('W4A8').weights);
    expect(codeOf(() => packNmTensor(tensor, nmSparsity(8, 16)))).toBe('sparsity-pattern');
    const packed = packNmTensor(
      quantize({ data: new Float32Array(512), shape: [16, 32] }, preset('W4A8').weights),
      nmSparsity(8, 16),
    );
    const short = { ...packed, components: { ...packed.components, codes: new Uint8Array(3) } };
    expect(codeOf(() => dequantize(short))).toBe('format-length');
    const huge = { ...packed, type: { ...nmType(type, nmSparsity([0, 8], 16)), shape: [2 ** 31, 2 ** 20] } };
    expect(codeOf(() => dequantize(huge))).toBe('format-length');
    const { codes: _, ...others } = packed.components;
    expect(codeOf(() => dequantize({ ...packed, components: others }))).toBe('quantized-component-missing');
  });
});
