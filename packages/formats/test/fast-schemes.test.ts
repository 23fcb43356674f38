/** The block functions against the generic quantiser, its definition: same components, same values. */
import { BF16, BitloomError, FP16, FP32, type TensorScheme } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { customFloat, elementFormat } from '../src/elements/element-formats.js';
import { dequantizeFast, quantizeFast } from '../src/fast/scheme-path.js';
import {
  decodeSource,
  encodeSource,
  sharedDecodeSource,
  sharedEncodeSource,
} from '../src/fast/simd-module.js';
import { mlsGroupScaleFormat } from '../src/mls/mls-formats.js';
import { dequantizeScaled } from '../src/scaled/dequantize-scaled.js';
import { quantizeScaled } from '../src/scaled/quantize-scaled.js';
import { blockGrid, blockOf } from '../src/schemes/block-grid.js';
import { mlsScheme } from '../src/schemes/mls-scheme.js';
import {
  integerScheme,
  mxScheme,
  nvfp4Scheme,
  PER_ROW,
  PER_TENSOR,
  perGroup,
  scaleBy,
  tensorScheme,
} from '../src/schemes/named-schemes.js';
import { preset } from '../src/schemes/presets.js';
import { schemeType } from '../src/schemes/scheme-type.js';
import { elementsOf, type QuantizedTensor, type Tensor } from '../src/tensor.js';
import { expectBits, valuesOf } from './fast-values.js';

const MX_RULES = ['floor', 'ceil', 'even', 'rceil'];
const MX_ELEMENTS = ['fp8_e4m3fn', 'fp8_e5m2', 'fp6_e2m3', 'fp6_e3m2', 'fp4_e2m1', 'mxint8'];

const floats = [
  ...['fp8_e4m3fn', 'fp8_e5m2', 'fp8_e4m3', 'fp8_e3m4', 'fp6_e3m2', 'fp6_e2m3', 'fp4_e2m1'].map(
    elementFormat,
  ),
  ...[
    [1, 2],
    [3, 0],
    [4, 1],
    [1, 6],
    [6, 1],
    [5, 0],
    [1, 1],
    [2, 0],
  ].map(([exponent, mantissa]) => customFloat(exponent, mantissa)),
];

const granularities = fc.oneof(
  fc.constantFrom(32, 16, 128, 8, 64).map(perGroup),
  fc.integer({ min: 1, max: 50 }).map(perGroup),
  fc.constant(PER_ROW),
);

const scaled = (element: TensorScheme['element']): fc.Arbitrary<TensorScheme> =>
  fc
    .record({
      granularity: granularities,
      rule: fc.constantFrom('amax/qmax', 'amax/half-range'),
      format: fc.constantFrom(FP16, FP32),
    })
    .map(({ granularity, rule, format }) =>
      tensorScheme('scaled', { element, scales: [scaleBy(format, granularity, rule)] }),
    );

/** Schemes of several levels or of blocks over several axes, whose scales the definition makes. */
const wide: fc.Arbitrary<TensorScheme> = fc.oneof(
  fc.constantFrom('multiply' as const, 'divide' as const, 'none' as const).map((kind) => nvfp4Scheme(kind)),
  fc
    .record({
      element: fc.constantFrom(...floats, ...[3, 4, 8].map((bits) => elementFormat(`int${bits}`))),
      granularity: fc.oneof(
        fc.constant(PER_TENSOR),
        fc.constant({ strategy: 'axis', axes: [0] } as const),
        fc
          .tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(0, 8, 16, 24))
          .map(([rows, cols]) => ({ strategy: 'block', blockShape: [rows, cols] }) as const),
        granularities,
      ),
      format: fc.constantFrom(FP16, FP32, BF16, elementFormat('fp8_e5m2'), mlsGroupScaleFormat(1)),
      rule: fc.constantFrom('amax/qmax', 'amax/half-range', 'amax, up', 'amax', 'amax/qmax, up'),
      outer: fc.boolean(),
    })
    .map(({ element, granularity, format, rule, outer }) =>
      tensorScheme('levels', {
        element,
        scales: [
          scaleBy(format, granularity, rule),
          ...(outer ? [scaleBy(FP32, PER_TENSOR, 'amax/qmax')] : []),
        ],
      }),
    ),
  fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('n' as const, 'nc' as const),
    )
    .map(([exponent, mantissa, groups]) => mlsScheme(exponent, mantissa, { groups })),
);

const schemes: fc.Arbitrary<TensorScheme> = fc.oneof(
  fc
    .record({ element: fc.constantFrom(...MX_ELEMENTS), rule: fc.constantFrom(...MX_RULES) })
    .map(({ element, rule }) => mxScheme(element, rule)),
  fc
    .record({
      element: fc.constantFrom(
        ...floats,
        elementFormat('int8'),
        elementFormat('int4'),
        elementFormat('int5'),
      ),
      rule: fc.constantFrom(...MX_RULES),
      granularity: granularities,
    })
    .map(({ element, rule, granularity }) =>
      tensorScheme('powers', { element, scales: [scaleBy(elementFormat('e8m0'), granularity, rule)] }),
    ),
  fc.integer({ min: 2, max: 8 }).chain((bits) => scaled(elementFormat(`int${bits}`))),
  fc.constantFrom(...floats).chain(scaled),
);

const tensors = fc
  .oneof(
    fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 140 })),
    fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 70 })),
    fc.tuple(fc.integer({ min: 0, max: 200 })),
  )
  .chain((shape) => valuesOf(elementsOf(shape)).map((data) => ({ data, shape })));

/** Whether there is a fast path at all: every block begins on a byte, and elements have a mantissa. */
function isRegular({ element, scales: [{ granularity }] }: TensorScheme, shape: readonly number[]): boolean {
  if (elementsOf(shape) === 0) return false;
  if (element.kind === 'float' && element.mantissaBits === 0) return false;
  const grid = blockGrid(shape, blockOf(granularity, shape.length));
  return grid.runs === 1 || (grid.runLength * element.bits) % 8 === 0;
}

/** What a function gives, or the code of its error. */
function outcome<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
}

function expectValues(got: Float32Array, expected: Float32Array): void {
  // A NaN has no bits that could be relied on.
  if (expected.some(Number.isNaN)) expect(Array.from(got)).toEqual(Array.from(expected));
  else expectBits(got, expected);
}

describe('quantizeFast', () => {
  const check = (tensor: Tensor, scheme: TensorScheme): boolean => {
    const expected = outcome(() => quantizeScaled(tensor, scheme));
    if (typeof expected === 'string') {
      const got = outcome(() => quantizeFast(tensor, scheme));
      expect([undefined, expected]).toContain(got);
      return false;
    }
    const got = quantizeFast(tensor, scheme);
    if (got === undefined) {
      if (isRegular(scheme, tensor.shape)) throw new Error(`not served: ${JSON.stringify(scheme)}`);
      return false;
    }
    expect(Object.keys(got)).toEqual(Object.keys(expected.components));
    for (const [name, bytes] of Object.entries(expected.components)) expectBits(got[name], bytes);
    const values = new Float32Array(tensor.data.length);
    expect(dequantizeFast(expected, values)).toBe(true);
    expectValues(values, dequantizeScaled(expected));
    return true;
  };

  it('is the definition, bit for bit, for schemes of one level within rows', () => {
    let served = 0;
    fc.assert(
      fc.property(schemes, tensors, (scheme, tensor) => {
        if (check(tensor, scheme)) served += 1;
      }),
      { numRuns: 600 },
    );
    expect(served).toBeGreaterThan(250);
  });

  it('is the definition, bit for bit, for several levels and any blocks', () => {
    let served = 0;
    fc.assert(
      fc.property(wide, tensors, (scheme, tensor) => {
        if (check(tensor, scheme)) served += 1;
      }),
      { numRuns: 600 },
    );
    expect(served).toBeGreaterThan(200);
  });

  it('serves the presets that ought to be quick', () => {
    const data = Float32Array.from({ length: 300 * 4 }, (_, i) => Math.tan(i));
    const tensor = { data, shape: [4, 300] };
    const quick = ['W4A8', 'W8A8', 'FlightLLM', 'W8A16', 'W4A16', 'W3A16', 'FP8'];
    const wider = ['NVFP4', 'NVFP4_BLOCK', 'NVFP4_DIVIDED', 'FP8_BLOCK', 'MLS<2,1>'];
    const mx = ['MXFP8', 'MXFP8_E5M2', 'MXFP6', 'MXFP6_E3M2', 'MXFP4', 'MXINT8'];
    for (const name of [...quick, ...mx, ...wider]) {
      const { weights } = preset(name);
      const expected = quantizeScaled(tensor, weights);
      expect(quantizeFast(tensor, weights), name).toEqual(expected.components);
      const values = new Float32Array(1200);
      expect(dequantizeFast(expected, values), name).toBe(true);
      expectBits(values, dequantizeScaled(expected));
    }
  });

  it('leaves what is not a number, and overflow, to the definition', () => {
    for (const scheme of [mxScheme('fp4_e2m1'), integerScheme(4, perGroup(32))]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const data = new Float32Array(96).fill(1);
        data[70] = bad;
        expect(quantizeFast({ data, shape: [3, 32] }, scheme)).toBeUndefined();
      }
    }
    const large = { data: new Float32Array(32).fill(1e6), shape: [1, 32] };
    expect(quantizeFast(large, integerScheme(4, perGroup(32)))).toBeUndefined();
    expect(quantizeFast(large, integerScheme(4, perGroup(32), { scale: FP32 }))).toBeDefined();
  });

  it('leaves other schemes to the definition', () => {
    const tensor = { data: new Float32Array(64).fill(1), shape: [2, 32] };
    const base = integerScheme(4, perGroup(32));
    const others: TensorScheme[] = [
      { ...base, rounding: 'nearest-away' },
      { ...base, rounding: 'stochastic', seed: 1 },
      { ...base, layout: 'ggml.q4_0' },
      { ...base, shiftGroups: 4 },
      integerScheme(4, perGroup(32), { rule: 'mean' }),
      tensorScheme('fnuz', {
        element: elementFormat('fp8_e4m3fnuz'),
        scales: [scaleBy(FP16, perGroup(32), 'amax/qmax')],
      }),
      preset('W4A16_ASYM').weights,
      preset('TERNARY').weights,
    ];
    for (const scheme of others) expect(quantizeFast(tensor, scheme), scheme.name).toBeUndefined();
    expect(quantizeFast({ ...tensor, shape: [3, 32] }, base)).toBeUndefined();
    const out = new Float32Array(64);
    const quantized = quantizeScaled(tensor, base);
    const { type, components } = quantized;
    expect(dequantizeFast({ type, components: { codes: components.codes } }, out)).toBe(false);
    expect(dequantizeFast({ type: { ...type, shape: [1, 32] }, components }, out)).toBe(false);
    expect(dequantizeFast(quantized, new Float32Array(63))).toBe(false);
    const affine = quantizeScaled(tensor, preset('W4A16_ASYM').weights);
    expect(dequantizeFast(affine, out)).toBe(false);
  });

  it('says no where the engine has no SIMD', () => {
    const refuse = (): never => {
      throw new Error('no SIMD here');
    };
    const tensor = { data: new Float32Array(64).fill(1), shape: [2, 32] };
    const scheme = mxScheme('fp4_e2m1');
    expect(sharedEncodeSource()).toBeDefined();
    expect(sharedDecodeSource()).toBeDefined();
    expect(quantizeFast(tensor, scheme, encodeSource(refuse))).toBeUndefined();
    expect(dequantizeFast(quantizeScaled(tensor, scheme), new Float32Array(64), decodeSource(refuse))).toBe(
      false,
    );
  });
});

describe('dequantizeFast', () => {
  it('is the definition for every code and every scale code', () => {
    const elements = [...floats, ...[2, 3, 4, 5, 6, 7, 8].map((bits) => elementFormat(`int${bits}`))];
    const formats = [FP16, FP32, elementFormat('e8m0')];
    fc.assert(
      fc.property(
        fc.constantFrom(...elements, elementFormat('mxint8')),
        fc.constantFrom(...formats),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer(),
        (element, format, rows, cols, seed) => {
          const isPower = format.name === 'e8m0';
          if (!isPower && element.name === 'mxint8') return;
          const rule = isPower ? 'floor' : 'amax/qmax';
          const scheme = tensorScheme('any', { element, scales: [scaleBy(format, perGroup(32), rule)] });
          const type = schemeType(scheme, [rows, cols]);
          let state = seed;
          const random = (): number => {
            state = (Math.imul(state, 1664525) + 1013904223) | 0;
            return state >>> 24;
          };
          const codes = Uint8Array.from({ length: rows * Math.ceil((cols * element.bits) / 8) }, random);
          const scaleBytes = format.bits <= 8 ? 1 : format.bits / 8;
          const scales = Uint8Array.from({ length: rows * Math.ceil(cols / 32) * scaleBytes }, random);
          const tensor: QuantizedTensor = { type, components: { codes, scales } };
          const out = new Float32Array(rows * cols);
          expect(dequantizeFast(tensor, out)).toBe(true);
          expectValues(out, dequantizeScaled(tensor));
        },
      ),
      { numRuns: 400 },
    );
  });
});
