/**
 * Bands of columns with widths of their own inside one matrix: bands of one width give the bits of the matrix without
 * them, cards give the host's bits, and a step reads the bytes of the bands.
 */
import { compile } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { dequantize } from '@bitloom/formats';
import {
  bandMatrices,
  type ConstantDecl,
  encodedLength,
  findCard,
  type Model,
  type ModelBundle,
  type QuantizedType,
  verifyModel,
} from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { createHostEngine } from '@bitloom/runtime';
import { simulate } from '@bitloom/simulator';
import { describe, expect, it } from 'vitest';
import { inBands } from './support/banded-models.js';
import { firstDifference } from './support/bit-equality.js';
import { attempt, hostSession, NO_BYTES } from './support/card-against-host.js';
import { type DecoderSizes, familyModel } from './support/random-decoders.js';
import { cardWith } from './support/small-cards.js';

/** Three groups of columns, the last of them 24; five in the hidden layer. */
const SIZES: DecoderSizes = {
  layers: 2,
  width: 280,
  kvHeads: 3,
  share: 2,
  headDim: 12,
  hiddenWidth: 540,
  vocabSize: 90,
  maxPositions: 100,
  tiedEmbeddings: false,
};
const CALLS = [33, 1, 34, 1, 1];
const WIDTHS = ['FlightLLM-W3', 'FlightLLM-W8', 'FlightLLM-W2', 'FlightLLM'];
const BUFFERS = { weights: 16 * 1024, stream: 8 * 1024, data: 512 * 1024, accumulator: 16 * 1024 };
const ONE_CORE = cardWith('one', { cores: 1, buffers: BUFFERS, weightBits: [2, 3, 4, 8] });
const float = familyModel('llama', SIZES, 7);

function banded({ constants }: Model): (ConstantDecl & { type: QuantizedType })[] {
  return constants.flatMap((constant) => {
    const { type } = constant;
    return type.kind === 'quantized' && type.bands !== undefined ? [{ ...constant, type }] : [];
  });
}

function hostDiffers(bundle: ModelBundle, other: ModelBundle): string | undefined {
  const host = createHostEngine(bundle, { kernels: createKernels() });
  const difference = firstDifference(host, hostSession(other, CALLS));
  host.close();
  return difference;
}

describe('the host', () => {
  it.each(['FlightLLM', 'FlightLLM-W3', 'FlightLLM-W8', 'FlightLLM-W3-8:16'])(
    'gives the same bits for bands of one width, in %s',
    (scheme) => {
      const whole = quantizeModel(float, scheme);
      for (const groups of [1, 2]) {
        const bundle = inBands(float, [scheme], groups);
        expect(banded(bundle.model).length).toBeGreaterThan(10);
        expect(hostDiffers(bundle, whole)).toBeUndefined();
      }
    },
  );

  it('gives others for bands of several widths', () => {
    expect(hostDiffers(inBands(float, WIDTHS), quantizeModel(float, WIDTHS[0]))).toBeDefined();
  });
});

describe('cards give the bits of the host', () => {
  const cards = [findCard('u280-bitloom'), findCard('u280-flightllm'), ONE_CORE];
  it.each(cards.map((device) => [device.name, device] as const))('on %s', (_name, device) => {
    const bundle = inBands(float, WIDTHS);
    expect(attempt({ bundle, device, options: {}, calls: CALLS, orders: ['program', 'end'] })).toBe('right');
    const found = compile(bundle.model, device).regions.flatMap(({ contents }) =>
      contents.from === 'constant' && contents.layout.startsWith('banded') ? [contents.layout] : [],
    );
    expect(found.length).toBe(banded(bundle.model).length);
    for (const layout of found) expect(layout).toMatch(/^banded\.u3x1t1\.s8x1t1\.u2x1t1/);
  });

  it.each(cards.map((device) => [device.name, device] as const))(
    'with N of 16 by band on %s',
    (_name, base) => {
      const device = { ...base, matrix: { ...base.matrix, keeps: [2, 4, 8] } };
      const schemes = ['FlightLLM-8:16', 'FlightLLM-W3', 'FlightLLM-W2-4:16', 'FlightLLM-W8-2:16'];
      const bundle = inBands(float, schemes);
      expect(attempt({ bundle, device, options: {}, calls: CALLS, orders: ['program'] })).toBe('right');
      const options = { sparseChains: false };
      expect(attempt({ bundle, device, options, calls: CALLS, orders: ['program'] })).toBe('right');
    },
  );

  it('chosen by error, with sparse weights and a cache of 4 bits too', () => {
    for (const scheme of [
      'FlightLLM-mixed3.5-bands',
      'FlightLLM-mixed2.6-bands-8:16',
      'FlightLLM-mixed3-bands-KV4',
    ]) {
      const bundle = quantizeModel(float, scheme);
      expect(banded(bundle.model).length, scheme).toBeGreaterThan(0);
      const outcome = attempt({ bundle, device: ONE_CORE, options: {}, calls: [7, 1, 1] });
      expect(outcome, scheme).toBe('right');
    }
  });

  it('keeps narrow bands in 4 bits where a card has nothing narrower', () => {
    const device = cardWith('4 and 8', { weightBits: [4, 8] });
    const bundle = inBands(float, WIDTHS);
    expect(attempt({ bundle, device, options: {}, calls: [9, 1], orders: ['program'] })).toBe('right');
  });
});

describe('refusals', () => {
  const { model } = inBands(float, WIDTHS);
  const changed = (change: (type: QuantizedType) => QuantizedType): Model => {
    const [{ name }] = banded(model);
    return {
      ...model,
      constants: model.constants.map((constant) =>
        constant.name === name && constant.type.kind === 'quantized'
          ? { ...constant, type: change(constant.type) }
          : constant,
      ),
    };
  };

  it('of bands that are no whole groups', () => {
    const torn = changed((type) => {
      const [first, second, ...others] = type.bands ?? [];
      const bands = [{ ...first, cols: first.cols - 8 }, { ...second, cols: second.cols + 8 }, ...others];
      return { ...type, bands };
    });
    expect(() => verifyModel(torn)).toThrow(
      expect.objectContaining({
        code: 'model-type',
        message: expect.stringContaining('whole number of groups'),
      }),
    );
    expect(() => compile(torn, findCard('u280-bitloom'))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(model-type|compiler-weight-unsupported)$/) }),
    );
  });

  it('of bands that are not the columns, or have bands, or other groups', () => {
    const wrong = [
      changed((type) => ({ ...type, bands: type.bands?.slice(1) })),
      changed((type) => ({ ...type, bands: type.bands?.map((band) => ({ ...band, layout: 'banded' })) })),
      changed((type) => ({ ...type, bands: type.bands?.map((band) => ({ ...band, scales: [] })) })),
      changed((type) => ({ ...type, layout: 'canonical' })),
      changed(({ bands: _, ...type }) => type),
    ];
    for (const one of wrong)
      expect(() => verifyModel(one)).toThrow(expect.objectContaining({ code: 'model-type' }));
  });

  it('of a width and of an N of 16 that the card lacks', () => {
    expect(() => compile(model, cardWith('only 4', { weightBits: [4] }))).toThrow(
      expect.objectContaining({
        code: 'compiler-weight-unsupported',
        got: '8',
        where: expect.stringMatching(/\[1\]/),
      }),
    );
    const sparse = inBands(float, ['FlightLLM', 'FlightLLM-8:16']);
    expect(() => compile(sparse.model, cardWith('dense', { keeps: [] }))).toThrow(
      expect.objectContaining({ code: 'compiler-weight-unsupported', got: '8:16' }),
    );
  });
});

describe('bytes and values', () => {
  it('a decode step reads the bytes of the bands', async () => {
    const device = findCard('u280-bitloom');
    const { model, notes } = quantizeModel(await openModel('tinyllama-1.1b'), 'FlightLLM-mixed3.5-bands');
    expect(notes.join()).toMatch(/bands of 155 weights by place.*3\.5/);
    const program = compile(model, device, { capacity: 256 });
    const { report } = simulate(program, device, {
      prefill: 128,
      decode: 1,
      model: 'tinyllama-1.1b',
      instructionBytes: NO_BYTES,
      encodedLength,
    });
    const hbm = report.phases
      .find(({ name }) => name === 'decode')
      ?.memories.find(({ name }) => name === 'hbm');
    const expected = model.constants.reduce((sum, { name, type }) => {
      if (type.kind !== 'quantized' || name.startsWith('embedding')) return sum;
      const rows = Number(type.shape[0]);
      return bandMatrices(type).reduce(
        (bytes, { cols, type: { element } }) =>
          bytes + (rows * cols * element.bits) / 8 + 2 * rows * Math.ceil(cols / 128),
        sum,
      );
    }, 0);
    expect(hbm?.bytes.weights).toBe(expected);
    expect(banded(model).length).toBeGreaterThan(150);
  });

  it('stand for the values of the bands', () => {
    const bundle = inBands(float, WIDTHS);
    const parts = WIDTHS.map((scheme) => quantizeModel(float, scheme));
    const values = ({ model, sections }: ModelBundle, name: string): Float32Array => {
      const constant = model.constants.find((one) => one.name === name);
      if (constant?.type.kind !== 'quantized') throw new Error(name);
      const components = Object.fromEntries(
        Object.entries(constant.components).map(([key, section]) => [key, sections.read(section)]),
      );
      return dequantize({ type: { ...constant.type, shape: constant.type.shape.map(Number) }, components });
    };
    for (const { name, type } of banded(bundle.model)) {
      const cols = Number(type.shape[1]);
      const all = parts.map((part) => values(part, name));
      const expected = all[0].map((_, i) => all[Math.floor((i % cols) / 128) % all.length][i]);
      expect(values(bundle, name), name).toEqual(expected);
    }
  });
});
