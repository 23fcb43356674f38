/** Schemes as records: checked by the schema, carried by artefacts unchanged, described in exact figures. */
import {
  BitloomError,
  type ConstantDecl,
  FLOAT_NUMERICS,
  FP32,
  type Model,
  memorySections,
  type TensorScheme,
  uintFormat,
} from '@bitloom/ir';
import {
  bytesSource,
  encodeContainer,
  modelFromContainer,
  modelToContainer,
  readContainer,
} from '@bitloom/ir/container';
import { parseTensorScheme } from '@bitloom/ir/schema';
import fc from 'fast-check';
import { expect, describe as suite, test } from 'vitest';
import { ELEMENT_FORMATS, elementFormat } from '../src/elements/element-formats.js';
import { componentBytes, dequantize, quantize } from '../src/quantize.js';
import { checkScheme } from '../src/schemes/check-scheme.js';
import { describe } from '../src/schemes/describe.js';
import { formatFault } from '../src/schemes/format-fault.js';
import { mlsScheme } from '../src/schemes/mls-scheme.js';
import {
  affineScheme,
  integerScheme,
  mxScheme,
  nvfp4Scheme,
  PER_ROW,
  PER_TENSOR,
  perGroup,
  scaleBy,
  shiftScheme,
  tensorScheme,
} from '../src/schemes/named-schemes.js';
import { preset, presetNames } from '../src/schemes/presets.js';
import { schemeType } from '../src/schemes/scheme-type.js';
import { elementsOf } from '../src/tensor.js';
import { casesFor, shapesFor, tensorOf } from './schemes-arbitraries.js';
import { blocksOf } from './schemes-oracle.js';

const schemes = presetNames().flatMap((name) => {
  const { weights, activations } = preset(name);
  return activations === undefined ? [weights] : [weights, activations];
});
const named = schemes.map((scheme) => [scheme.name, scheme] as const);

function codeOf(action: () => unknown): { code: string; where?: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return { code: error.code, where: error.where };
    throw error;
  }
  return { code: 'nothing was thrown' };
}

suite('presets', () => {
  test.each(named)('%s passes the schema unchanged, and JSON', (_, scheme) => {
    expect(parseTensorScheme(scheme)).toEqual(scheme);
    const text = JSON.stringify(scheme);
    expect(parseTensorScheme(JSON.parse(text))).toEqual(scheme);
    expect(JSON.stringify(parseTensorScheme(JSON.parse(text)))).toBe(
      JSON.stringify(parseTensorScheme(scheme)),
    );
  });

  test('constants carry type, components and scheme through a model artefact unchanged', () => {
    const sections: Record<string, Uint8Array> = {};
    const values: Record<string, Float32Array> = {};
    const constants = schemes.map((scheme): ConstantDecl => {
      const tensor = tensorOf({ filling: 'gaussian', shape: [2, 256], seed: 1 });
      const quantized = quantize(tensor, scheme);
      const { name } = scheme;
      const components = Object.entries(quantized.components).map(([part, bytes]) => {
        sections[`${name}.${part}`] = bytes;
        return [part, `${name}.${part}`];
      });
      values[name] = dequantize(quantized);
      return { name, type: quantized.type, components: Object.fromEntries(components), scheme };
    });
    const model: Model = {
      ...{ kind: 'model', name: 'constants', family: 'none', numerics: FLOAT_NUMERICS },
      ...{ symbols: [], states: [], functions: [], metadata: {} },
      constants: [...new Map(constants.map((constant) => [constant.name, constant])).values()],
    };
    const bytes = encodeContainer(modelToContainer({ model, sections: memorySections(sections) }));
    const back = modelFromContainer(readContainer(bytesSource(bytes)));
    expect(back.model).toEqual(model);
    for (const { name, type, components } of back.model.constants) {
      if (type.kind !== 'quantized') throw new Error('a quantised constant came back dense');
      const parts = Object.entries(components).map(([part, section]) => [part, back.sections.read(section)]);
      const tensor = { type: { ...type, shape: [2, 256] }, components: Object.fromEntries(parts) };
      expect(dequantize(tensor), name).toEqual(values[name]);
    }
  });

  test('names are exact, but for the case of GGML formats', () => {
    for (const name of presetNames()) expect(preset(name).name).toBe(name);
    expect(preset('q4_k').name).toBe('Q4_K');
    expect(preset('MLS<3,2>').weights.element.exponentBits).toBe(3);
    expect(preset('ShiftQuant5x8').weights).toEqual(shiftScheme(5, 8, 'ShiftQuant5x8'));
    for (const name of [
      '',
      'w4a8',
      'constructor',
      'MLS<2>',
      'ShiftQuant9',
      'ShiftQuant4x0',
      'ShiftQuant4x65',
    ])
      expect(codeOf(() => preset(name)).code, name).toBe('preset-unknown');
  });

  test('doc lines say something', () => {
    for (const name of presetNames()) expect(preset(name).doc.length).toBeGreaterThan(10);
  });
});

suite('describe', () => {
  /** Bits of a tensor counted one by one: its codes, each block of each level, each channel of an index map. */
  function countedBits(scheme: TensorScheme, shape: readonly number[]): number {
    let bits = elementsOf(shape) * scheme.element.bits;
    for (const { granularity, format, zero } of scheme.scales) {
      const blocks = new Set(blocksOf(granularity, shape)).size;
      bits += blocks * (format.bits + (zero?.format.bits ?? 0));
    }
    const { shiftGroups } = scheme;
    if (shiftGroups !== undefined) bits += shape[shape.length - 1] * Math.ceil(Math.log2(shiftGroups));
    return bits;
  }

  test.each(named)('%s: bits per weight are those that are there, and components hold them', (_, scheme) => {
    fc.assert(
      fc.property(shapesFor(scheme), (shape) => {
        const { bitsPerWeight } = describe(scheme, shape);
        const elements = elementsOf(shape);
        const bytes = componentBytes(schemeType(scheme, shape));
        const stored = 8 * Object.values(bytes).reduce((sum, length) => sum + length, 0);
        if (scheme.layout === 'canonical') {
          expect(bitsPerWeight * elements).toBeCloseTo(countedBits(scheme, shape), 6);
          expect(stored).toBeGreaterThanOrEqual(countedBits(scheme, shape));
        } else {
          expect(bitsPerWeight * elements).toBe(stored);
        }
      }),
      { numRuns: 20 },
    );
  });

  test.each(named)('%s: components are as long as they say', (_, scheme) => {
    fc.assert(
      fc.property(casesFor(scheme, ['gaussian', 'zero']), (given) => {
        const tensor = tensorOf(given);
        const { type, components } = quantize(tensor, scheme);
        const lengths = Object.fromEntries(
          Object.entries(components).map(([name, bytes]) => [name, bytes.length]),
        );
        expect(lengths).toEqual(componentBytes(type));
        expect(type).toEqual(schemeType(scheme, tensor.shape));
      }),
      { numRuns: 4 },
    );
  });

  test('figures and words that people know', () => {
    expect(describe(preset('W4A8').weights)).toEqual({
      name: 'W4A8',
      element: 'int4',
      elementBits: 4,
      range: [-7, 7],
      bitsPerWeight: 4.5,
      text: 'int4 under fp16 per 32 (amax/qmax); rounded nearest-even',
    });
    const bits = (name: string, shape?: readonly number[]) =>
      describe(preset(name).weights, shape).bitsPerWeight;
    expect(bits('MXFP4')).toBe(4.25);
    expect(bits('NVFP4')).toBe(4.5);
    expect(bits('NVFP4', [1024, 1024])).toBe(4.5 + 32 / 2 ** 20);
    expect(bits('W4A16_ASYM')).toBe(4 + 20 / 128);
    // 2 x 2 blocks of 128 x 128 at the edges of 129 x 130.
    expect(bits('FP8_BLOCK', [129, 130])).toBe(8 + (4 * 32) / (129 * 130));
    expect(bits('ShiftQuant4', [10, 100])).toBe(4 + (32 + 100 * 2) / 1000);
    // One group scale of 9 bits per row.
    expect(bits('MLS<2,4>', [8, 100])).toBe(7 + (8 * 9 + 32) / 800);
    expect(bits('Q4_K', [1, 256])).toBe(4.5);
    expect(bits('W4A8', [0, 32])).toBe(4);
    expect(describe(preset('NVFP4').weights).text).toBe(
      'fp4_e2m1 under fp8_e4m3fn per 16 (nvfp4-block), fp32 per tensor (amax/(448·6)); rounded nearest-even',
    );
    expect(describe(preset('ShiftQuant4').weights).text).toContain('channels in 4 groups of powers of two');
    expect(describe(mlsScheme(2, 4)).text).toContain('per index of axis 0 and 1');
    expect(describe(preset('FP8_BLOCK').weights).text).toContain('per block of 128 x 128');
    expect(codeOf(() => describe(preset('FP8_BLOCK').weights, [7]))).toEqual({
      code: 'scheme-rank',
      where: 'a block of 2 axes',
    });
  });

  test('the range is that of the codes in use', () => {
    const range = (scheme: TensorScheme) => describe(scheme).range;
    expect(range(integerScheme(4, PER_ROW, { rule: 'amax/half-range' }))).toEqual([-8, 7]);
    expect(range(affineScheme(4, PER_ROW))).toEqual([0, 15]);
    expect(range(mxScheme('fp8_e4m3fn'))).toEqual([-448, 448]);
    expect(range(mxScheme('mxint8'))).toEqual([-127 / 64, 127 / 64]);
    expect(range(nvfp4Scheme())).toEqual([-6, 6]);
  });
});

suite('schemes that contradict themselves', () => {
  const base = integerScheme(4, perGroup(8));
  const level = base.scales[0];
  const uint4 = uintFormat(4);
  const tensor = { data: new Float32Array(16).fill(1), shape: [2, 8] };
  /** Whichever way `quantize` goes, it says what the check says. */
  const at = (over: Partial<TensorScheme>) => {
    const scheme = { ...base, ...over };
    const checked = codeOf(() => checkScheme(scheme));
    expect(codeOf(() => quantize(tensor, scheme))).toEqual(checked);
    return checked;
  };
  const scale = (over: Partial<typeof level>) => at({ scales: [{ ...level, ...over }] });
  const zeroPoint = { format: uint4, kind: 'zero-point' } as const;

  test('every check names its field', () => {
    const invalid = (where: string) => ({ code: 'scheme-invalid', where });
    expect(at({ scales: [] })).toEqual(invalid('scales'));
    expect(at({ element: { ...base.element, bits: 33 } })).toEqual(invalid('element'));
    expect(at({ element: { ...base.element, bits: 1 } })).toEqual(invalid('element'));
    expect(scale({ format: uint4 })).toEqual(invalid('scales[0].format'));
    expect(scale({ rule: 'floor' })).toEqual(invalid('scales[0].format'));
    expect(scale({ direction: 'divide' })).toEqual(invalid('scales[0].direction'));
    expect(scale({ rule: '448·6/amax' }).code).toBe('scheme-invalid');
    expect(scale({ rule: 'amax/7' }).code).toBe('scheme-rule-unknown');
    expect(scale({ rule: 'constructor' }).code).toBe('scheme-rule-unknown');
    expect(scale({ rule: 'minmax' })).toEqual(invalid('scales[0].zero'));
    expect(scale({ zero: zeroPoint })).toEqual(invalid('scales[0].zero'));
    expect(scale({ rule: 'minmax', zero: { format: FP32, kind: 'minimum' } })).toEqual(
      invalid('scales[0].zero'),
    );
    expect(scale({ rule: 'min+range', zero: { format: FP32, kind: 'minimum' } })).toEqual(
      invalid('scales[0].zero'),
    );
    // Zero points of uint4 reach neither −8 nor 16.
    expect(scale({ rule: 'minmax', zero: zeroPoint })).toEqual(invalid('scales[0].zero.format'));
    expect(scale({ granularity: perGroup(0) })).toEqual(invalid('scales[0].granularity'));
    expect(scale({ granularity: perGroup(1.5) })).toEqual(invalid('scales[0].granularity'));
    expect(scale({ granularity: { strategy: 'block', blockShape: [-1, 2] } })).toEqual(
      invalid('scales[0].granularity'),
    );
    expect(scale({ granularity: { strategy: 'axis', axes: [0.5] } })).toEqual(
      invalid('scales[0].granularity'),
    );
    expect(at({ rounding: 'stochastic' })).toEqual(invalid('seed'));
    expect(at({ rounding: 'stochastic', seed: -1 })).toEqual(invalid('seed'));
    expect(at({ rounding: 'stochastic', seed: 0 }).code).toBe('nothing was thrown');
    const minmax = { ...level, rule: 'minmax', zero: { format: base.element, kind: 'zero-point' } } as const;
    expect(at({ scales: [level, minmax] })).toEqual(invalid('scales[1].zero'));
    const outer = scaleBy(FP32, PER_TENSOR, 'amax/qmax');
    expect(at({ scales: [level, { ...outer, direction: 'divide' }] })).toEqual(
      invalid('scales[1].direction'),
    );
    expect(at({ scales: [level, { ...outer, rule: '448·6/amax' }] })).toEqual(invalid('scales[1].direction'));
    const ternary = tensorScheme('t', {
      element: elementFormat('ternary'),
      scales: [{ ...minmax, zero: zeroPoint }],
    });
    expect(codeOf(() => checkScheme(ternary))).toEqual(invalid('scales[0].zero'));
  });

  test('shift groups leave no choice but bits, groups and rounding', () => {
    const shift = shiftScheme(4, 4);
    const wrong = (over: Partial<TensorScheme>) => codeOf(() => checkScheme({ ...shift, ...over })).where;
    expect(wrong({})).toBeUndefined();
    expect(wrong({ shiftGroups: 0 })).toBe('shiftGroups');
    expect(wrong({ shiftGroups: 65 })).toBe('shiftGroups');
    expect(wrong({ element: elementFormat('uint4') })).toBe('element');
    expect(wrong({ element: elementFormat('fp4_e2m1') })).toBe('element');
    expect(wrong({ scales: base.scales })).toBe('scales');
    expect(wrong({ scales: [scaleBy(FP32, PER_TENSOR, 'mean')] })).toBe('scales');
    expect(wrong({ saturate: false })).toBe('saturate');
  });

  test('GGML formats have one algorithm each', () => {
    const row = { data: new Float32Array(256), shape: [1, 256] };
    for (const [name, scheme] of named.filter(([, { layout }]) => layout !== 'canonical')) {
      expect(codeOf(() => quantize(row, { ...scheme, name: 'mine' })).code, name).toBe('nothing was thrown');
      const others: Partial<TensorScheme>[] = [
        { rounding: 'toward-zero' },
        { rounding: 'stochastic', seed: 1 },
        { scales: base.scales },
        { element: elementFormat('int7') },
        { shiftGroups: 4 },
      ];
      for (const other of others) {
        const wrong = { code: 'scheme-invalid', where: `layout ${scheme.layout}` };
        expect(
          codeOf(() => quantize(row, { ...scheme, ...other })),
          name,
        ).toEqual(wrong);
      }
    }
  });

  test('levels that do not nest, ranks that are too low', () => {
    const data = new Float32Array(24);
    const two = (inner: number, outer: number) =>
      tensorScheme('two', {
        element: base.element,
        scales: [scaleBy(FP32, perGroup(inner), 'amax/qmax'), scaleBy(FP32, perGroup(outer), 'amax/qmax')],
      });
    const code = (scheme: TensorScheme, shape: number[]) =>
      codeOf(() => quantize({ data, shape }, scheme)).code;
    expect(code(two(4, 8), [24])).toBe('nothing was thrown');
    expect(code(two(4, 6), [24])).toBe('scheme-nesting');
    // A whole axis holds any blocks.
    expect(code(two(5, 24), [24])).toBe('nothing was thrown');
    expect(code(two(5, 100), [24])).toBe('nothing was thrown');
    expect(code(mlsScheme(2, 4), [24])).toBe('scheme-rank');
    expect(code(preset('FP8_BLOCK').weights, [24])).toBe('scheme-rank');
    const scalar = { data: new Float32Array(1), shape: [] };
    for (const [, scheme] of named) {
      const strategies = scheme.scales.map(({ granularity }) => granularity.strategy);
      const fits =
        scheme.shiftGroups === undefined && strategies.every((s) => s === 'tensor' || s === 'token');
      const wanted =
        scheme.layout !== 'canonical' ? 'scheme-ragged' : fits ? 'nothing was thrown' : 'scheme-rank';
      expect(codeOf(() => quantize(scalar, scheme)).code, scheme.name).toBe(wanted);
    }
  });

  test('formats whose fields disagree', () => {
    for (const format of Object.values(ELEMENT_FORMATS))
      expect(formatFault(format), format.name).toBeUndefined();
    for (const [, { element, scales }] of named) {
      for (const format of [element, ...scales.flatMap((s) => [s.format, s.zero?.format ?? s.format])])
        expect(formatFault(format), format.name).toBeUndefined();
    }
    const fp4 = elementFormat('fp4_e2m1');
    const book = elementFormat('ternary');
    const broken = [
      { ...fp4, bits: 5 },
      { ...fp4, exponentBits: -1, mantissaBits: 4 },
      { ...fp4, exponentBits: 1.5, mantissaBits: 1.5 },
      { ...fp4, specials: 'ieee' as const, exponentBits: 3, mantissaBits: 0 },
      { ...fp4, specials: 'fnuz' as const, signed: false, bits: 3 },
      { ...fp4, bias: 0.5 },
      { ...fp4, bits: 0 },
      { ...book, values: undefined },
      { ...book, values: [] },
      { ...book, values: [1, 2, 3, 4, 5] },
      { ...book, values: [1, Number.NaN] },
      { ...book, bits: 17 },
      { ...elementFormat('int4'), bits: Number.NaN },
    ];
    for (const format of broken) expect(formatFault(format), JSON.stringify(format)).toBeTypeOf('string');
  });
});
