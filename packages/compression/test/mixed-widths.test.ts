/** Mixed schemes: widths by measured errors and by place, the average, names, and what is refused. */
import { type BitloomError, bandMatrices, type ModelBundle, memorySections, verifyModel } from '@bitloom/ir';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareWeights, findScheme, quantizeModel, type Scheme, schemeNames } from '../src/index.js';

const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 70,
  layers: 3,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 176,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 16,
};
const random = randomDecoder(CONFIG, { seed: 5, name: 'random' });
const shapes: ModelBundle = {
  model: { ...random.model, constants: random.model.constants.map((one) => ({ ...one, components: {} })) },
  sections: memorySections({}),
};

/** Bits and elements of the weights that are mixed, by name: every quantised matrix but the table of tokens. */
function widths(bundle: ModelBundle): Map<string, { readonly bits: number; readonly elements: number }> {
  return new Map(
    bundle.model.constants.flatMap(({ name, type }) => {
      if (type.kind !== 'quantized' || name.startsWith('embedding')) return [];
      return [[name, { bits: type.element.bits, elements: type.shape.map(Number).reduce((a, b) => a * b) }]];
    }),
  );
}

function average(bundle: ModelBundle): number {
  const all = [...widths(bundle).values()];
  const elements = all.reduce((sum, one) => sum + one.elements, 0);
  return all.reduce((sum, one) => sum + one.bits * one.elements, 0) / elements;
}

const bitsOf = (bundle: ModelBundle): number[] => [...widths(bundle).values()].map(({ bits }) => bits);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as BitloomError).code;
  }
  return 'nothing';
}

describe('schemes of FlightLLM', () => {
  it.each([2, 3, 5, 8])('%i bits throughout, the table of tokens at 8', (bits) => {
    const { model } = quantizeModel(random, `FlightLLM-W${bits}`);
    verifyModel(model);
    expect(new Set(bitsOf({ model, sections: random.sections }))).toEqual(new Set([bits]));
    const table = model.constants.find(({ name }) => name.startsWith('embedding'));
    expect(table?.type).toMatchObject({ kind: 'quantized', element: { bits: 8 } });
    expect(model.numerics.scheme).toBe(`FlightLLM-W${bits}`);
  });

  it('narrower codes lose more, and 4 bits by either name are the same', () => {
    const sqnr = (name: string): number => compareWeights(random, quantizeModel(random, name)).total.sqnr;
    const all = [8, 6, 4, 3, 2].map((bits) => sqnr(`FlightLLM-W${bits}`));
    expect(all).toEqual([...all].sort((a, b) => b - a));
    // The mean magnitude as scale keeps most of 2 bits: under the largest one less than 3 dB would be left.
    expect(all[4]).toBeGreaterThan(6);
    expect(quantizeModel(random, 'FlightLLM-W4').model).toEqual(quantizeModel(random, 'FlightLLM').model);
  });

  it('are listed, and take suffixes', () => {
    for (const name of ['FlightLLM-W3', 'FlightLLM-W2', 'FlightLLM-mixed3.5'])
      expect(schemeNames()).toContain(name);
    expect(findScheme('FlightLLM-mixed3.5-8:16')).toMatchObject({
      name: 'FlightLLM-mixed3.5-8:16',
      mix: { average: 3.5 },
    });
    expect(findScheme('FlightLLM-mixed3.50').name).toBe('FlightLLM-mixed3.5');
  });

  it.each([
    ['FlightLLM-mixed1.9', 'scheme-mix'],
    ['FlightLLM-mixed8.1', 'scheme-mix'],
    ['FlightLLM-mixed0', 'scheme-mix'],
    ['FlightLLM-mixed', 'scheme-unknown'],
    ['FlightLLM-mixed-3', 'scheme-unknown'],
    ['FlightLLM-mixed3.', 'scheme-unknown'],
    ['FlightLLM-W1', 'scheme-unknown'],
    ['FlightLLM-W9', 'scheme-unknown'],
    ['W4A8-mixed3.5', 'scheme-unknown'],
  ])('%s: %s', (name, code) => {
    expect(codeOf(() => findScheme(name))).toBe(code);
  });
});

describe('a mix', () => {
  it('comes as near to every average as its matrices allow, and never above', () => {
    const largest = Math.max(
      ...[...widths(quantizeModel(random, 'FlightLLM')).values()].map((w) => w.elements),
    );
    const all = [...widths(quantizeModel(random, 'FlightLLM')).values()].reduce((n, w) => n + w.elements, 0);
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 800 }),
        fc.constantFrom(random, shapes),
        (hundredths, bundle) => {
          const wanted = hundredths / 100;
          const got = average(quantizeModel(bundle, `FlightLLM-mixed${wanted}`));
          expect(got).toBeLessThanOrEqual(wanted + 1e-9);
          // What is left is less than the widest step of the largest matrix.
          expect(got).toBeGreaterThan(wanted - (4 * largest) / all);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('has one width at the ends and at whole widths', () => {
    for (const bits of [2, 3, 4, 8]) {
      expect(new Set(bitsOf(quantizeModel(shapes, `FlightLLM-mixed${bits}`)))).toEqual(new Set([bits]));
    }
    expect(new Set(bitsOf(quantizeModel(random, 'FlightLLM-mixed8')))).toEqual(new Set([8]));
    expect(new Set(bitsOf(quantizeModel(random, 'FlightLLM-mixed2')))).toEqual(new Set([2]));
  });

  it('spends bits where weights lose most: a matrix with outliers before the others', () => {
    const constant = random.model.constants.find((one) => one.name.includes('1') && one.name.includes('up'));
    if (constant === undefined || constant.type.kind !== 'dense') throw new Error('no such weight');
    const section = constant.components.data;
    const bytes = random.sections.read(section).slice();
    const values = new Float32Array(bytes.buffer);
    // One value in 64 is thirty times as large: the others lie within one step of few bits.
    for (let i = 0; i < values.length; i += 64) values[i] *= 30;
    const sections = {
      ...random.sections,
      has: (one: string) => random.sections.has(one),
      byteLength: (one: string) => random.sections.byteLength(one),
      read: (one: string, offset = 0, length?: number) =>
        one === section
          ? bytes.subarray(offset, length === undefined ? undefined : offset + length)
          : random.sections.read(one, offset, length),
    };
    const plain = widths(quantizeModel(random, 'FlightLLM-mixed3'));
    const skewed = widths(quantizeModel({ model: random.model, sections }, 'FlightLLM-mixed3'));
    expect(skewed.get(constant.name)?.bits).toBeGreaterThan(plain.get(constant.name)?.bits ?? 0);
  });

  it('of the same bytes is the same, and says how it was chosen', () => {
    const [one, two] = [1, 2].map(() => quantizeModel(random, 'FlightLLM-mixed3.5'));
    expect(one.model).toEqual(two.model);
    verifyModel(one.model);
    expect(one.notes[0]).toMatch(
      /^widths of 22 weights by measured errors: 2 bits \d+, 3 bits \d+, .*; 3\.\d+ on average$/,
    );
    expect(quantizeModel(shapes, 'FlightLLM-mixed3.5').notes[0]).toContain('by place');
  });

  it('by place has its wider codes at both ends of the model', () => {
    const bits = bitsOf(quantizeModel(shapes, 'FlightLLM-mixed3.5'));
    expect([bits[0], bits[bits.length - 1]]).toEqual([4, 4]);
    const first = bits.indexOf(3);
    const last = bits.lastIndexOf(3);
    expect(first).toBeGreaterThan(0);
    expect(last).toBeLessThan(bits.length - 1);
  });

  it('of LLaMA2-7B is 3.5 bits, as near as a matrix allows', async () => {
    const model = await openModel('llama2-7b');
    expect(average(quantizeModel(model, 'FlightLLM-mixed3.5'))).toBeCloseTo(3.5, 2);
  });

  it('counts what sparse weights keep', () => {
    const bundle = quantizeModel(random, 'FlightLLM-mixed3.5-8:16');
    verifyModel(bundle.model);
    const head = [...widths(bundle)].find(([name]) => name.startsWith('head'))?.[1];
    if (head === undefined) throw new Error('no head');
    const all = [...widths(bundle).values()];
    const kept = all.map((one) => ({ ...one, kept: one === head ? one.elements : one.elements / 2 }));
    const total = kept.reduce((sum, one) => sum + one.kept, 0);
    expect(kept.reduce((sum, one) => sum + one.bits * one.kept, 0) / total).toBeLessThanOrEqual(3.5);
  });

  it('leaves a tied embedding at 8 bits', () => {
    const tied = randomDecoder({ ...CONFIG, tiedEmbeddings: true }, { seed: 5, name: 'tied' });
    const { model } = quantizeModel(tied, 'FlightLLM-mixed3.5');
    const table = model.constants.find(({ name }) => name.startsWith('embedding'));
    expect(table?.type).toMatchObject({ element: { bits: 8 } });
  });

  it('refuses damaged values when it measures them, by name', () => {
    const [name] = widths(quantizeModel(random, 'FlightLLM')).keys();
    const section = random.model.constants.find((one) => one.name === name)?.components.data;
    const sections = {
      ...random.sections,
      has: (one: string) => random.sections.has(one),
      byteLength: (one: string) => random.sections.byteLength(one),
      read: (one: string, offset = 0, length?: number) => {
        const bytes = random.sections.read(one, offset, length).slice();
        if (one === section) new Float32Array(bytes.buffer)[3] = Number.NaN;
        return bytes;
      },
    };
    const run = (): unknown => quantizeModel({ model: random.model, sections }, 'FlightLLM-mixed3.5');
    expect(run).toThrow(expect.objectContaining({ code: 'quantize-not-finite' }));
    expect(run).toThrow(name);
  });
});

describe('bands of columns', () => {
  const wide = randomDecoder({ ...CONFIG, layers: 1, hiddenWidth: 900 }, { seed: 3, name: 'wide' });
  const shapesOnly: ModelBundle = {
    model: { ...wide.model, constants: wide.model.constants.map((one) => ({ ...one, components: {} })) },
    sections: memorySections({}),
  };
  const scheme = (mean: number, bands: number): Scheme => {
    const found = findScheme(`FlightLLM-mixed${mean}`);
    return found.mix === undefined ? found : { ...found, mix: { ...found.mix, bands } };
  };
  /** Bits and codes of each band, by matrix. */
  const bandsOf = ({ model }: ModelBundle): { readonly bits: number; readonly codes: number }[][] =>
    model.constants.flatMap(({ name, type }) => {
      if (type.kind !== 'quantized' || name.startsWith('embedding')) return [];
      const rows = Number(type.shape[0]);
      return [bandMatrices(type).map((band) => ({ bits: band.type.element.bits, codes: rows * band.cols }))];
    });

  it('keep the average, differ from their neighbours, and give a model that verifies', () => {
    for (const bundle of [wide, shapesOnly]) {
      for (const mean of [2, 2.5, 3.5, 8]) {
        const quantized = quantizeModel(bundle, `FlightLLM-mixed${mean}-bands`);
        verifyModel(quantized.model);
        const all = bandsOf(quantized);
        const bits = all.flat().reduce((sum, one) => sum + one.bits * one.codes, 0);
        const codes = all.flat().reduce((sum, one) => sum + one.codes, 0);
        expect(bits / codes).toBeLessThanOrEqual(mean);
        for (const own of all) {
          expect(own.length).toBeLessThanOrEqual(4);
          for (const [i, { bits: width }] of own.slice(1).entries()) expect(width).not.toBe(own[i].bits);
        }
        expect(quantized.notes.join()).toContain('bands of');
      }
    }
  });

  it('of one width are the matrix without bands', () => {
    const [banded, plain] = ['FlightLLM-mixed3-bands', 'FlightLLM-mixed3'].map((name) =>
      quantizeModel(shapesOnly, name),
    );
    expect(banded.model.constants).toEqual(plain.model.constants);
  });

  it('are named with their errors', () => {
    const { weights } = compareWeights(wide, quantizeModel(wide, 'FlightLLM-mixed2.7-bands'));
    expect(weights.some((weight) => weight.scheme.includes('+'))).toBe(true);
  });

  it('are refused of formats in different groups, and of no bands', () => {
    const found = scheme(4, 2);
    const w4a8 = findScheme('W4A8').weights?.linear;
    if (found.mix === undefined || w4a8 === undefined) throw new Error('no mix');
    const mix = { ...found.mix, formats: [w4a8, ...found.mix.formats.slice(1)] };
    expect(codeOf(() => quantizeModel(wide, { ...found, mix }))).toBe('scheme-mix');
    expect(codeOf(() => quantizeModel(wide, scheme(4, 0)))).toBe('scheme-mix');
    expect(codeOf(() => findScheme('FlightLLM-mixed9-bands'))).toBe('scheme-mix');
  });
});
