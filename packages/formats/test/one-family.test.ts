/** Quantisers of one family by themselves: the bytes, types and errors of `quantize` under the scheme of that family. */
import { BitloomError, type ElementFormat, FP32, type Granularity } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ELEMENT_FORMATS } from '../src/elements/element-formats.js';
import { encodeElement } from '../src/elements/encode-element.js';
import * as records from '../src/elements/format-records.js';
import { nearestCode } from '../src/elements/nearest-code.js';
import { quantizeFloat8 } from '../src/fast/float8.js';
import { quantizeNvfp4 } from '../src/fast/nvfp4.js';
import { encodeSource, sharedEncodeSource } from '../src/fast/simd-module.js';
import { quantize } from '../src/quantize.js';
import { quantizeAffine } from '../src/scaled/quantize-affine.js';
import { quantizeScaled } from '../src/scaled/quantize-scaled.js';
import {
  affineScheme,
  nvfp4Scheme,
  PER_ROW,
  perGroup,
  scaleBy,
  tensorScheme,
} from '../src/schemes/named-schemes.js';
import { elementsOf, type Tensor } from '../src/tensor.js';
import { fromBits, valuesOf } from './fast-values.js';

const noSimd = encodeSource(() => {
  throw new Error('no SIMD here');
});
const SOURCES = [sharedEncodeSource, noSimd];

const tensors: fc.Arbitrary<Tensor> = fc
  .oneof(
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100 })),
    fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 40 })),
    fc.tuple(fc.integer({ min: 0, max: 140 })),
    fc.constant<number[]>([]),
  )
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      data: fc.oneof(
        valuesOf(elementsOf(shape)),
        fc.constant(new Float32Array(elementsOf(shape))),
        fc
          .float({ noNaN: true, noDefaultInfinity: true })
          .map((x) => new Float32Array(elementsOf(shape)).fill(x)),
      ),
      bad: fc.option(fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY), {
        freq: 8,
      }),
      at: fc.nat(),
    }),
  )
  .map(({ shape, data, bad, at }) => {
    // Of two errors at once, either may be the one.
    if (bad !== null && data.length > 0 && shape.length > 0) data[at % data.length] = bad;
    return { shape, data };
  });

/** What an action gives, or the code and the place of its error. */
function outcome(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    if (error instanceof BitloomError) return { code: error.code, where: error.where, got: error.got };
    throw error;
  }
}

describe('quantizeNvfp4', () => {
  it('is quantize with nvfp4Scheme, with SIMD and without', () => {
    fc.assert(
      fc.property(tensors, fc.constantFrom('multiply', 'divide', 'none'), (tensor, tensorScale) => {
        const expected = outcome(() => quantizeScaled(tensor, nvfp4Scheme(tensorScale)));
        expect(outcome(() => quantize(tensor, nvfp4Scheme(tensorScale)))).toEqual(expected);
        for (const source of SOURCES) {
          expect(outcome(() => quantizeNvfp4(tensor, { tensorScale }, source))).toEqual(expected);
        }
      }),
      { numRuns: 600 },
    );
  });

  it('stores a multiplier unless it is told otherwise', () => {
    const tensor = { data: Float32Array.from({ length: 40 }, (_, i) => i - 13), shape: [2, 20] };
    expect(quantizeNvfp4(tensor)).toEqual(quantize(tensor, nvfp4Scheme('multiply')));
    expect(Object.keys(quantizeNvfp4(tensor, { tensorScale: 'none' }).components)).toEqual([
      'codes',
      'scales',
    ]);
  });
});

describe('quantizeFloat8', () => {
  it('is quantize with fp32 scales by amax/qmax, with SIMD and without', () => {
    fc.assert(
      fc.property(
        tensors,
        fc.constantFrom('fp8_e4m3fn', 'fp8_e5m2'),
        fc.constantFrom(undefined, 32, 16, 5),
        (tensor, name, groupSize) => {
          const granularity = groupSize === undefined ? PER_ROW : perGroup(groupSize);
          const scheme = tensorScheme('FP8', {
            element: ELEMENT_FORMATS[name],
            scales: [scaleBy(FP32, granularity, 'amax/qmax')],
          });
          const expected = outcome(() => quantizeScaled(tensor, scheme));
          for (const source of SOURCES) {
            expect(outcome(() => quantizeFloat8(tensor, name, { groupSize }, source))).toEqual(expected);
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  it('refuses groups of nothing', () => {
    const tensor = { data: new Float32Array(4), shape: [4] };
    for (const groupSize of [0, -1, 1.5, Number.NaN]) {
      expect(outcome(() => quantizeFloat8(tensor, 'fp8_e5m2', { groupSize }))).toMatchObject({
        code: 'format-shape',
      });
    }
  });
});

describe('quantizeAffine', () => {
  const granularities: readonly Granularity[] = [
    PER_ROW,
    perGroup(32),
    perGroup(5),
    { strategy: 'tensor' },
    { strategy: 'axis', axes: [0] },
    { strategy: 'block', blockShape: [2, 16] },
    { strategy: 'group', groupSize: 0 },
    { strategy: 'block', blockShape: [-1, 2] },
  ];

  it('is quantize with affineScheme', () => {
    fc.assert(
      fc.property(
        tensors,
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom(...granularities),
        (tensor, bits, granularity) => {
          const expected = outcome(() => quantizeScaled(tensor, affineScheme(bits, granularity)));
          expect(outcome(() => quantizeAffine(tensor, bits, granularity))).toEqual(expected);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('has codes of 1 to 8 bits', () => {
    const tensor = { data: new Float32Array(4), shape: [4] };
    for (const bits of [0, 9, 2.5, Number.NaN]) {
      expect(outcome(() => quantizeAffine(tensor, bits, PER_ROW))).toMatchObject({ code: 'scheme-invalid' });
    }
  });
});

describe('records', () => {
  it('are those of the table', () => {
    for (const record of Object.values(records)) expect(ELEMENT_FORMATS[record.name]).toBe(record);
  });

  const served: readonly ElementFormat[] = [
    records.FP8_E4M3FN,
    records.FP8_E5M2,
    records.FP6_E3M2,
    records.FP6_E2M3,
    records.FP4_E2M1,
    records.MXINT8,
  ];

  it.each(served)('$name: the short way to a code is the definition', (format) => {
    const codeOf = nearestCode(format);
    fc.assert(
      fc.property(fc.integer({ min: -0x80000000, max: 0x7fffffff }), (bits) => {
        const value = fromBits(bits);
        fc.pre(!Number.isNaN(value));
        // The scale rules keep the lowest code of integers out of use, and so does the short way.
        const limited = format.kind === 'int' ? Math.max(-127 / 64, value) : value;
        expect(codeOf(value) & 0xff).toBe(encodeElement(limited, format));
      }),
      { numRuns: 2000 },
    );
  });
});
