/**
 * Quantised tensors that nobody's `quantize` made: components of other lengths, types that contradict themselves, sizes
 * that no memory holds. Whatever they are, they end in a typed error, at once and without an allocation, or in values.
 */
import {
  BitloomError,
  type ElementFormat,
  FP16,
  FP32,
  intFormat,
  type ScaleLevel,
  uintFormat,
} from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ELEMENT_FORMATS, elementFormat } from '../src/elements/element-formats.js';
import { GGML_BLOCK_SIZES } from '../src/ggml/block-sizes.js';
import { componentBytes, dequantize, quantize } from '../src/quantize.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { schemeType } from '../src/schemes/scheme-type.js';
import { elementsOf, type FixedQuantizedType, type QuantizedTensor } from '../src/tensor.js';
import { tensorOf, testRandom } from './schemes-arbitraries.js';

const named = presetNames().map((name) => [name, preset(name).weights] as const);

/** The error of an action; values or an error of another kind are failures. */
function errorOf(action: () => unknown): BitloomError {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError && error.code !== 'internal') return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const sample = (name: string): QuantizedTensor =>
  quantize(tensorOf({ filling: 'gaussian', shape: [3, 256], seed: 1 }), preset(name).weights);

describe('components', () => {
  test.each(named)('%s: each of them missing, short, long or empty is an error', (name) => {
    const tensor = sample(name);
    for (const [part, bytes] of Object.entries(tensor.components)) {
      const { [part]: _, ...rest } = tensor.components;
      expect(
        errorOf(() => dequantize({ ...tensor, components: rest })),
        part,
      ).toMatchObject({
        code: 'quantized-component-missing',
        expected: part,
      });
      for (const other of [bytes.subarray(1), new Uint8Array(bytes.length + 1), new Uint8Array(0)]) {
        const error = errorOf(() => dequantize({ ...tensor, components: { ...rest, [part]: other } }));
        expect(error, part).toMatchObject({ code: 'format-length', got: String(other.length) });
      }
    }
  });

  test.each(named)('%s: components that are not asked for are not looked at', (name) => {
    const tensor = sample(name);
    const components = { ...tensor.components, scales9: new Uint8Array(3), other: new Uint8Array(1) };
    expect(dequantize({ ...tensor, components })).toEqual(dequantize(tensor));
  });

  test.each(named)(
    '%s: any bytes of the right lengths are values, or name a code that is none',
    (_, scheme) => {
      const type = schemeType(scheme, [2, 256]);
      const lengths = componentBytes(type);
      // Formats with fewer codes than their bytes could say: ternary, zero points of 4 bits, group scales of 9.
      const isPartial =
        scheme.layout === 'canonical' &&
        (scheme.element.values?.length === 3 ||
          scheme.scales.some(
            ({ format, zero }) => format.bits % 8 !== 0 || (zero?.format.bits ?? 8) % 8 !== 0,
          ));
      fc.assert(
        fc.property(fc.nat(), (seed) => {
          const random = testRandom(seed);
          const components = Object.fromEntries(
            Object.entries(lengths).map(([part, length]) => [
              part,
              Uint8Array.from({ length }, () => Math.floor(random() * (part === 'index' ? 4 : 256))),
            ]),
          );
          if (isPartial) expect(errorOf(() => dequantize({ type, components })).code).toBe('element-code');
          else expect(dequantize({ type, components }).length).toBe(512);
        }),
        { numRuns: 4 },
      );
    },
  );

  test('a code that a code book does not have, a group that is not there', () => {
    const ternary = sample('TERNARY');
    const codes = ternary.components.codes.slice();
    codes[5] = 0b11 << 2;
    const error = errorOf(() => dequantize({ ...ternary, components: { ...ternary.components, codes } }));
    expect(error).toMatchObject({ code: 'element-code', where: 'element 21' });
    const shift = sample('ShiftQuant4');
    const index = shift.components.index.slice();
    index[17] = 4;
    expect(errorOf(() => dequantize({ ...shift, components: { ...shift.components, index } }))).toMatchObject(
      {
        code: 'quantized-index',
        where: 'channel 17',
        expected: '0..3',
      },
    );
  });

  test('`out` must be as long as the tensor', () => {
    for (const name of ['W4A8', 'MXFP4', 'NVFP4', 'ShiftQuant4', 'Q4_K']) {
      const tensor = sample(name);
      const out = new Float32Array(768);
      expect(dequantize(tensor, out)).toBe(out);
      for (const length of [0, 767, 769])
        expect(errorOf(() => dequantize(tensor, new Float32Array(length))).code).toMatch(/length/);
    }
  });
});

describe('sizes that no memory holds', () => {
  const shapes = [[2 ** 40], [2 ** 20, 2 ** 30], [2 ** 52], [1, 2 ** 44, 256], [2 ** 26, 2 ** 26]];
  test.each(named)(
    '%s: refused by the lengths of the components, before anything is allocated',
    (_, scheme) => {
      for (const shape of shapes) {
        const rank = shape.length;
        if (scheme.scales.some(({ granularity: g }) => g.strategy === 'block' && g.blockShape.length > rank))
          continue;
        const type = schemeType(scheme, shape);
        const ten = new Uint8Array(10);
        const parts = ['codes', 'scales', 'scales1', 'zeros', 'index', 'blocks'];
        const components = Object.fromEntries(parts.map((part) => [part, ten]));
        const error = errorOf(() => dequantize({ type, components }));
        expect(error.code).toBe('format-length');
      }
      for (const shape of [
        [2 ** 53],
        [2 ** 30, 2 ** 30],
        [-1, 4],
        [Number.NaN],
        [1.5],
        [Number.POSITIVE_INFINITY],
      ]) {
        const type = { ...schemeType(scheme, [1, 256]), shape };
        expect(errorOf(() => dequantize({ type, components: {} })).code).toMatch(
          /format-shape|component-missing/,
        );
        expect(errorOf(() => componentBytes(type)).code).toBe('format-shape');
      }
    },
  );

  test('any number of empty rows', () => {
    const type = schemeType(preset('TERNARY').weights, [2 ** 50, 0]);
    const scales = new Uint8Array(4);
    expect(dequantize({ type, components: { codes: new Uint8Array(0), scales } }).length).toBe(0);
    const rows = schemeType(preset('W4A8').weights, [2 ** 50, 0]);
    expect(componentBytes(rows)).toEqual({ codes: 0, scales: 0 });
  });
});

describe('types that contradict themselves', () => {
  const good = sample('W4A8');
  const affine = sample('W4A16_ASYM');
  const level = good.type.scales[0];
  const read = (type: Partial<FixedQuantizedType>, from = good) =>
    errorOf(() => dequantize({ type: { ...from.type, ...type }, components: from.components }));
  const scale = (over: Partial<ScaleLevel>) => read({ scales: [{ ...level, ...over }] });

  test('each names its field', () => {
    const wrong = (where: string) => ({ code: 'quantized-type', where });
    expect(read({ scales: [] })).toMatchObject(wrong('scales'));
    expect(read({ element: { ...intFormat(4), bits: 64 } })).toMatchObject(wrong('element'));
    expect(read({ element: { ...intFormat(4), bits: 0 } })).toMatchObject(wrong('element'));
    expect(read({ element: { ...elementFormat('ternary'), values: [] } })).toMatchObject(wrong('element'));
    expect(read({ element: { ...elementFormat('fp4_e2m1'), mantissaBits: 2 } })).toMatchObject(
      wrong('element'),
    );
    expect(scale({ format: { ...FP16, bits: 24 } })).toMatchObject(wrong('scales[0].format'));
    for (const block of [[], [1], [1, 32, 1], [1, -32], [1, 0.5], [Number.NaN, 32]])
      expect(scale({ block }), `[${block}]`).toMatchObject(wrong('scales[0].block'));
    expect(scale({ direction: 'divide' })).toMatchObject(wrong('scales[0].direction'));
    const zero = { format: uintFormat(4), kind: 'zero-point' } as const;
    expect(read({ scales: [level, { ...level, zero }] })).toMatchObject(wrong('scales[1].zero'));
    expect(read({ element: elementFormat('fp4_e2m1') }, affine)).toMatchObject(wrong('scales[0].zero'));
    const bad = { ...zero, format: { ...zero.format, bits: 40 } };
    expect(scale({ zero: bad })).toMatchObject(wrong('scales[0].zero.format'));
    expect(read({ sparsity: { kind: 'block-mask', block: [8, 8] } })).toMatchObject(wrong('sparsity'));
    const map = (over: object) =>
      read({ indexMap: { axis: 1, purpose: 'shift-group', groups: 4, ...over } }).where;
    expect(map({ axis: 0 })).toBe('indexMap');
    expect(map({ axis: 2 })).toBe('indexMap');
    expect(map({ purpose: 'act-order' })).toBe('indexMap');
    expect(map({ groups: 0 })).toBe('indexMap.groups');
    expect(map({ groups: 1e9 })).toBe('indexMap.groups');
  });

  test('levels that do not nest', () => {
    const scales = [level, { ...level, block: [1, 48] }];
    const components = { ...good.components, scales1: new Uint8Array(3 * 6 * 2) };
    const error = errorOf(() => dequantize({ type: { ...good.type, scales }, components }));
    expect(error.code).toBe('scheme-nesting');
  });

  test('layouts nobody knows', () => {
    for (const layout of ['', 'rows16.u4.g32', 'ggml.', 'ggml.q9_0', 'ggml.constructor', 'CANONICAL']) {
      expect(read({ layout }).code).toBe('scheme-layout');
      expect(errorOf(() => componentBytes({ ...good.type, layout })).code).toBe('scheme-layout');
      const scheme = { ...preset('W4A8').weights, layout };
      expect(errorOf(() => quantize({ data: new Float32Array(32), shape: [1, 32] }, scheme)).code).toBe(
        'scheme-layout',
      );
    }
  });

  test('rows that are not whole GGML blocks', () => {
    for (const [name, { elements }] of Object.entries(GGML_BLOCK_SIZES)) {
      const layout = `ggml.${name}`;
      const short = { ...good.type, layout, shape: [2, elements - 1] };
      expect(
        errorOf(() => componentBytes(short)),
        name,
      ).toMatchObject({
        code: 'scheme-ragged',
        got: String(elements - 1),
      });
      // Whole in all, but not row by row.
      expect(errorOf(() => componentBytes({ ...good.type, layout, shape: [2, elements / 2] })).code).toBe(
        'scheme-ragged',
      );
    }
  });
});

describe('random types', () => {
  const size = fc.oneof(
    fc.nat(40),
    fc.constantFrom(0, 1, 2, 7, 32, 256, 2 ** 20, 2 ** 40, -1, 0.5, Number.NaN),
  );
  const anyFormat: fc.Arbitrary<ElementFormat> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...Object.values(ELEMENT_FORMATS), intFormat(24), uintFormat(32)),
    },
    fc.record({
      name: fc.constant('random'),
      kind: fc.constantFrom('int', 'float', 'codebook'),
      bits: fc.integer({ min: -1, max: 66 }),
      signed: fc.boolean(),
      exponentBits: fc.integer({ min: -1, max: 33 }),
      mantissaBits: fc.integer({ min: -1, max: 60 }),
      bias: fc.oneof(
        fc.integer({ min: -2000, max: 2000 }),
        fc.constantFrom(2 ** 53 - 1, -(2 ** 53) + 1, 0.5),
      ),
      specials: fc.constantFrom('ieee', 'fn', 'fnuz', 'nan-only', 'none'),
      values: fc.option(fc.array(fc.double(), { maxLength: 5 }), { nil: undefined }),
    }),
  );
  /** Mostly blocks that fit the rank. */
  const levels = (rank: number): fc.Arbitrary<ScaleLevel> =>
    fc.record({
      format: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(FP16, FP32, elementFormat('e8m0')) },
        anyFormat,
      ),
      block: fc.oneof(
        {
          weight: 6,
          arbitrary: fc.array(fc.constantFrom(0, 1, 2, 3, 32), { minLength: rank, maxLength: rank }),
        },
        fc.array(size, { maxLength: 5 }),
      ),
      direction: fc.constantFrom('multiply', 'multiply', 'multiply', 'divide'),
      zero: fc.option(fc.record({ format: anyFormat, kind: fc.constantFrom('zero-point', 'minimum') }), {
        nil: undefined,
        freq: 4,
      }),
      rule: fc.constantFrom('amax/qmax', 'floor', 'made up'),
    });
  const types: fc.Arbitrary<FixedQuantizedType> = fc.nat(4).chain((rank) =>
    fc.record({
      kind: fc.constant('quantized'),
      shape: fc.oneof(
        { weight: 3, arbitrary: fc.array(fc.nat(6), { minLength: rank, maxLength: rank }) },
        fc.array(size, { minLength: rank, maxLength: rank }),
      ),
      element: anyFormat,
      scales: fc.oneof(
        { weight: 3, arbitrary: levels(rank).map((level) => [level]) },
        fc.array(levels(rank), { maxLength: 3 }),
      ),
      indexMap: fc.option(
        fc.record({
          axis: fc.integer({ min: -1, max: 4 }),
          purpose: fc.constantFrom('shift-group', 'act-order'),
          groups: fc.oneof(fc.integer({ min: -1, max: 300 }), fc.constant(2 ** 40)),
        }),
        { nil: undefined, freq: 4 },
      ),
      layout: fc.oneof(
        { weight: 5, arbitrary: fc.constant('canonical') },
        fc.constantFrom(...Object.keys(GGML_BLOCK_SIZES).map((name) => `ggml.${name}`)),
      ),
    }),
  );

  test('end in a typed error or in as many values as they have elements', () => {
    let read = 0;
    fc.assert(
      fc.property(
        types,
        fc.constantFrom(0, 1, 255),
        fc.constantFrom(true, true, false),
        (type, fill, fits) => {
          let components: Record<string, Uint8Array> = {};
          try {
            const wanted = Object.entries(componentBytes(type));
            // As long as they should be, where that is little enough to be there.
            const total = wanted.reduce((sum, [, bytes]) => sum + bytes, 0);
            components = Object.fromEntries(
              wanted.map(([part, bytes]) => [
                part,
                new Uint8Array(fits && total < 1e5 ? bytes : 7).fill(fill),
              ]),
            );
          } catch (error) {
            if (!(error instanceof BitloomError) || error.code === 'internal') throw error;
          }
          try {
            expect(dequantize({ type, components }).length).toBe(elementsOf(type.shape));
            read += 1;
          } catch (error) {
            if (!(error instanceof BitloomError) || error.code === 'internal') throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});
