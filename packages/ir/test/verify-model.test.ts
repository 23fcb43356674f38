/** The model verifier, rule by rule: models that pass, and mutants that each break one rule. */
import { describe, expect, it } from 'vitest';
import {
  type BitloomError,
  cacheBits,
  dense,
  FLOAT_NUMERICS,
  FP16,
  formatType,
  type GraphFunction,
  type GraphNode,
  integerNumerics,
  intFormat,
  type Model,
  type QuantizedType,
  symbol,
  type ValueType,
  verifyModel,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import { int8Cache, int8Matrix, tinyModel } from './support/tiny-model.js';

const failure = (model: Model): BitloomError => errorOf(() => verifyModel(model));

/** The tiny model with its `prefill` changed. */
function withFunction(change: (fn: GraphFunction) => Partial<GraphFunction>, base = tinyModel()): Model {
  const [prefill, ...rest] = base.functions;
  return { ...base, functions: [{ ...prefill, ...change(prefill) }, ...rest] };
}

/** The tiny model with one node of `prefill` changed. */
function withNode(name: string, change: (node: GraphNode) => Partial<GraphNode>, base = tinyModel()): Model {
  return withFunction(
    (fn) => ({ nodes: fn.nodes.map((node) => (node.name === name ? { ...node, ...change(node) } : node)) }),
    base,
  );
}

function withConstant(name: string, type: ValueType, base = tinyModel()): Model {
  return { ...base, constants: base.constants.map((c) => (c.name === name ? { ...c, type } : c)) };
}

describe('a model that is right', () => {
  it.each([
    ['float', tinyModel()],
    ['integer', tinyModel({ isInteger: true })],
    ['with sections', tinyModel({ isInteger: true, hasSections: true })],
  ])('passes: %s', (_, model) => {
    expect([...verifyModel(model).keys()]).toEqual(['prefill', 'decode']);
  });

  it('has the types that follow, with bindings in place of symbols', () => {
    const types = verifyModel(tinyModel({ isInteger: true }));
    const text = (fn: string, name: string): string | undefined => {
      const type = types.get(fn)?.get(name);
      return type === undefined ? undefined : formatType(type);
    };
    expect(text('prefill', 'tokens')).toBe('i32[seq]');
    expect(text('prefill', '%normCodes')).toBe('int8{fp32/1x0; rows}[seq, 16]');
    expect(text('prefill', '%k')).toBe('f32[seq, 8]');
    expect(text('prefill', '%keep')).toBe('int8{fp32/1x1x0; rows}[2, 24, 4]');
    expect(text('prefill', '%logits')).toBe('f32[1, 32]');
    expect(text('decode', 'tokens')).toBe('i32[1]');
    expect(text('decode', '%q')).toBe('f32[1, 16]');
    expect(text('decode', 'norm.weight')).toBe('f32[16]');
    expect(text('decode', 'nothing')).toBeUndefined();
  });

  it('may train: gradients and updates of parameters', () => {
    const weight = dense('f32', [8, 4]);
    const node = (
      op: string,
      inputs: string[],
      output: string,
      attributes: GraphNode['attributes'] = {},
    ): GraphNode => ({
      name: output,
      op,
      inputs,
      outputs: [output],
      attributes,
    });
    const model: Model = {
      ...tinyModel(),
      constants: [],
      states: [{ name: 'w', type: weight, purpose: 'parameter' }],
      functions: [
        {
          name: 'update',
          inputs: [
            { name: 'x', type: dense('f32', [symbol('seq'), 4]) },
            { name: 'dy', type: dense('f32', [symbol('seq'), 8]) },
            { name: 'random', type: dense('i32', [2]) },
          ],
          outputs: ['dx'],
          nodes: [
            node('linearInputGradient', ['dy', 'w'], 'dx'),
            node('linearWeightGradient', ['dy', 'x'], 'dw'),
            node('sgdUpdate', ['w', 'dw', 'random'], 'w2', { rate: 0.5 }),
          ],
          bindings: {},
          stateUpdates: { w: 'w2' },
        },
      ],
    };
    expect(verifyModel(model).get('update')?.get('dx')).toEqual(dense('f32', [symbol('seq'), 4]));
  });
});

describe('names', () => {
  it('are given once', () => {
    const model = tinyModel();
    const twice = { ...model, states: [...model.states, { ...model.states[0], name: 'rope' }] };
    expect(failure(twice)).toMatchObject({ code: 'model-name', where: "state 'rope'" });
    expect(failure({ ...model, functions: [model.functions[0], model.functions[0]] }).code).toBe(
      'model-name',
    );
    expect(failure(withNode('k', () => ({ name: 'q' })))).toMatchObject({
      code: 'model-name',
      where: "function 'prefill', node 'q'",
    });
  });

  it('are defined once: single assignment', () => {
    expect(failure(withNode('q', () => ({ outputs: ['%norm'] })))).toMatchObject({
      code: 'model-redefinition',
      where: "function 'prefill', node 'q'",
      got: "'%norm'",
    });
    expect(failure(withNode('q', () => ({ outputs: ['rope'] }))).code).toBe('model-redefinition');
    expect(failure(withFunction((fn) => ({ inputs: [...fn.inputs, ...fn.inputs] }))).code).toBe(
      'model-redefinition',
    );
    expect(failure(withNode('q', () => ({ outputs: [''] }))).code).toBe('model-redefinition');
  });

  it('are defined before they are used', () => {
    const later = failure(withNode('norm', () => ({ inputs: ['%sum', 'norm.weight'] })));
    expect(later).toMatchObject({ code: 'model-undefined-value', where: "function 'prefill', node 'norm'" });
    expect(later.got).toBe("'%sum', which node 'sum' defines later");
    expect(failure(withNode('norm', () => ({ inputs: ['%nope', 'norm.weight'] }))).got).toContain(
      'nothing defines',
    );
    expect(failure(withFunction(() => ({ outputs: ['%nope'] })))).toMatchObject({
      code: 'model-undefined-value',
      where: "function 'prefill', outputs",
    });
  });
});

describe('nodes', () => {
  it('are operations of the table', () => {
    expect(failure(withNode('q', () => ({ op: 'linearr' })))).toMatchObject({
      code: 'model-op',
      got: 'linearr',
    });
    expect(failure(withNode('q', () => ({ op: 'toString' }))).code).toBe('model-op');
  });

  it('take the operands of the table', () => {
    expect(failure(withNode('q', () => ({ inputs: ['%norm'] })))).toMatchObject({
      code: 'model-operands',
      expected: 'x, w, bias?',
      got: '1 operands',
    });
    const many = withNode('q', (node) => ({ inputs: [...node.inputs, 'k.bias', 'k.bias'] }));
    expect(failure(many).got).toBe('4 operands');
    expect(failure(withNode('q', () => ({ outputs: ['%q', '%q2'] })))).toMatchObject({
      code: 'model-operands',
      expected: '1 outputs',
    });
  });

  it('have the attributes of the table and no others', () => {
    const rope = (attributes: GraphNode['attributes']): BitloomError =>
      failure(withNode('qRope', () => ({ attributes })));
    expect(rope({ headDim: 4 })).toMatchObject({
      code: 'model-attribute',
      expected: 'interleaved or half',
      got: 'none',
    });
    expect(rope({ headDim: 4, layout: 'thirds' }).got).toBe('"thirds"');
    expect(rope({ headDim: 4.5, layout: 'half' })).toMatchObject({
      code: 'model-attribute',
      expected: 'integer',
    });
    expect(rope({ headDim: '4', layout: 'half' }).got).toBe('"4"');
    expect(rope({ headDim: 4, layout: 'half', theta: 1e4 }).message).toContain("no attribute 'theta'");
    expect(failure(withNode('norm', () => ({ attributes: { epsilon: Number.NaN } }))).code).toBe(
      'model-attribute',
    );
    expect(failure(withNode('norm', () => ({ attributes: { toString: 1 } }))).code).toBe('model-attribute');
    // An attribute that a node may be without is still of its kind where there is one.
    const wide = withNode('norm', () => ({ attributes: { epsilon: 1e-5, headDim: 1.5 } }));
    expect(failure(wide)).toMatchObject({ code: 'model-attribute', expected: 'integer' });
  });

  it('have operands whose types fit, and the error of the table is kept', () => {
    const error = failure(withNode('q', () => ({ inputs: ['%norm', 'rope'] })));
    expect(error).toMatchObject({
      code: 'model-type',
      where: "function 'prefill', node 'q'",
      expected: 'w of rank 2',
      cause: expect.objectContaining({ code: 'op-type' }),
    });
    expect(failure(withNode('sum', () => ({ inputs: ['%embed', '%k'] }))).got).toBe('f32[seq, 8]');
  });

  it('stand in a layer or in none', () => {
    expect(failure(withNode('q', () => ({ layer: -1 }))).code).toBe('model-layer');
    expect(failure(withNode('q', () => ({ layer: 0.5 }))).code).toBe('model-layer');
  });
});

describe('symbols and bindings', () => {
  it('have sane bounds and names', () => {
    const declare = (...symbols: Model['symbols']): string => failure({ ...tinyModel(), symbols }).code;
    const seq = { name: 'seq', min: 1, max: 4, perSlot: true };
    expect(declare({ ...seq, min: 5 })).toBe('model-symbol');
    expect(declare({ ...seq, min: -1 })).toBe('model-symbol');
    expect(declare({ ...seq, max: 1.5 })).toBe('model-symbol');
    expect(declare({ ...seq, max: Number.POSITIVE_INFINITY })).toBe('model-symbol');
    expect(declare(seq, seq)).toBe('model-symbol');
    expect(declare({ ...seq, name: 'i0' })).toBe('model-symbol');
  });

  it('are declared before types use them', () => {
    const shape = [symbol('width')];
    const model = withFunction((fn) => ({ inputs: [{ ...fn.inputs[0], type: dense('i32', shape) }] }));
    expect(failure(model)).toMatchObject({
      code: 'model-type',
      where: "function 'prefill', input 'tokens'",
      expected: 'an expression of seq, past',
      got: 'width',
    });
  });

  it('bind declared symbols to what stays free, within bounds', () => {
    const bind = (bindings: GraphFunction['bindings']): BitloomError =>
      failure(withFunction(() => ({ bindings })));
    expect(bind({ width: 1 })).toMatchObject({ code: 'model-symbol', got: 'width' });
    expect(bind({ seq: symbol('seq') })).toMatchObject({ code: 'model-symbol', expected: 'past' });
    expect(bind({ seq: symbol('past'), past: symbol('seq') }).expected).toBe('a number');
    expect(bind({ seq: 0 })).toMatchObject({ code: 'model-symbol', expected: '1..24', got: '0 in 0..0' });
    expect(bind({ seq: symbol('past') }).got).toBe('past in 0..23');
  });
});

describe('declared types', () => {
  const quantized = (changes: Partial<QuantizedType>): BitloomError =>
    failure(withConstant('head.weight', { ...int8Matrix(32, 16), ...changes }));

  it('have dimensions', () => {
    expect(failure(withConstant('rope', dense('f32', [symbol('seq'), 2, 2])))).toMatchObject({
      code: 'model-type',
      where: "constant 'rope'",
      expected: 'a number',
    });
    expect(failure(withConstant('rope', dense('f32', [0, 2, 2]))).code).toBe('model-type');
    expect(failure(withConstant('rope', dense('f32', [1.5, 2, 2]))).code).toBe('model-type');
  });

  it('have formats, scales, maps and sparsity that can be', () => {
    const scale = int8Matrix(1, 1).scales[0];
    const wrong: Partial<QuantizedType>[] = [
      { element: { ...intFormat(8), bits: 0 } },
      { element: { ...intFormat(8), mantissaBits: 1 } },
      { element: { ...FP16, exponentBits: 6 } },
      { scales: [{ ...scale, block: [8] }] },
      { scales: [{ ...scale, block: [1, -8] }] },
      { scales: [{ ...scale, zero: { kind: 'minimum', format: { ...FP16, bits: 15 } } }] },
      { layout: '' },
      { indexMap: { axis: 2, purpose: 'act-order', groups: 1 } },
      { indexMap: { axis: 0, purpose: 'act-order', groups: 0 } },
      { sparsity: { kind: 'n-of-m', keep: [17], m: 16, block: [1, 16], indexBits: 4 } },
      { sparsity: { kind: 'n-of-m', keep: [8], m: 16, block: [1, 16], indexBits: 3 } },
      { sparsity: { kind: 'n-of-m', keep: [], m: 16, block: [1, 16], indexBits: 4 } },
      { sparsity: { kind: 'block-mask', block: [16] } },
    ];
    for (const changes of wrong) expect(quantized(changes).code, JSON.stringify(changes)).toBe('model-type');
    const sparse = { kind: 'n-of-m', keep: [8, 4], m: 16, block: [1, 16], indexBits: 4 } as const;
    const model = tinyModel({ isInteger: true });
    expect(
      verifyModel(withConstant('head.weight', { ...int8Matrix(32, 16), sparsity: sparse }, model)).size,
    ).toBe(2);
  });

  it('have the sections that they need', () => {
    const model = tinyModel({ isInteger: true, hasSections: true });
    const components = (name: string, parts: Record<string, string>): BitloomError =>
      failure({
        ...model,
        constants: model.constants.map((c) => (c.name === name ? { ...c, components: parts } : c)),
      });
    expect(components('q.weight', { codes: 'x' })).toMatchObject({
      code: 'model-component',
      where: "constant 'q.weight'",
    });
    expect(components('q.weight', { data: 'x' }).code).toBe('model-component');
    const sparsity = { kind: 'n-of-m', keep: [8], m: 16, block: [16, 16], indexBits: 4 } as const;
    const sparse = withConstant(
      'q.weight',
      { ...int8Matrix(16, 16), sparsity, layout: 'nm.m16.b16x16' },
      model,
    );
    const packed = (parts: Record<string, string>): Model => ({
      ...sparse,
      constants: sparse.constants.map((c) => (c.name === 'q.weight' ? { ...c, components: parts } : c)),
    });
    expect(failure(packed({ codes: 'x' })).code).toBe('model-component');
    expect(failure(packed({ blocks: 'x' })).code).toBe('model-component');
    expect(verifyModel(packed({ codes: 'x', scales: 'y' })).size).toBe(2);
    expect(components('rope', { codes: 'x' }).code).toBe('model-component');
    expect(components('rope', { data: 'x', scales: 'y' }).code).toBe('model-component');
    expect(components('rope', { data: '' }).code).toBe('model-component');
  });
});

describe('state', () => {
  it('is updated with values of its type', () => {
    const update = (stateUpdates: GraphFunction['stateUpdates']): BitloomError =>
      failure(withFunction(() => ({ stateUpdates })));
    expect(update({ keys: '%keep', values: '%keepV', nothing: '%keep' })).toMatchObject({
      code: 'model-state',
      got: 'nothing',
    });
    expect(update({ keys: '%q', values: '%keepV' })).toMatchObject({
      code: 'model-type',
      expected: 'f32[2, 24, 4]',
      got: 'f32[seq, 16]',
    });
    expect(update({ keys: '%nope', values: '%keepV' }).code).toBe('model-undefined-value');
    expect(update({ keys: '%keepV', values: '%keep' })).toMatchObject({ code: 'model-state', got: 'values' });
  });

  it('that is appended to is updated', () => {
    const error = failure(withFunction(() => ({ stateUpdates: { keys: '%keep' } })));
    expect(error).toMatchObject({
      code: 'model-state',
      where: "function 'prefill', node 'keepV'",
      got: 'none',
    });
    expect(failure(withFunction(() => ({ stateUpdates: { keys: 'keys', values: '%keepV' } }))).code).toBe(
      'model-stale-state',
    );
  });

  it('is not read after it was overwritten in place', () => {
    const error = failure(withNode('mix', () => ({ inputs: ['%qRope', 'keys', '%keepV'] })));
    expect(error).toMatchObject({
      code: 'model-stale-state',
      where: "function 'prefill', node 'mix'",
      expected: "the output of node 'keep'",
    });
    const twice = withNode('keepV', () => ({ inputs: ['%keep', '%k'] }));
    expect(failure(twice).code).toBe('model-stale-state');
  });

  it('is what an append takes', () => {
    const model = tinyModel();
    const cache = { name: 'fixed', type: model.states[0].type, components: {} };
    const wrong = withNode('keep', () => ({ inputs: ['fixed', '%kRope'] }), {
      ...model,
      constants: [...model.constants, cache],
    });
    expect(failure(wrong)).toMatchObject({ code: 'model-state', got: "'fixed'" });
  });
});

describe('numerics', () => {
  const integer = tinyModel({ isInteger: true });
  const record = (changes: Partial<Model['numerics']>, base = integer): BitloomError =>
    failure({ ...base, numerics: { ...base.numerics, ...changes } });

  it('agree with themselves', () => {
    expect(record({ activationScale: 'none' })).toMatchObject({
      code: 'model-numerics',
      where: "numerics 'W8A8'",
    });
    expect(record({ scores: 'f32' }).code).toBe('model-numerics');
    expect(record({ probabilities: 'f32' }).code).toBe('model-numerics');
    expect(record({ activationScale: 'per-token-amax/127' }, tinyModel()).code).toBe('model-numerics');
  });

  it('agree with the KV cache', () => {
    const cache = (type: ValueType, base: Model): BitloomError =>
      failure({ ...base, states: base.states.map((state) => ({ ...state, type })) });
    expect(cache(dense('f32', [2, 24, 4]), integer)).toMatchObject({
      code: 'model-numerics',
      where: "state 'keys'",
    });
    expect(cache(int8Cache(), tinyModel()).code).toBe('model-numerics');
    expect(cache({ ...int8Cache(), element: intFormat(4) }, integer).code).toBe('model-numerics');
    const perTensor = int8Cache().scales.map((level) => ({ ...level, block: [0, 0, 0] }));
    expect(cache({ ...int8Cache(), scales: perTensor }, integer).code).toBe('model-numerics');
    const whole = int8Cache().scales.map((level) => ({ ...level, block: [1, 1, 4] }));
    const states = integer.states.map((state) => ({ ...state, type: { ...int8Cache(), scales: whole } }));
    expect(verifyModel({ ...integer, states }).size).toBe(2);
  });

  it('know caches of 4 bits', () => {
    const numerics = integerNumerics('W8A8-KV4', 4);
    expect([integerNumerics('W8A8'), numerics, tinyModel().numerics].map(cacheBits)).toEqual([
      8,
      4,
      undefined,
    ]);
    expect(record(numerics)).toMatchObject({ code: 'model-numerics', where: "state 'keys'" });
    const narrow = integer.states.map((state) => ({
      ...state,
      type: { ...int8Cache(), element: intFormat(4) },
    }));
    expect(verifyModel({ ...integer, numerics, states: narrow }).size).toBe(2);
  });

  it('agree with the products', () => {
    const float = {
      ...FLOAT_NUMERICS,
      kvCache: integer.numerics.kvCache,
      scores: integer.numerics.scores,
      probabilities: integer.numerics.probabilities,
    };
    expect(record(float)).toMatchObject({ code: 'model-numerics', where: "function 'prefill', node 'q'" });
    const linear = { linear: 'int8-activations', activationScale: 'per-token-amax/127' } as const;
    expect(record(linear, tinyModel())).toMatchObject({ code: 'model-numerics', got: 'float32 only' });
  });
});
