import type { ValueType } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildDecoder } from '../src/decoder/build-decoder.js';
import { checkDecoderConfig, type DecoderConfig } from '../src/decoder/decoder-config.js';
import { decoderParameters, parameterCount } from '../src/decoder/parameters.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { ZOO, zooEntry, zooModel } from '../src/zoo/zoo.js';
import { inferTypes, runForward } from './evaluate.js';
import { expectBitloomError } from './support.js';

/** Any small decoder. */
const CONFIGS: fc.Arbitrary<DecoderConfig> = fc
  .record({
    kvHeads: fc.constantFrom(1, 2, 3),
    group: fc.constantFrom(1, 2),
    headDim: fc.constantFrom(2, 4, 6),
    width: fc.constantFrom(5, 8),
    hiddenWidth: fc.constantFrom(7, 12),
    layers: fc.constantFrom(1, 2),
    vocabSize: fc.constantFrom(3, 11),
    norm: fc.constantFrom('rms' as const, 'layer' as const),
    positions: fc.constantFrom<DecoderConfig['positions']>(
      { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
      { kind: 'rope', theta: 500, layout: 'interleaved', scaling: { kind: 'linear', factor: 2 } },
      { kind: 'learned', offset: 0 },
      { kind: 'learned', offset: 2 },
    ),
    qkv: fc.boolean(),
    output: fc.boolean(),
    feedForward: fc.boolean(),
    gated: fc.boolean(),
    activation: fc.constantFrom('silu' as const, 'gelu' as const, 'relu' as const),
    tiedEmbeddings: fc.boolean(),
    place: fc.constantFrom(undefined, 'after' as const),
    final: fc.constantFrom(undefined, false as const),
    headNorms: fc.constantFrom(undefined, true as const),
    embeddingWidth: fc.constantFrom(undefined, 3),
    window: fc.constantFrom(0, 2, 9),
    isScaledByLayer: fc.boolean(),
    rotated: fc.constantFrom(undefined, true as const),
  })
  .map(
    ({
      group,
      norm,
      place,
      final,
      qkv,
      output,
      feedForward,
      gated,
      activation,
      window,
      isScaledByLayer,
      rotated,
      ...rest
    }) => ({
      family: 'test',
      ...rest,
      heads: rest.kvHeads * group,
      positions:
        rest.positions.kind === 'rope' && rotated === true
          ? { ...rest.positions, rotated: rest.layers === 1 ? [true] : [false, true] }
          : rest.positions,
      norm: { kind: norm, epsilon: 1e-5, ...(place && { place }), ...(final === false && { final }) },
      windows: rest.layers === 1 ? [window] : [0, window],
      ...(isScaledByLayer ? { scoreScales: rest.layers === 1 ? [0.5] : [0.5, 0.25] } : {}),
      biases: { qkv, output, feedForward },
      feedForward: { gated, activation },
      maxPositions: 9,
    }),
  );

describe('decoder graphs', () => {
  it('are well typed and use every parameter once or more, whatever the configuration', () => {
    fc.assert(
      fc.property(CONFIGS, (config) => {
        checkDecoderConfig(config, 'test');
        const bundle = randomDecoder(config, { seed: 7 });
        const types: ReadonlyMap<string, ValueType> = inferTypes(bundle);
        expect(types.get('(head)')?.shape).toEqual([{ sym: 'seq' }, config.vocabSize]);
        for (const fn of bundle.model.functions) {
          const read = new Set(fn.nodes.flatMap((node) => node.inputs));
          for (const { name } of bundle.model.constants)
            expect(read.has(name), `${fn.name} reads ${name}`).toBe(true);
          expect(Object.keys(fn.stateUpdates).sort()).toEqual(
            bundle.model.states.map((state) => state.name).sort(),
          );
        }
        const { logits } = runForward(bundle, [0, 2, 1]);
        expect(logits.length).toBe(3 * config.vocabSize);
        expect(logits.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('have the entries and outputs that runtime and compiler expect', () => {
    const model = zooModel('tinyllama-1.1b');
    expect(model.functions.map((fn) => fn.name)).toEqual(['prefill', 'decode', 'forward']);
    expect(model.functions.map((fn) => fn.bindings)).toEqual([{}, { seq: 1 }, {}]);
    expect(model.functions[0].nodes.some((node) => node.op === 'takeLast')).toBe(true);
    expect(model.functions[2].nodes.some((node) => node.op === 'takeLast')).toBe(false);
    expect(model.symbols.map(({ name, min, max }) => [name, min, max])).toEqual([
      ['seq', 1, 2048],
      ['past', 0, 2047],
    ]);
  });

  it('make room for the context asked for, and no more than the model has', async () => {
    const { config } = zooEntry('llama3.1-8b');
    const model = buildDecoder(config, { name: 'x', context: 100, shapeOnly: true });
    expect(model.states[0].type.shape).toEqual([8, 100, 128]);
    expect(model.constants.find(({ name }) => name === 'rope')?.type.shape).toEqual([100, 64, 2]);
    for (const context of [0, 131073, 1.5]) {
      await expectBitloomError(() => buildDecoder(config, { name: 'x', context }), 'model-config-invalid');
    }
  });

  it.each<[string, Partial<DecoderConfig>]>([
    ['no layers', { layers: 0 }],
    ['2^40 layers', { layers: 2 ** 40 }],
    ['a fractional width', { width: 0.5 }],
    ['heads that do not divide', { kvHeads: 5 }],
    ['an odd head', { headDim: 5 }],
    ['an epsilon of 0', { norm: { kind: 'rms', epsilon: 0 } }],
    [
      'a theta of NaN',
      { positions: { kind: 'rope', theta: Number.NaN, layout: 'half', scaling: { kind: 'none' } } },
    ],
    ['an offset of -1', { positions: { kind: 'learned', offset: -1 } }],
  ])('refuse %s', async (_, change) => {
    const config = { ...zooEntry('llama2-7b').config, ...change };
    await expectBitloomError(() => checkDecoderConfig(config, 'test'), 'model-config-invalid');
  });
});

describe('the zoo', () => {
  it('has the models the project speaks of', () => {
    expect([...ZOO.keys()]).toEqual([
      'llama2-7b',
      'llama2-13b',
      'llama3.1-8b',
      'llama3.2-1b',
      'opt-125m',
      'opt-6.7b',
      'tinyllama-1.1b',
      'gpt2',
      'qwen2.5-1.5b',
      'qwen2.5-7b',
      'qwen3-4b',
      'qwen3-8b',
      'mistral-7b',
    ]);
  });

  it.each([...ZOO.values()].map((entry) => [entry.id, entry] as const))(
    '%s: as many parameters as published',
    (id, entry) => {
      expect(parameterCount(entry.config)).toBe(entry.parameters);
      checkDecoderConfig(entry.config, id);
      expect(entry.sources.length).toBeGreaterThan(0);
      const model = zooModel(id, 64);
      expect(model.metadata.parameters).toBe(entry.parameters);
      expect(model.constants.every(({ components }) => Object.keys(components).length === 0)).toBe(true);
      inferTypes({ model });
    },
  );

  it('names what it has when asked for what it has not', async () => {
    const error = await expectBitloomError(() => zooModel('llama9'), 'zoo-unknown');
    expect(error.expected).toContain('llama2-7b');
  });
});

describe('random models', () => {
  const { config } = zooEntry('opt-125m');

  it('are the same for the same seed, in whatever ranges they are read', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => randomDecoder(config, { seed }).sections);
    const name = 'layers.3.up.weight';
    const whole = a.read(name);
    expect(Buffer.compare(whole, b.read(name))).toBe(0);
    expect(Buffer.compare(whole, c.read(name))).not.toBe(0);
    expect(Buffer.compare(whole.subarray(4000, 8004), a.read(name, 4000, 4004))).toBe(0);
    expect(Buffer.compare(a.read(name, 0, 4096), a.read('layers.4.up.weight', 0, 4096))).not.toBe(0);
  });

  it('have the bits they had when this was written', () => {
    // Every engine must give these: benchmarks are compared across machines.
    const bytes = randomDecoder(config, { seed: 1 }).sections.read('layers.0.q.weight', 0, 16);
    expect(Buffer.from(bytes).toString('hex')).toBe('02d4b9bd823c873d031169bd0338e83b');
  });

  it('have weights of the mean and deviation their role asks for', () => {
    const { sections } = randomDecoder(config, { seed: 5 });
    const statistics = (name: string): [number, number] => {
      const bytes = sections.read(name).slice();
      const values = Float64Array.from(new Float32Array(bytes.buffer));
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      return [mean, Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)];
    };
    const [mean, deviation] = statistics('layers.0.q.weight');
    // Five standard errors of 768 x 768 samples.
    expect(Math.abs(mean)).toBeLessThan((5 / 768) * deviation);
    expect(Math.abs(deviation * Math.sqrt(768) - 1)).toBeLessThan(5 / 768);
    const [normMean, normDeviation] = statistics('layers.0.attention_norm.weight');
    expect(Math.abs(normMean - 1)).toBeLessThan(0.01);
    expect(Math.abs(normDeviation - 0.05)).toBeLessThan(0.01);
  });

  it('have as many values as the zoo says', () => {
    const { model, sections } = randomDecoder(config, { context: 16 });
    const bytes = decoderParameters(config).reduce((sum, { name }) => sum + sections.byteLength(name), 0);
    expect(bytes / 4).toBe(zooEntry('opt-125m').parameters);
    expect(model.metadata).toMatchObject({ seed: 1 });
  });
});
