/** The op table: what each operation makes of its operands, and what it refuses. */
import { describe, expect, it } from 'vitest';
import {
  add,
  dense,
  floatAttribute,
  formatType,
  type GraphNode,
  integerAttribute,
  OP_TABLE,
  opSpec,
  stringAttribute,
  symbol,
  type ValueType,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import { int8Cache, int8Matrix } from './support/tiny-model.js';

const seq = symbol('seq');
const f32 = (...shape: Parameters<typeof dense>[1][number][]): ValueType => dense('f32', shape);
const i32 = (...shape: Parameters<typeof dense>[1][number][]): ValueType => dense('i32', shape);

function nodeOf(op: string, attributes: GraphNode['attributes']): GraphNode {
  return { name: 'n', op, inputs: [], outputs: ['out'], attributes };
}

function infer(op: string, types: readonly ValueType[], attributes: GraphNode['attributes'] = {}): string {
  return opSpec(op).infer(types, nodeOf(op, attributes)).map(formatType).join('; ');
}

function refusal(op: string, types: readonly ValueType[], attributes: GraphNode['attributes'] = {}): string {
  const error = errorOf(() => infer(op, types, attributes));
  expect(error).toMatchObject({ code: 'op-type', where: "node 'n'" });
  return `${error.expected} | ${error.got}`;
}

const codes: ValueType = {
  ...int8Matrix(1, 16),
  shape: [seq, 16],
  layout: 'rows',
};
const cache = f32(2, 24, 4);
const u8 = (...shape: readonly number[]): ValueType => dense('u8', shape);
const blocks = { maskRows: 8, maskCols: 4 };
const heads = { heads: 4, kvHeads: 2, headDim: 4, scale: 0.5 };

describe('result types', () => {
  it.each<[string, readonly ValueType[], GraphNode['attributes'], string]>([
    ['embedding', [i32(seq), f32(100, 16)], {}, 'f32[seq, 16]'],
    ['embedding', [i32(seq), int8Matrix(100, 16)], {}, 'f32[seq, 16]'],
    ['positions', [i32(seq)], { offset: 2 }, 'i32[seq]'],
    ['linear', [f32(seq, 16), f32(8, 16)], {}, 'f32[seq, 8]'],
    ['linear', [codes, int8Matrix(8, 16), f32(8)], {}, 'f32[seq, 8]'],
    ['linear', [f32(seq, 16), int8Matrix(8, 16)], {}, 'f32[seq, 8]'],
    ['quantize', [f32(seq, 16)], { bits: 8 }, 'int8{fp32/1x0; rows}[seq, 16]'],
    ['rmsNorm', [f32(seq, 16), f32(16)], { epsilon: 1e-5 }, 'f32[seq, 16]'],
    ['rmsNorm', [f32(seq, 16), f32(4)], { epsilon: 1e-5, headDim: 4 }, 'f32[seq, 16]'],
    ['layerNorm', [f32(seq, 16), f32(16), f32(16)], { epsilon: 1e-5 }, 'f32[seq, 16]'],
    ['layerNorm', [f32(seq, 16), f32(16)], { epsilon: 1e-5 }, 'f32[seq, 16]'],
    ['rope', [f32(seq, 16), f32(24, 2, 2)], { headDim: 4, layout: 'half' }, 'f32[seq, 16]'],
    ['stateAppend', [cache, f32(seq, 8)], {}, 'f32[2, 24, 4]'],
    ['stateAppend', [int8Cache(), f32(seq, 8)], {}, 'int8{fp32/1x1x0; rows}[2, 24, 4]'],
    ['attention', [f32(seq, 16), cache, cache], heads, 'f32[seq, 16]'],
    ['attention', [f32(seq, 16), cache, cache], { ...heads, window: 1 }, 'f32[seq, 16]'],
    ['attention', [f32(seq, 16), cache, cache, u8(4, 3, 6)], { ...heads, ...blocks }, 'f32[seq, 16]'],
    ['takeLast', [f32(seq, 16)], {}, 'f32[1, 16]'],
    ['add', [f32(seq, 16), f32(seq, 16)], {}, 'f32[seq, 16]'],
    ['add', [f32(seq, 16), f32(16)], {}, 'f32[seq, 16]'],
    ['mul', [f32(add(seq, 1), 16), f32(add(seq, 1), 16)], {}, 'f32[(seq + 1), 16]'],
    ['silu', [dense('bf16', [seq, 16])], {}, 'f32[seq, 16]'],
    ['gelu', [dense('f16', [seq])], {}, 'f32[seq]'],
    ['relu', [f32(2, 3, 4)], {}, 'f32[2, 3, 4]'],
    ['linearInputGradient', [f32(seq, 8), f32(8, 16)], {}, 'f32[seq, 16]'],
    ['linearWeightGradient', [f32(seq, 8), f32(seq, 16)], {}, 'f32[8, 16]'],
    ['sgdUpdate', [f32(8, 16), f32(8, 16), i32(2)], { rate: 0.1 }, 'f32[8, 16]'],
  ])('%s %j', (op, types, attributes, expected) => {
    expect(infer(op, types, attributes)).toBe(expected);
  });

  it('stand for every op of the table', () => {
    // The cases above are all there are: a new op needs one.
    expect([...OP_TABLE.keys()].sort()).toEqual(
      [
        'add',
        'attention',
        'embedding',
        'gelu',
        'layerNorm',
        'linear',
        'linearInputGradient',
        'linearWeightGradient',
        'mul',
        'positions',
        'quantize',
        'relu',
        'rmsNorm',
        'rope',
        'sgdUpdate',
        'silu',
        'stateAppend',
        'takeLast',
      ].sort(),
    );
  });
});

describe('refusals', () => {
  it.each<[string, readonly ValueType[], GraphNode['attributes'], RegExp]>([
    ['embedding', [f32(seq), f32(100, 16)], {}, /ids of type i32/],
    ['embedding', [i32(seq, 2), f32(100, 16)], {}, /ids of rank 1/],
    ['embedding', [i32(seq), f32(100)], {}, /table of rank 2/],
    ['linear', [f32(seq, 16), f32(8, 15)], {}, /w with 16 columns/],
    ['linear', [codes, f32(8, 16)], {}, /w quantised, as x is/],
    ['linear', [f32(seq, 16), f32(8, 16), f32(9)], {}, /bias of shape \[8\]/],
    ['linear', [f32(seq, 16), f32(8, 16), f32(8, 2)], {}, /bias of shape \[8\]/],
    ['linear', [f32(16), f32(8, 16)], {}, /x of rank 2/],
    ['quantize', [codes], { bits: 8 }, /dense float/],
    ['rmsNorm', [f32(seq, 16), f32(15)], { epsilon: 1 }, /operand 1 of shape \[16\]/],
    ['rmsNorm', [f32(seq, 16), f32(16)], { epsilon: 1, headDim: 4 }, /weight of shape \[4\]/],
    ['rmsNorm', [f32(seq, 16), f32(5)], { epsilon: 1, headDim: 5 }, /whole heads of 5/],
    ['rmsNorm', [f32(seq, 16), f32(16)], { epsilon: 1, headDim: 0 }, /whole heads of 0/],
    ['layerNorm', [f32(seq, 16), f32(16), f32(1, 16)], { epsilon: 1 }, /operand 2/],
    ['rope', [f32(seq, 16), f32(24, 4, 2)], { headDim: 4, layout: 'half' }, /\[positions, 2, 2\]/],
    ['stateAppend', [cache, f32(seq, 9)], {}, /heads \* headDim/],
    ['stateAppend', [f32(2, 24), f32(seq, 8)], {}, /state of rank 3/],
    ['attention', [f32(seq, 12), cache, cache], heads, /q of 16 columns/],
    ['attention', [f32(seq, 16), cache, f32(2, 24, 8)], heads, /\[2, capacity, 4\]/],
    ['attention', [f32(seq, 12), cache, cache], { ...heads, heads: 3 }, /multiple of kvHeads/],
    ['attention', [f32(seq, 16), cache, cache], { ...heads, window: 0 }, /at least 1 token/],
    ['attention', [f32(seq, 16), cache, cache], { ...heads, ...blocks }, /a mask beside/],
    ['attention', [f32(seq, 16), cache, cache, f32(1, 3, 6)], { ...heads, ...blocks }, /of type u8/],
    ['attention', [f32(seq, 16), cache, cache, u8(1, 3, 6)], heads, /cover the caches/],
    ['attention', [f32(seq, 16), cache, cache, u8(1, 2, 6)], { ...heads, ...blocks }, /cover the caches/],
    ['attention', [f32(seq, 16), cache, cache, u8(2, 3, 6)], { ...heads, ...blocks }, /1 or 4/],
    ['add', [f32(seq, 16), f32(8)], {}, /last axes/],
    ['add', [f32(16), f32(seq, 16)], {}, /last axes/],
    ['mul', [f32(seq, 16), i32(seq, 16)], {}, /dense float/],
    ['silu', [i32(seq)], {}, /dense float/],
    ['linearInputGradient', [f32(seq, 8), f32(9, 16)], {}, /w with 8 rows/],
    ['linearWeightGradient', [f32(seq, 8), f32(3, 16)], {}, /as many rows/],
    ['rope', [f32(seq, 18), f32(24, 2, 2)], { headDim: 4, layout: 'half' }, /whole heads of 4/],
    ['sgdUpdate', [f32(8, 16), f32(8, 3)], { rate: 1 }, /gradient like/],
    ['sgdUpdate', [f32(8, 16), f32(9, 16)], { rate: 1 }, /gradient like/],
    ['sgdUpdate', [f32(8, 16), f32(8, 16), f32(2)], { rate: 1 }, /seed, counter/],
    ['takeLast', [], {}, /operand 0/],
  ])('%s %j', (op, types, attributes, expected) => {
    expect(refusal(op, types, attributes)).toMatch(expected);
  });

  it('name an unknown op and list the known ones', () => {
    const error = errorOf(() => opSpec('matmul'));
    expect(error).toMatchObject({ code: 'op-unknown', got: 'matmul' });
    expect(error.expected).toContain('linear');
  });
});

describe('attribute readers', () => {
  const node = nodeOf('rope', { headDim: 4, layout: 'half', scale: 0.5 });

  it('give values of the kind asked for', () => {
    expect(integerAttribute(node, 'headDim')).toBe(4);
    expect(floatAttribute(node, 'scale')).toBe(0.5);
    expect(stringAttribute(node, 'layout')).toBe('half');
  });

  it('refuse others, and what only the prototype has', () => {
    expect(errorOf(() => integerAttribute(node, 'scale')).expected).toBe("integer attribute 'scale'");
    expect(errorOf(() => floatAttribute(node, 'layout')).got).toBe('half');
    expect(errorOf(() => stringAttribute(node, 'toString')).got).toBe('none');
  });
});

describe('every entry', () => {
  it.each([...OP_TABLE])('%s is documented and sane', (name, spec) => {
    expect(spec.name).toBe(name);
    expect(spec.doc.length).toBeGreaterThan(4);
    expect(spec.outputs).toBe(1);
    const optional = spec.inputs.map((operand) => operand.endsWith('?'));
    // Optional operands come last.
    expect(optional).toEqual([...optional].sort((a, b) => Number(a) - Number(b)));
    for (const attribute of Object.values(spec.attributes)) expect(attribute.doc.length).toBeGreaterThan(4);
  });
});
