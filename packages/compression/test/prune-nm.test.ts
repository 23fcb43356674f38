/** N:M pruning: what stays, how it is stored, and that sparse products give the bits of dense ones. */
import {
  componentBytes,
  dequantize,
  type FixedQuantizedType,
  nmPackedBytes,
  nmSparsity,
  unpackNmTensor,
} from '@bitloom/formats';
import { BitloomError, type ConstantDecl, type ModelBundle, verifyModel } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { buildDecoder, zooEntry } from '@bitloom/models';
import { createHostEngine } from '@bitloom/runtime';
import { describe, expect, it } from 'vitest';
import { noise, tinyModel } from '../../runtime/test/support/tiny-model.js';
import { compareWeights, findScheme, PRUNED_SPARSITIES, quantizeModel, SCHEMES } from '../src/index.js';
import { layeredSections } from '../src/lazy-sections.js';

const SHAPES = [
  {},
  { style: 'opt', kvHeads: 6 },
  { heads: 3, kvHeads: 1, headDim: 6, width: 17, hidden: 13, layers: 1 },
  { width: 70, hidden: 300, layers: 2 },
] as const;
const IDS = Array.from(noise(5, 30), (v) => Math.floor(((v + 1) / 2) * 40));
const NAMES = ['W4A8', 'W8A8', 'FlightLLM'].flatMap((name) =>
  PRUNED_SPARSITIES.map(({ keep, m }) => `${name}-${keep}:${m}`),
);

function fixedType({ type }: ConstantDecl): FixedQuantizedType | undefined {
  if (type.kind !== 'quantized') return undefined;
  return { ...type, shape: type.shape.map(Number) };
}

/** The same model with every element of its sparse weights stored. */
function dense(bundle: ModelBundle): ModelBundle {
  const computed = new Map<string, { byteLength: number; read(at: number, n: number): Uint8Array }>();
  const constants = bundle.model.constants.map((constant) => {
    const type = fixedType(constant);
    if (type?.sparsity === undefined) return constant;
    const components = Object.fromEntries(
      Object.entries(constant.components).map(([name, section]) => [name, bundle.sections.read(section)]),
    );
    const filled = unpackNmTensor({ type, components });
    const section = `${constant.name}.filled`;
    const bytes = filled.components.codes;
    computed.set(section, { byteLength: bytes.length, read: (at, n) => bytes.slice(at, at + n) });
    return { ...constant, type: filled.type, components: { ...constant.components, codes: section } };
  });
  return {
    model: { ...bundle.model, constants },
    sections: layeredSections(bundle.sections, computed),
  };
}

describe.each(NAMES)('%s', (name) => {
  it.each(SHAPES)('gives the bits of the dense product: %o', (shape) => {
    const sparse = quantizeModel(tinyModel(shape), name);
    verifyModel(sparse.model);
    expect(sparse.model.numerics.scheme).toBe(name);
    const engine = (bundle: ModelBundle) =>
      createHostEngine(bundle, { kernels: createKernels(), chunk: 7 }).forward(IDS).slice();
    expect(engine(sparse)).toEqual(engine(dense(sparse)));
  });

  it('keeps the largest of each group, and stores as many bytes as the shape says', () => {
    const bundle = tinyModel({ width: 70, hidden: 44 });
    const model = quantizeModel(bundle, name);
    const shapeOnly = quantizeModel(
      {
        ...bundle,
        model: {
          ...bundle.model,
          constants: bundle.model.constants.map((constant) => ({ ...constant, components: {} })),
        },
      },
      name,
    );
    expect(shapeOnly.model.constants.map(({ type }) => type)).toEqual(
      model.model.constants.map(({ type }) => type),
    );
    const [, keep, m] = /-(\d+):(\d+)$/.exec(name)?.map(Number) ?? [];
    let pruned = 0;
    for (const constant of model.model.constants) {
      const type = fixedType(constant);
      if (type === undefined) continue;
      const isLinear = /^\d+\./.test(constant.name);
      expect(type.sparsity !== undefined, constant.name).toBe(isLinear);
      const components = Object.fromEntries(
        Object.entries(constant.components).map(([part, section]) => [part, model.sections.read(section)]),
      );
      const lengths = Object.entries(components).map(([part, bytes]) => [part, bytes.length]);
      expect(Object.fromEntries(lengths)).toEqual(componentBytes(type));
      if (!isLinear) continue;
      pruned += 1;
      const [rows, cols] = type.shape;
      expect(components.codes.length).toBe(
        nmPackedBytes({ rows, cols, bits: type.element.bits }, nmSparsity(keep, m), keep),
      );
      const values = dequantize({ type, components });
      const original = bundle.weights.get(constant.name) ?? new Float32Array();
      for (let row = 0; row < rows; row += 1) {
        for (let col = 0; col < cols; col += m) {
          const columns = Array.from({ length: Math.min(m, cols - col) }, (_, i) => row * cols + col + i);
          const kept = columns.filter((at) => values[at] !== 0);
          expect(kept.length).toBeLessThanOrEqual(keep);
          const least = Math.min(...kept.map((at) => Math.abs(original[at])));
          const gone = columns.filter((at) => values[at] === 0 && Math.abs(original[at]) > least);
          expect(gone, `${constant.name}, row ${row}, column ${col}`).toEqual([]);
        }
      }
    }
    expect(pruned).toBeGreaterThan(5);
    expect(compareWeights(bundle, model).total.rmse).toBeGreaterThan(0);
  });

  it('computes any range of its sections alike', () => {
    const { model, sections } = quantizeModel(tinyModel({ width: 70, hidden: 44 }), name);
    for (const { components } of model.constants.filter(({ name }) => name.endsWith('.up'))) {
      for (const section of Object.values(components)) {
        const whole = sections.read(section).slice();
        const third = Math.floor(whole.length / 3);
        expect(sections.read(section, third, third)).toEqual(whole.slice(third, 2 * third));
      }
    }
  });
});

describe('float arithmetic on pruned integers', () => {
  it('reads the values that the codes stand for', () => {
    const sparse = quantizeModel(tinyModel({ width: 40 }), 'W4A16-8:16');
    const run = (bundle: ModelBundle) =>
      createHostEngine(bundle, { kernels: createKernels() }).forward(IDS).slice();
    expect(run(sparse)).toEqual(run(dense(sparse)));
  });
});

describe('names of sparsities', () => {
  it('are suffixes of schemes that round every linear weight to integers', () => {
    for (const { name } of SCHEMES) {
      const isPrunable = !['f32', 'stored'].includes(name);
      if (isPrunable) expect(findScheme(`${name}-8:16`).name).toBe(`${name}-8:16`);
      else expect(codeOf(() => findScheme(`${name}-8:16`))).toBe('scheme-sparsity');
    }
    for (const name of ['W4A8-3:16', 'W4A8-8:32', 'MXFP4-8:16', 'Q4_K-8:16', 'W2A16-8:16', 'W4A8-8:16-2:4'])
      expect(
        codeOf(() => findScheme(name)),
        name,
      ).toBe('scheme-sparsity');
    expect(codeOf(() => findScheme('W5A8-8:16'))).toBe('scheme-unknown');
    expect(codeOf(() => findScheme('W4A8-8'))).toBe('scheme-unknown');
  });

  it('have the published bytes: LLaMA2-7B at 8:16 in INT4', () => {
    const { config } = zooEntry('llama2-7b');
    const model = buildDecoder(config, { name: 'llama2-7b', shapeOnly: true });
    const sections = { has: () => false, byteLength: () => 0, read: () => new Uint8Array() };
    const { model: sparse } = quantizeModel({ model, sections }, 'FlightLLM-8:16');
    const bytes = sparse.constants.reduce((sum, constant) => {
      const type = fixedType(constant);
      const isLinear = type?.sparsity !== undefined;
      return isLinear ? sum + componentBytes(type).codes : sum;
    }, 0);
    // Half the values, each with a code and an index of 4 bits: as many bits as dense INT4.
    expect(bytes).toBe((32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)) / 2);
  });
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof BitloomError ? error.code : String(error);
  }
  return undefined;
}
