/** Every scheme on a whole model: the artefact verifies, its bytes are those of one call, and the host runs its values. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeFp16,
  dequantize,
  elementsOf,
  integerScheme,
  mxScheme,
  perGroup,
  quantize,
} from '@bitloom/formats';
import {
  type ConstantDecl,
  FLOAT_NUMERICS,
  type Model,
  type ModelBundle,
  memorySections,
  verifyModel,
} from '@bitloom/ir';
import { readModel, writeModel } from '@bitloom/ir/node';
import { createKernels } from '@bitloom/kernels';
import { type DecoderConfig, randomDecoder } from '@bitloom/models';
import { createHostEngine } from '@bitloom/runtime';
import { describe, expect, it } from 'vitest';
import { compareWeights, quantizeModel, SCHEMES, schemeNames } from '../src/index.js';

/** Rows of 256, which every block divides, and of 80, which few do. */
const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 24,
  layers: 1,
  width: 256,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  hiddenWidth: 80,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 16,
};
const IDS = [1, 5, 9, 3, 20];
const original = randomDecoder(CONFIG, { seed: 3, name: 'random' });
const kernels = createKernels();
const integer = SCHEMES.filter(({ numerics }) => numerics.linear !== 'f32').map(({ name }) => name);
const weightOnly = schemeNames().filter((name) => name !== 'f32' && !integer.includes(name));

function coded(model: Model): (ConstantDecl & { readonly shape: number[] })[] {
  return model.constants
    .filter(({ type }) => type.kind === 'quantized')
    .map((constant) => ({ ...constant, shape: constant.type.shape.map(Number) }));
}

function componentsOf(bundle: ModelBundle, constant: ConstantDecl): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(constant.components).map(([name, section]) => [name, bundle.sections.read(section)]),
  );
}

function floats(bundle: ModelBundle, name: string, count: number): Float32Array {
  const section = bundle.model.constants.find((constant) => constant.name === name)?.components.data ?? '';
  const bytes = bundle.sections.read(section).slice();
  return new Float32Array(bytes.buffer, 0, count);
}

/** The same model with the values of its codes as float32. */
function dequantizedModel(bundle: ModelBundle): ModelBundle {
  const own: Record<string, Uint8Array> = {};
  const constants = bundle.model.constants.map((constant): ConstantDecl => {
    const { type, name } = constant;
    if (type.kind !== 'quantized') return constant;
    const values = dequantize({
      type: { ...type, shape: type.shape.map(Number) },
      components: componentsOf(bundle, constant),
    });
    own[`${name}.values`] = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return {
      name,
      type: { kind: 'dense', dtype: 'f32', shape: type.shape },
      components: { data: `${name}.values` },
    };
  });
  const memory = memorySections(own);
  const pick = (section: string): ModelBundle['sections'] => (memory.has(section) ? memory : bundle.sections);
  return {
    model: { ...bundle.model, constants },
    sections: {
      has: (section) => pick(section).has(section),
      byteLength: (section) => pick(section).byteLength(section),
      read: (section, offset, length) => pick(section).read(section, offset, length),
    },
  };
}

function logits(bundle: ModelBundle): Float32Array {
  const engine = createHostEngine(bundle, { kernels });
  const out = engine.forward(IDS).slice();
  engine.close();
  return out;
}

describe.each(weightOnly)('%s', (name) => {
  const quantized = quantizeModel(original, name);

  it('verifies, and has the bytes of one call over each weight, whatever is read', () => {
    verifyModel(quantized.model);
    const constants = coded(quantized.model);
    expect(constants.length).toBeGreaterThan(3);
    for (const constant of constants) {
      const { scheme, shape } = constant;
      if (scheme === undefined) throw new Error('a quantised constant without its scheme');
      const data = floats(original, constant.name, elementsOf(shape));
      const whole = quantize({ data, shape }, scheme);
      expect(constant.type).toEqual(whole.type);
      for (const [component, section] of Object.entries(constant.components)) {
        const expected = whole.components[component];
        const size = quantized.sections.byteLength(section);
        const half = Math.floor(size / 2);
        // Back to front, so that no range follows the one before it.
        expect(quantized.sections.read(section, half, size - half)).toEqual(expected.slice(half));
        expect(quantized.sections.read(section, 0, half)).toEqual(expected.slice(0, half));
      }
    }
  });

  it('runs on the host as the float model of its values, bit for bit, also from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bitloom-presets-'));
    try {
      const file = join(folder, 'model');
      writeModel(file, quantized);
      const stored = readModel(file);
      expect(stored.model.constants).toEqual(quantized.model.constants);
      const expected = logits(dequantizedModel(quantized));
      expect(expected.every(Number.isFinite)).toBe(true);
      expect(logits(quantized)).toEqual(expected);
      expect(logits(stored)).toEqual(expected);
      stored.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('compares with the original', () => {
    const { weights, total, bitsPerWeight, bytes } = compareWeights(original, quantized);
    expect(weights.map((weight) => weight.name)).toEqual(coded(quantized.model).map((c) => c.name));
    expect(total.sqnr).toBeGreaterThan(0);
    expect(total.maxError).toBe(Math.max(...weights.map((weight) => weight.maxError)));
    expect(bitsPerWeight).toBeGreaterThan(0.9);
    expect(bitsPerWeight).toBeLessThan(10);
    expect(bytes).toBeGreaterThan(0);
  });
});

it('falls back visibly where rows are no whole blocks', () => {
  const { model, notes } = quantizeModel(original, 'Q4_K');
  const layouts = Object.fromEntries(
    model.constants.map(({ name, type }) => [name, type.kind === 'quantized' ? type.layout : type.dtype]),
  );
  expect(layouts['layers.0.gate.weight']).toBe('ggml.q4_K');
  // 80 columns are neither blocks of 256 nor of 32.
  expect(layouts['layers.0.down.weight']).toBe('f32');
  expect(layouts['layers.0.o.weight']).toBe('ggml.q5_0');
  expect(notes).toContain(
    "weight 'layers.0.down.weight' [256, 80]: 80 columns are no blocks of 256; float32 instead of q4_K",
  );
  expect(notes.filter((note) => note.includes('q5_0 instead of q4_K')).length).toBeGreaterThan(0);
});

it('rounds every weight with random bits of its own, and records which', () => {
  const weights = { ...mxScheme('fp4_e2m1'), rounding: 'stochastic', seed: 5 } as const;
  const scheme = {
    name: 'random',
    doc: 'for a test',
    weights: { linear: weights },
    numerics: FLOAT_NUMERICS,
  };
  // The same values in two weights: with the same bits they would have the same codes.
  const names = ['layers.0.gate.weight', 'layers.0.up.weight'];
  const [gate, up] = names.map((name) => original.model.constants.find((constant) => constant.name === name));
  if (gate === undefined || up === undefined) throw new Error('the model lacks a weight');
  const constants = original.model.constants.map((constant) =>
    constant === up ? { ...up, components: gate.components } : constant,
  );
  const twins = { model: { ...original.model, constants }, sections: original.sections };
  const quantized = quantizeModel(twins, scheme);
  const [a, b] = names.map((name) => coded(quantized.model).find((constant) => constant.name === name));
  if (a?.scheme === undefined || b?.scheme === undefined) throw new Error('a weight without its scheme');
  expect(a.scheme.stream).not.toBe(b.scheme.stream);
  const codes = [a, b].map((constant) => quantized.sections.read(constant.components.codes));
  const equal = codes[0].filter((byte, i) => byte === codes[1][i]).length / codes[0].length;
  // Pairs of codes that round alike by chance, far from all of them.
  expect(equal).toBeLessThan(0.7);
  const data = floats(twins, a.name, elementsOf(a.shape));
  expect(quantize({ data, shape: a.shape }, a.scheme).components.codes).toEqual(codes[0]);
});

it('saturates what is not finite at the largest value of the whole weight, whatever rows are read', () => {
  const weights = { ...integerScheme(4, perGroup(32)), nan: 'max' } as const;
  const scheme = {
    name: 'saturating',
    doc: 'for a test',
    weights: { linear: weights },
    numerics: FLOAT_NUMERICS,
  };
  // Taller than one step of rows.
  const [rows, cols] = [2 ** 15 + 8, 64];
  const data = new Float32Array(rows * cols).fill(0.5);
  data[0] = Number.POSITIVE_INFINITY;
  data[data.length - 1] = 1000;
  const model: Model = {
    ...original.model,
    constants: [
      { name: 'w', type: { kind: 'dense', dtype: 'f32', shape: [rows, cols] }, components: { data: 'w' } },
    ],
    states: [],
    functions: [
      {
        name: 'forward',
        inputs: [{ name: 'x', type: { kind: 'dense', dtype: 'f32', shape: [1, cols] } }],
        outputs: ['y'],
        nodes: [
          { name: 'product', op: 'linear', inputs: ['x', 'w'], outputs: ['z'], attributes: {} },
          { name: 'activation', op: 'silu', inputs: ['z'], outputs: ['y'], attributes: {} },
        ],
        bindings: {},
        stateUpdates: {},
      },
    ],
  };
  const sections = memorySections({ w: new Uint8Array(data.buffer) });
  const quantized = quantizeModel({ model, sections }, scheme);
  const [constant] = coded(quantized.model);
  const whole = quantize({ data, shape: [rows, cols] }, weights).components;
  expect(quantized.sections.read(constant.components.scales, 0, 4)).toEqual(whole.scales.slice(0, 4));
  expect(decodeFp16(whole.scales[0] | (whole.scales[1] << 8)) * 7).toBeCloseTo(1000, 0);
});

it('refuses to compare models that do not belong together', () => {
  const quantized = quantizeModel(original, 'MXFP4');
  const stranger = { model: { ...original.model, constants: [] }, sections: original.sections };
  expect(() => compareWeights(stranger, quantized)).toThrow(
    expect.objectContaining({ code: 'compare-models' }),
  );
});
