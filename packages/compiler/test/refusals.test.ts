/** What the compiler refuses: with which code, where, and how much is missing. */
import {
  type ConstantDecl,
  type Device,
  dense,
  FLOAT_NUMERICS,
  findCard,
  type GraphFunction,
  type GraphNode,
  type Model,
} from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { type CardChanges, cardWith } from '../../../test/support/small-cards.js';
import { type CompileOptions, compile } from '../src/index.js';
import { errorOf } from './support/errors.js';
import { quantizedLlama, STORIES } from './support/quantized-llama.js';
import { quantizedOpt } from './support/quantized-opt.js';

const U280 = findCard('u280');
const MODEL = quantizedLlama({ ...STORIES, layers: 1 });
const KIB = 1024;

function refusal(
  model: Model,
  device: Device = U280,
  options: CompileOptions = {},
): ReturnType<typeof errorOf> {
  return errorOf(() => compile(model, device, options));
}

/** The model with every entry's nodes rewritten. */
function rewritten(change: (node: GraphNode) => GraphNode, model: Model = MODEL): Model {
  return { ...model, functions: model.functions.map((fn) => ({ ...fn, nodes: fn.nodes.map(change) })) };
}

const onOp =
  (op: string, change: Partial<GraphNode>) =>
  (node: GraphNode): GraphNode =>
    node.op === op ? { ...node, ...change } : node;

describe('numerics', () => {
  it('float32 models, and numerics that the card does not list', () => {
    const error = refusal({ ...MODEL, numerics: FLOAT_NUMERICS });
    expect(error).toMatchObject({
      code: 'compiler-numerics-unsupported',
      where: "device 'u280'",
      expected: [8, 4]
        .map(
          (bits) =>
            `int8-activations, per-token-amax/127, nearest-even, int${bits}-per-token-head, int8, int8-value-scale-folded, two-pass, f32, partial16-tree, sequential`,
        )
        .join('; '),
      got: 'f32, none, nearest-even, f32, f32, f32, two-pass, f32, partial16-tree, sequential',
    });
    expect(error.message).toContain("'f32'");
    expect(error.hint).toContain('W8A8');
    expect(refusal(MODEL, { ...U280, numerics: [] }).code).toBe('compiler-numerics-unsupported');
  });

  it('products of float activations, and a float cache', () => {
    const [quantize] = MODEL.functions[0].nodes.filter(({ op }) => op === 'quantize');
    const bypass = (node: GraphNode): GraphNode => ({
      ...node,
      inputs: node.inputs.map((name) => (name === quantize.outputs[0] ? quantize.inputs[0] : name)),
    });
    expect(refusal(rewritten(bypass))).toMatchObject({
      code: 'model-numerics',
      expected: 'activations from `quantize`',
    });
    const states = MODEL.states.map((state) => ({ ...state, type: dense('f32', state.type.shape) }));
    expect(refusal({ ...MODEL, states })).toMatchObject({ code: 'model-numerics', got: 'f32[4, 512, 8]' });
  });
});

describe('ops without an instruction', () => {
  it('are named, with the node', () => {
    const fn: GraphFunction = {
      name: 'decode',
      inputs: [{ name: 'tokens', type: dense('i32', [1]) }],
      outputs: ['dw'],
      nodes: [
        { name: 'rows', op: 'embedding', inputs: ['tokens', 'embed'], outputs: ['x'], attributes: {} },
        {
          name: 'the odd one',
          op: 'linearWeightGradient',
          inputs: ['x', 'x'],
          outputs: ['dw'],
          attributes: {},
        },
      ],
      bindings: { seq: 1 },
      stateUpdates: {},
    };
    const error = refusal({ ...MODEL, functions: [fn] });
    expect(error).toMatchObject({
      code: 'compiler-op-unsupported',
      where: "node 'the odd one'",
      got: 'linearWeightGradient',
    });
    expect(error.expected).toContain('attention');
  });

  it('a graph that is not legal is refused by the verifier, which names the node', () => {
    const error = refusal(rewritten(onOp('silu', { op: 'softmax', name: 'the odd one' })));
    expect(error).toMatchObject({ code: 'model-op', where: "function 'prefill', node 'the odd one'" });
  });

  it('activations of another width, a layerNorm without bias, a quantised position table', () => {
    const bits = refusal(rewritten(onOp('quantize', { attributes: { bits: 4 } })));
    expect(bits).toMatchObject({ code: 'compiler-op-unsupported', expected: '8', got: '4' });
    const opt = quantizedOpt({ layers: 1, width: 32, ffn: 40, heads: 2, vocab: 40, context: 30, bits: 8 });
    const plain = (node: GraphNode): GraphNode =>
      node.op === 'layerNorm' ? { ...node, inputs: node.inputs.slice(0, 2) } : node;
    expect(refusal(rewritten(plain, opt)).code).toBe('compiler-op-unsupported');
    const embed = opt.constants.find(({ name }) => name === 'embed');
    const constants = opt.constants.map(
      (c): ConstantDecl =>
        c.name === 'positions' && embed !== undefined ? { ...embed, name: 'positions' } : c,
    );
    expect(refusal({ ...opt, constants }).code).toBe('compiler-op-unsupported');
  });

  it('inputs that are not token ids', () => {
    const fn: GraphFunction = {
      name: 'decode',
      inputs: [{ name: 'x', type: dense('f32', [1, 64]) }],
      outputs: ['y'],
      nodes: [{ name: 'act', op: 'relu', inputs: ['x'], outputs: ['y'], attributes: {} }],
      bindings: { seq: 1 },
      stateUpdates: {},
    };
    expect(refusal({ ...MODEL, functions: [fn] })).toMatchObject({
      code: 'compiler-input-unsupported',
      where: "entry 'decode', input 'x'",
      got: 'f32[1, 64]',
    });
  });
});

describe('buffers that are too small', () => {
  const [wide, layers] = [{ ...STORIES, layers: 1, context: 4096 }, 1];
  it.each<[string, CardChanges, string, RegExp]>([
    ['data', { buffers: { data: 8 * KIB } }, 'buffer data of 8192 bytes', /a free run of \d+ bytes/],
    ['accumulator', { buffers: { accumulator: 32 } }, "node 'attention.", /64 bytes/],
    ['stream', { buffers: { stream: 256 } }, "node 'attention.", /192 bytes/],
    ['weight', { buffers: { weights: 2 * 512 } }, "weight '", /at most 512 bytes/],
  ])('%s: which, and by how much', (name, changes, where, expected) => {
    const error = refusal(quantizedLlama({ ...wide, layers }), cardWith('small', changes));
    expect(error.code).toBe('compiler-does-not-fit');
    expect(error.message).toContain(name);
    expect(error.where).toContain(where);
    expect(error.expected).toMatch(expected);
    if (name === 'weight') {
      expect(error.got).toBe('544 bytes: short by 32');
    } else {
      const [, available, shortfall] = /^(\d+) bytes: short by (\d+)$/.exec(error.got ?? '') ?? [];
      expect(Number(/\d+/.exec(error.expected ?? '')?.[0])).toBe(Number(available) + Number(shortfall));
    }
    expect(error.hint).toContain('larger');
  });

  it('a card without a buffer, or with too shallow loops', () => {
    const without = { ...U280, buffers: U280.buffers.filter(({ space }) => space !== 'stream') };
    expect(refusal(MODEL, without)).toMatchObject({
      code: 'compiler-device-unsupported',
      expected: "a buffer of space 'stream'",
    });
    const flat = (loopDepth: number): Device => cardWith('flat', { loopDepth, buffers: { stream: 4 * KIB } });
    expect(refusal(MODEL, flat(1))).toMatchObject({
      code: 'compiler-device-unsupported',
      expected: 'at most 1',
      got: '2',
    });
    // Two levels are all that this path asks for.
    expect(compile(MODEL, flat(2)).entries).toHaveLength(2);
  });
});

describe('options', () => {
  it.each([0, -1, 1.5, Number.NaN, 513, Number.POSITIVE_INFINITY])('a context of %d', (capacity) => {
    expect(refusal(MODEL, U280, { capacity })).toMatchObject({
      code: 'compiler-capacity',
      expected: '1 to 512',
      got: String(capacity),
    });
  });

  it.each([0, -4, 2.5, Number.NaN])('chunks of %d tokens', (maxChunk) => {
    expect(refusal(MODEL, U280, { maxChunk })).toMatchObject({
      code: 'compiler-chunk',
      got: String(maxChunk),
    });
  });

  it('an entry that the model does not have', () => {
    expect(refusal(MODEL, U280, { entries: ['decode', 'backward'] })).toMatchObject({
      code: 'compiler-entry-unknown',
      expected: 'prefill, decode, forward',
      got: 'backward',
    });
    expect(compile({ ...MODEL, functions: [] }, U280).entries).toEqual([]);
  });

  it('the shortest and the longest context that fit', () => {
    expect(compile(MODEL, U280, { capacity: 1 }).entries[0].symbols).toMatchObject([{ max: 1 }, { max: 0 }]);
    expect(compile(MODEL, U280, { capacity: 512 }).capacity).toBe(512);
    // Models for longer contexts get 4096 unless asked for more.
    const long = quantizedLlama({ ...STORIES, layers: 1, context: 8192 });
    expect(compile(long, U280).capacity).toBe(4096);
    expect(compile(long, U280, { capacity: 5000, maxChunk: 16 }).capacity).toBe(5000);
  });
});
