/** The rewrite by rounding: types, bytes, sharing, laziness, errors, on a graph written out by hand. */
import { decodeFp16Array, dequantizeCanonical, encodeFp16Array, quantizeGroups } from '@bitloom/formats';
import {
  BitloomError,
  type ConstantDecl,
  dense,
  FLOAT_NUMERICS,
  findFunction,
  formatType,
  type GraphNode,
  integerNumerics,
  type Model,
  type ModelBundle,
  memorySections,
  type SectionSource,
  symbol,
  verifyModel,
} from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findScheme, quantizeModel, SCHEMES } from '../src/index.js';

const VOCABULARY = 37;
const WIDTH = 40;
const HIDDEN = 44;

function wave(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * (seed + 1.7)) * (1 + (i % 7)));
}

function bytes(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const FLOATS: Readonly<Record<string, Float32Array>> = {
  embed: wave(VOCABULARY * WIDTH, 1),
  norm: wave(WIDTH, 2),
  gate: wave(HIDDEN * WIDTH, 3),
  up: wave(HIDDEN * WIDTH, 4),
  down: wave(WIDTH * HIDDEN, 5),
  places: wave(16 * WIDTH, 6),
};

function node(
  op: string,
  name: string,
  inputs: string[],
  attributes: GraphNode['attributes'] = {},
): GraphNode {
  return { name, op, inputs, outputs: [`%${name}`], attributes, layer: 0 };
}

function bundle(): ModelBundle {
  const shapes: Readonly<Record<string, number[]>> = {
    embed: [VOCABULARY, WIDTH],
    norm: [WIDTH],
    gate: [HIDDEN, WIDTH],
    up: [HIDDEN, WIDTH],
    down: [WIDTH, HIDDEN],
    places: [16, WIDTH],
  };
  const constants: ConstantDecl[] = Object.entries(shapes).map(([name, shape]) => ({
    name,
    type: dense(name === 'norm' ? 'f16' : 'f32', shape),
    components: { data: `file/${name}` },
  }));
  const nodes = [
    node('embedding', 'rows', ['ids', 'embed']),
    node('positions', 'at', ['ids'], { offset: 0 }),
    node('embedding', 'place', ['%at', 'places']),
    node('add', 'x', ['%rows', '%place']),
    node('rmsNorm', 'n', ['%x', 'norm'], { epsilon: 1e-5 }),
    node('linear', 'gated', ['%n', 'gate']),
    node('linear', 'upped', ['%n', 'up']),
    node('silu', 's', ['%gated']),
    node('mul', 'm', ['%s', '%upped']),
    node('linear', 'downed', ['%m', 'down']),
    node('stateAppend', 'kept', ['cache', '%downed']),
    node('linear', 'logits', ['%downed', 'embed']),
  ];
  const model: Model = {
    kind: 'model',
    name: 'hand-made',
    family: 'none',
    numerics: FLOAT_NUMERICS,
    symbols: [{ name: 'seq', min: 1, max: 16, perSlot: true }],
    constants,
    states: [
      { name: 'cache', type: dense('f32', [5, 16, 8]), purpose: 'kv-cache' },
      { name: 'mean', type: dense('f32', [5]), purpose: 'statistics' },
    ],
    functions: [
      {
        name: 'forward',
        inputs: [{ name: 'ids', type: dense('i32', [symbol('seq')]) }],
        outputs: ['%logits'],
        nodes,
        bindings: {},
        stateUpdates: { cache: '%kept' },
      },
    ],
    metadata: {},
  };
  const sections = Object.entries(FLOATS).map(([name, values]) => [
    `file/${name}`,
    bytes(name === 'norm' ? encodeFp16Array(values) : values),
  ]);
  return { model, sections: memorySections(Object.fromEntries(sections)) };
}

function constant(model: Model, name: string): ConstantDecl {
  const found = model.constants.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no constant ${name}`);
  return found;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'nothing thrown';
  } catch (error) {
    return error instanceof BitloomError ? error.code : String(error);
  }
}

function readAll(model: Model, sections: SectionSource): Record<string, Uint8Array> {
  const names = model.constants.flatMap(({ components }) => Object.values(components));
  return Object.fromEntries(names.map((name) => [name, sections.read(name).slice()]));
}

describe('quantizeModel', () => {
  it('rewrites types by role and leaves the rest in float32', () => {
    const { model, notes } = quantizeModel(bundle(), 'W4A8');
    const types = Object.fromEntries(model.constants.map(({ name, type }) => [name, formatType(type)]));
    expect(types).toEqual({
      embed: 'int8{fp16/1x32; canonical}[37, 40]',
      norm: 'f32[40]',
      gate: 'int4{fp16/1x32; canonical}[44, 40]',
      up: 'int4{fp16/1x32; canonical}[44, 40]',
      down: 'int4{fp16/1x32; canonical}[40, 44]',
      places: 'f32[16, 40]',
    });
    expect(model.states.map(({ type }) => formatType(type))).toEqual([
      'int8{fp32/1x1x0; rows}[5, 16, 8]',
      'f32[5]',
    ]);
    expect(model.numerics.scheme).toBe('W4A8');
    expect(model.numerics.kvCache).toBe('int8-per-token-head');
    // 40 = 32 + 8 and 44 = 32 + 12: every weight is ragged.
    expect(notes).toHaveLength(4);
    expect(notes[3]).toBe("weight 'down' [40, 44]: groups of 32, the last of each row holds 12");
  });

  it('keeps the KV cache in 4 bits where the name says so', () => {
    const { model } = quantizeModel(bundle(), 'W4A8-KV4');
    verifyModel(model);
    expect(model.states.map(({ type }) => formatType(type))).toEqual([
      'int4{fp32/1x1x0; rows}[5, 16, 8]',
      'f32[5]',
    ]);
    expect(model.numerics).toEqual(integerNumerics('W4A8-KV4', 4));
    expect(model.constants).toEqual(quantizeModel(bundle(), 'W4A8').model.constants);
    expect(findScheme('FlightLLM-8:16-KV4')).toMatchObject({
      name: 'FlightLLM-8:16-KV4',
      sparsity: findScheme('FlightLLM-8:16').sparsity,
      numerics: integerNumerics('FlightLLM-8:16-KV4', 4),
    });
    expect(findScheme('FlightLLM-KV4-8:16').numerics.kvCache).toBe('int4-per-token-head');
    for (const name of ['f32-KV4', 'W4A16-KV4', 'MXFP4-KV4', 'W4A8-KV8', 'W4A8-KV2', 'W4A8-KV4-KV4'])
      expect(
        codeOf(() => findScheme(name)),
        name,
      ).toBe('scheme-kv-cache');
    expect(codeOf(() => findScheme('W5A8-KV4'))).toBe('scheme-unknown');
  });

  it('has no KV cache of 4 bits for heads of an odd width', () => {
    const odd = bundle();
    const states = odd.model.states.map((state) =>
      state.purpose === 'kv-cache' ? { ...state, type: dense('f32', [5, 16, 7]) } : state,
    );
    const model = { ...odd, model: { ...odd.model, states } };
    expect(codeOf(() => quantizeModel(model, 'W8A8-KV4'))).toBe('scheme-kv-cache');
    expect(quantizeModel(model, 'W8A8').model.states).toHaveLength(2);
  });

  it('puts one quantize before the products that share a value', () => {
    const fn = findFunction(quantizeModel(bundle(), 'W8A8').model, 'forward');
    const text = fn?.nodes.map(({ op, inputs, outputs }) => `${outputs[0]} = ${op}(${inputs.join(', ')})`);
    expect(text).toEqual([
      '%rows = embedding(ids, embed)',
      '%at = positions(ids)',
      '%place = embedding(%at, places)',
      '%x = add(%rows, %place)',
      '%n = rmsNorm(%x, norm)',
      '%n.int8 = quantize(%n)',
      '%gated = linear(%n.int8, gate)',
      '%upped = linear(%n.int8, up)',
      '%s = silu(%gated)',
      '%m = mul(%s, %upped)',
      '%m.int8 = quantize(%m)',
      '%downed = linear(%m.int8, down)',
      '%kept = stateAppend(cache, %downed)',
      '%downed.int8 = quantize(%downed)',
      '%logits = linear(%downed.int8, embed)',
    ]);
  });

  it.each(['W8A8', 'W4A8'])('stores the codes of round-to-nearest: %s', (scheme) => {
    const { model, sections } = quantizeModel(bundle(), scheme);
    for (const { name, type, components } of model.constants) {
      if (type.kind !== 'quantized') continue;
      const [rows, cols] = type.shape as number[];
      const bits = type.element.bits;
      const shape = { rows, cols, bits, groupSize: 32 };
      const scales = new Uint16Array(sections.read(components.scales).slice().buffer);
      const values = dequantizeCanonical({ ...shape, codes: sections.read(components.codes), scales });
      const expected = quantizeGroups(FLOATS[name], shape);
      expect(scales).toEqual(expected.scales);
      // The scale itself is rounded to fp16, so the largest code may miss its value by more than half a step.
      const amax = Math.max(...FLOATS[name].map(Math.abs));
      values.forEach((value, i) => {
        expect(Math.abs(value - FLOATS[name][i])).toBeLessThan((amax / (2 ** (bits - 1) - 1)) * 0.51);
      });
    }
    const norm = new Float32Array(sections.read(constant(model, 'norm').components.data).slice().buffer);
    expect(norm).toEqual(decodeFp16Array(encodeFp16Array(FLOATS.norm)));
  });

  it('gives the same bytes whatever ranges are read, in any order', () => {
    const whole = quantizeModel(bundle(), 'W4A8');
    const expected = readAll(whole.model, whole.sections);
    expect(readAll(whole.model, quantizeModel(bundle(), 'W4A8').sections)).toEqual(expected);
    const { sections } = quantizeModel(bundle(), 'W4A8');
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(expected)), fc.nat(), fc.nat(), (name, a, b) => {
        const size = sections.byteLength(name);
        expect(size).toBe(expected[name].length);
        const offset = a % (size + 1);
        const length = b % (size - offset + 1);
        expect(sections.read(name, offset, length)).toEqual(expected[name].subarray(offset, offset + length));
      }),
    );
    expect(codeOf(() => sections.read('gate.codes', 0, 1e6))).toBe('section-range');
    expect(codeOf(() => sections.read('nowhere'))).toBe('section-missing');
  });

  it('reads a float tensor only when its codes are asked for, and once', () => {
    const source = bundle();
    const read: string[] = [];
    const watched: SectionSource = {
      ...source.sections,
      read: (name, offset, length) => {
        read.push(name);
        return source.sections.read(name, offset, length);
      },
    };
    const { sections } = quantizeModel({ ...source, sections: watched }, 'W8A8');
    expect(read).toEqual([]);
    sections.read('gate.codes', 3, 50);
    sections.read('gate.codes');
    sections.read('gate.scales');
    expect(read).toEqual(['file/gate']);
  });

  it('works on shapes alone', () => {
    const { model, sections } = bundle();
    const shapeOnly = { ...model, constants: model.constants.map((c) => ({ ...c, components: {} })) };
    const quantized = quantizeModel({ model: shapeOnly, sections }, 'W4A8');
    const full = quantizeModel(bundle(), 'W4A8').model;
    expect(quantized.model.constants.map(({ type }) => type)).toEqual(full.constants.map(({ type }) => type));
    expect(quantized.model.constants.every(({ components }) => Object.keys(components).length === 0)).toBe(
      true,
    );
    expect(quantized.model.functions).toEqual(full.functions);
  });

  it('keeps a weight of two roles at the wider format and says so', () => {
    const { model, sections } = bundle();
    const functions = model.functions.map((fn) => ({
      ...fn,
      nodes: fn.nodes.map((n) => (n.name === 'upped' ? { ...n, inputs: ['%n', 'embed'] } : n)),
    }));
    const quantized = quantizeModel({ model: { ...model, functions }, sections }, 'W4A8');
    expect(formatType(constant(quantized.model, 'embed').type)).toMatch(/^int8/);
    expect(quantized.notes).toContainEqual(
      "weight 'embed' serves as embedding and linear and head: kept at 8 bits",
    );
  });

  it('leaves a float model as it is for f32', () => {
    const source = bundle();
    const { model, notes } = quantizeModel(source, 'f32');
    expect(model).toBe(source.model);
    expect(notes).toEqual([]);
  });

  it('refuses with typed errors', () => {
    expect(codeOf(() => quantizeModel(bundle(), 'W3A8'))).toBe('scheme-unknown');
    expect(() => quantizeModel(bundle(), 'W3A8')).toThrow(SCHEMES.map((scheme) => scheme.name).join(', '));
    for (const scheme of ['f32', 'W8A8']) {
      expect(codeOf(() => quantizeModel(quantizeModel(bundle(), 'W4A8'), scheme))).toBe(
        'model-already-quantized',
      );
    }
    const { model, sections } = bundle();
    const functions = model.functions.map((fn) => ({
      ...fn,
      nodes: [...fn.nodes, node('add', 'odd', ['%n', 'gate'])],
    }));
    expect(codeOf(() => quantizeModel({ model: { ...model, functions }, sections }, 'W8A8'))).toBe(
      'quantize-graph',
    );
    const broken = { ...FLOATS, gate: FLOATS.gate.map((value, i) => (i === 100 ? Number.NaN : value)) };
    const quantized = quantizeModel(
      {
        model,
        sections: memorySections(
          Object.fromEntries(Object.entries(broken).map(([k, v]) => [`file/${k}`, bytes(v)])),
        ),
      },
      'W8A8',
    );
    expect(() => quantized.sections.read('gate.scales')).toThrow(/constant 'gate' \(element \[2, 20\]/);
  });
});
