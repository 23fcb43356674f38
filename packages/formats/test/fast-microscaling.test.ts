/** MX by itself: the bytes of the generic quantiser, with and without SIMD, and the outside vectors. */
import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementFormat } from '../src/elements/element-formats.js';
import { type MxElement, quantizeMx } from '../src/fast/microscaling.js';
import { encodeSource, sharedEncodeSource } from '../src/fast/simd-module.js';
import { unpackCodes } from '../src/layouts/codes.js';
import { quantizeScaled } from '../src/scaled/quantize-scaled.js';
import { mxScheme, perGroup } from '../src/schemes/named-schemes.js';
import { elementsOf, type Tensor } from '../src/tensor.js';
import { readFormatVectors } from './data.js';
import { valuesOf } from './fast-values.js';

const ELEMENTS: readonly MxElement[] = [
  'fp8_e4m3fn',
  'fp8_e5m2',
  'fp6_e2m3',
  'fp6_e3m2',
  'fp4_e2m1',
  'mxint8',
];
const RULES = ['floor', 'rceil', 'ceil', 'even'];

const noSimd = encodeSource(() => {
  throw new Error('no SIMD here');
});

const tensors: fc.Arbitrary<Tensor> = fc
  .oneof(
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100 })),
    fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 })),
    fc.tuple(fc.integer({ min: 0, max: 140 })),
  )
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      data: valuesOf(elementsOf(shape)),
      bad: fc.option(fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)),
      at: fc.nat(),
    }),
  )
  .map(({ shape, data, bad, at }) => {
    if (bad !== null && data.length > 0) data[at % data.length] = bad;
    return { shape, data };
  });

describe('quantizeMx', () => {
  it('is quantize with the scheme of the same name, with SIMD and without', () => {
    fc.assert(
      fc.property(
        tensors,
        fc.constantFrom(...ELEMENTS),
        fc.constantFrom(...RULES),
        fc.constantFrom(32, 16, 64, 5, 7),
        (tensor, element, rule, blockSize) => {
          const scheme = mxScheme(element, rule);
          const [scale] = scheme.scales;
          const expected = quantizeScaled(tensor, {
            ...scheme,
            scales: [{ ...scale, granularity: perGroup(blockSize) }],
          });
          for (const source of [sharedEncodeSource, noSimd]) {
            expect(quantizeMx(tensor, element, { rule, blockSize }, source)).toEqual(expected);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('takes blocks of 32 by the rule floor', () => {
    const tensor = { data: Float32Array.from({ length: 80 }, (_, i) => i - 33), shape: [2, 40] };
    expect(quantizeMx(tensor, 'fp4_e2m1')).toEqual(quantizeScaled(tensor, mxScheme('fp4_e2m1')));
    expect(quantizeMx(tensor, 'fp4_e2m1').type.element).toEqual(elementFormat('fp4_e2m1'));
  });

  it('refuses what does not exist or fit', () => {
    const tensor = { data: new Float32Array(4), shape: [4] };
    const codeOf = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        if (error instanceof BitloomError) return error.code;
        throw error;
      }
      return 'none';
    };
    expect(codeOf(() => quantizeMx(tensor, 'toString' as MxElement))).toBe('format-unknown');
    expect(codeOf(() => quantizeMx(tensor, 'mxint8', { rule: 'round' }))).toBe('scheme-rule-unknown');
    expect(codeOf(() => quantizeMx(tensor, 'mxint8', { blockSize: 0 }))).toBe('format-shape');
    expect(codeOf(() => quantizeMx({ ...tensor, shape: [5] }, 'mxint8'))).toBe('format-length');
    expect(codeOf(() => quantizeMx({ data: new Float32Array(1), shape: [] }, 'mxint8'))).toBe('scheme-rank');
  });
});

type Case = [element: string, rule: string, block: number, scale: number, codes: string | null];
const modes = readFormatVectors<{ blocks_f32: string[][]; cases: Case[] }>('mx-block-scale-modes.json');

describe.skipIf(modes === undefined)('outside vectors', () => {
  it('agree for every block, element format and scale rule', () => {
    const { blocks_f32, cases } = modes ?? { blocks_f32: [], cases: [] };
    expect(cases.length).toBeGreaterThan(500);
    for (const [element, rule, block, scale, codes] of cases) {
      const words = Uint32Array.from(blocks_f32[block], (hex) => Number.parseInt(hex, 16));
      const { name, bits } = elementFormat(element);
      const tensor = { data: new Float32Array(words.buffer), shape: [32] };
      const { components } = quantizeMx(tensor, name as MxElement, { rule });
      const label = `${element} ${rule} block ${block}`;
      expect(components.scales[0], label).toBe(scale);
      if (codes === null) continue;
      expect(Buffer.from(unpackCodes(components.codes, 1, 32, bits)).toString('hex'), label).toBe(codes);
    }
  });
});
