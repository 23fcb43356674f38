/**
 * The operations of the model graph as one table: operands, attributes and the type each result has.
 * Results are defined by `kernels/reference`; here stands only what is legal. A new op is one entry.
 */
import { BitloomError } from '../error.js';
import { type Expression, formatExpression } from '../expression.js';
import { FP32, intFormat } from './element-format.js';
import type { AttributeValue, GraphNode } from './graph.js';
import { type Band, type DType, dense, type ValueType } from './types.js';

export type AttributeKind = 'integer' | 'float' | 'string' | 'boolean' | 'integers';

export interface AttributeSpec {
  readonly kind: AttributeKind;
  /** Legal strings, where the attribute is an enumeration. */
  readonly values?: readonly string[];
  /** Whether a node may be without it. */
  readonly optional?: true;
  readonly doc: string;
}

export interface OpSpec {
  readonly name: string;
  readonly doc: string;
  /** Operand names in order; a trailing `?` marks an optional one. */
  readonly inputs: readonly string[];
  readonly outputs: number;
  readonly attributes: Readonly<Record<string, AttributeSpec>>;
  /** Result types. Throws a BitloomError with code `op-type` when the operands do not fit. */
  readonly infer: (types: readonly ValueType[], node: GraphNode) => readonly ValueType[];
}

function fail(node: GraphNode, expected: string, got: string): never {
  throw new BitloomError({
    code: 'op-type',
    message: `operands of op '${node.op}' do not fit`,
    where: `node '${node.name}'`,
    expected,
    got,
  });
}

/** Text of a type, e.g. `f32[seq, 64]`, `int4{fp16/1x32; canonical}[64, 64]`, `int4{...; 8:16 nm.m16.b16x16}[64, 64]`. */
export function formatType(type: ValueType): string {
  const shape = type.shape.map(formatExpression).join(', ');
  if (type.kind === 'dense') return `${type.dtype}[${shape}]`;
  const scales = type.scales.map((s) => `${s.format.name}/${s.block.join('x')}`).join(' ');
  const { sparsity } = type;
  const kept = sparsity?.kind === 'n-of-m' ? `${sparsity.keep.join('|')}:${sparsity.m} ` : '';
  const name = type.bands === undefined ? type.element.name : type.bands.map(formatBand).join('+');
  return `${name}{${scales}; ${kept}${type.layout}}[${shape}]`;
}

/** Element, what is kept and columns of a band. */
function formatBand({ element, sparsity, cols }: Band): string {
  const kept = sparsity?.kind === 'n-of-m' ? ` ${sparsity.keep.join('|')}:${sparsity.m}` : '';
  return `${element.name}${kept}/${cols}`;
}

function sameDim(a: Expression, b: Expression): boolean {
  return formatExpression(a) === formatExpression(b);
}

function input(types: readonly ValueType[], index: number, node: GraphNode): ValueType {
  const type = types[index];
  if (type === undefined) fail(node, `operand ${index}`, `${types.length} operands`);
  return type;
}

function rank(type: ValueType, n: number, node: GraphNode, what: string): readonly Expression[] {
  if (type.shape.length !== n) fail(node, `${what} of rank ${n}`, formatType(type));
  return type.shape;
}

function requireDense(type: ValueType, dtype: DType, node: GraphNode, what: string): void {
  if (type.kind !== 'dense' || type.dtype !== dtype) fail(node, `${what} of type ${dtype}`, formatType(type));
}

function floatInput(types: readonly ValueType[], index: number, node: GraphNode): readonly Expression[] {
  const type = input(types, index, node);
  if (type.kind !== 'dense' || (type.dtype !== 'f32' && type.dtype !== 'f16' && type.dtype !== 'bf16')) {
    fail(node, `operand ${index} dense float`, formatType(type));
  }
  return type.shape;
}

/** Attribute readers for code that handles a node after verification. */
export function integerAttribute(node: GraphNode, name: string): number {
  const value = attribute(node, name);
  if (typeof value !== 'number' || !Number.isInteger(value))
    fail(node, `integer attribute '${name}'`, String(value));
  return value;
}

/** An integer that a node may be without. */
export function optionalIntegerAttribute(node: GraphNode, name: string): number | undefined {
  return Object.hasOwn(node.attributes, name) ? integerAttribute(node, name) : undefined;
}

export function floatAttribute(node: GraphNode, name: string): number {
  const value = attribute(node, name);
  if (typeof value !== 'number') fail(node, `number attribute '${name}'`, String(value));
  return value;
}

export function stringAttribute(node: GraphNode, name: string): string {
  const value = attribute(node, name);
  if (typeof value !== 'string') fail(node, `string attribute '${name}'`, String(value));
  return value;
}

function attribute(node: GraphNode, name: string): AttributeValue {
  const value = Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
  if (value === undefined) fail(node, `attribute '${name}'`, 'none');
  return value;
}

const EPSILON: AttributeSpec = { kind: 'float', doc: 'added to the variance' };

function elementwise(name: string, doc: string, operands: number): OpSpec {
  return {
    name,
    doc,
    inputs: ['a', 'b'].slice(0, operands),
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const shape = floatInput(types, 0, node);
      if (operands === 2) {
        const other = floatInput(types, 1, node);
        const offset = shape.length - other.length;
        const fits = offset >= 0 && other.every((dim, i) => sameDim(dim, shape[i + offset] ?? -1));
        if (!fits)
          fail(
            node,
            `b of shape [${shape.map(formatExpression).join(', ')}] or its last axes`,
            formatType(input(types, 1, node)),
          );
      }
      return [dense('f32', shape)];
    },
  };
}

const OPS: readonly OpSpec[] = [
  {
    name: 'embedding',
    doc: 'Rows of a table: out[t, :] = table[ids[t], :].',
    inputs: ['ids', 'table'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const ids = input(types, 0, node);
      requireDense(ids, 'i32', node, 'ids');
      const [tokens] = rank(ids, 1, node, 'ids');
      const [, width] = rank(input(types, 1, node), 2, node, 'table');
      return [dense('f32', [tokens ?? 0, width ?? 0])];
    },
  },
  {
    name: 'positions',
    doc: 'Positions of this call: out[t] = past + t + offset. The operand gives the number of tokens.',
    inputs: ['ids'],
    outputs: 1,
    attributes: { offset: { kind: 'integer', doc: 'added to every position' } },
    infer: (types, node) => [dense('i32', [rank(input(types, 0, node), 1, node, 'ids')[0] ?? 0])],
  },
  {
    name: 'linear',
    doc: 'out[t, n] = sum_k x[t, k] * w[n, k] (+ bias[n]). x float, and w float or quantised (its float32 values are meant); or x int8 per token from `quantize`, and w quantised.',
    inputs: ['x', 'w', 'bias?'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const x = input(types, 0, node);
      const [tokens, k] = rank(x, 2, node, 'x');
      const w = input(types, 1, node);
      const [n, wk] = rank(w, 2, node, 'w');
      if (!sameDim(k ?? -1, wk ?? -2))
        fail(node, `w with ${formatExpression(k ?? -1)} columns`, formatType(w));
      if (x.kind === 'quantized' && w.kind !== 'quantized') {
        fail(node, 'w quantised, as x is', `${formatType(x)} and ${formatType(w)}`);
      }
      const bias = types.length > 2 ? floatInput(types, 2, node) : undefined;
      if (bias !== undefined && !(bias.length === 1 && sameDim(bias[0], n ?? -1))) {
        fail(node, `bias of shape [${formatExpression(n ?? 0)}]`, formatType(input(types, 2, node)));
      }
      return [dense('f32', [tokens ?? 0, n ?? 0])];
    },
  },
  {
    name: 'quantize',
    doc: 'INT8 codes -127..127 with one float32 scale per row: scale = amax/127.',
    inputs: ['x'],
    outputs: 1,
    attributes: { bits: { kind: 'integer', doc: 'code width; 8' } },
    infer: (types, node) => {
      const shape = floatInput(types, 0, node);
      return [
        {
          kind: 'quantized',
          shape,
          element: intFormat(integerAttribute(node, 'bits')),
          scales: [
            {
              format: FP32,
              block: shape.map((_, i) => (i === shape.length - 1 ? 0 : 1)),
              direction: 'multiply',
              rule: 'amax/127',
            },
          ],
          layout: 'rows',
        },
      ];
    },
  },
  {
    name: 'rmsNorm',
    doc: 'x / sqrt(mean(x^2) + epsilon) * weight over the last axis; with headDim over each run of headDim columns by itself, which share one weight [headDim].',
    inputs: ['x', 'weight'],
    outputs: 1,
    attributes: {
      epsilon: EPSILON,
      headDim: { kind: 'integer', doc: 'width of a head; absent: the whole row', optional: true },
    },
    infer: (types, node) => {
      const headDim = optionalIntegerAttribute(node, 'headDim');
      return headDim === undefined ? normType(types, node, 1) : headNormType(types, node, headDim);
    },
  },
  {
    name: 'layerNorm',
    doc: '(x - mean) / sqrt(var + epsilon) * weight + bias over the last axis.',
    inputs: ['x', 'weight', 'bias?'],
    outputs: 1,
    attributes: { epsilon: EPSILON },
    infer: (types, node) => normType(types, node, types.length - 1),
  },
  {
    name: 'rope',
    doc: 'Rotary positions on heads of width headDim; table[p, i] = (cos, sin) of position p = past + t.',
    inputs: ['x', 'table'],
    outputs: 1,
    attributes: {
      headDim: { kind: 'integer', doc: 'width of a head' },
      layout: { kind: 'string', values: ['interleaved', 'half'], doc: 'which elements form a pair' },
    },
    infer: (types, node) => {
      const shape = floatInput(types, 0, node);
      const table = floatInput(types, 1, node);
      const width = shape[shape.length - 1];
      const headDim = integerAttribute(node, 'headDim');
      if (typeof width === 'number' && width % headDim !== 0) {
        fail(node, `x of whole heads of ${headDim}`, formatType(input(types, 0, node)));
      }
      const pairs = headDim / 2;
      if (table.length !== 3 || table[1] !== pairs || table[2] !== 2) {
        fail(node, `table of shape [positions, ${pairs}, 2]`, formatType(input(types, 1, node)));
      }
      return [dense('f32', shape)];
    },
  },
  {
    name: 'stateAppend',
    doc: 'Writes x [tokens, heads * headDim] into a state [heads, capacity, headDim] at rows past..; in place.',
    inputs: ['state', 'x'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const state = input(types, 0, node);
      const [heads, , width] = rank(state, 3, node, 'state');
      const x = floatInput(types, 1, node);
      if (typeof heads !== 'number' || typeof width !== 'number' || x[1] !== heads * width) {
        fail(
          node,
          'x of heads * headDim columns',
          `${formatType(input(types, 1, node))} into ${formatType(state)}`,
        );
      }
      return [state];
    },
  },
  {
    name: 'attention',
    doc: 'Causal scaled dot-product attention of q [tokens, heads * headDim] over cached keys and values; query head h reads key head floor(h * kvHeads / heads). Scores of tokens outside of the window, and in blocks where the mask is 0, are -inf. mask [1 or heads, rows, columns] u8: rows of maskRows positions of queries, columns of maskCols positions of tokens; a token always sees itself.',
    inputs: ['q', 'keys', 'values', 'mask?'],
    outputs: 1,
    attributes: {
      heads: { kind: 'integer', doc: 'query heads' },
      kvHeads: { kind: 'integer', doc: 'key and value heads' },
      headDim: { kind: 'integer', doc: 'width of a head' },
      scale: { kind: 'float', doc: 'multiplies the scores; a float32' },
      window: {
        kind: 'integer',
        doc: 'a token sees itself and the window - 1 tokens before it; absent: all before it',
        optional: true,
      },
      maskRows: { kind: 'integer', doc: 'positions of queries in a block of the mask', optional: true },
      maskCols: { kind: 'integer', doc: 'positions of tokens in a block of the mask', optional: true },
    },
    infer: (types, node) => {
      const shape = floatInput(types, 0, node);
      const window = optionalIntegerAttribute(node, 'window');
      if (window !== undefined && window < 1) fail(node, 'a window of at least 1 token', String(window));
      const [heads, kvHeads, width] = [
        integerAttribute(node, 'heads'),
        integerAttribute(node, 'kvHeads'),
        integerAttribute(node, 'headDim'),
      ];
      if (shape[1] !== heads * width)
        fail(node, `q of ${heads * width} columns`, formatType(input(types, 0, node)));
      if (heads % kvHeads !== 0) fail(node, 'heads a multiple of kvHeads', `${heads} and ${kvHeads}`);
      for (const index of [1, 2]) {
        const state = rank(input(types, index, node), 3, node, 'state');
        if (state[0] !== kvHeads || state[2] !== width) {
          fail(
            node,
            `state of shape [${kvHeads}, capacity, ${width}]`,
            formatType(input(types, index, node)),
          );
        }
      }
      checkMask(types, node, heads);
      return [dense('f32', shape)];
    },
  },
  {
    name: 'takeLast',
    doc: 'The last row: out[0, :] = x[tokens - 1, :].',
    inputs: ['x'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => [dense('f32', [1, ...floatInput(types, 0, node).slice(1)])],
  },
  elementwise('add', 'a + b; b may be a row that every row of a shares.', 2),
  elementwise('mul', 'a * b; b may be a row that every row of a shares.', 2),
  elementwise('silu', 'a / (1 + exp(-a)).', 1),
  elementwise('gelu', 'Tanh form of GELU.', 1),
  elementwise('relu', 'max(a, 0).', 1),
  {
    name: 'linearInputGradient',
    doc: 'dx[t, k] = sum_n dy[t, n] * w[n, k].',
    inputs: ['dy', 'w'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const [tokens, n] = rank(input(types, 0, node), 2, node, 'dy');
      const [wn, k] = rank(input(types, 1, node), 2, node, 'w');
      if (!sameDim(n ?? -1, wn ?? -2))
        fail(node, `w with ${formatExpression(n ?? -1)} rows`, formatType(input(types, 1, node)));
      return [dense('f32', [tokens ?? 0, k ?? 0])];
    },
  },
  {
    name: 'linearWeightGradient',
    doc: 'dw[n, k] = sum_t dy[t, n] * x[t, k].',
    inputs: ['dy', 'x'],
    outputs: 1,
    attributes: {},
    infer: (types, node) => {
      const [tokens, n] = rank(input(types, 0, node), 2, node, 'dy');
      const [xTokens, k] = rank(input(types, 1, node), 2, node, 'x');
      if (!sameDim(tokens ?? -1, xTokens ?? -2))
        fail(node, 'as many rows in dy as in x', formatType(input(types, 1, node)));
      return [dense('f32', [n ?? 0, k ?? 0])];
    },
  },
  {
    name: 'sgdUpdate',
    doc: 'parameter - rate * gradient, rounded stochastically when a (seed, counter) pair is given.',
    inputs: ['parameter', 'gradient', 'random?'],
    outputs: 1,
    attributes: { rate: { kind: 'float', doc: 'learning rate' } },
    infer: (types, node) => {
      const parameter = input(types, 0, node);
      const gradient = input(types, 1, node);
      const isAlike = parameter.shape.length === gradient.shape.length;
      if (!isAlike || !parameter.shape.every((dim, i) => sameDim(dim, gradient.shape[i]))) {
        fail(node, `gradient like ${formatType(parameter)}`, formatType(gradient));
      }
      if (types.length > 2) requireDense(input(types, 2, node), 'i32', node, 'random (seed, counter)');
      return [parameter];
    },
  },
];

function normType(types: readonly ValueType[], node: GraphNode, parameters: number): readonly ValueType[] {
  const shape = floatInput(types, 0, node);
  const width = shape[shape.length - 1] ?? 0;
  for (let i = 1; i <= parameters; i++) {
    const parameter = floatInput(types, i, node);
    if (parameter.length !== 1 || !sameDim(parameter[0] ?? -1, width)) {
      fail(node, `operand ${i} of shape [${formatExpression(width)}]`, formatType(input(types, i, node)));
    }
  }
  return [dense('f32', shape)];
}

/** The mask of an attention has its block sizes, and covers every position that the caches have. */
function checkMask(types: readonly ValueType[], node: GraphNode, heads: number): void {
  const blocks = [optionalIntegerAttribute(node, 'maskRows'), optionalIntegerAttribute(node, 'maskCols')];
  if (types.length <= 3) {
    if (blocks.some((size) => size !== undefined)) fail(node, 'a mask beside its block sizes', 'none');
    return;
  }
  const type = input(types, 3, node);
  requireDense(type, 'u8', node, 'mask');
  const [own, ...grid] = rank(type, 3, node, 'mask');
  const capacity = input(types, 1, node).shape[1];
  const isCovered = grid.every((count, axis) => {
    const size = blocks[axis] ?? 0;
    return size >= 1 && typeof count === 'number' && typeof capacity === 'number' && count * size >= capacity;
  });
  if ((own !== 1 && own !== heads) || !isCovered) {
    const expected = `mask of [1 or ${heads}, rows, columns] whose blocks of maskRows x maskCols cover the caches`;
    fail(node, expected, `${formatType(type)} of ${blocks.join(' x ')}`);
  }
}

function headNormType(types: readonly ValueType[], node: GraphNode, headDim: number): readonly ValueType[] {
  const shape = floatInput(types, 0, node);
  const width = shape[shape.length - 1];
  if (headDim < 1 || (typeof width === 'number' && width % headDim !== 0)) {
    fail(node, `x of whole heads of ${headDim}`, formatType(input(types, 0, node)));
  }
  const weight = floatInput(types, 1, node);
  if (weight.length !== 1 || weight[0] !== headDim) {
    fail(node, `weight of shape [${headDim}]`, formatType(input(types, 1, node)));
  }
  return [dense('f32', shape)];
}

/** Every op by name. */
export const OP_TABLE: ReadonlyMap<string, OpSpec> = new Map(OPS.map((op) => [op.name, op]));

/**
 * The table entry of an op.
 * @throws BitloomError `op-unknown`
 */
export function opSpec(name: string): OpSpec {
  const spec = OP_TABLE.get(name);
  if (spec === undefined) {
    throw new BitloomError({
      code: 'op-unknown',
      message: `no operation is named '${name}'`,
      expected: [...OP_TABLE.keys()].join(', '),
      got: name,
    });
  }
  return spec;
}
