/** The interpreter against plain float64 arithmetic on a hand-made graph, and its promises about bits and errors. */
import { BitloomError, type Model } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHostEngine, loadHostModel } from '../src/index.js';
import { noise, referenceLogits, type TinyShape, tinyModel } from './support/tiny-model.js';

function ids(count: number, vocabulary = 40, seed = 3): number[] {
  return Array.from(noise(seed, count), (v) => Math.floor(((v + 1) / 2) * vocabulary));
}

function open(model: ReturnType<typeof tinyModel>, options: { chunk?: number; capacity?: number } = {}) {
  return createHostEngine(model, { kernels: createKernels({ backend: 'reference' }), ...options });
}

/** Code of the typed error that `run` throws. */
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i += 1) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  return largest;
}

const VARIANTS: readonly Partial<TinyShape>[] = [
  {},
  { tied: false, layout: 'interleaved' },
  { style: 'opt', kvHeads: 6 },
  { heads: 3, kvHeads: 1, headDim: 6, width: 17, hidden: 13, layers: 1 },
];

describe('host engine', () => {
  it.each(VARIANTS)('agrees with float64 arithmetic: %o', (variant) => {
    const model = tinyModel(variant);
    const tokens = ids(13);
    const engine = open(model, { chunk: 5 });
    expect(largestDifference(engine.forward(tokens), referenceLogits(model, tokens).flat())).toBeLessThan(
      2e-5,
    );
    expect(engine.position).toBe(13);
  });

  it('gives the same bits however a sequence is cut', () => {
    const model = tinyModel();
    const whole = open(model, { chunk: 48 });
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 39 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 19 }),
        (tokens, chunk, cut) => {
          const at = Math.min(cut, tokens.length - 1);
          whole.reset();
          const expected = whole.forward(tokens).slice(-40);
          const cutUp = open(model, { chunk });
          if (at > 0) cutUp.prefill(tokens.slice(0, at));
          expect(cutUp.prefill(tokens.slice(at)).slice()).toEqual(expected);
          cutUp.reset();
          let last = new Float32Array(0);
          for (const token of tokens) last = cutUp.decode(token).slice();
          expect(last).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('starts over after a reset, and two engines on one arena do not meet', () => {
    const model = tinyModel();
    const kernels = createKernels({ backend: 'reference' });
    const before = kernels.arena.used;
    const a = createHostEngine(model, { kernels });
    const b = createHostEngine(tinyModel({ seed: 2 }), { kernels });
    const first = a.prefill(ids(9)).slice();
    b.prefill(ids(11));
    a.reset();
    expect(a.prefill(ids(9)).slice()).toEqual(first);
    b.close();
    a.close();
    expect(kernels.arena.used).toBe(before);
    expect(codeOf(() => a.decode(1))).toBe('engine-closed');
  });

  it('runs several sequences over one set of weights', () => {
    const bundle = tinyModel();
    const kernels = createKernels({ backend: 'reference' });
    const before = kernels.arena.used;
    const host = loadHostModel(bundle, { kernels });
    const [a, b] = [host.open(), host.open()];
    const used = kernels.arena.used;
    const [x, y] = [ids(8, 40, 3), ids(8, 40, 4)];
    const expected = [x, y].map((tokens) => open(bundle).forward(tokens).slice(-40));
    // Token by token, in turn: neither sees the other.
    const last = x.map((token, i) => [a.decode(token).slice(), b.decode(y[i]).slice()]).at(-1);
    expect(last).toEqual(expected);
    a.close();
    const again = host.open();
    expect(kernels.arena.used).toBe(used);
    expect(again.prefill(x).slice()).toEqual(expected[0]);
    host.close();
    expect(codeOf(() => host.open())).toBe('model-closed');
    expect(again.decode(1)).toHaveLength(40);
    again.close();
    expect(kernels.arena.used).toBe(used);
    b.close();
    expect(kernels.arena.used).toBe(before);
  });

  it('refuses what does not fit and stays as it was', () => {
    const engine = open(tinyModel(), { capacity: 10 });
    expect(engine.capacity).toBe(10);
    engine.prefill(ids(8));
    expect(codeOf(() => engine.prefill(ids(3)))).toBe('context-full');
    expect(codeOf(() => engine.forward(ids(3)))).toBe('context-full');
    expect(codeOf(() => engine.prefill([]))).toBe('no-tokens');
    expect(codeOf(() => engine.decode(40))).toBe('token-out-of-range');
    expect(codeOf(() => engine.prefill([1, -1]))).toBe('token-out-of-range');
    expect(engine.position).toBe(8);
    engine.decode(1);
    engine.decode(1);
    expect(() => engine.decode(1)).toThrow(/position 10.*at most 10 tokens/);
    expect(codeOf(() => engine.decode(1))).toBe('context-full');
  });

  it('keeps the context inside caches and tables', () => {
    expect(open(tinyModel()).capacity).toBe(48);
    expect(codeOf(() => open(tinyModel(), { capacity: 49 }))).toBe('capacity-unsupported');
    expect(codeOf(() => open(tinyModel(), { chunk: 0 }))).toBe('chunk-unsupported');
  });

  it('names the op and the node it cannot run', () => {
    const bundle = tinyModel();
    const edit = (change: (model: Model) => Model): ReturnType<typeof tinyModel> => ({
      ...bundle,
      model: change(bundle.model),
    });
    const rename = (op: string, to: Partial<Model['functions'][0]['nodes'][0]>) =>
      edit((model) => ({
        ...model,
        functions: model.functions.map((fn) => ({
          ...fn,
          nodes: fn.nodes.map((node) => (node.op === op ? { ...node, ...to } : node)),
        })),
      }));
    const training = edit((model) => ({
      ...model,
      functions: model.functions.map((fn) => ({
        ...fn,
        nodes: [
          ...fn.nodes,
          {
            name: 'back',
            op: 'linearInputGradient',
            inputs: fn.outputs.concat('embed'),
            outputs: ['%back'],
            attributes: {},
          },
        ],
        outputs: ['%back'],
      })),
    }));
    expect(() => open(training)).toThrow(/linearInputGradient.*node 'back'/);
    expect(codeOf(() => open(training))).toBe('host-op-unsupported');
    expect(codeOf(() => open(rename('silu', { op: 'swish' })))).toBe('op-unknown');
    const shapeOnly = edit((model) => ({
      ...model,
      constants: model.constants.map((constant) => ({ ...constant, components: {} })),
    }));
    expect(codeOf(() => open(shapeOnly))).toBe('model-shape-only');
    const withoutAppend = edit((model) => ({
      ...model,
      functions: model.functions.map((fn) => ({ ...fn, stateUpdates: {} })),
    }));
    expect(() => open(withoutAppend)).toThrow(/stateAppend.*'0.keys.append'/);
    const short = edit((model) => ({
      ...model,
      constants: model.constants.map((constant) =>
        constant.name === 'norm' ? { ...constant, components: { data: 'embed' } } : constant,
      ),
    }));
    expect(codeOf(() => open(short))).toBe('constant-length');
  });

  it('runs a model that has only one entry', () => {
    const bundle = tinyModel();
    const tokens = ids(7);
    const expected = open(bundle).forward(tokens);
    for (const name of ['forward', 'decode']) {
      const functions = bundle.model.functions.filter((fn) => fn.name === name);
      const engine = open({ ...bundle, model: { ...bundle.model, functions } }, { chunk: 3 });
      expect(engine.forward(tokens)).toEqual(expected);
      engine.reset();
      expect(engine.prefill(tokens).slice()).toEqual(expected.slice(-40));
      expect(engine.position).toBe(7);
    }
  });
});
